import numpy as np

from tiny_world.truth.bodies import count_bodies


def boxes(*frames: list[tuple[int, int, int, int]]) -> np.ndarray:
    """A mask (frames, 16, 16) with boxes of (top, left, height, width)."""
    mask = np.zeros((len(frames), 16, 16), np.bool_)
    for number, each in enumerate(frames):
        for top, left, height, width in each:
            mask[number, top : top + height, left : left + width] = True
    return mask


def test_bodies_are_counted_frame_by_frame() -> None:
    mask = boxes([(2, 2, 4, 4)], [], [(2, 2, 4, 4), (9, 2, 4, 4)], [(2, 2, 4, 4), (7, 2, 4, 4), (2, 9, 4, 4)])
    assert count_bodies(mask, 4, 16, None).tolist() == [1, 0, 2, 3]


def test_specks_are_no_bodies_and_touching_bodies_are_two() -> None:
    mask = boxes([(2, 2, 4, 4), (9, 9, 1, 3)], [(2, 2, 4, 8)], [(2, 2, 4, 5)], [(2, 2, 4, 4), (6, 6, 4, 4)])
    assert count_bodies(mask, 4, 16, None).tolist() == [1, 2, 1, 2]


def test_a_body_across_joined_edges_is_one() -> None:
    sideways = boxes([(4, 0, 4, 2), (4, 14, 4, 2)], [(4, 0, 4, 2), (10, 14, 4, 2)], [(4, 0, 4, 3), (4, 9, 4, 3)])
    assert count_bodies(sideways, 4, 16, 0).tolist() == [1, 2, 2]
    assert count_bodies(sideways, 4, 16, None).tolist() == [2, 2, 2]
    upright = sideways.transpose(0, 2, 1)
    assert count_bodies(upright, 4, 16, 1).tolist() == [1, 2, 2]
    assert count_bodies(upright, 4, 16, 0).tolist() == [2, 2, 2]


def test_an_empty_clip_has_none() -> None:
    assert count_bodies(boxes([], []), 4, 16, 0).tolist() == [0, 0]
