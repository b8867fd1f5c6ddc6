"""The memory that clips of Stable Video Diffusion's size take in fp16 on a GPU, as `memory_report` predicts it.

python -m benchmarks.generation.memory

UNet and VAE have their true size and no weights: nothing is downloaded, and nothing is run. The image encoder, 1.2 GiB
in fp16, is added.
"""

import sys
from typing import Any

from exvideo_blocks import ExtensionConfig, extend
from exvideo_infer import ExVideoPipeline, MemoryReport

from benchmarks.extended_base import networks_of_svd
from tiny_world.small_base import build_components

GIB = 2**30
IMAGE_ENCODER = int(1.18 * GIB)  # 632 million parameters, CLIP ViT-H/14's vision tower
# Frames, height, width, both halves of guidance at once, frames decoded at a time.
ROWS = [
    (25, 576, 1024, True, 25),
    (25, 576, 1024, True, 8),
    (128, 512, 512, True, 128),
    (128, 512, 512, True, 16),
    (128, 512, 512, False, 16),
    (128, 320, 512, False, 16),
]


def stand_in(num_frames: int) -> ExVideoPipeline:
    """A pipeline of the true size on the meta device; extended if there are more frames than the base's 25."""
    unet, vae = networks_of_svd()
    parts: dict[str, Any] = build_components(cross_attention_dim=1024)
    parts |= {"unet": unet.half(), "vae": vae.half()}
    if num_frames > 25:
        extend(parts["unet"], ExtensionConfig(num_frames))
    return ExVideoPipeline(**parts)


def table() -> str:
    """The predictions as Markdown, GiB."""
    lines = ["| frames | pixels | guidance | decoded at a time | a step | decoding | at most | with model offloading |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for frames, height, width, batched, chunk in ROWS:
        pipe = stand_in(frames)
        report = pipe.memory_report(height, width, frames, guidance_batched=batched, decode_chunk_size=chunk)
        whole = MemoryReport(
            report.weights | {"image_encoder": IMAGE_ENCODER}, report.denoising, report.decoding, report.frames
        )
        how = "both halves at once" if batched else "one after the other"
        sizes = (whole.denoising, whole.decoding + whole.frames, whole.peak, whole.peak_offloaded)
        numbers = " | ".join(f"{size / GIB:.1f}" for size in sizes)
        lines.append(f"| {frames} | {height}x{width} | {how} | {chunk} | {numbers} |")
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
