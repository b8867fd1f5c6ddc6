from exvideo_eval.ab.chart import WIDTH, in_words, strip_chart


def test_a_dot_a_round_and_a_bar_at_the_median_to_one_scale() -> None:
    title, base, head = strip_chart("call", {"base": [1.0, 2.0, 1.5], "head": [2.0, 2.0, 2.0]}).splitlines()
    assert title == "call: 1 s to 2 s"
    cells = base[len("  base ") :]
    assert (cells[0], cells[WIDTH - 1], cells.count("·"), cells.index("|")) == ("·", "·", 2, round((WIDTH - 1) / 2))
    assert head[len("  head ") :].strip() == "| 2 s"


def test_one_time_alone_can_be_drawn() -> None:
    assert strip_chart("call", {"base": [1e-6]}).splitlines()[1] == f"  base |{' ' * (WIDTH - 1)} 1 us"


def test_units_suit_the_number() -> None:
    assert [in_words(seconds) for seconds in (12.3, 0.0456, 7.89e-6, 3e-8)] == ["12.3 s", "45.6 ms", "7.89 us", "30 ns"]
