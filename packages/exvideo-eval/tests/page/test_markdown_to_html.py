from xml.etree import ElementTree

from exvideo_eval.page.markdown_to_html import as_html

REPORT = """# Clips <here>

![curves](report.png)

Measured with `a < b` and **care**.

| set | clips | |
| --- | --- | --- |
| real \\| held out | 24 | |
| | 12 | `x` |

- one: a & b
- **two**
"""


def test_a_report_s_forms_come_out_as_elements_and_all_else_as_text() -> None:
    page = ElementTree.fromstring(f"<div>{as_html(REPORT)}</div>")
    assert [child.tag for child in page] == ["h1", "p", "div", "ul"]
    assert page.findtext("h1") == "Clips <here>"
    assert page.findtext("p/code") == "a < b"
    rows = [["".join(cell.itertext()) for cell in row] for row in page.iter("tr")]
    assert rows == [["set", "clips", ""], ["real | held out", "24", ""], ["", "12", "x"]]
    assert ["".join(item.itertext()) for item in page.iter("li")] == ["one: a & b", "two"]
    assert page.findtext(".//li/strong") == "two"


def test_markup_in_the_names_of_files_is_shown_and_not_run() -> None:
    assert "<script>" not in as_html("- `<script>alert(1)</script>.mp4`: is <b>corrupt</b>")
