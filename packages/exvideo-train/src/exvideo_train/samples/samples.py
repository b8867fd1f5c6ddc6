"""Sampling in the course of a run: spread over the processes, with the decoder off the device until it is used.

Nothing that training looks at is touched: noise comes from generators of its own, the scheduler is a copy, and whatever
else would draw does so from a copy of PyTorch's state.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import Family
from exvideo_infer import Base, denoise, guidance_per_frame, to_uint8, write_video
from torch import Tensor

from exvideo_train.atomic import write_json
from exvideo_train.config import SamplesSection
from exvideo_train.data.fingerprint import fingerprint_of
from exvideo_train.processes import Processes
from exvideo_train.samples.show import BASE, SHEET, Show
from exvideo_train.samples.wanted import Wanted
from exvideo_train.stop import Requests


class Samples:
    """The clips of a run, made with whatever network it is given.

    Args:
        section: of the configuration.
        family: of the network.
        base: decodes; its decoder is moved to the CPU.
        wanted: the clips.
        processes: they are spread over them.
        requests: sampling ends early once one of the processes is asked to stop.
        folder: of the run's samples.
        show: scores them and draws the sheet.
    """

    def __init__(
        self,
        section: SamplesSection,
        family: Family,
        base: Base,
        wanted: list[Wanted],
        processes: Processes,
        requests: Requests,
        folder: Path,
        show: Show,
    ) -> None:
        self.folder = folder
        self._wanted = wanted
        self._show = show
        self._every = section.every
        self._family = family
        self._base = base
        self._processes = processes
        self._requests = requests
        self._sampling = base.sampling_defaults.replace(
            num_inference_steps=section.num_inference_steps,
            min_guidance_scale=section.min_guidance_scale,
            max_guidance_scale=section.max_guidance_scale,
        )
        base.decoder.to("cpu")

    def folder_of(self, step: int) -> Path:
        """The folder of a step's clips."""
        return self.folder / f"step-{step:08d}"

    def are_due(self, step: int, steps: int) -> bool:
        """True if a step is one of those that clips are made at, or the last one, and they are not there yet.

        Every process must call. The sheet, which is written last, says that all are there.
        """
        if step == 0 or (step % self._every and step != steps):
            return False
        return not self._processes.together(lambda: (self.folder_of(step) / SHEET).is_file())

    def show(self, step: int) -> tuple[dict[str, float], list[Path]]:
        """The figures of a step's clips, and the files to keep; in the main process."""
        return self._show(self.folder_of(step), self._wanted, f"step {step}")

    def make(self, network: Any, dtype: torch.dtype, folder: Path) -> bool:
        """Writes a clip a file, NAME.mp4, in place of what the folder has; False if it was stopped.

        Every process must call, and runs the same number of forward passes (ZeRO 3 gathers weights in each).

        Args:
            network: of the family, or a wrapper of one.
            dtype: that it computes in.
        """
        self._processes.together(lambda: _empty(folder))
        made: list[tuple[Wanted, Tensor]] = []
        count, rank = self._processes.count, self._processes.rank
        for turn in range(-(-len(self._wanted) // count)):
            number = turn * count + rank
            wanted = self._wanted[number % len(self._wanted)]
            latents = self._sample(network, dtype, wanted)
            if latents is None:
                return False
            if number < len(self._wanted):
                made.append((wanted, latents))
        self._decode(made, folder)
        return not self._is_stopped()

    def make_base(self, network: Any, fingerprint: str) -> bool:
        """The clips of the base itself, not extended, unless they are kept; False if it was stopped.

        Args:
            fingerprint: of its weights.
        """
        note = self.folder / f"{BASE}.json"
        key = {"base": fingerprint, "samples": self._content()}
        if self._processes.together(lambda: _is_kept(note, key, self.folder / BASE, self._wanted)):
            return True
        if not self.make(network, next(network.parameters()).dtype, self.folder / BASE):
            return False
        self._processes.together(lambda: write_json(note, key))
        return True

    def drop_after(self, step: int) -> None:
        """Removes what a run has sampled after the step that it goes on from: it will come again."""
        for path in self.folder.glob("step-*"):
            if int(path.name.removeprefix("step-")) > step:
                shutil.rmtree(path, ignore_errors=True)

    def _content(self) -> str:
        """A fingerprint of all that the clips depend on besides the network."""
        described = [(one.name, one.seed, one.shape, one.fps) for one in self._wanted]
        tensors = [value for one in self._wanted for value in vars(one.conditions).values() if value is not None]
        digest = fingerprint_of((str(at), value) for at, value in enumerate(tensors))
        sampling = self._sampling
        steps = (sampling.num_inference_steps, sampling.min_guidance_scale, sampling.max_guidance_scale)
        return json.dumps([described, digest, steps])

    @torch.no_grad()
    def _sample(self, network: Any, dtype: torch.dtype, wanted: Wanted) -> Tensor | None:
        device, sampling = self._processes.device, self._sampling
        scheduler = type(self._base.scheduler).from_config(self._base.scheduler.config)
        guidance = guidance_per_frame(sampling.min_guidance_scale, sampling.max_guidance_scale, wanted.shape[0])

        def on_step(step: int, timestep: Tensor, latents: Tensor) -> Tensor:
            if self._is_stopped():
                raise _StoppedError
            return latents

        with _own_draws(device, wanted.seed):
            try:
                return denoise(
                    network,
                    scheduler,
                    wanted.noise().to(device),
                    wanted.conditions.to(device),
                    guidance,
                    sampling.num_inference_steps,
                    on_step,
                    family=self._family,
                    dtype=dtype,
                )[0].cpu()
            except _StoppedError:
                return None

    def _decode(self, made: list[tuple[Wanted, Tensor]], folder: Path) -> None:
        device = self._processes.device
        self._base.decoder.to(device)
        try:
            for wanted, latents in made:
                if self._requests.stop:
                    return
                frames = self._base.decode(latents.to(device))
                write_video(folder / f"{wanted.name}.mp4", (to_uint8(frame) for frame in frames), wanted.fps)
        finally:
            self._base.decoder.to("cpu")
            if device.type == "cuda":
                torch.cuda.empty_cache()  # the decoder's blocks are of no size that training asks for

    def _is_stopped(self) -> bool:
        return bool(self._processes.sum(torch.tensor(float(self._requests.stop))) > 0)


class _StoppedError(Exception):
    """The run was asked to stop."""


@contextmanager
def _own_draws(device: torch.device, seed: int) -> Iterator[None]:
    """Gives PyTorch's random state back afterwards: some schedulers draw noise at each step."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _is_kept(note: Path, key: dict[str, str], folder: Path, wanted: list[Wanted]) -> bool:
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(kept == key) and all((folder / f"{one.name}.mp4").is_file() for one in wanted)
