"""Controls that train all of the network."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_blocks import read_safetensors
from torch import Tensor

from benchmarks.quality import continued as module
from benchmarks.quality import post_tune
from benchmarks.quality.continued import CONTINUED_ROWS, FROM_NOTHING, clips_of, continue_base, put, windows_of
from benchmarks.quality.recipes import OF_EVENTS
from benchmarks.quality.trained import TRAINED
from tiny_world.truth.measured_set import read_truth
from tiny_world.world.spec import EVENTS

CLIPS = 3


@pytest.fixture
def told() -> Mapping[str, Tensor]:
    """Clips whose latents are the numbers of their frames."""
    numbers = torch.arange(40.0).view(1, 40, 1, 1, 1).expand(CLIPS, -1, 8, 8, 8)
    return {"latents": numbers, "first_frame": torch.ones(CLIPS, 8, 8, 8), "tokens": torch.ones(CLIPS, 29, 64)}


def test_short_clips_have_the_base_s_strides_and_are_told_their_rate(told: Mapping[str, Tensor]) -> None:
    seen = set()
    for draw in range(40):
        windows = windows_of(CONTINUED_ROWS["continued"], told, np.random.default_rng(draw), 2)
        numbers = windows.latents[0, :, 0, 0, 0].tolist()
        stride = int(numbers[1])
        assert numbers == [stride * place for place in range(8)]
        assert windows.conditions.time_ids is not None
        assert windows.conditions.time_ids[0].tolist() == pytest.approx([8 / stride - 1, 127, 0])
        seen.add(stride)
    assert seen == {1, 2, 5}


def test_long_clips_are_whole_and_a_tenth_has_no_conditions(told: Mapping[str, Tensor]) -> None:
    kept = []
    for draw in range(200):
        windows = windows_of(CONTINUED_ROWS["all-parameters"], told, np.random.default_rng(draw), 2)
        assert windows.latents.shape[:2] == (2, 40)
        tokens, first = windows.conditions.tokens, windows.conditions.first_frame
        assert first is not None
        assert torch.equal(tokens.flatten(1).amax(1), first.flatten(1).amax(1))
        kept += tokens.flatten(1).amax(1).tolist()
    assert np.mean(kept) == pytest.approx(0.9, abs=0.05)


def test_from_nothing_has_the_compute_of_the_base_and_of_a_post_tuning() -> None:
    assert FROM_NOTHING * 2 * 40 == 40_000 * 16 * 8 + 1700 * 2 * 40


@pytest.mark.parametrize("name", ["continued", "scratch"])
def test_a_run_of_a_few_steps_leaves_weights_that_a_pipeline_takes(
    name: str, told: Mapping[str, Tensor], pipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "encoded", lambda *_: told)
    # Not two frames: PyTorch 2.13's gradient of a convolution over two is not finite in bfloat16 on some CPUs.
    control = replace(CONTINUED_ROWS[name], steps=2, num_frames=3)
    file = continue_base(name, control, tmp_path, "embedded", 3)
    assert file == tmp_path / f"{name}_3" / "weights.safetensors"
    before = {key: value.clone() for key, value in pipe.unet.state_dict().items()}
    put(file, pipe, 40)
    after, trained = pipe.unet.state_dict(), read_safetensors(file)[0]
    assert all(torch.equal(after[key], trained[key].float()) for key in after)
    moved = max(float((after[key] - before[key]).abs().max()) for key in after)
    assert (moved < 0.01) == (name == "continued")  # two steps from the base; anywhere from nothing
    assert moved > 0
    stamp = file.stat().st_mtime_ns
    continue_base(name, control, tmp_path, "embedded", 3)
    assert file.stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match=r"weights\.safetensors is of the training .*: remove its folder"):
        continue_base(name, replace(control, steps=3), tmp_path, "embedded", 3)


def test_clips_are_encoded_once(pipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRAMES", 3)
    specs = clips_of(replace(CONTINUED_ROWS["continued"], clips=2))
    found = module.encoded(tmp_path / "x.safetensors", pipe, specs)
    assert found["latents"].shape == (2, 3, 8, 8, 8)
    assert found["tokens"].shape == (2, 29, 64)
    scale = pipe.vae.config.scaling_factor
    torch.testing.assert_close(found["latents"][:, 0], found["first_frame"] * scale, rtol=5e-3, atol=5e-3)
    again = module.encoded(tmp_path / "x.safetensors", None, [])
    assert all(torch.equal(found[name], again[name]) for name in found)


@pytest.mark.parametrize("name", ["events", "events-rife"])
def test_post_tuning_and_keyframes_are_shown_as_many_events(name: str) -> None:
    row = TRAINED[name]
    assert row.with_events
    assert row.clips == OF_EVENTS


def test_clips_with_events_are_of_every_kind_and_duration() -> None:
    events = [spec.event for spec in clips_of(CONTINUED_ROWS["events-rife"]) if spec.event is not None]
    assert len(events) == OF_EVENTS
    assert Counter((event.kind, event.duration) for event in events) == {
        (kind, duration): OF_EVENTS // 80 for kind in EVENTS for duration in range(1, 21)
    }
    assert all(spec.event is None for spec in clips_of(CONTINUED_ROWS["continued"]))


def test_a_post_tuning_has_the_clips_of_its_control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post_tune, "LONGEST_EVENT", 1)
    monkeypatch.setattr(module, "LONGEST_EVENT", 1)
    for row in (CONTINUED_ROWS["continued"], CONTINUED_ROWS["events-rife"]):
        post_tune.write_training_clips(tmp_path / row.run, 4, row.with_events, 4)
        written = [clip.spec for clip in read_truth(tmp_path / row.run / "tune")]
        assert {str(spec) for spec in written} == {str(spec) for spec in clips_of(replace(row, clips=4))}
