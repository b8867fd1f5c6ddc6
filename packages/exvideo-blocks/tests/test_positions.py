import itertools

import pytest
from exvideo_blocks.frequencies import FREQUENCIES
from exvideo_blocks.positions import (
    POSITIONS,
    continued_positions,
    interpolated_positions,
    position_ids,
    reflected_positions,
)


def test_published_positions_for_svd() -> None:
    ids = reflected_positions(25, 128)
    down, up = list(range(23, 3, -1)), list(range(5, 25))
    assert ids == (list(range(25)) + down + up + down + up + down + up)[:128]


@pytest.mark.parametrize("base", range(2, 33))
def test_positions_are_known_ones_and_neighbours_stay_neighbours(base: int) -> None:
    ids = reflected_positions(base, 5 * base)
    assert ids[:base] == list(range(base))
    assert set(ids) <= set(range(base))
    assert all(abs(a - b) <= 1 for a, b in itertools.pairwise(ids))


def test_a_base_of_one_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="base_frames=1"):
        reflected_positions(1, 8)


def test_continued_positions_are_the_frames_themselves() -> None:
    assert continued_positions(8, 12) == list(range(12))


@pytest.mark.parametrize("base", [2, 8, 25])
def test_interpolated_positions_are_even_from_the_first_to_the_last_known(base: int) -> None:
    ids = interpolated_positions(base, 40)
    assert ids[0] == 0
    assert ids[-1] == pytest.approx(base - 1)
    assert {round(b - a, 9) for a, b in itertools.pairwise(ids)} == {round((base - 1) / 39, 9)}
    assert interpolated_positions(base, 1) == [0]


@pytest.mark.parametrize("name", POSITIONS)
def test_every_kind_gives_a_position_a_frame(name: str) -> None:
    assert len(POSITIONS[name](8, 40)) == 40


@pytest.mark.parametrize("name", FREQUENCIES)
def test_a_table_of_rows_has_no_frequencies_to_change(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' changes the frequencies .* Stable Video .* one of reflected, cont"):
        position_ids(name, 8, 40, "Stable Video Diffusion")
    assert position_ids("reflected", 8, 40, "it") == reflected_positions(8, 40)
