"""A step of post-tuning Wan 2.1 1.3B at level `lora`, against peft's LoRA on diffusers' stock transformer.

python -m benchmarks.training.lora [--rounds 3]

161 frames of 480x832 (41 latent rows), rank 32, random weights, one clip, in the dtype of --dtype: forward, backward
with checkpointing, and AdamW on float32 masters of what is trained. The peer trains the same layers; ours has its
offsets of rotary positions beside them. On a CPU a network of two layers stands in, to try the command.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from exvideo_blocks import ExtensionConfig, extend, family_of
from exvideo_eval import Metric, Result
from torch import Tensor

from benchmarks.command_line import run
from benchmarks.conditions import Conditions
from benchmarks.medians import memory_metrics, timing_metrics
from benchmarks.stopwatch import alternate, peak_bytes, wall_clock
from benchmarks.unet.true_size import training_step

OURS, PEER = "exvideo, level lora", "peft on stock diffusers"
RANK = 32
ADAPTED = r"blocks\.\d+\.attn1\.to_(q|k|v|out\.0)"
NAMES = {"A": "update_down", "B": "update_up"}  # by peft's
THEIR_NAMES = re.compile(r"lora_([AB])\.default\.weight$")
CLOSE = {"fp32": 1e-4, "bf16": 2e-2}  # of the largest value


@dataclass(frozen=True)
class Size:
    """The network's options, frames of a clip, (height, width) of its latents, and tokens of its text."""

    num_frames: int
    latents: tuple[int, int]
    tokens: int
    network: Mapping[str, Any]


SIZES = {
    "cuda": Size(161, (60, 104), 512, {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}),
    "cpu": Size(161, (8, 8), 8, {"num_attention_heads": 2, "attention_head_dim": 24, "text_dim": 16, "ffn_dim": 32,
                               "freq_dim": 32, "num_layers": 2}),
}  # fmt: skip


def measure(conditions: Conditions) -> Result:
    """Seconds of a step of each and the memory beyond the weights, in the same run."""
    size = SIZES[conditions.device]
    networks = {OURS: _ours(conditions, size), PEER: _peer(conditions, size)}
    inputs = _inputs(conditions, size, networks[OURS])
    _copy_updates(networks[OURS], networks[PEER])
    apart = check(networks, inputs, CLOSE[conditions.dtype])
    contenders = {name: training_step(network, inputs) for name, network in networks.items()}
    device = conditions.torch_device
    times = alternate(contenders, wall_clock(device), rounds=conditions.rounds, warmup=1)
    peaks = {name: peak_bytes(step, device) for name, step in contenders.items()}
    trained = [
        Metric(f"{name}, trained", sum(one.numel() for one in _trained(network).values()), "parameters", "neutral")
        for name, network in networks.items()
    ]
    about = {"frames": size.num_frames, "latents": list(size.latents), "tokens": size.tokens, "rank": RANK}
    return Result.measured_here(
        kind="training",
        name="lora of wan",
        protocol=conditions.protocol() | {"warmup": 1, "network": dict(size.network)} | about,
        metrics=(*timing_metrics(times, {PEER}, unit="s"), *memory_metrics(peaks, {PEER}), *trained),
        notes=(f"Before a step, answers and gradients of the two differ by {apart:.1e} of their largest value.",),
    )


def check(networks: Mapping[str, Any], inputs: dict[str, Tensor], close: float) -> float:
    """The largest difference between the two, as a share of the largest value: of answers and gradients of the updates.

    Raises:
        RuntimeError: further than `close`.
    """
    found = []
    for network in networks.values():
        network.enable_gradient_checkpointing()
        answer = network(**inputs, return_dict=False)[0].float()
        answer.square().mean().backward()
        gradients = {name: one.grad for name, one in _updates(network).items()}
        network.zero_grad(set_to_none=True)
        found.append([answer.detach(), *(gradients[name] for name in sorted(gradients))])
    ours, theirs = found
    apart = [_apart(*pair) for pair in zip(ours, theirs, strict=True)]
    if max(apart) > close:
        raise RuntimeError(f"{OURS!r} and {PEER!r} differ by {max(apart):.1e} of the largest value: other networks.")
    return max(apart)


def _apart(ours: Tensor, theirs: Tensor) -> float:
    largest = float(theirs.float().abs().max())
    return float((ours.float() - theirs.float()).abs().max()) / largest if largest else float(ours.abs().max())


def _network(conditions: Conditions, size: Size) -> Any:
    from diffusers import WanTransformer3DModel

    torch.manual_seed(0)
    with torch.device(conditions.torch_device):
        network: Any = WanTransformer3DModel(**size.network)
    for name, parameter in network.named_parameters():
        if not set(name.split(".")) & set(network._keep_in_fp32_modules):  # as from_pretrained leaves them
            parameter.data = parameter.data.to(conditions.torch_dtype)
    return network.train()


def _ours(conditions: Conditions, size: Size) -> Any:
    network = _network(conditions, size)
    config = ExtensionConfig(size.num_frames, level="lora", lora_rank=RANK, positions="continued")
    extend(network, config).trainable_parameters()
    return network


def _peer(conditions: Conditions, size: Size) -> Any:
    from peft import LoraConfig

    network = _network(conditions, size).requires_grad_(False)
    network.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=ADAPTED))
    for update in _updates(network).values():
        update.data = update.data.to(conditions.torch_dtype)  # of whatever precision peft has made it
    return network


def _inputs(conditions: Conditions, size: Size, network: Any) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    config, rows = network.config, family_of(network).rows(size.num_frames)
    shapes: dict[str, tuple[int, ...]] = {
        "hidden_states": (1, config.in_channels, rows, *size.latents),
        "encoder_hidden_states": (1, size.tokens, config.text_dim),
    }
    place = conditions.torch_device, conditions.torch_dtype
    inputs = {name: torch.randn(shape, generator=generator).to(*place) for name, shape in shapes.items()}
    return inputs | {"timestep": torch.tensor([500.0], device=conditions.torch_device)}


def _trained(network: Any) -> dict[str, Tensor]:
    return {name: one for name, one in network.named_parameters() if one.requires_grad}


def _updates(network: Any) -> dict[str, Tensor]:
    """The trained low-rank updates, by our names of them: LAYER.update_down and LAYER.update_up."""
    names = {name: THEIR_NAMES.sub(lambda found: NAMES[found[1]], name) for name in _trained(network)}
    return {named: _trained(network)[name] for name, named in names.items() if named.endswith(tuple(NAMES.values()))}


def _copy_updates(ours: Any, theirs: Any) -> None:
    """The first weights of ours, for both; those of the second factor, which would be zero, are drawn."""
    generator, updates, others = torch.Generator().manual_seed(1), _updates(ours), _updates(theirs)
    if set(updates) != set(others):
        raise RuntimeError(f"{OURS!r} and {PEER!r} adapt other layers: {sorted(set(updates) ^ set(others))[:4]}.")
    with torch.no_grad():
        for name, one in updates.items():
            if name.endswith(NAMES["B"]):
                one.copy_(0.02 * torch.randn(one.shape, generator=generator))
            others[name].copy_(one)


def main(arguments: Sequence[str] | None = None) -> int:
    return run(measure, "training_lora", rounds=3, arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
