"""A small AnimateDiff of eight frames, made in minutes of what the embedded model has, and post-tuned to 32.

    python -m tiny_world.system.animatediff --output out/tiny_animatediff

    base/                  a folder that diffusers loads as AnimateDiffPipeline
    post_tune/             of exvideo-train: extension.safetensors, metrics.jsonl
    contact_sheet.png      held-out captions: real, the base run directly at 32 frames, and with the extension
    figures.json           held-out loss of the two

Words and latents are the embedded model's: its text encoder and tokenizer, and its VAE's encoder, beside which an
image decoder is trained. Its text-to-image network, which predicts v, teaches a copy of itself to predict the noise, as
AnimateDiff does (arXiv 2307.04725); that copy starts the spatial layers, and all of the UNet is trained to tell the
noise of eight frames from their caption.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_blocks.families import animatediff
from exvideo_infer import Conditions, load_base, read_clip
from exvideo_infer.encoders import embed_text
from exvideo_infer.stock import TextRequest, generate, load_stock
from exvideo_train.step import Batch, Task
from torch import Tensor

from tiny_world.programs import post_tune
from tiny_world.system.batches import WORLD_SEED, to_pixels
from tiny_world.system.image import reworded
from tiny_world.system.side_by_side import pool_of_cores
from tiny_world.system.training_loop import Schedule, generators, train
from tiny_world.system.vae import reconstruction_loss, silence_residual_branches
from tiny_world.world.clip_files import read_clip_file, write_clips
from tiny_world.world.contact_sheet import contact_sheet
from tiny_world.world.render import render
from tiny_world.world.sampler import sample_spec

NUM_FRAMES = 8
ROWS = 32  # of the fixed position table: as far as the base can be run
CLIPS, CHUNK = 3072, 32
DECODER = Schedule(steps=100, batch_size=16, learning_rate=5e-4, warmup_steps=20, ema_decay=0.98)
IMAGE = Schedule(steps=1500, batch_size=64, learning_rate=1e-3, warmup_steps=50, ema_decay=0.99)
UNET = Schedule(steps=3500, batch_size=8, learning_rate=1e-3, warmup_steps=100, ema_decay=0.998)
RECIPE = Path(__file__).with_suffix(".yaml")
POST_TUNED_ON = {"train": 512, "held_out": 7}  # clips; 7 in a row have the 7 kinds of motion
WITHOUT_WORDS = 0.1  # the share trained on the empty caption, for guidance

Words = Callable[[list[str]], Tensor]  # captions -> (captions, tokens, dimension)


def build_scheduler() -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )  # fmt: skip


def build_vae(embedded: Any) -> Any:
    """An AutoencoderKL with the encoder of a temporal VAE, and the spatial layers of its decoder, to be trained on."""
    from diffusers import AutoencoderKL

    config = embedded.config
    vae = AutoencoderKL(
        down_block_types=config.down_block_types,
        up_block_types=("UpDecoderBlock2D",) * len(config.block_out_channels),
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        latent_channels=config.latent_channels,
        sample_size=config.sample_size,
        scaling_factor=config.scaling_factor,
        force_upcast=False,
    )
    silence_residual_branches(vae.decoder)
    for name in ("encoder", "quant_conv"):
        getattr(vae, name).load_state_dict(getattr(embedded, name).state_dict())
    spatial = {
        name.replace(".spatial_res_block", ""): value
        for name, value in embedded.decoder.state_dict().items()
        if "temporal_res_block" not in name and "time_" not in name
    }
    vae.decoder.load_state_dict(spatial, strict=False)  # it has one more layer, which is silent
    torch.nn.init.zeros_(vae.post_quant_conv.bias)
    torch.nn.init.dirac_(vae.post_quant_conv.weight)
    return vae.requires_grad_(False)


def build_text_encoder(embedded: Any) -> Any:
    """The embedded text encoder as a `CLIPTextModel`, whose first output is the last hidden state, as pipelines ask."""
    from transformers import CLIPTextModel

    encoder = CLIPTextModel(embedded.config)
    found = encoder.state_dict()
    theirs = {name.removeprefix("text_model."): value for name, value in embedded.state_dict().items()}
    encoder.load_state_dict({name: theirs[name.removeprefix("text_model.")] for name in found})
    return encoder.eval()


def build_motion_adapter(config: Any) -> Any:
    """Untrained motion modules for a UNet of this configuration, text to image or video."""
    from diffusers import MotionAdapter

    return MotionAdapter(
        block_out_channels=config.block_out_channels,
        motion_layers_per_block=config.layers_per_block,
        motion_num_attention_heads=2,
        motion_norm_num_groups=32,
        motion_max_seq_length=ROWS,
    )


def build_unet(image: Any) -> Any:
    """A motion model over a text-to-image UNet, with motion modules that start as nothing."""
    from diffusers import UNetMotionModel

    unet = UNetMotionModel.from_unet2d(image, build_motion_adapter(image.config))
    for site in animatediff.find_sites(unet).values():
        for parameter in site.get_submodule("proj_out").parameters():
            torch.nn.init.zeros_(parameter)
    return unet


def train_decoder(folder: Path, vae: Any, pixels: Tensor, latents: Tensor, seed: int) -> None:
    """Trains the decoder in place, on stills.

    Args:
        pixels: (clips, frames, height, width, 3), 0 to 255.
        latents: of the same, not scaled.
    """
    decoder = torch.nn.ModuleList([vae.decoder, vae.post_quant_conv]).requires_grad_(True)

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        random, _ = generators(seed, "decoder", step, part)
        size = DECODER.batch_size // parts
        which = random.integers(len(latents), size=size), random.integers(NUM_FRAMES, size=size)
        true, given = to_pixels(pixels[which].numpy()), latents[which].float()
        return lambda: reconstruction_loss(vae.decode(given).sample - true, torch.ones(1, 1, 64, 64), edge_weight=1.0)

    train(decoder, part_of_step, DECODER, folder)
    vae.requires_grad_(False)


def as_v(error: Tensor, level: Tensor) -> Tensor:
    """The mean squared error of v that an error of the noise stands for: 1 / alpha of its own.

    The noise's own hardly counts what it takes to tell a colour where there is little else than noise.

    Args:
        error: squared, (batch, ...).
        level: timesteps, (batch,).
    """
    alpha = build_scheduler().alphas_cumprod[level]
    return (error.flatten(1).mean(dim=1) / alpha).mean()


def train_image(folder: Path, image: Any, latents: Tensor, words: Words, seed: int) -> None:
    """Teaches a text-to-image network that predicts v to predict the noise, in place; it is its own teacher.

    Args:
        latents: (clips, frames, channels, height, width), scaled.
        words: captions -> (captions, tokens, dimension).
    """
    teacher = deepcopy(image).requires_grad_(False)
    objective = animatediff.objective(build_scheduler())

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        random, generator = generators(seed, "image", step, part)
        numbers = random.integers(len(latents), size=IMAGE.batch_size // parts)
        clean = latents[numbers, random.integers(NUM_FRAMES, size=len(numbers))].float()
        level = torch.stack([objective.draw(generator, clean[0].numel()) for _ in numbers])
        given, times = objective.precondition(clean, torch.randn(clean.shape, generator=generator), level)
        tokens = words([reworded(number, random, WITHOUT_WORDS) for number in numbers])
        alpha = objective.alphas_cumprod[level]
        with torch.no_grad():
            v = teacher(given, 0.25 * (1 / alpha - 1).sqrt().log(), tokens).sample
        alpha = alpha[:, None, None, None]
        noise = (1 - alpha).sqrt() * given + alpha.sqrt() * v
        return lambda: as_v((image(given, times, tokens).sample - noise).square(), level)

    train(image, part_of_step, IMAGE, folder)


def train_unet(folder: Path, unet: Any, latents: Tensor, words: Words, seed: int) -> None:
    """Trains all of the UNet in place.

    Args:
        latents: (clips, frames, channels, height, width), scaled.
        words: captions -> (captions, tokens, dimension).
    """
    task = Task(animatediff, animatediff.objective(build_scheduler()))

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        random, generator = generators(seed, "animatediff", step, part)
        numbers = random.integers(len(latents), size=UNET.batch_size // parts)
        clean = latents[numbers].float()
        noise = torch.randn(clean.shape, generator=generator)
        level = torch.stack([task.objective.draw(generator, clean[0].numel()) for _ in numbers])
        conditions = Conditions(words([reworded(number, random, WITHOUT_WORDS) for number in numbers]))
        batch = Batch(clean, noise, level, conditions)
        return lambda: as_v(task.loss(unet, batch, unet.dtype)[:, None], level)

    train(unet, part_of_step, UNET, folder)


def encoded(path: Path, vae: Any) -> tuple[Tensor, Tensor]:
    """The first clips, as pixels (clips, frames, height, width, 3), 0 to 255, and as latents; kept in a file."""
    if not path.exists():
        with pool_of_cores() as pool:
            chunks = list(pool.map(partial(_encode, vae), range(0, CLIPS, CHUNK)))
        pixels, latents = (torch.cat(parts) for parts in zip(*chunks, strict=True))
        write_safetensors(path, {"pixels": pixels, "latents": latents}, {})
    tensors, _ = read_safetensors(path)
    return tensors["pixels"], tensors["latents"]


@torch.no_grad()
def _encode(vae: Any, first: int) -> tuple[Tensor, Tensor]:
    frames = np.stack([render(sample_spec(WORLD_SEED, number), NUM_FRAMES) for number in range(first, first + CHUNK)])
    pixels = to_pixels(frames).flatten(0, 1).to(memory_format=torch.channels_last)
    latents: Tensor = vae.encode(pixels).latent_dist.mode()
    return torch.from_numpy(frames), latents.unflatten(0, (CHUNK, NUM_FRAMES)).half()


def make_base(output: Path, runs: Path, seed: int = 0) -> None:
    """Trains what is not trained yet in `runs`, and saves an `AnimateDiffPipeline` to `output`."""
    from diffusers import AnimateDiffPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    base: Any = load_base("embedded")
    vae = build_vae(base.vae)
    vae.to(memory_format=torch.channels_last)  # on a CPU, its convolutions take 0.6 of the time then
    pixels, latents = encoded(runs / "clips.safetensors", vae)
    train_decoder(runs / "decoder", vae, pixels, latents, seed)
    scaled = latents * vae.config.scaling_factor
    words = partial(embed_text, base.text_encoder, base.tokenizer)
    image = UNet2DConditionModel.from_pretrained(base.directory / "text_to_image" / "unet", dtype=torch.float32)
    train_image(runs / "image", image, scaled, words, seed)
    unet = build_unet(image)
    train_unet(runs / "unet", unet, scaled, words, seed)
    adapter = build_motion_adapter(unet.config)
    adapter.load_state_dict({name: value for name, value in unet.state_dict().items() if "motion_modules" in name})
    AnimateDiffPipeline(
        vae=vae,
        text_encoder=build_text_encoder(base.text_encoder),
        tokenizer=base.tokenizer,
        unet=unet,
        motion_adapter=adapter,
        scheduler=build_scheduler(),
    ).save_pretrained(output)


def post_tune_base(base: Path, output: Path) -> dict[str, float]:
    """Post-tunes the base on clips of the world by `animatediff.yaml`.

    Returns:
        `base` and `extended`: the mean held-out loss at 32 frames, of the base run directly and with the extension.
    """
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    frames = recipe["extension"]["num_frames"]
    for split, number in POST_TUNED_ON.items():
        list(write_clips(output / "clips" / split, number, frames, WORLD_SEED, split))
    recipe |= {"base": str(base), "output": str(output / "post_tune")}
    recipe["data"]["videos"] = str(output / "clips" / "train")
    recipe["validation"]["videos"] = str(output / "clips" / "held_out")
    path = output / "post_tune.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    post_tune(path)
    lines = (output / "post_tune" / "metrics.jsonl").read_text().splitlines()
    last = [figures for figures in map(json.loads, lines) if "validation/loss" in figures][-1]
    return {"base": last["validation_base/loss"], "extended": last["validation/loss"]}


def draw_sheet(base: Path, output: Path) -> None:
    """Real clips, the base run directly and with the extension, under their captions."""
    clips = [read_clip_file(path) for path in sorted((output / "clips" / "held_out").glob("*.mp4"))]
    rows = [("{}", [read_clip(clip.path).permute(0, 2, 3, 1).numpy() for clip in clips])]
    for title, extension in (
        ("  base, run directly", None),
        ("  extended", output / "post_tune" / "extension.safetensors"),
    ):
        stock = load_stock(base, extension, torch.float32)
        stock.pipeline.set_progress_bar_config(disable=True)
        made = [
            np.stack(list(generate(stock, TextRequest(clip.caption, clip.num_frames, steps=20, guidance_scale=3.0))))
            for clip in clips
        ]
        rows.append((title, made))
    pictures = [row[number] for number in range(len(clips)) for _, row in rows]
    captions = [title.format(clip.caption) for clip in clips for title, _ in rows]
    frames = clips[0].num_frames
    contact_sheet(pictures, captions, [*range(0, frames, 4), frames - 1]).save(output / "contact_sheet.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the base, post-tunes it, and draws what came of it; 0 when it is done."""
    parser = argparse.ArgumentParser(prog="python -m tiny_world.system.animatediff", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("out/tiny_animatediff"), metavar="DIR")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # a part of a batch a core, see side_by_side.py
    base, output = options.output / "base", options.output
    make_base(base, output / "runs")
    figures = post_tune_base(base, output)
    (output / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"held-out loss at 32 frames: {figures['base']:.4f} directly, {figures['extended']:.4f} extended")
    draw_sheet(base, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
