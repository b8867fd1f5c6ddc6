import re
from xml.etree import ElementTree

import pytest
from exvideo_eval.page.chart import chart
from exvideo_eval.result_parts import Curve


def curve(values: list[float], first: int = 0, better: str = "neutral") -> Curve:
    return Curve("motion & more", "squares", "frame index", range(first, first + len(values)), values, better)


def points(svg: ElementTree.Element) -> list[list[tuple[float, float]]]:
    lines = [element.attrib["points"] for element in svg if element.attrib.get("class") == "curve"]
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in lines]


def test_curves_are_drawn_to_one_scale() -> None:
    svg = ElementTree.fromstring(chart("motion & more", {"real": curve([0, 1, 2]), "generated": curve([2, 1, 0])}))
    real, generated = points(svg)
    assert [x for x, _ in real] == [x for x, _ in generated] == sorted(x for x, _ in real)
    assert [y for _, y in real] == [y for _, y in reversed(generated)]
    assert real[0][1] - real[1][1] == pytest.approx(real[1][1] - real[2][1])
    assert real[0][1] > real[2][1]  # upwards


def test_a_playhead_s_scale_is_that_of_the_curves() -> None:
    svg = ElementTree.fromstring(chart("a", {"real": curve([3, 4, 5, 6], first=1)}))
    (head,) = [element for element in svg if element.attrib.get("class") == "playhead"]
    (line,) = points(svg)
    assert (float(head.attrib["data-first"]), float(head.attrib["data-last"])) == (1, 4)
    assert (float(head.attrib["data-left"]), float(head.attrib["data-right"])) == (line[0][0], line[-1][0])


def test_what_is_neither_good_nor_bad_is_drawn_from_zero() -> None:
    drift = {"real": curve([10.0, 10.1])}
    flat, steep = (points(ElementTree.fromstring(chart("a", curves)))[0] for curves in (
        drift, {"real": curve([10.0, 10.1], better="higher")}))  # fmt: skip
    assert flat[0][1] - flat[1][1] < 3
    assert steep[0][1] - steep[1][1] > 100


@pytest.mark.parametrize("values", [[0.0, 0.0], [5.0], [-1e-9, 1e9], [-3.0, -3.0]])
def test_any_values_can_be_drawn(values: list[float]) -> None:
    text = chart("a", {"real": curve(values)})
    ElementTree.fromstring(text)
    assert not re.search(r"nan|inf", text)


def test_a_long_name_is_cut_and_told_whole_where_the_pointer_rests() -> None:
    name = "Fréchet distance, random 3D network, seed 0 features"
    svg = ElementTree.fromstring(chart(name, {"real": curve([0, 1])}))
    (heading,) = [element.text or "" for element in svg if element.attrib.get("class") == "title"]
    assert heading == name[: len(heading) - 1] + "…"
    assert svg.findtext("title") == f"{name}, squares"
    assert svg.attrib["aria-label"] == name
