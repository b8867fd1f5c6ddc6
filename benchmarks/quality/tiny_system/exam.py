"""What the shipped model can and cannot do, measured on clips that it never saw.

    python -m benchmarks.quality.tiny_system.exam words         100 held-out prompts to 8 frames, before the judges
    python -m benchmarks.quality.tiny_system.exam autoencoder   200 real clips through the VAE, before the judges
    python -m benchmarks.quality.tiny_system.exam lengths       the base at 8 and, directly, at 40 frames, by the truth
    python -m benchmarks.quality.tiny_system.exam seeds         the demo's recipe with three seeds, by the truth

Clips go through MP4 files, real ones too. Results lie in OUTPUT/NAME as JSON, Markdown and PNG.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from exvideo_blocks.families import svd
from exvideo_infer.conditioning import embed_image, embed_text, join_tokens
from exvideo_infer.pipeline import ExVideoPipeline
from exvideo_infer.video_file import read_clip, write_video
from PIL import Image
from torch import Tensor

from benchmarks.programs import post_tune, run_program
from benchmarks.quality.tiny_system.batches import clips_of, to_pixels
from benchmarks.quality.tiny_system.side_by_side import pool_of_cores
from benchmarks.quality.tiny_system.training_loop import generators
from benchmarks.quality.tiny_world.clip_files import read_clip_file, write_clips
from benchmarks.quality.tiny_world.contact_sheet import contact_sheet
from benchmarks.quality.tiny_world.sampler import SPLITS
from benchmarks.quality.tiny_world.spec import FPS

WORLD_SEED = 1  # neither the generator's nor the judges'
SPLIT = SPLITS[2]  # held out
PROMPTS = 100
CLIPS_CODED = 200
CLIPS = 49  # seven of each kind of motion
BATCH = 10
SHORT, LONG = 8, 40
SIGMAS = (1.0, 4.0, 20.0)
SHEET_ROWS = 24
RECIPE = Path(__file__).parents[3] / Path("demo/post_tune.yaml")
SEEDS = (0, 1, 2)


def words(output: Path) -> None:
    """Text to image to video, and real clips, before the same judges."""
    real, made = output / "real", output / "made"
    clips = [path for path, _ in write_clips(real, PROMPTS, SHORT, WORLD_SEED, SPLIT)]
    generate(ExVideoPipeline.from_pretrained("embedded"), clips, made, SHORT, with_first_frame=False)
    draw(made, clips[:SHEET_ROWS], range(SHORT), output / "sheet.png")
    _judge(real, made, output / "report")


def autoencoder(output: Path) -> None:
    """Real clips as they come back from the VAE: what no network on its latents can do better."""
    real, coded = output / "real", output / "coded"
    clips = [path for path, _ in write_clips(real, CLIPS_CODED, SHORT, WORLD_SEED, SPLIT)]
    vae = ExVideoPipeline.from_pretrained("embedded").vae
    coded.mkdir(parents=True, exist_ok=True)
    for path in clips:
        with torch.no_grad():
            latents = vae.encode(to_pixels(read_clip(path).permute(0, 2, 3, 1).numpy())).latent_dist.mode()
            pixels = vae.decode(latents, num_frames=SHORT).sample
        frames = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
        write_video(coded / path.name, frames, FPS)
        shutil.copyfile(path.with_suffix(".json"), coded / path.with_suffix(".json").name)
    _judge(real, coded, output / "report")


def lengths(output: Path) -> None:
    """The base at its own length, and sampled directly at another, against the truth; and its loss at both."""
    real = output / "real"
    clips = [path for path, _ in write_clips(real, CLIPS, LONG, WORLD_SEED, SPLIT)]
    pipeline = ExVideoPipeline.from_pretrained("embedded")
    for num_frames in (SHORT, LONG):
        generate(pipeline, clips, output / f"frames_{num_frames}", num_frames)
    draw(output / f"frames_{LONG}", clips[:SHEET_ROWS], [*range(0, LONG, 4), LONG - 1], output / "sheet.png")
    losses = {frames: held_out_loss(pipeline, frames) for frames in (SHORT, LONG)}
    _write(output / "held_out_loss.json", json.dumps(losses, indent=2))
    print(json.dumps(losses, indent=2))
    sets = [f"base at {frames} frames={output / f'frames_{frames}'}" for frames in (SHORT, LONG)]
    _report_truth(real, sets, output / "truth")


def seeds(output: Path) -> None:
    """The demo's recipe with each seed, each sampled from another noise, beside the untouched base from that noise."""
    real, train = output / "real", output / "train"
    clips = [path for path, _ in write_clips(real, CLIPS, LONG, WORLD_SEED, SPLIT)]
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    for _ in write_clips(train, 256, LONG, 0, SPLITS[0]):
        pass
    sets = []
    for seed in SEEDS:
        run = output / f"run_{seed}"
        recipe |= {"output": str(run), "seed": seed}
        recipe["data"]["videos"], recipe["validation"]["videos"] = str(train), str(real)
        recipe["data"]["cache"] = str(output / "latents")
        _write(output / f"seed_{seed}.yaml", yaml.safe_dump(recipe))
        post_tune(output / f"seed_{seed}.yaml")
        # In bfloat16, as the demo.
        base, extended = (ExVideoPipeline.from_pretrained("embedded", torch_dtype=torch.bfloat16) for _ in range(2))
        extended.load_extension(run / "extension.safetensors")
        both = (base, output / f"base_{seed}"), (extended, output / f"extended_{seed}")
        with pool_of_cores() as pool:
            for made in [pool.submit(generate, made_by, clips, to, LONG, seed=seed) for made_by, to in both]:
                made.result()
        sets += [f"{kind} {seed}={output / f'{kind}_{seed}'}" for kind in ("base", "extended")]
    _report_truth(real, sets, output / "truth")


def generate(
    pipeline: ExVideoPipeline,
    clips: Sequence[Path],
    output: Path,
    num_frames: int,
    with_first_frame: bool = True,
    seed: int = 0,
) -> None:
    """Writes for each real clip one of the same name, from its caption and its first frame or the caption alone."""
    output.mkdir(parents=True, exist_ok=True)
    pipeline.set_progress_bar_config(disable=True)
    missing = [path for path in clips if not (output / path.name).exists()]
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        frames = pipeline(
            prompt=[read_clip_file(path).caption for path in batch],
            image=[first_frame(path) for path in batch] if with_first_frame else None,
            num_frames=num_frames,
            generator=[torch.Generator().manual_seed(10_000 * seed + clips.index(path)) for path in batch],
            output_type="np",
        ).frames
        for path, clip in zip(batch, frames, strict=True):
            write_video(output / path.name, (clip * 255).round().astype(np.uint8), FPS)
            shutil.copyfile(path.with_suffix(".json"), output / path.with_suffix(".json").name)


def first_frame(path: Path) -> Image.Image:
    """A clip's, as it comes back from its file."""
    return Image.fromarray(read_clip(path, num_frames=1)[0].permute(1, 2, 0).numpy())


@torch.no_grad()
def held_out_loss(pipeline: ExVideoPipeline, num_frames: int) -> dict[str, float]:
    """Mean squared error of the predicted clean latents by noise level, on held-out clips of that length."""
    clips = clips_of(range(28), num_frames, SPLIT, WORLD_SEED)
    vae = pipeline.vae
    condition = torch.cat([vae.encode(clip[:1]).latent_dist.mode() for clip in clips.pixels])
    latents = torch.stack([vae.encode(clip).latent_dist.mode() for clip in clips.pixels]) * vae.config.scaling_factor
    image = embed_image(pipeline.image_encoder, pipeline.feature_extractor, clips.pixels[:, 0])
    assert pipeline.text_encoder is not None
    assert pipeline.tokenizer is not None
    context = join_tokens(image, embed_text(pipeline.text_encoder, pipeline.tokenizer, list(clips.captions)))
    ids = torch.tensor([[FPS - 1, 127.0, 0.0]]).expand(len(latents), -1)
    first = condition[:, None].expand_as(latents)

    def error(sigma: float) -> float:
        noise = torch.randn(latents.shape, generator=generators(0, "held out", num_frames)[1])
        level = torch.full((len(latents), 1, 1, 1, 1), sigma)
        given = svd.scale_input(latents + level * noise, level)
        times: Tensor = svd.timestep_of(level.flatten())
        v = pipeline.unet(torch.cat([given, first], 2), times, context, ids, return_dict=False)[0]
        return float((svd.predict_original(v, given, level) - latents).square().mean())

    return {f"sigma {sigma:g}": round(error(sigma), 5) for sigma in SIGMAS}


def draw(folder: Path, clips: Sequence[Path], numbers: Sequence[int], path: Path) -> None:
    """A contact sheet: one row a clip under its caption."""
    frames = [read_clip(folder / clip.name).permute(0, 2, 3, 1).numpy() for clip in clips]
    contact_sheet(frames, [read_clip_file(clip).caption for clip in clips], list(numbers)).save(path, optimize=True)


def _judge(real: Path, clips: Path, output: Path) -> None:
    folders: list[str | Path] = ["--real", real, "--generated", clips, "--baseline", real, "--output", output]
    run_program("exvideo_eval", *folders, "--features", "judges")


def _report_truth(real: Path, sets: Sequence[str], output: Path) -> None:
    given = [part for one in sets for part in ("--set", one)]
    run_program("benchmarks.quality.truth_report", "--real", real, *given, "--output", output)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


EXAMS: dict[str, Callable[[Path], None]] = {
    "words": words,
    "autoencoder": autoencoder,
    "lengths": lengths,
    "seeds": seeds,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Holds one exam; 0 when its report is written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.tiny_system.exam", description=__doc__)
    parser.add_argument("exam", choices=tuple(EXAMS))
    parser.add_argument("--output", type=Path, default=Path("out/exam"), metavar="DIR")
    options = parser.parse_args(arguments)
    EXAMS[options.exam](options.output / options.exam)
    return 0


if __name__ == "__main__":
    sys.exit(main())
