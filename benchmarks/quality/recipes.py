"""Rows that are post-tuned here: recipes of exvideo-train, each the demo's with something changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.quality.methods import CONTROL, POST_TUNED, Method, post_tuned
from benchmarks.quality.protocol import ABLATION, EMBEDDED, HEADLINE, Size

DEMO = Path(__file__).parents[2] / "demo" / "post_tune.yaml"
STEPS, FRAMES = 1700, 40  # the demo's
OWN_RATE = {"extension.frame_rate": "own"}
OF_ONE_RATE = OWN_RATE | {"extension.positions": "continued"}  # such a base knows nothing of low ones
CLIPS = {"tune": 256, "validation": 7}
OF_EVENTS = 800  # ten of each kind and duration
# A step of two clips of 40 frames by two processes, on two cores of a Xeon with AMX: the demo's 1,700 steps took 850 s
# there, clips encoded and held-out losses included.
SECONDS_A_STEP = 0.5
SECONDS_A_CLIP = 4.0  # of one core: made and judged


@dataclass(frozen=True)
class Recipe:
    """One row.

    Args:
        title: in tables.
        group: of rows that are looked at together.
        changes: of the demo's recipe, by "section.key".
        size: seeds and clips.
        kind: `POST_TUNED` or `CONTROL`.
        with_events: True if it trains on clips with events.
        clips: that it trains on; None for as many as `CLIPS` has.
        is_one_run: True if all seeds of noise have one run, as the shipped extension is one.
    """

    title: str
    group: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    size: Size = ABLATION
    kind: str = POST_TUNED
    with_events: bool = False
    clips: int | None = None
    is_one_run: bool = False

    def filled(self, output: Path, clips: Path, base: str, seed: int) -> dict[str, Any]:
        """The recipe of a run, as exvideo-train reads it.

        Args:
            output: folder of the run; latents are kept beside it, for all runs.
            clips: folder with `tune` and `validation`.
            base: what is post-tuned.
            seed: of the run, as `seed_of_run` has it.
        """
        recipe: dict[str, Any] = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
        recipe |= {"base": base, "output": str(output), "seed": seed}
        recipe["data"] |= {"videos": str(clips / "tune"), "cache": str(output.parent / "latents")}
        recipe["validation"]["videos"] = str(clips / "validation")
        start = {} if base == EMBEDDED else OF_ONE_RATE
        for key, value in {**start, **self.changes}.items():
            section, _, name = key.partition(".")
            if name:
                recipe.setdefault(section, {})[name] = value
            else:
                recipe[section] = value
        return recipe

    def file(self, runs: Path, name: str, seed: int) -> Path:
        """The extension of a seed's run."""
        return runs / f"{name}_{self.seed_of_run(seed)}" / "extension.safetensors"

    def seed_of_run(self, seed: int) -> int:
        """The seed of the run that a seed of noise has."""
        return 0 if self.is_one_run else seed

    def method(self, extension: Path) -> Method:
        """Sampling by what was trained."""
        return post_tuned(self.title, extension, self.frames, self.kind)

    def is_for(self, num_frames: int) -> bool:
        """True if it is a row of clips of so many frames: longer ones than the demo's are of their own length alone."""
        return self.frames == num_frames or num_frames < self.frames == FRAMES

    @property
    def frames(self) -> int:
        """Of the longest clip."""
        return int(self.changes.get("extension.num_frames", FRAMES))

    @property
    def steps(self) -> int:
        """Of the optimizer."""
        return int(self.changes.get("optimizer.steps", STEPS))

    @property
    def hours(self) -> float:
        """Hours on two cores, all seeds: training, then clips made and judged on one core each. An estimate."""
        frames = self.changes.get("data.lengths", [self.frames])[0]
        runs = len({self.seed_of_run(seed) for seed in self.size.seeds})
        training = runs * self.steps * SECONDS_A_STEP * frames / FRAMES
        return (training + len(self.size.seeds) * self.size.clips * SECONDS_A_CLIP / 2) / 3600


def _positions(name: str) -> dict[str, Any]:
    return {"extension.positions": name}


def _level(name: str, rate: float | None = None) -> dict[str, Any]:
    return {"extension.level": name} | ({} if rate is None else {"optimizer.learning_rate": rate})


def _from_shipped(num_frames: int) -> dict[str, Any]:
    return {"init_from": EMBEDDED, "extension.num_frames": num_frames}


HEADLINE_ROWS = {
    "full": Recipe("ExVideo, `full`", "headline", size=HEADLINE),
    "full-80": Recipe("ExVideo, `full`, 80 frames", "headline", {"extension.num_frames": 80}, HEADLINE),
    "full-128": Recipe("ExVideo, `full`, 128 frames", "headline", {"extension.num_frames": 128}, HEADLINE),
    "lengthened-80": Recipe(
        "ExVideo, shipped, lengthened to 80 frames", "headline", _from_shipped(80), HEADLINE, clips=STEPS,
        is_one_run=True,
    ),
    "lengthened-128": Recipe(
        "ExVideo, shipped, lengthened to 128 frames", "headline", _from_shipped(128), HEADLINE, clips=STEPS,
        is_one_run=True,
    ),
    "events": Recipe(
        "ExVideo, shipped, on clips with events", "headline", _from_shipped(FRAMES), HEADLINE, with_events=True,
        clips=OF_EVENTS, is_one_run=True,
    ),
}  # fmt: skip
ABLATION_ROWS = {
    "temporal": Recipe("`temporal`: no identity convolution", "levels", _level("temporal")),
    "conv": Recipe("`conv`: table and identity convolution", "levels", _level("conv")),
    "attention": Recipe("`attention`", "levels", _level("attention")),
    "lora": Recipe("`lora`, rank 16", "levels", _level("lora", 2e-3)),
    "position": Recipe("`position`: the table alone", "levels", _level("position", 1e-2)),
    "only-conv": Recipe("identity convolution alone", "parts", _level("only-conv")),
    "only-attention": Recipe("attention along frames alone", "parts", _level("only-attention")),
    "only-feed-forward": Recipe("feed-forward alone", "parts", _level("only-feed-forward")),
    "without-table": Recipe("all but the table", "parts", _level("without-table")),
    "without-attention": Recipe("all but attention along frames", "parts", _level("without-attention")),
    "without-feed-forward": Recipe("all but feed-forward", "parts", _level("without-feed-forward")),
    "reflected-start": Recipe("positions reflected, as published", "positions", OWN_RATE | _positions("reflected")),
    "continued-start": Recipe(
        "positions continued, the clip's own rate", "positions", OWN_RATE | _positions("continued")
    ),
    "interpolated": Recipe("positions interpolated, the clip's own rate", "positions", OWN_RATE),
    "rate-alone": Recipe("positions continued, the rate interpolated", "positions", _positions("continued")),
    "karras": Recipe("noise as published", "noise", {"noise": {"distribution": "karras"}}),
    "noise-0.7": Recipe("ln sigma of mean 0.7", "noise", {"noise.mean": 0.7, "noise.std": 1.6}),
    "noise-1.6": Recipe("ln sigma of mean 1.6", "noise", {"noise.mean": 1.6, "noise.std": 1.3}),
    "noise-2.2": Recipe("ln sigma of mean 2.2", "noise", {"noise.mean": 2.2, "noise.std": 1.2}),
    "noise-3.4": Recipe("ln sigma of mean 3.4", "noise", {"noise.mean": 3.4, "noise.std": 1.0}),
    "no-ema": Recipe("no average of the weights", "average", {"optimizer.ema_decay": 0.0}),
    "long-ema": Recipe("average over a thousand steps", "average", {"optimizer.ema_decay": 0.999}),
    "no-dropout": Recipe("no conditions dropped", "dropout", {"conditioning_dropout": 0.0}),
    "more-dropout": Recipe("conditions dropped twice as often", "dropout", {"conditioning_dropout": 0.2}),
    "network-dropout": Recipe("a tenth of the activations dropped", "dropout", {"model": {"dropout": 0.1}}),
    "steps-425": Recipe("a quarter of the steps", "steps", {"optimizer.steps": 425}),
    "steps-850": Recipe("half of the steps", "steps", {"optimizer.steps": 850}),
    "steps-3400": Recipe("twice the steps", "steps", {"optimizer.steps": 3400}),
    "steps-6800": Recipe("four times the steps", "steps", {"optimizer.steps": 6800}),
    "noisy-frame": Recipe(
        "noise on the first frame, as Stable Video Diffusion's", "first frame", {"noise_augmentation": {"variants": 4}}
    ),
    # 15 of Stable Video Diffusion's latents, in deviations of this base's.
    "time-noise": Recipe("noise on the first frame, TimeNoise", "first frame", {"time_noise": {"maximum": 5.7}}),
}
CONTROL_ROWS = {
    "short-clips": Recipe("the same on clips of 8 frames", "controls", {"data.lengths": [8]}, kind=CONTROL),
    "short-clips-equal": Recipe(
        "the same on clips of 8 frames, for as many frames", "controls",
        {"data.lengths": [8], "optimizer.steps": 5 * STEPS}, kind=CONTROL,
    ),
    "old-parts": Recipe(
        "the recipe without its new parts", "controls", _level("old-parts"), kind=CONTROL
    ),
}  # fmt: skip
RECIPES = HEADLINE_ROWS | ABLATION_ROWS | CONTROL_ROWS
