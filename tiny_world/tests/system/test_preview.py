"""The preview that ships with the embedded model, on clips that neither it nor the model ever had."""

import time
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline, embedded
from exvideo_infer.decode import decode_frames
from exvideo_infer.preview import load_preview
from torch.nn import functional

from tiny_world.system.preview import latents_of_world

CLIPS = 8

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def pipe() -> Any:
    pipe = ExVideoPipeline.from_pretrained("embedded")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_it_shows_what_the_decoder_would(pipe: Any) -> None:
    preview = load_preview(embedded.directory())
    assert preview is not None
    correlations = []
    for latents in latents_of_world(pipe.vae, CLIPS, "held_out", seed=1):
        frames = torch.stack(list(decode_frames(pipe.vae, latents)))
        pictures = torch.from_numpy(preview(latents)).movedim(-1, 1).float()
        shown = functional.interpolate(pictures, frames.shape[-2:], mode="bicubic")
        correlations.append(np.corrcoef(shown.flatten(), frames.flatten())[0, 1])
    print(f"correlations with decoded frames: {np.round(correlations, 3)}, mean {np.mean(correlations):.3f}")
    assert np.mean(correlations) >= 0.8


def test_it_costs_next_to_nothing_of_a_step(pipe: Any) -> None:
    preview = load_preview(embedded.directory())
    assert preview is not None
    ends: list[float] = []
    latents = []

    def note(_pipe: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        ends.append(time.perf_counter())
        latents.append(tensors["latents"][0])
        return {}

    pipe(prompt="a red circle bounces", callback_on_step_end=note, num_inference_steps=6, output_type="latent")
    start = time.perf_counter()
    for one in latents:
        preview(one)
    took, step = (time.perf_counter() - start) / len(latents), float(np.median(np.diff(ends)))
    print(f"{took * 1e3:.2f} ms of a step of {step * 1e3:.0f} ms: {took / step:.2%}")
    assert took <= 0.02 * step
