"""The stages of the demo on a film: a base, its post-tuning, clips made without and with it, pictures."""

from pathlib import Path

from exvideo_infer.video_file import probe
from exvideo_train.data.manifest import HELD_OUT, TRAINING, read_manifest

from demo.generate import generate_all
from demo.job import FRAME_SIZE, NUM_FRAMES
from demo.loss_curve import draw_held_out_loss, read_held_out_loss
from demo.own_footage import base
from demo.own_footage.footage import Footage, FootageError
from demo.own_footage.prepare import job_of, report_footage
from demo.run import write_recipe
from demo.sheets import draw_sheets
from demo.stages import Stages
from tiny_world.programs import post_tune
from tiny_world.small_base import build_components, save
from tiny_world.system.training_loop import Schedule

VAE = Schedule(
    steps=600, batch_size=16, learning_rate=2e-3, warmup_steps=20, ema_decay=0.98, checkpoint_every=100, log_every=50
)
UNET = Schedule(
    steps=800, batch_size=2, learning_rate=3e-3, warmup_steps=20, ema_decay=0.98, checkpoint_every=100, log_every=50
)


def run_film(clips: Path, output: Path) -> None:
    """Trains a base, post-tunes it, and draws what came of it.

    Raises:
        ValueError: the clips are of no use.
        ProgramError: exvideo-train failed.
    """
    stages = Stages(total=4)
    footage = linked_footage(clips, output / "footage")
    report_footage(footage)
    with stages.stage("Base: a small VAE and a small UNet of 8 frames from random weights", 2400):
        train_the_base(footage, output)
    job = job_of(footage, output, Path(__file__).with_name("post_tune.yaml"))
    with stages.stage(f"Post-tuning to {NUM_FRAMES} frames: exvideo-train", 1500):
        post_tune(write_recipe(job, output, dict))
    with stages.stage("Generation from held-out first frames: without and with the extension", 150):
        generate_all(job, output)
    with stages.stage("Pictures: contact sheets and held-out loss", 10):
        loss = read_held_out_loss(output / "post_tune" / "metrics.jsonl")
        draw_held_out_loss(output / "held_out_loss.png", loss, NUM_FRAMES)
        draw_sheets(job, output)
    for step, value in zip(loss.steps, loss.extension, strict=True):
        print(f"step {step}: held-out loss {value:.4f}, the base's {loss.base:.4f}")


def linked_footage(clips: Path, output: Path) -> Footage:
    """The clips of a list by its splits, linked in `output/train` and `output/held_out`.

    Raises:
        UserError: there is no list, or it has no row of a split.
        FootageError: a clip is of another size, or shorter than `NUM_FRAMES`.
    """
    parts: list[tuple[Path, ...]] = []
    for split, name in ((TRAINING, "train"), (HELD_OUT, "held_out")):
        folder = output / name
        folder.mkdir(parents=True, exist_ok=True)
        for link in folder.iterdir():
            link.unlink()
        for entry in read_manifest("clips", clips / "metadata.jsonl", split):
            info = probe(entry.path)
            if (info.height, info.width) != (FRAME_SIZE, FRAME_SIZE) or info.num_frames < NUM_FRAMES:
                raise FootageError(
                    f"{entry.path} has {info.num_frames} frames of {info.height}x{info.width}: cut it with "
                    f"exvideo-prepare --cut --size {FRAME_SIZE} {FRAME_SIZE} --min-frames {NUM_FRAMES}."
                )
            (folder / entry.path.name).symlink_to(entry.path.resolve())
        parts.append(tuple(sorted(folder.iterdir())))
    train, held_out = parts
    return Footage(train, held_out, probe(train[0]).fps, notes=())


def train_the_base(footage: Footage, output: Path) -> None:
    """Trains VAE and UNet of a small base, and saves it as `output/base`; not again if it is there."""
    if (output / "base" / "model_index.json").is_file():
        return
    components, runs = build_components(base.SEED, **base.ARCHITECTURE), output / "base_runs"
    base.train_vae(components["vae"], footage.train, runs / "vae", VAE)
    base.train_unet(components, footage.train, runs / "unet", UNET)
    save(components, output / "base")
