"""The methods, as a table: ways in which a base of eight frames is made to give more, with and without training."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from exvideo_blocks import ExtensionConfig, extend
from exvideo_infer import Windows
from exvideo_infer.beyond.keyframes import keyframes_of

from benchmarks.quality import making
from benchmarks.quality.analytic_init import analytic, moments, start_later
from benchmarks.quality.making import BASE_FRAMES, STEPS, Make, keyframe_stride
from benchmarks.quality.parts import register
from benchmarks.quality.spectral_blend import blend_attention

UNTRAINED, CEILING, POST_TUNED, CONTROL = "untrained", "ceiling", "post-tuned", "control"
KINDS = (UNTRAINED, CEILING, POST_TUNED, CONTROL)
EXTENDED_STRIDE = 2  # frames between the keyframes of an extended model
SHIPPED, SHIPPED_FRAMES = "embedded", 40
GUIDED = 2  # evaluations of a frame at a step, as guidance asks twice


@dataclass(frozen=True)
class Method:
    """One method.

    Args:
        title: in tables.
        kind: one of `KINDS`.
        make: makes the clips.
        frames: that the network evaluates at a step, of a clip of so many, without guidance's second half.
        prepare: changes a pipeline that was just loaded, given the number of frames.
        steps: of a clip of so many frames.
        at_once: of those frames, as many as are evaluated together, by which memory goes; None for all of them.
        needs_rife: True if it needs the extra `rife`.
        longest: frames of the longest clip that it can make; None for any.
        beyond: frames up to which it is another method.
        weights: file of what was trained, `SHIPPED`, or None of a method that trains nothing.
    """

    title: str
    kind: str
    make: Make
    frames: Callable[[int], int]
    prepare: Callable[[Any, int], None] = lambda pipe, num_frames: None
    steps: Callable[[int], int] = lambda num_frames: STEPS
    at_once: int | None = None
    needs_rife: bool = False
    longest: int | None = None
    beyond: int = 0
    weights: str | Path | None = None

    def network_frames(self, num_frames: int) -> int:
        """Frames that the network evaluates for a clip, both halves of guidance counted: the cost of sampling."""
        return GUIDED * self.frames(num_frames) * self.steps(num_frames)

    def frames_together(self, num_frames: int) -> int:
        """Frames that the network evaluates together, without guidance's second half."""
        return min(self.frames(num_frames), self.at_once or num_frames)


def every_frame(num_frames: int) -> int:
    """All of a clip's frames."""
    return num_frames


def keyframes(num_frames: int) -> int:
    """The keyframes of a clip."""
    return keyframes_of(num_frames, keyframe_stride(num_frames))


def keyframes_of_eight(num_frames: int) -> int:
    """Those of `making.eight_keyframes`."""
    return keyframes_of(num_frames, making.eight_keyframe_stride(num_frames))


def keyframes_extended(num_frames: int) -> int:
    """Those of an extended model."""
    return keyframes_of(num_frames, EXTENDED_STRIDE)


def steps_of_keyframes(num_frames: int) -> int:
    """Steps at which keyframes cost what all frames do in the model's own."""
    return round(STEPS * num_frames / keyframes(num_frames))


def steps_of_few(num_frames: int) -> int:
    """Steps at which all frames cost what keyframes do in the model's own."""
    return max(1, round(STEPS * keyframes(num_frames) / num_frames))


def reflect(pipe: Any, num_frames: int) -> None:
    """Mounts a new extension whose positions are reflected, as published, and trains nothing."""
    extend(pipe.unet, ExtensionConfig(num_frames, "position", "reflected"))


def spread(pipe: Any, num_frames: int) -> None:
    """Mounts a new extension whose positions and rate are interpolated, as the recipe's are at the start."""
    extend(pipe.unet, ExtensionConfig(num_frames, "position", "interpolated", frame_rate="interpolated"))


def mount(extension: str | Path, pipe: Any, num_frames: int) -> None:
    """Mounts an extension; one that was trained here may be of the benchmark's own levels."""
    if extension != SHIPPED:
        register()
    pipe.load_extension(extension)


def begin_analytic(folder: Path, pipe: Any, num_frames: int) -> None:
    """Lowers the level that sampling begins at, and has the moments there, which are no part of a clip's cost."""
    start_later(pipe)
    moments(pipe, num_frames, folder)


def post_tuned(title: str, extension: str | Path, longest: int, kind: str = POST_TUNED) -> Method:
    """The whole clip at once by a base with a trained extension."""
    return Method(
        title, kind, making.whole, every_frame, partial(mount, extension), longest=longest, weights=extension
    )  # fmt: skip


def methods(folder: Path) -> dict[str, Method]:
    """The methods that need no training here, by name.

    Args:
        folder: that Analytic-Init keeps the moments of training clips in.
    """
    rife = partial(making.interpolated, interpolator="rife")
    shipped = partial(mount, SHIPPED)
    return {
        "direct": Method("run directly", UNTRAINED, making.whole, every_frame),
        "slow": Method("told a low frame rate", UNTRAINED, making.told_slow, every_frame),
        "held": Method("keyframes, held", UNTRAINED, making.held, keyframes),
        "linear": Method(
            "keyframes, linear between", UNTRAINED, partial(making.interpolated, interpolator="linear"), keyframes
        ),
        "rife": Method("keyframes, RIFE between", UNTRAINED, rife, keyframes, needs_rife=True),
        "rife-eight": Method(
            "eight keyframes, RIFE between", UNTRAINED, making.eight_keyframes, keyframes_of_eight, needs_rife=True
        ),
        "rife-equal": Method(
            "keyframes at the cost of all frames, RIFE between", UNTRAINED, rife, keyframes,
            steps=steps_of_keyframes, needs_rife=True,
        ),
        "real-rife": Method(
            "real keyframes, RIFE between", CEILING, making.between_real, lambda num_frames: 0, needs_rife=True
        ),
        "analytic": Method(
            "Analytic-Init", UNTRAINED, partial(analytic, folder=folder), every_frame,
            partial(begin_analytic, folder),
        ),
        "chain": Method(
            "last frame after last frame", UNTRAINED, making.chained, making.frames_of_chain, at_once=BASE_FRAMES
        ),
        "windows": Method(
            "sliding windows", UNTRAINED, partial(making.in_windows, windows=Windows()), making.frames_of_windows,
            at_once=BASE_FRAMES,
        ),
        "free-noise": Method(
            "FreeNoise", UNTRAINED, partial(making.in_windows, windows=Windows.free_noise()), making.frames_of_windows,
            at_once=BASE_FRAMES,
        ),
        "free-long": Method(
            "FreeLong, our reading", UNTRAINED, making.whole, every_frame,
            prepare=lambda pipe, num_frames: blend_attention(pipe),
        ),
        "reflected": Method("reflected positions, untrained", UNTRAINED, making.whole, every_frame, reflect),
        "spread": Method("positions and rate interpolated, untrained", UNTRAINED, making.whole, every_frame, spread),
        "exvideo": post_tuned("ExVideo, shipped extension", SHIPPED, SHIPPED_FRAMES),
        "exvideo-few": Method(
            "ExVideo, shipped, at the cost of keyframes", POST_TUNED, making.whole, every_frame, shipped,
            steps=steps_of_few, longest=SHIPPED_FRAMES, weights=SHIPPED,
        ),
        "exvideo-rife": Method(
            "ExVideo, shipped, every second frame, RIFE between", POST_TUNED,
            partial(making.interpolated, interpolator="rife", every=EXTENDED_STRIDE), keyframes_extended, shipped,
            needs_rife=True, longest=(SHIPPED_FRAMES - 1) * EXTENDED_STRIDE + 1, weights=SHIPPED,
        ),
        "exvideo-chain": Method(
            "ExVideo, shipped, last frame after last frame", POST_TUNED, making.chained,
            partial(making.frames_of_chain, length=SHIPPED_FRAMES), shipped, at_once=SHIPPED_FRAMES,
            beyond=SHIPPED_FRAMES, weights=SHIPPED,
        ),
    }  # fmt: skip
