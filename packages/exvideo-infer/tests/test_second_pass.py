"""A clip that is noised and denoised from there: video to video."""

from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline, Windows
from exvideo_infer.decode import decode_clips
from exvideo_infer.encoders import encode_clip
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_inference_steps": 4, "output_type": "latent"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="session")
def clip() -> list[Image.Image]:
    """Six frames in which a gradient moves."""
    row, column = np.mgrid[:16, :24]
    waves = [np.stack([128 + 100 * np.sin((row + place) / 5), column * 10, row * 15], -1) for place in range(6)]
    return [Image.fromarray(np.clip(wave, 0, 255).astype(np.uint8)) for wave in waves]


@pytest.fixture
def encoded(pipe: ExVideoPipeline, clip: list[Image.Image]) -> torch.Tensor:
    frames = torch.from_numpy(np.stack([np.asarray(frame) for frame in clip])).permute(0, 3, 1, 2).float()
    return encode_clip(pipe.vae, frames[None] / 127.5 - 1)


def test_at_strength_1_it_is_sampling_from_noise(pipe: ExVideoPipeline, clip: list[Image.Image]) -> None:
    plain = pipe(clip[0], **SMALL, num_frames=6, generator=seeded()).frames
    made = pipe(video=clip, strength=1, **SMALL, generator=seeded()).frames
    assert torch.equal(made, plain)


def test_towards_strength_0_it_is_the_round_trip_through_the_autoencoder(
    pipe: ExVideoPipeline, clip: list[Image.Image], encoded: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    svd = {"use_karras_sigmas": True, "sigma_min": 0.0001, "sigma_max": 700.0, "timestep_type": "continuous"}
    scheduler = diffusers.EulerDiscreteScheduler(prediction_type="v_prediction", **svd)
    monkeypatch.setattr(pipe, "scheduler", scheduler)
    distances = [
        float((pipe(video=clip, strength=strength, **SMALL, generator=seeded()).frames - encoded).std())
        for strength in (0.004, 0.1, 0.4)
    ]
    assert distances == sorted(distances)
    assert distances[0] < 0.0005  # about the least level of noise
    assert distances[-1] > 0.2
    frames = pipe(video=clip, strength=0.004, **SMALL | {"output_type": "pt"}, generator=seeded()).frames
    assert (frames - decode_clips(pipe.vae, encoded, 6, "pt")).abs().max() < 0.03


@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "HeunDiscreteScheduler", "DDIMScheduler", "DDPMScheduler"])
def test_the_network_is_asked_as_often_as_from_noise(
    pipe: ExVideoPipeline, clip: list[Image.Image], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "scheduler", getattr(diffusers, name)(prediction_type="v_prediction"))
    asked, forward = [], pipe.unet.forward

    def counting(*args: Any, **kwargs: Any) -> Any:
        asked.append(args[0].shape)
        return forward(*args, **kwargs)

    monkeypatch.setattr(pipe.unet, "forward", counting)
    for strength in (0.25, 0.5, 1):
        asked.clear()
        pipe(video=clip, strength=strength, **SMALL, generator=seeded())
        assert len(asked) == (7 if name == "HeunDiscreteScheduler" else 4)


def test_frames_may_be_pictures_arrays_or_tensors_and_latents_are_taken_as_they_are(
    pipe: ExVideoPipeline, clip: list[Image.Image], encoded: torch.Tensor
) -> None:
    arrays = [np.asarray(frame) for frame in clip]
    whole = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
    forms: list[Any] = [clip, arrays, np.stack(arrays), whole, whole / 255]
    first, *others = (pipe(clip[0], video=form, **SMALL, generator=seeded()).frames for form in forms)
    assert all(torch.allclose(first, other, atol=1e-4) for other in others)
    without_size = {name: value for name, value in SMALL.items() if name not in ("height", "width")}
    latents = pipe(clip[0], video=encoded, **without_size, generator=seeded()).frames
    assert torch.allclose(first, latents, atol=1e-4)


def test_its_first_frame_is_the_image_where_none_is_given(
    pipe: ExVideoPipeline, clip: list[Image.Image], images: list[Image.Image]
) -> None:
    given, own, other = (
        pipe(image, video=clip, **SMALL, generator=seeded()).frames for image in (clip[0], None, images[0])
    )
    assert torch.equal(given, own)
    assert not torch.allclose(given, other, atol=1e-3)


def test_words_steer_it(text_pipe: ExVideoPipeline, clip: list[Image.Image]) -> None:
    made = text_pipe(prompt=["a red circle", "a blue square"], video=clip, **SMALL, generator=seeded()).frames
    assert made.shape[:2] == (2, 6)
    assert not torch.allclose(*made, atol=1e-4)


def test_several_clips_and_windows(pipe: ExVideoPipeline, clip: list[Image.Image], extension_file: Any) -> None:
    two, apart = (
        pipe(video=clip, num_videos_per_prompt=2, batch_size=batch, **SMALL, generator=seeded()).frames
        for batch in (2, 1)
    )
    assert torch.allclose(two, apart, atol=1e-4)
    assert not torch.allclose(two[0], two[1], atol=1e-2)
    pipe.load_extension(extension_file)
    longer = pipe(video=clip * 3, windows=Windows(), **SMALL, generator=seeded()).frames
    assert longer.shape[1] == 18
    with pytest.raises(ValueError, match="num_frames is 18, but the extension has 12"):
        pipe(video=clip * 3, **SMALL)


def test_it_is_streamed(pipe: ExVideoPipeline, clip: list[Image.Image]) -> None:
    arguments = {name: value for name, value in SMALL.items() if name != "output_type"}
    frames = list(pipe.stream(video=clip, **arguments, generator=seeded(), decode_chunk_size=6))
    whole = pipe(video=clip, **arguments, generator=seeded()).frames[0]
    assert np.array_equal(np.stack(frames), np.stack([np.asarray(frame) for frame in whole]))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"strength": 0}, r"strength is 0: give a number from 0\.001 to 1"),
        ({"strength": 1.5}, r"strength is 1\.5: give"),
        ({"strength": float("nan")}, "strength is nan: give"),
        ({"strength": 0.002}, r"the least is 0\.003"),
        ({"video": None, "strength": 0.5}, "there is no video to put noise on"),
        ({"video": []}, "video: image is an empty list"),
        ({"video": "clip.mp4"}, "video is a str: give frames"),
        ({"video": torch.full((2, 3, 16, 16), 2.0)}, r"video: image is torch\.float32 from 2\.0"),
        ({"num_frames": 5}, "num_frames is 5, and the video has 6"),
        ({"sigmas": [2.0, 1.0, 0.5, 0.0]}, "sigmas were given beside a video"),
        ({"video": torch.zeros(1, 6, 4, 4, 6)}, "give it as image, too"),
        ({"video": torch.zeros(1, 6, 4, 4, 6), "height": 64}, "height is 64, and the video's latents are of 16"),
        ({"video": torch.zeros(2, 6, 5, 4, 6), "image": Image.new("RGB", (9, 9))}, r"latents are of shape \(2, 6, 5"),
        ({"video": torch.full((1, 6, 4, 4, 6), torch.nan)}, "give finite latents"),
    ],
)
def test_what_cannot_be_is_refused(
    pipe: ExVideoPipeline, clip: list[Image.Image], arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        pipe(**{"video": clip, **SMALL, **arguments})
