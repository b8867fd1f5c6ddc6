"""Controls that train all of the network, by the trainer that made the base: continued, or from nothing."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_infer import Conditions, ExVideoPipeline
from exvideo_infer.encoders import embed, encode_clip, encode_first_frame
from torch import Tensor

from benchmarks.quality.making import BASE_FRAMES, TRAINED_STRIDES, Make, interpolated, whole
from benchmarks.quality.methods import CONTROL, Method, every_frame, keyframes
from benchmarks.quality.post_tune import LONGEST_EVENT
from benchmarks.quality.protocol import ABLATION, HEADLINE, SPLITS, Size
from benchmarks.quality.recipes import CLIPS, FRAMES, OF_EVENTS, SECONDS_A_CLIP, SECONDS_A_STEP, STEPS
from benchmarks.quality.record import base_sha256
from tiny_world.system import video
from tiny_world.system.batches import caption_of, to_pixels
from tiny_world.system.training_loop import Schedule, generators, train
from tiny_world.world.event_sampler import sample_event
from tiny_world.world.render import render
from tiny_world.world.sampler import sample_spec
from tiny_world.world.spec import EVENTS, FPS, ClipSpec

BATCH = 2  # as the recipes that it is a control of
WEIGHTS, TRAINING = "weights.safetensors", "training"
DROPPED = 0.1  # of the conditions, for guidance
# The base's own compute in steps of two clips of 40 frames, and a post-tuning's.
FROM_NOTHING = video.SCHEDULE.steps * video.SCHEDULE.batch_size * BASE_FRAMES // (BATCH * FRAMES) + STEPS


@dataclass(frozen=True)
class Continued:
    """One control.

    Args:
        title: in tables.
        run: name of its training, which several rows may share.
        num_frames: of the clips that are trained on.
        strides: between their frames, in turn; the network is told the rate that is left.
        log_sigma: mean and deviation of the logarithm of the noise level.
        make, evaluated: how clips are made by it, and the frames that the network evaluates for one at a step.
        steps: of the optimizer.
        is_new: True for a network that begins with nothing.
        size: seeds and clips.
        with_events: True if it trains on clips with events.
        clips: that it trains on.
    """

    title: str
    run: str
    num_frames: int
    strides: tuple[int, ...]
    log_sigma: tuple[float, float]
    make: Make = whole
    evaluated: Callable[[int], int] = every_frame
    steps: int = STEPS
    is_new: bool = False
    size: Size = ABLATION
    group: str = "controls"
    frames: int = FRAMES
    with_events: bool = False
    clips: int = CLIPS["tune"]

    def file(self, runs: Path, name: str, seed: int) -> Path:
        """The weights of a seed's run."""
        return runs / f"{self.run}_{seed}" / WEIGHTS

    def method(self, weights: Path) -> Method:
        """Sampling by what was trained."""
        needs_rife = self.evaluated is keyframes
        return Method(
            self.title, CONTROL, self.make, self.evaluated, partial(put, weights), needs_rife=needs_rife,
            weights=weights,
        )  # fmt: skip

    def is_for(self, num_frames: int) -> bool:
        """True if it is a row of clips of so many frames."""
        return num_frames <= self.frames

    @property
    def hours(self) -> float:
        """Hours on two cores, all seeds: training, then clips made and judged on one core each. An estimate."""
        training = self.steps * SECONDS_A_STEP * self.num_frames / FRAMES
        return len(self.size.seeds) * (training + self.size.clips * SECONDS_A_CLIP / 2) / 3600


OWN_NOISE, LONG_NOISE = (video.SIGMA_LOG_MEANS[-1], video.SIGMA_LOG_STD), (2.8, 1.1)
CONTINUED_ROWS = {
    "continued": Continued(
        "the base continued on clips of 8 frames", "continued", BASE_FRAMES, TRAINED_STRIDES, OWN_NOISE
    ),
    "continued-rife": Continued(
        "the base continued on clips of 8 frames, keyframes, RIFE between", "continued", BASE_FRAMES, TRAINED_STRIDES,
        OWN_NOISE, partial(interpolated, interpolator="rife"), keyframes,
    ),
    "events-rife": Continued(
        "the base continued on clips with events, keyframes, RIFE between", "events-continued", BASE_FRAMES,
        TRAINED_STRIDES, OWN_NOISE, partial(interpolated, interpolator="rife"), keyframes, size=HEADLINE,
        group="headline", with_events=True, clips=OF_EVENTS,
    ),
    "all-parameters": Continued(
        "the base continued on clips of 40 frames", "all-parameters", FRAMES, (1,), LONG_NOISE
    ),
    "scratch": Continued(
        "from nothing on clips of 40 frames, total compute", "scratch", FRAMES, (1,), LONG_NOISE, steps=FROM_NOTHING,
        is_new=True, size=Size((0,), ABLATION.clips),
    ),
}  # fmt: skip


def put(weights: Path, pipe: Any, num_frames: int) -> None:
    """Gives a pipeline's network the weights of a run."""
    pipe.unet.load_state_dict(read_safetensors(weights)[0])


def continue_base(name: str, control: Continued, runs: Path, base: str, seed: int) -> Path:
    """Trains from where the run ends; the file of its averaged weights.

    Args:
        name: of the row.
        control: of it.
        runs: folder of all runs; they share their latents.
        base: whose encoders and, but for a new one, weights are taken.
        seed: of the run.

    Raises:
        ValueError: there are weights of another training.
    """
    file = control.file(runs, name, seed)
    trained = _training_of(control, base, seed)
    if file.exists() and (was := read_safetensors(file)[1].get(TRAINING)) != trained:
        raise ValueError(
            f"{file} is of the training {was}, and {trained} is asked for: remove its folder, or give --output another."
        )
    if not file.exists():
        pipe = ExVideoPipeline.from_pretrained(base)
        torch.manual_seed(seed)
        unet = video.build_video_unet() if control.is_new else pipe.unet
        unet.requires_grad_(True)
        schedule = Schedule(control.steps, BATCH, 2.5e-4, warmup_steps=20, ema_decay=0.98, half=True)
        name = "events" if control.with_events else "latents"
        path = runs / f"{name}_{FRAMES}{'' if control.clips == CLIPS['tune'] else f'_{control.clips}'}.safetensors"
        told = encoded(path, pipe, clips_of(control))
        train(unet, partial(_part_of_step, unet, control, told, seed), schedule, file.parent)
        write_safetensors(file, dict(unet.state_dict()), {TRAINING: trained})
    return file


def _training_of(control: Continued, base: str, seed: int) -> str:
    """All that decides the weights of a run."""
    names = ("run", "num_frames", "strides", "log_sigma", "steps", "is_new", "with_events", "clips")
    return json.dumps({name: getattr(control, name) for name in names} | {"base": base_sha256(base), "seed": seed})


def encoded(path: Path, pipe: Any, specs: Sequence[ClipSpec]) -> Mapping[str, Tensor]:
    """Clips as the network sees them, kept in a file.

    Returns:
        `latents` (clips, frames, channels, height, width), scaled; `first_frame` (clips, channels, height, width), not
        scaled; `tokens` (clips, tokens, width).
    """
    if not path.exists():
        parts: dict[str, list[Tensor]] = {"latents": [], "first_frame": [], "tokens": []}
        encoders = pipe.image_encoder, pipe.feature_extractor, pipe.text_encoder, pipe.tokenizer
        for spec in specs:
            pixels = to_pixels(render(spec, FRAMES))[None]
            parts["latents"].append(encode_clip(pipe.vae, pixels).half())
            parts["first_frame"].append(encode_first_frame(pipe.vae, pixels[:, 0]).half())
            parts["tokens"].append(embed(*encoders, [pixels[:, 0]], [caption_of(spec)]).half())
        write_safetensors(path, {name: torch.cat(tensors) for name, tensors in parts.items()}, {})
    return {name: tensor.float() for name, tensor in read_safetensors(path)[0].items()}


def clips_of(control: Continued) -> list[ClipSpec]:
    """Those of the split tune that a control trains on: a post-tuning of as many has the same."""
    split = SPLITS["tune"]
    if not control.with_events:
        return [sample_spec(split.world_seed, index, split.combinations) for index in range(control.clips)]
    asked = [(kind, duration) for kind in EVENTS for duration in range(1, LONGEST_EVENT + 1)]
    each = range(max(1, control.clips // len(asked)))
    return [sample_event(split.world_seed, index, *event, split.combinations) for event in asked for index in each]


def _part_of_step(
    unet: Any, control: Continued, told: Mapping[str, Tensor], seed: int, step: int, part: int, parts: int
) -> Callable[[], Tensor]:
    random, generator = generators(seed, control.run, step, part)
    windows = windows_of(control, told, random, BATCH // parts)
    noise = torch.randn(windows.latents.shape, generator=generator)
    mean, deviation = control.log_sigma
    sigma = (mean + deviation * torch.randn(len(noise), 1, 1, 1, 1, generator=generator)).exp()
    return partial(video.video_loss, unet, windows, noise, sigma)


def windows_of(
    control: Continued, told: Mapping[str, Tensor], random: np.random.Generator, clips: int
) -> video.Windows:
    """Clips from their first frame on, all of one stride, some without conditions."""
    chosen = torch.from_numpy(random.integers(len(told["latents"]), size=clips))
    stride = int(random.choice(control.strides))
    latents = told["latents"][chosen][:, ::stride][:, : control.num_frames]
    kept = torch.from_numpy(random.random(clips) >= DROPPED).float()
    ids = torch.tensor([[FPS / stride - 1, 127.0, 0.0]]).repeat(clips, 1)
    first = told["first_frame"][chosen] * kept[:, None, None, None]
    return video.Windows(latents, Conditions(told["tokens"][chosen] * kept[:, None, None], first, ids))
