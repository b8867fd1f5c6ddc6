"""Clips beyond the length that a model was trained at: windows, FreeNoise, chains."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import Conditions, ExVideoPipeline, Windows, chain
from exvideo_infer.beyond.chaining import clips_of_chain
from exvideo_infer.beyond.windows import WindowedFamily
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_inference_steps": 2, "output_type": "latent"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Asked:
    """A family whose networks answer the mean of the window that they see, and note it."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, bool]] = []

    def call(self, network: Any, model_input: torch.Tensor, time: Any, conditions: Conditions) -> torch.Tensor:
        assert conditions.first_frame is not None
        self.seen.append((model_input.shape[1], bool(conditions.first_frame.any())))
        return model_input.mean(dim=1, keepdim=True).expand_as(model_input)


@pytest.mark.parametrize(
    ("num_frames", "starts"), [(8, [0]), (5, [0]), (9, [0, 1]), (16, [0, 4, 8]), (18, [0, 4, 8, 10])]
)
def test_windows_cover_the_clip_and_none_is_shorter(num_frames: int, starts: list[int]) -> None:
    windows = Windows().of_length(8)
    assert windows.starts(num_frames) == starts
    assert windows.evaluations(num_frames) == len(starts)


@pytest.mark.parametrize("image", ["first", "none"])
def test_answers_are_blended_by_their_weights(image: str) -> None:
    family = Asked()
    windows = Windows(4, 2, image=image)
    frames = torch.arange(6.0).view(1, 6, 1, 1, 1)
    conditions = Conditions(torch.ones(1, 1, 2), torch.ones(1, 1, 1, 1))
    made = WindowedFamily(family, windows).call(None, frames, torch.tensor(0), conditions)  # type: ignore[arg-type]
    # Means 1.5 and 3.5; weights 1 2 2 1 of each: in the shared frames (2, 3) they are 2 : 1 and 1 : 2.
    expected = [1.5, 1.5, (2 * 1.5 + 3.5) / 3, (1.5 + 2 * 3.5) / 3, 3.5, 3.5]
    assert made.flatten().tolist() == pytest.approx(expected)
    assert family.seen == [(4, True), (4, image == "first")]


def test_up_to_its_own_length_windows_change_nothing(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    plain, windowed = (
        pipe(images[0], **SMALL, num_frames=8, windows=windows, generator=seeded()).frames
        for windows in (None, Windows.free_noise())
    )
    assert torch.equal(plain, windowed)


def test_an_extended_model_goes_beyond_its_extension_by_windows(
    pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Any
) -> None:
    pipe.load_extension(extension_file)
    seen, forward = [], pipe.unet.forward

    def watched(model_input: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(model_input.shape[1])
        return forward(model_input, *args, **kwargs)

    pipe.unet.forward = watched
    try:
        made = pipe(images[0], **SMALL, num_frames=30, windows=Windows(), generator=seeded()).frames
    finally:
        del pipe.unet.forward
    assert made.shape[1] == 30
    assert made.isfinite().all()
    assert seen == [12] * 4 * 2  # windows from 0, 6, 12, 18, twice
    with pytest.raises(ValueError, match="num_frames is 20, but the extension has 12"):
        pipe(images[0], **SMALL, num_frames=40, windows=Windows(20))


def test_repeated_noise_is_the_first_windows_in_another_order() -> None:
    noise = torch.randn(2, 20, 3, generator=seeded())
    windows = Windows.free_noise(8, 4)
    made = windows.noise_of(noise, seeded(1))
    assert torch.equal(made[:, :8], noise[:, :8])
    for clip in made:
        for start in (8, 12, 16):
            before, after = clip[start - 8 : start - 4], clip[start : start + 4]
            assert sorted(before.flatten().tolist()) == sorted(after.flatten().tolist())
    assert not torch.equal(made[:, 8:12], made[:, :4])
    assert torch.equal(windows.noise_of(noise, seeded(1)), made)
    alone = [windows.noise_of(noise[clip : clip + 1], [seeded(clip)]) for clip in (0, 1)]
    assert torch.equal(windows.noise_of(noise, [seeded(0), seeded(1)]), torch.cat(alone))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"weights": "round"}, "weights is 'round'"),
        ({"image": "last"}, "image is 'last'"),
        ({"noise": "pink"}, "noise is 'pink'"),
        ({"length": 1}, "length is 1"),
        ({"length": 8, "overlap": 8}, "overlap is 8"),
        ({"overlap": -1}, "overlap is -1"),
    ],
)
def test_windows_that_cannot_be_are_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Windows(**arguments)


def test_an_overlap_that_is_too_large_for_the_model_is_refused(
    pipe: ExVideoPipeline, images: list[Image.Image]
) -> None:
    with pytest.raises(ValueError, match="overlap is 9"):
        pipe(images[0], **SMALL, num_frames=20, windows=Windows(overlap=9))


def test_a_chain_goes_on_from_the_last_frame(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    asked: list[tuple[Image.Image, int]] = []

    class Counting:
        default_num_frames = 4
        reads_text = False

        def __call__(self, image: Image.Image, num_frames: int, **arguments: Any) -> Any:
            asked.append((image, num_frames))
            return pipe(image, num_frames=num_frames, **arguments)

    arguments = {name: value for name, value in SMALL.items() if name != "output_type"}
    frames = list(chain(Counting(), 9, images[0], **arguments, generator=seeded()))
    assert [count for _, count in asked] == [4, 4, 3]
    assert len(asked) == clips_of_chain(9, 4)
    assert len(frames) == 9
    assert np.array_equal(np.asarray(asked[1][0]), frames[3])
    assert np.array_equal(np.asarray(asked[2][0]), frames[6])
    asked.clear()
    more = list(chain(Counting(), 5, continues=frames, **arguments, generator=seeded()))
    assert len(more) == 5
    assert [count for _, count in asked] == [4, 3]
    assert len(asked) == clips_of_chain(5, 4, continues=True)
    assert np.array_equal(np.asarray(asked[0][0]), frames[-1])
    with pytest.raises(ValueError, match="the last frame is the image"):
        next(chain(pipe, 5, images[0], continues=frames))


def test_a_chain_of_words_goes_on_where_the_base_reads_none(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    class Pictures:
        def __call__(self, **_: Any) -> Any:
            return SimpleNamespace(images=[images[0]])

    pipe.text_to_image = Pictures()
    try:
        arguments = {name: value for name, value in SMALL.items() if name != "output_type"}
        assert len(list(chain(pipe, 5, prompt="a boat", length=3, **arguments))) == 5
    finally:
        pipe.text_to_image = None


def test_an_interruption_ends_the_chain(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    def callback(one: ExVideoPipeline, step: int, *_: Any) -> None:
        one.interrupt = step == 0

    arguments = {name: value for name, value in SMALL.items() if name != "output_type"}
    frames = chain(pipe, 9, images[0], length=3, callback_on_step_end=callback, **arguments)
    assert len(list(frames)) == 3
