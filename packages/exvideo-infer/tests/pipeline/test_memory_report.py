"""The memory of a call, told before it."""

from typing import Any

import pytest
import torch
from exvideo_infer import ExVideoPipeline
from exvideo_infer.decode import decode_clips
from PIL import Image
from torch.autograd.profiler import profile

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 3, "num_inference_steps": 2, "output_type": "pt"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("num_frames", "height", "width"), [(8, 32, 32), (12, 64, 48), (40, 32, 32)])
def test_memory_is_told_before_a_call(
    pipe: ExVideoPipeline, images: list[Image.Image], num_frames: int, height: int, width: int
) -> None:
    report = pipe.memory_report(height, width, num_frames, decode_chunk_size=8)
    arguments: dict[str, Any] = {"height": height, "width": width, "num_frames": num_frames, "num_inference_steps": 1}
    with profile(profile_memory=True) as profiler:
        pipe(images[0], **arguments, output_type="latent")
    assert report.denoising == pytest.approx(_peak_of(profiler), rel=0.15)
    latents = torch.randn(1, num_frames, 4, height // 4, width // 4)
    with profile(profile_memory=True) as profiler:
        decode_clips(pipe.vae, latents, 8, "pt")
    assert report.decoding + report.frames == pytest.approx(_peak_of(profiler), rel=0.15)
    assert sum(report.weights.values()) == sum(
        parameter.nbytes for part in (pipe.unet, pipe.vae, pipe.image_encoder) for parameter in part.parameters()
    ) + sum(buffer.nbytes for part in (pipe.unet, pipe.vae, pipe.image_encoder) for buffer in part.buffers())
    assert report.peak_offloaded < report.peak
    assert "GiB at most" in str(report)


def _peak_of(profiler: Any) -> int:
    events = [event for event in profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak
