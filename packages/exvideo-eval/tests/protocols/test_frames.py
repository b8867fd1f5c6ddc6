import pytest
from exvideo_eval.protocols.frames import RANDOM, Frames


def test_the_first_frames_at_a_stride() -> None:
    assert list(Frames(3, stride=4).indices("generated", 9, "a", 0)) == [0, 4, 8]


def test_a_random_start_is_uniform_over_all_that_fit_and_a_function_of_seed_side_and_name() -> None:
    frames = Frames(16, real_start=RANDOM)
    starts = [frames.indices("real", 19, f"clip{index}", 0).start for index in range(400)]
    assert {start: starts.count(start) for start in range(4)}.keys() == set(starts)
    assert all(60 < starts.count(start) < 140 for start in range(4))
    assert starts == [frames.indices("real", 19, f"clip{index}", 0).start for index in range(400)]
    assert starts != [frames.indices("real", 19, f"clip{index}", 1).start for index in range(400)]
    assert frames.indices("generated", 19, "clip0", 0).start == 0


def test_baseline_and_generated_clips_of_one_name_begin_alike() -> None:
    frames = Frames(2, real_start=RANDOM, generated_start=RANDOM)
    starts = [
        [frames.indices(role, 50, f"{index}", 0).start for index in range(20)] for role in ("generated", "baseline")
    ]
    assert starts[0] == starts[1]


@pytest.mark.parametrize(
    ("frames", "total"), [(Frames(16), 15), (Frames(16, stride=8), 120), (Frames(None, minimum=10), 9)]
)
def test_files_that_are_too_short_are_refused(frames: Frames, total: int) -> None:
    with pytest.raises(ValueError, match=f"has {total} frames, fewer than the {frames.span} that the protocol takes"):
        frames.indices("real", total, "a", 0)
    assert len(frames.indices("real", total + 1, "a", 0)) == (frames.count or total + 1)
