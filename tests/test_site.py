"""The documentation's site: it builds without a warning, names every public name, asks nobody, and looks right."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from blocks import read_blocks
from links import broken_in_paper, broken_in_site, read_page

ROOT = Path(__file__).parents[1]
PACKAGES = ("exvideo_blocks", "exvideo_infer", "exvideo_eval", "exvideo_train")
PAPERS = sorted([*ROOT.glob("*.md"), *ROOT.glob("packages/*/README.md")])
# Papers that show names of ours to be used: all but the changelog, which is of the past, too.
GUIDES = sorted({*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("packages/**/README.md")})
GUIDES = [paper for paper in GUIDES if paper.name != "CHANGELOG.md"]
WIDTHS = (390, 1400)  # a phone, a screen


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.mark.parametrize("package", PACKAGES)
def test_the_reference_has_every_public_name(site: Path, package: str) -> None:
    names = {name for name in read_page(site / "api" / f"{package}.html").names if name.startswith(f"{package}.")}
    public = {f"{package}.{name}" for name in import_module(package).__all__}
    assert public <= names
    assert {name for name in names if name.count(".") == 1} == public


def test_each_public_name_has_a_text(site: Path) -> None:
    for package in PACKAGES:
        source = (ROOT / "docs" / "api" / f"{package}.md").read_text()
        html = (site / "api" / f"{package}.html").read_text()
        for name in import_module(package).__all__:
            assert f"::: {package}.{name}\n" in source
            own = html.split(f'id="{package}.{name}"', 1)[1].split("<h3", 1)[0]
            text = re.sub(r"<[^>]+>", "", own.partition('<div class="doc doc-contents')[2])
            assert len(text.split()) > 5, name


def used_names(paper: Path) -> set[str]:
    """Names of our packages that a paper's Python imports, or that stand in its lines as code."""
    found = set(re.findall(r"`[^`\n]*?(?<![\w.])(exvideo_(?:blocks|eval|infer|train)(?:\.\w+)+)", paper.read_text()))
    for block in read_blocks(paper):
        for node in ast.walk(ast.parse(block.code)) if block.language == "python" else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("exvideo_"):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_reference_has_every_name_that_a_paper_uses(site: Path) -> None:
    pages = (read_page(site / "api" / f"{package}.html") for package in PACKAGES)
    known = {name.removesuffix("()") for page in pages for name in page.names}
    lacking = [
        f"{paper.relative_to(ROOT)}: {name}"
        for paper in GUIDES
        for name in sorted(used_names(paper))
        if not any(one == name or one.startswith(f"{name}.") for one in known)
    ]
    assert lacking == []


class ShownText(HTMLParser):
    """The text of a page outside of code, in which a dot stands for each piece of code."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self._inside = "", 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Enters code."""
        self._inside += tag in ("code", "pre", "script", "style", "math")

    def handle_endtag(self, tag: str) -> None:
        """Leaves it."""
        self._inside -= tag in ("code", "pre", "script", "style", "math")

    def handle_data(self, data: str) -> None:
        """Takes text."""
        self.text += "." if self._inside else data


MARKUP = re.compile(r"^\s*\|.*| --- |\*\*|\]\(|`|^#+ .*", re.MULTILINE)


def markup_shown(page: Path) -> list[str]:
    """Marks of Markdown that a reader of a page sees as they are: a row outside of its table, a star, a link."""
    shown = ShownText()
    shown.feed(page.read_text())
    return [found[0].strip()[:60] for found in MARKUP.finditer(shown.text)]


def test_no_markup_is_left_in_a_page(site: Path) -> None:
    assert {page.name: found for page in sorted(site.rglob("*.html")) if (found := markup_shown(page))} == {}


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<p>\n| a | row |</p>", ["| a | row |"]),
        ("<p>two **kwargs</p>", ["**"]),
        ("<p>[a](b.md)</p>", ["]("]),
        ("<p><code>a | **b** [c](d)</code> # no heading</p>", []),
    ],
)
def test_markup_that_is_left_is_found(tmp_path: Path, html: str, found: list[str]) -> None:
    (tmp_path / "page.html").write_text(html)
    assert markup_shown(tmp_path / "page.html") == found


def test_equations_are_whole(site: Path) -> None:
    equations = re.findall(r"<math .*?</math>", (site / "method.html").read_text(), flags=re.DOTALL)
    assert len(equations) > 40
    assert not [equation for equation in equations if re.search(r"\\|<mi>&(?!#)|\$", equation)]


def test_no_link_of_the_site_is_broken(site: Path) -> None:
    assert list(broken_in_site(site)) == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_of_a_paper_is_broken(paper: Path) -> None:
    assert list(broken_in_paper(paper, ROOT)) == []


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        ('<a href="lost.html">', "leads to no file"),
        ('<a href="#lost">', "leads to no element"),
        ('<a href="other.html#lost">', "leads to no element"),
        ('<img src="https://a.site/picture.png">', "is fetched from another site"),
        ('<link rel="stylesheet" href="https://a.site/font.css">', "is fetched from another site"),
        ('<a href="https://nowhere">', "is no address of a site"),
    ],
)
def test_a_broken_link_of_a_site_is_found(tmp_path: Path, html: str, complaint: str) -> None:
    (tmp_path / "other.html").write_text('<p id="here">')
    (tmp_path / "index.html").write_text(
        '<a id="top" href="other.html#here"><a href="#top"><a href="https://a.site/x">'
    )
    assert list(broken_in_site(tmp_path)) == []
    (tmp_path / "bad.html").write_text(html)
    (found,) = broken_in_site(tmp_path)
    assert complaint in found


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("lost.md", "leads to no file"),
        ("#lost", "leads to no heading"),
        ("good.md#lost", "leads to no heading"),
        ("https://github.com/OWNER/exvideo/blob/main/lost.md", "leads to no file"),
    ],
)
def test_a_broken_link_of_a_paper_is_found(tmp_path: Path, link: str, complaint: str) -> None:
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text("# A `name`, here\n\n[a](#a-name-here) [b](https://github.com/OWNER/exvideo/blob/main/good.md)\n")
    assert list(broken_in_paper(good, tmp_path)) == []
    bad.write_text(f"[a]({link})\n```\n[b](nor.md)\n```\n`[c](neither.md)`\n")
    (found,) = broken_in_paper(bad, tmp_path)
    assert complaint in found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The machine's own Chromium, which may ask nobody."""
    player = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with player.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", ["index", "start", "method", "gallery", "which-measure", "api/exvideo_blocks"])
def test_a_page_is_no_wider_than_the_screen_and_asks_nobody(site: Path, browser: Any, page: str, width: int) -> None:
    asked: list[str] = []
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((site / f"{page}.html").as_uri(), wait_until="load")
    assert {url.split(":")[0] for url in asked} <= {"file", "data", "blob"}
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()


def test_the_gallery_plays(site: Path, browser: Any) -> None:
    tab = browser.new_page(viewport={"width": 1400, "height": 900})
    tab.goto((site / "gallery.html").as_uri(), wait_until="load")
    tab.evaluate("document.querySelectorAll('video').forEach(clip => clip.play())")  # also those not in sight
    tab.wait_for_function("[...document.querySelectorAll('video')].every(clip => clip.currentTime > 0)", timeout=20_000)
    lengths = tab.evaluate("[...document.querySelectorAll('video')].map(clip => clip.duration)")
    assert len(lengths) == 12
    assert all(length == pytest.approx(5, abs=0.2) for length in lengths)  # 40 frames, 8 a second
    tab.close()
