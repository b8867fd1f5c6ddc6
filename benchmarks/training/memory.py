"""The memory that the recipes for Stable Video Diffusion take, by part, as `exvideo-train --dry-run` predicts it.

python -m benchmarks.training.memory

The UNet and the VAE have their true size and no weights worth having: nothing is downloaded, and nothing is run.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from exvideo_infer.bases.svd import SVDBase
from exvideo_train.config import load_config
from exvideo_train.plan.memory import memory_of
from exvideo_train.plan.model import PlannedModel

from benchmarks.extended_base import networks_of_svd
from tiny_world.small_base import build_components

CONFIGS = Path(__file__).parents[2] / "configs"
# Recipe, processes, and settings beside those of the file.
ROWS: list[tuple[str, int, list[str]]] = [
    ("svd-128f-lora.yaml", 1, []),
    ("svd-128f-lora.yaml", 1, ["engine.base_precision=same", "data.size=[512, 512]"]),
    ("svd-128f.yaml", 1, ["extension.level=attention"]),
    ("svd-128f.yaml", 1, []),
    ("svd-128f.yaml", 1, ["engine.offload_optimizer=true"]),
    ("svd-128f-8gpu.yaml", 8, []),
    ("svd-128f-4nodes.yaml", 32, []),
    ("svd-256f.yaml", 8, []),
]
_GIB = 2**30


def stand_in() -> SVDBase:
    """A base of the true size, but for its image encoder, which decides one token alone."""
    unet, vae = networks_of_svd()
    parts = build_components(cross_attention_dim=1024)
    parts |= {"unet": unet.to_empty(device="cpu"), "vae": vae.to_empty(device="cpu")}
    return SVDBase(**parts)


def table() -> str:
    """The predictions as Markdown, GiB."""
    base = stand_in()
    lines = ["| recipe | GPUs | at most | weights | state, gradients | activations | in main memory |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name, processes, settings in ROWS:
        config = load_config(CONFIGS / name, settings=settings)
        memory = memory_of(PlannedModel(config, "meta", base=replace(base)), config, processes)
        lines.append(f"| {' '.join([name, *settings])} | {processes} | {_row(memory)} |")
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def _row(memory: Any) -> str:
    parts = memory.parts
    state = sum(parts.get(name, 0) for name in ("masters", "moments", "ema", "gradients", "reduce_bucket"))
    sizes = (memory.peak, parts["weights"], state, parts["activations"], sum(memory.offloaded.values()))
    return " | ".join(f"{size / _GIB:.1f}" for size in sizes)


if __name__ == "__main__":
    print(table())
