"""UNet, generation and training at the smallest size: valid results, and peers that do the same work."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from exvideo_blocks import ExtensionConfig
from exvideo_blocks.layers import IdentityConv3d
from exvideo_eval import Result
from exvideo_eval.verdict import EXACT_UNITS
from exvideo_train.moments import in_fp32
from exvideo_train.step import training_batch
from torch.nn import functional as F

from benchmarks.conditions import Conditions
from benchmarks.counts import LIVE
from benchmarks.extended_base import Size
from benchmarks.generation import sample
from benchmarks.training import loader, lora, step, stretch
from benchmarks.unet import forward, traffic

# Of one round, as the median of rounds' ratios is the ratio of the medians there.
CONDITIONS = Conditions("cpu", "fp32", threads=1, rounds=1, warmup=1)
SIZE = Size((32, 32), num_frames=10, latent_size=8, num_inference_steps=1)
TRAINED = step.Size((32, 32), num_frames=10, latent_size=8)


def reloaded(result: Result, folder: Path) -> Result:
    result.save(folder / "result.json")
    return Result.load(folder / "result.json")


def check_ratio(result: Result, ours: str, peer: str) -> None:
    one, other, ratio = (result.metric(name) for name in (ours, peer, f"{ours} / {peer}"))
    assert one is not None
    assert other is not None
    assert ratio is not None
    assert ratio.value == pytest.approx(one.value / other.value)
    assert (one.better, other.better, ratio.better) == ("lower", "neutral", "lower")


def check_counts(result: Result, ours: str, peer: str) -> None:
    for what in ("work", "operators", "saved for backward", LIVE):
        metrics = [result.metric(f"{name}, {what}") for name in (ours, peer)]
        assert [metric and metric.better for metric in metrics] == ["lower", "neutral"]
        assert all(metric and metric.unit in EXACT_UNITS for metric in metrics)


def count(result: Result, contender: str, what: str) -> float:
    metric = result.metric(f"{contender}, {what}")
    assert metric is not None
    return metric.value


def test_unet(tmp_path: Path) -> None:
    result = reloaded(forward.measure(CONDITIONS, SIZE), tmp_path)
    assert (result.kind, result.protocol["size"]["num_frames"]) == ("unet", 10)
    for peer in forward.PEERS:
        check_ratio(result, forward.OURS, peer)
    check_counts(result, forward.OURS, forward.DIFFUSERS)
    assert count(result, forward.OURS, "work") > count(result, forward.BASE, "work")
    assert count(result, forward.OURS, "saved for backward") == 0


def test_the_peer_of_the_unet_is_extended_too() -> None:
    outputs = {name: run() for name, run in forward.forwards(CONDITIONS, SIZE).items()}
    torch.testing.assert_close(outputs[forward.OURS], outputs[forward.DIFFUSERS], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(outputs[forward.OURS], outputs[forward.BASE], atol=1e-2)


def test_a_forward_pass_of_true_size_moves_no_more_than_it_should() -> None:
    """Of SVD-XT extended to 128 frames of 512x512: 636 GB by this count before halos, 653 by another's."""
    unet = traffic.svd_xt(128)
    alone, two = (sum(traffic.forward_traffic(unet, 128, batch).values()) for batch in (1, 2))
    assert 400e9 < alone <= 600e9
    assert two <= 2.0005 * alone  # the embeddings of frames and times are nothing beside it

    def by_reflection(conv: Any, video: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
        padded = F.pad(video + added, (1,) * 6, mode="reflect")
        return F.conv3d(padded.contiguous(), conv.weight, conv.bias)

    with patch.object(IdentityConv3d, "forward", by_reflection):
        assert sum(traffic.forward_traffic(unet, 128).values()) > 600e9


def test_generation(tmp_path: Path) -> None:
    result = reloaded(sample.measure(CONDITIONS, SIZE), tmp_path)
    assert result.kind == "generation"
    check_ratio(result, sample.OURS, sample.STOCK)
    check_counts(result, sample.OURS, sample.STOCK)
    assert count(result, sample.OURS, "work") == count(result, sample.STOCK, "work")


@pytest.mark.long
def test_training(tmp_path: Path) -> None:
    result = reloaded(step.measure(CONDITIONS, TRAINED), tmp_path)
    assert (result.kind, result.protocol["zero_stage"]) == ("training", 2)
    for ours in (step.OURS, step.RECORDED):
        check_ratio(result, ours, step.BARE)
        check_counts(result, ours, step.BARE)
        assert count(result, ours, "work") == count(result, step.BARE, "work")
        assert count(result, ours, "saved for backward") > 0
    again = step.measure(CONDITIONS, TRAINED)
    for metric in result.metrics:
        if metric.unit in ("FLOPs", "operators") or metric.name.endswith(", saved for backward"):
            assert again.metric(metric.name) == metric


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_lora_of_wan_and_peft_s_are_one_network(tmp_path: Path, dtype: str) -> None:
    result = reloaded(lora.measure(Conditions("cpu", dtype, threads=1, rounds=1, warmup=1)), tmp_path)
    check_ratio(result, lora.OURS, lora.PEER)
    trained = [result.metric(f"{name}, trained") for name in (lora.OURS, lora.PEER)]
    assert [metric and metric.value for metric in trained] == [24_576 + 41 * 4, 24_576]  # offsets beside the updates
    assert "differ by 0.0e+00" in result.notes[0]


def test_another_network_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        lora, "ExtensionConfig", lambda *given, **named: ExtensionConfig(*given, **named | {"positions": "reflected"})
    )
    with pytest.raises(RuntimeError, match=r"differ by .* of the largest value: other networks"):
        lora.measure(CONDITIONS)


@pytest.mark.long
def test_a_stretch_of_training(tmp_path: Path) -> None:
    result = reloaded(stretch.measure(CONDITIONS, TRAINED, steps=5), tmp_path)
    assert (result.kind, result.protocol["steps"]) == ("training", 5)
    for ours in (stretch.OURS, stretch.OFTEN):
        check_ratio(result, ours, stretch.BARE)
    for name in ("what a checkpoint adds, in steps of the bare loop", f"longest / median step, {stretch.OURS}"):
        assert result.metric(name) is not None


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_bare_loop_trains_as_ours_does(tmp_path: Path, dtype: str) -> None:
    """The same clip, noise level and noise: the same loss, and after the step the same weights."""
    contest = step.Contest(Conditions("cpu", dtype, threads=1, rounds=1), TRAINED, tmp_path)
    config, order = contest.config, contest.batches.order
    batch = training_batch(config, contest.task.objective, contest.data.cache, order, 0, [0])
    expected = contest.task.loss(contest.engine, batch, contest.engine.dtype)
    before = [master.detach().clone() for master in contest.bare.masters]
    loss = contest.bare.train_on(step.in_memory(batch), batch.level.item(), batch.noise)
    figures = contest.ours()
    assert loss == pytest.approx(expected.item(), rel=1e-5 if dtype == "fp32" else 1e-2)
    assert figures["loss"] == pytest.approx(loss, rel=1e-5 if dtype == "fp32" else 1e-2)
    ours = [in_fp32(value).clone() for _, value in contest.engine.read_state("master")]
    moved = [(one - other).abs().max() for one, other in zip(ours, before, strict=True)]
    assert all(change > 0 for change in moved)
    # A step of AdamW moves every number by about the learning rate, in the direction of its gradient's sign.
    apart = torch.cat([(a - b).abs().flatten() for a, b in zip(ours, contest.bare.masters, strict=True)])
    assert float((apart < 0.1 * config.optimizer.learning_rate).float().mean()) > (0.99 if dtype == "fp32" else 0.9)


@pytest.mark.long
def test_loader(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="the peer is not installed")
    with patch.object(loader, "STEPS", 2):
        result = reloaded(loader.measure(CONDITIONS, loader.Clips(8, 4, (32, 32)), most=16, network=TRAINED), tmp_path)
    for ours in (loader.OURS, loader.APART):
        check_ratio(result, ours, loader.PEER)
    metric = result.metric(f"{loader.OURS}, clips a second")
    assert metric is not None
    seconds = result.metric(loader.OURS)
    assert seconds is not None
    assert metric.value == pytest.approx(6 / seconds.value)  # clips at frames 0, 4 and 8 of both files
    assert result.metric("share of time waiting for data, prefetch 2") is not None


def test_loaders_that_read_other_clips_are_not_timed() -> None:
    clips = [torch.zeros(2, 3, 4, 4, dtype=torch.uint8)]
    with pytest.raises(RuntimeError, match=r"'b' and .* differ by 9\.0 levels: other clips"):
        loader._compare({"a": clips, "b": [clips[0] + 9]})
