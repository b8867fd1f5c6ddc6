import pytest
from exvideo_eval.page import choose, rank
from exvideo_eval.page.examples import Ranking


def test_clips_are_ranked_by_the_way_that_is_better() -> None:
    values = {"a": 3.0, "b": 1.0, "c": 2.0}
    assert [name for name, _ in rank("error", values, "lower").order] == ["b", "c", "a"]
    assert [name for name, _ in rank("PSNR", values, "higher").order] == ["a", "c", "b"]


def test_a_neutral_measure_is_best_where_it_is_nearest_to_real_in_ratio() -> None:
    ranking = rank("motion energy", {"half": 0.5, "thrice": 3.0, "same": 1.1}, "neutral", real=1.0)
    assert [name for name, _ in ranking.order] == ["same", "half", "thrice"]
    assert ranking.measure == "motion energy, nearest to the real clips' 1"
    still = rank("motion energy", {"still": 0.0, "near": 0.9}, "neutral", real=1.0)  # no ratio of nothing
    assert [name for name, _ in still.order] == ["near", "still"]
    with pytest.raises(ValueError, match="give the value of the real clips"):
        rank("motion energy", {"a": 1.0}, "neutral")


def test_the_best_the_median_and_the_worst_are_shown() -> None:
    ranking = rank("error", {f"{number:02}": float(number) for number in range(25)}, "lower")
    chosen = choose(ranking, 3)
    assert [(example.name, example.reason) for example in chosen] == [
        ("00", "best (1 of 25)"),
        ("12", "median (13 of 25)"),
        ("24", "worst (25 of 25)"),
    ]
    four = ["best (1 of 25)", "9 of 25", "17 of 25", "worst (25 of 25)"]
    assert [example.reason for example in choose(ranking, 4)] == four
    assert len(choose(ranking, 99)) == 25
    assert [example.name for example in choose(ranking, 1)] == ["00"]
    assert [example.reason for example in choose(rank("error", {"a": 1.0}, "lower"), 3)] == ["best and worst (1 of 1)"]


def test_clips_without_values_are_neither_good_nor_bad() -> None:
    chosen = choose(Ranking("name", (("a", None), ("b", None), ("c", None))), 2)
    assert [(example.name, example.reason) for example in chosen] == [("a", "1 of 3"), ("c", "3 of 3")]
