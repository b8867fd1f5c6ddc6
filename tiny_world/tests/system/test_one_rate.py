"""The base of one rate."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import load_base

from tiny_world.system import one_rate, video
from tiny_world.system.video import build_video_unet


def test_it_has_as_many_steps_as_the_embedded_base_had_for_its_clips_of_full_rate() -> None:
    assert one_rate.STEPS == 10_000


def test_its_folder_is_a_base_with_the_embedded_one_s_encoders_and_no_extension(tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = build_video_unet()
    folder = one_rate.write_base(tmp_path / "base", unet)
    made, embedded = load_base(folder), load_base("embedded")
    for name, parameter in unet.float().named_parameters():
        torch.testing.assert_close(made.network.get_parameter(name), parameter)
    for ours, theirs in zip(made.encoders, embedded.encoders, strict=True):
        assert all(torch.equal(*both) for both in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert made.sampling_defaults == embedded.sampling_defaults
    assert not (folder / "extension.safetensors").exists()
    assert {path.name for path in folder.iterdir()} >= {"model_index.json", "sampling.json", "tokenizer"}


@pytest.mark.long
def test_every_clip_is_told_the_world_s_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(video, "CLIPS", 256)
    monkeypatch.setattr(one_rate, "train_on_windows", lambda unet, windows, *rest: seen.append((windows, *rest)))
    one_rate.train_one_rate(tmp_path, steps=3)
    ((windows, schedule, folder, _),) = seen
    assert (schedule.steps, folder) == (3, tmp_path / "unet")
    batch = windows(np.random.default_rng(0), 16)
    assert (batch.conditions.time_ids[:, 0] == 7).all()
    assert batch.latents.shape == (16, 8, 8, 8, 8)
