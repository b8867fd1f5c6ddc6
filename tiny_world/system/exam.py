"""Exams of the shipped model, on clips that it never saw.

    python -m tiny_world.system.exam words         100 held-out prompts to 8 frames, before the judges
    python -m tiny_world.system.exam autoencoder   200 real clips through the VAE, before the judges
    python -m tiny_world.system.exam lengths       the base at 8 and, directly, at 40 frames, by the truth
    python -m tiny_world.system.exam causes        why: one thing changed at a time, nothing trained
    python -m tiny_world.system.exam seeds         the demo's recipe with three seeds, by the truth

Clips go through MP4 files, real ones too. Results lie in OUTPUT/NAME as JSON, Markdown and PNG.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import yaml
from exvideo_blocks.families import svd
from exvideo_infer import Conditions, ExVideoPipeline, read_clip, write_video
from exvideo_infer.encoders import embed, encode_clip, encode_first_frame
from exvideo_train.step import Batch, Task
from PIL import Image

from tiny_world.programs import post_tune, run_program
from tiny_world.system.batches import clips_of, to_pixels
from tiny_world.system.causes import (
    Sampler,
    directly,
    window_after_window,
    with_near_frames,
    with_positions,
)
from tiny_world.system.side_by_side import pool_of_cores
from tiny_world.system.training_loop import generators
from tiny_world.world.clip_files import read_clip_file, write_clips
from tiny_world.world.contact_sheet import contact_sheet
from tiny_world.world.sampler import SPLITS
from tiny_world.world.spec import FPS

WORLD_SEED = 1  # neither the generator's nor the judges'
SPLIT = SPLITS[2]  # held out
PROMPTS = 100
CLIPS_CODED = 200
KINDS = 7  # of motion: as many clips in a row have one each
CLIPS = 7 * KINDS
CLIPS_A_SEED = 14 * KINDS  # twice as many, as what is left to decide is small
BATCH = 10
SHORT, LONG = 8, 40
SIGMAS = (1.0, 4.0, 20.0)
SHEET_ROWS = 24
LONG_COLUMNS = (*range(0, LONG, 4), LONG - 1)
RECIPE = Path(__file__).parents[2] / Path("demo/post_tune.yaml")
SEEDS = (0, 1, 2)


def words(output: Path) -> None:
    """Text to image to video, and real clips, before the same judges."""
    real, made = output / "real", output / "made"
    clips = [path for path, _ in write_clips(real, PROMPTS, SHORT, WORLD_SEED, SPLIT)]
    generate(ExVideoPipeline.from_pretrained("embedded"), clips, made, SHORT, with_first_frame=False)
    draw([(made / path.name, read_clip_file(path).caption) for path in clips[:SHEET_ROWS]], range(SHORT), output)
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
    made = output / f"frames_{LONG}"
    draw([(made / path.name, read_clip_file(path).caption) for path in clips[:SHEET_ROWS]], LONG_COLUMNS, output)
    losses = {frames: held_out_loss(pipeline, frames) for frames in (SHORT, LONG)}
    _write(output / "held_out_loss.json", json.dumps(losses, indent=2))
    print(json.dumps(losses, indent=2))
    sets = [f"base at {frames} frames={output / f'frames_{frames}'}" for frames in (SHORT, LONG)]
    _report_truth(real, sets, output / "truth")


def causes(output: Path) -> None:
    """The base at 40 frames with one thing changed at a time and nothing trained, against the truth; and its loss."""
    real = output / "real"
    clips = [path for path, _ in write_clips(real, CLIPS, LONG, WORLD_SEED, SPLIT)]
    slow = FPS * (SHORT - 1) / (LONG - 1)  # at which 8 frames last as long as 40 do
    variants: dict[str, tuple[ExVideoPipeline, Sampler, float]] = {
        "directly": (ExVideoPipeline.from_pretrained("embedded"), directly, FPS),
        "reflected positions": (with_positions("reflected", LONG), directly, FPS),
        "interpolated positions": (with_positions("interpolated", LONG), directly, FPS),
        "attention to 8 frames": (with_near_frames(SHORT), directly, FPS),
        "told a lower frame rate": (ExVideoPipeline.from_pretrained("embedded"), directly, slow),
        "interpolated and told so": (with_positions("interpolated", LONG), directly, slow),
        "8 frames after 8": (ExVideoPipeline.from_pretrained("embedded"), window_after_window, FPS),
    }
    with pool_of_cores() as pool:
        done = [
            pool.submit(generate, pipeline, clips, output / name.replace(" ", "_"), LONG, sample=sample, fps=fps)
            for name, (pipeline, sample, fps) in variants.items()
        ]
        for made in done:
            made.result()
    titles = {real: "{}", output / "directly": "  directly", output / "8_frames_after_8": "  8 frames after 8"}
    shown = [(path, folder, title) for path in clips[:KINDS] for folder, title in titles.items()]
    rows = [(folder / path.name, title.format(read_clip_file(path).caption)) for path, folder, title in shown]
    draw(rows, LONG_COLUMNS, output)
    losses = {
        name: held_out_loss(pipeline, LONG, fps)
        for name, (pipeline, sample, fps) in variants.items()
        if sample is directly
    }
    _write(output / "held_out_loss.json", json.dumps(losses, indent=2))
    print(json.dumps(losses, indent=2))
    _report_truth(real, [f"{name}={output / name.replace(' ', '_')}" for name in variants], output / "truth")


def seeds(output: Path) -> None:
    """The demo's recipe with each seed, each sampled from another noise, beside the untouched base from that noise."""
    real, train = output / "real", output / "train"
    clips = [path for path, _ in write_clips(real, CLIPS_A_SEED, LONG, WORLD_SEED, SPLIT)]
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
    sample: Sampler = directly,
    fps: float = FPS,
) -> None:
    """Writes for each real clip one of the same name, from its caption and its first frame or the caption alone.

    Args:
        seed: of the noise.
        sample: how frames are made of the conditions.
        fps: what the network is told, whatever the clips'.
    """
    output.mkdir(parents=True, exist_ok=True)
    pipeline.set_progress_bar_config(disable=True)
    missing = [path for path in clips if not (output / path.name).exists()]
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        conditions = {
            "prompt": [read_clip_file(path).caption for path in batch],
            "image": [first_frame(path) for path in batch] if with_first_frame else None,
            "generator": [torch.Generator().manual_seed(10_000 * seed + clips.index(path)) for path in batch],
            "fps": fps,
        }
        frames = sample(pipeline, conditions, num_frames).permute(0, 1, 3, 4, 2)
        for path, clip in zip(batch, (frames * 255).round().to(torch.uint8), strict=True):
            write_video(output / path.name, clip, FPS)
            shutil.copyfile(path.with_suffix(".json"), output / path.with_suffix(".json").name)


def first_frame(path: Path) -> Image.Image:
    """A clip's, as it comes back from its file."""
    return Image.fromarray(read_clip(path, num_frames=1)[0].permute(1, 2, 0).numpy())


@torch.no_grad()
def held_out_loss(pipeline: ExVideoPipeline, num_frames: int, fps: float = FPS) -> dict[str, float]:
    """Mean squared error of the predicted clean latents by noise level, on held-out clips of that length.

    Args:
        fps: what the network is told, whatever the clips'.
    """
    clips = clips_of(range(28), num_frames, SPLIT, WORLD_SEED)
    parts = (pipeline.image_encoder, pipeline.feature_extractor, pipeline.text_encoder, pipeline.tokenizer)
    tokens = embed(*parts, [clips.pixels[:, 0]], clips.captions)
    first = torch.cat([encode_first_frame(pipeline.vae, clip[:1]) for clip in clips.pixels])
    latents = torch.cat([encode_clip(pipeline.vae, clip[None], num_frames) for clip in clips.pixels])
    conditions = Conditions(tokens, first, torch.tensor([[fps - 1, 127.0, 0.0]]).expand(len(latents), -1))
    task = Task(svd, svd.objective(pipeline.scheduler))

    def error(sigma: float) -> float:
        noise = torch.randn(latents.shape, generator=generators(0, "held out", num_frames)[1])
        batch = Batch(latents, noise, torch.full((len(latents),), sigma), conditions)
        prediction, given = task.predict(pipeline.unet, batch, pipeline.dtype)
        return float((task.objective.original(prediction, given, batch.level) - latents).square().mean())

    return {f"sigma {sigma:g}": round(error(sigma), 5) for sigma in SIGMAS}


def draw(rows: Sequence[tuple[Path, str]], columns: Sequence[int], output: Path) -> None:
    """`sheet.png`: a row a clip under its title, a column a frame."""
    frames = [read_clip(path).permute(0, 2, 3, 1).numpy() for path, _ in rows]
    contact_sheet(frames, [title for _, title in rows], columns).save(output / "sheet.png", optimize=True)


def _judge(real: Path, clips: Path, output: Path) -> None:
    folders: list[str | Path] = ["--real", real, "--generated", clips, "--baseline", real, "--output", output]
    run_program("exvideo_eval", *folders, "--features", "judges")


def _report_truth(real: Path, sets: Sequence[str], output: Path) -> None:
    given = [part for one in sets for part in ("--set", one)]
    run_program("tiny_world.truth", "--real", real, *given, "--output", output)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


EXAMS: dict[str, Callable[[Path], None]] = {
    "words": words,
    "autoencoder": autoencoder,
    "lengths": lengths,
    "causes": causes,
    "seeds": seeds,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Holds one exam; 0 when its report is written."""
    parser = argparse.ArgumentParser(prog="python -m tiny_world.system.exam", description=__doc__)
    parser.add_argument("exam", choices=tuple(EXAMS))
    parser.add_argument("--output", type=Path, default=Path("out/exam"), metavar="DIR")
    options = parser.parse_args(arguments)
    EXAMS[options.exam](options.output / options.exam)
    return 0


if __name__ == "__main__":
    sys.exit(main())
