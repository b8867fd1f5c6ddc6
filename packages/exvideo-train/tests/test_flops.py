"""FLOPs of a step: counted by shapes, as many as are computed; and what cards can do."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AnimateDiffPipeline
from exvideo_blocks import ExtensionConfig, extend, family_of
from exvideo_infer import Base, Conditions, load_base
from exvideo_train.flops import count_flops, peak_flops
from exvideo_train.step import Batch, Task
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tiny_world.small_base import build_animatediff


def batch_for(network: Any, frames: int, **conditions: Tensor) -> Batch:
    """Two tokens: of one token alone, a CPU computes the attention otherwise than a GPU."""
    latents = torch.ones(1, frames, 4, 8, 8)
    tokens = torch.ones(1, 2, network.config.cross_attention_dim)
    return Batch(latents, torch.ones_like(latents), torch.tensor([1]), Conditions(tokens, **conditions))


def assert_as_many_are_counted_as_are_computed(base: Base, batch: Batch) -> None:
    network, family = base.network, family_of(base.network)
    task = Task(family, family.objective(base.scheduler))
    extend(network, ExtensionConfig(batch.latents.shape[1])).trainable_parameters()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    counted = count_flops(network, task, batch, torch.bfloat16)
    # The counter does not know the backward pass of the fused attention of CPUs.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        task.loss(network, batch, torch.float32).mean().backward()
    assert counted == counter.get_total_flops() > 0
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_as_many_are_counted_as_are_computed(tiny_base_dir: Path) -> None:
    base = load_base(tiny_base_dir)
    batch = batch_for(base.network, 10, first_frame=torch.ones(1, 4, 8, 8), time_ids=torch.ones(1, 3))
    assert_as_many_are_counted_as_are_computed(base, batch)


def test_as_many_are_counted_of_another_family(tmp_path: Path) -> None:
    AnimateDiffPipeline(**build_animatediff(("a",))).save_pretrained(tmp_path)
    base = load_base(tmp_path)
    assert_as_many_are_counted_as_are_computed(base, batch_for(base.network, 18))


@pytest.mark.parametrize(
    ("card", "tera"),
    [
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA L40S", 362),
    ],
)
def test_known_cards(card: str, tera: float) -> None:
    assert peak_flops(card) == tera * 1e12


@pytest.mark.parametrize(
    "card", ["NVIDIA A100-SXM4-80GB MIG 1g.10gb", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA A10G", "Tesla T4"]
)
def test_a_card_that_is_like_a_known_one_is_not_taken_for_it(card: str) -> None:
    assert peak_flops(card) is None
