from exvideo_eval.plots import draw_bars
from exvideo_eval.result_parts import Metric
from exvideo_eval.results import Result
from matplotlib.figure import Figure

NAME = "Fréchet distance, x features"


def result(distance: float, alike: float | None) -> Result:
    metrics = [Metric(NAME, distance, "squared feature units", "lower", 24, 6, "x")]
    if alike is not None:
        metrics.append(Metric(f"{NAME}, if alike", alike, "squared feature units", "neutral", 24, 6, "x"))
    return Result.measured_here(kind="quality", name="clips", protocol={}, metrics=tuple(metrics))


def test_what_sets_that_are_alike_give_stands_on_each_bar_of_its_own() -> None:
    axes = Figure().subplots()
    draw_bars(axes, NAME, {"baseline": result(11.2, 7.2), "generated": result(3.2, 2.2)})
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    lines = [segment for drawn in axes.collections for segment in drawn.get_segments()]
    level = {(line[0][0], line[1][0]): line[0][1] for line in lines if line[0][1] == line[1][1]}
    assert level == dict(zip(bars, (7.2, 2.2), strict=True))
    assert not axes.lines  # none goes over another set's bar
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["if it and the real clips were alike"]


def test_without_a_test_there_is_no_such_line() -> None:
    axes = Figure().subplots()
    draw_bars(axes, NAME, {"generated": result(3.2, None)})
    assert len(axes.patches) == 1
    assert axes.get_legend() is None
