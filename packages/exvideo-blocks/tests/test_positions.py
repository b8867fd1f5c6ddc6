import itertools

import pytest
from exvideo_blocks.positions import reflected_positions


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
