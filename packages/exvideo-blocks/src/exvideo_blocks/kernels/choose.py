"""The backend of an operator: the one that is asked for, or the fastest that has been seen to run.

| backend | what it is |
| --- | --- |
| triton | our kernels |
| sdpa | PyTorch's scaled_dot_product_attention |
| xformers | xformers' memory_efficient_attention |
| auto | on a GPU the fastest by `measured.json`; on everything else sdpa, so that a CPU's bits are those of the base |

`python -m benchmarks.kernels temporal_attention` measures, and writes such a table; EXVIDEO_ATTENTION_TABLE names one
to read in place of ours.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

Backend = Literal["auto", "triton", "sdpa", "xformers"]
BACKENDS: tuple[str, ...] = get_args(Backend)
TABLE = Path(__file__).with_name("measured.json")
TABLE_FORMAT = "exvideo.attention_table/1"
TABLE_VARIABLE = "EXVIDEO_ATTENTION_TABLE"

logger = logging.getLogger(__name__)


class BackendError(RuntimeError):
    """A backend that was asked for cannot run here; the message says why, in one sentence."""


@dataclass(frozen=True)
class Case:
    """The inputs that a choice holds for.

    Args:
        device, dtype, head_dim: of the inputs.
        num_frames: the longest of a class of lengths that the same kernels compute.
        training: there will be a backward.
    """

    device: torch.device
    dtype: torch.dtype
    num_frames: int
    head_dim: int
    training: bool

    def __str__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        return f"{self.device}, {dtype}, up to {self.num_frames} frames, head_dim {self.head_dim}"


@dataclass(frozen=True, eq=False)
class Operator:
    """Something that several backends compute.

    Args:
        name: in words, for messages.
        backends: what computes it, by name.
        obstacle: (backend, case) -> the reason why it cannot run, as far as known without running it, or None.
        probe: (backend's function, case) -> nothing; raises what goes wrong when it runs.
        expected: case -> the backend that should be fastest where nobody has measured.
        length_class: frames -> the longest of the class of lengths that the same kernels compute.
    """

    name: str
    backends: Mapping[str, Callable[..., Tensor]]
    obstacle: Callable[[str, Case], str | None]
    probe: Callable[[Callable[..., Tensor], Case], None]
    expected: Callable[[Case], str]
    length_class: Callable[[int], int]


_chosen: dict[tuple[Operator, str, Case], str] = {}


def choose(operator: Operator, backend: str, case: Case) -> str:
    """The name of the backend that computes such a case; found once, and remembered.

    While a CUDA graph is being captured nothing can be tried, and nothing is remembered: `auto` is sdpa then, and says
    so, unless the case has been seen before.

    Raises:
        ValueError: there is no such backend, or the table of measurements cannot be read.
        BackendError: it was asked for and cannot run.
    """
    check_backend(backend)
    if backend == "auto" and case.device.type != "cuda":
        return "sdpa"
    key = operator, backend, case
    if key in _chosen:
        return _chosen[key]
    if case.device.type == "cuda" and _is_capturing():
        if backend == "auto":
            logger.warning(
                "%s: sdpa for %s, as backends cannot be tried while a CUDA graph is captured: run it once before.",
                operator.name,
                case,
            )
            return "sdpa"
        return backend
    if backend == "auto":
        _chosen[key] = _best(operator, case)
    else:
        obstacle = _obstacle(operator, backend, case)
        if obstacle:
            raise BackendError(f"The backend {backend} cannot run {operator.name} on {case}: {obstacle}: give auto.")
        _chosen[key] = backend
    return _chosen[key]


def forget() -> None:
    """Forgets all choices and the table, so that the next call makes them again."""
    _chosen.clear()
    _table.cache_clear()
    _say_once.cache_clear()


def check_backend(backend: str) -> None:
    """Raises ValueError unless there is such a backend."""
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is not known: give one of {', '.join(BACKENDS)}.")


def _best(operator: Operator, case: Case) -> str:
    ranked = ranking(operator, case)
    if not ranked:
        expected = operator.expected(case)
        ranked = [expected, *(name for name in ("triton", "sdpa") if name != expected)]
        _say_once(
            f"{operator.name}: nobody has measured backends on {device_class(case.device)} in "
            f"{str(case.dtype).removeprefix('torch.')}: taking what should be fastest ({expected} to {case.num_frames} "
            "frames). `python -m benchmarks.kernels temporal_attention` measures; docs/kernels.md."
        )
    for name in ranked:
        obstacle = _obstacle(operator, name, case)
        if obstacle is None:
            logger.info("%s: %s for %s", operator.name, name, case)
            return name
        logger.warning("%s: not %s for %s, as it cannot run: %s", operator.name, name, case, obstacle)
    return "sdpa"


@cache
def _say_once(message: str) -> None:
    logger.warning("%s", message)


def ranking(operator: Operator, case: Case) -> list[str]:
    """Backends by the time that they took for such a case, fastest first; none if nobody has measured it."""
    times: dict[str, float] = {}
    rows = [row for row in _table(os.environ.get(TABLE_VARIABLE)) if _is_of(row, operator, case)]
    for row in rows:
        for name, milliseconds in row["milliseconds"].items():
            times[name] = times.get(name, 0.0) + milliseconds
    everywhere = [name for name in times if name in BACKENDS and all(name in row["milliseconds"] for row in rows)]
    return sorted(everywhere, key=times.__getitem__)


def _is_of(row: Mapping[str, Any], operator: Operator, case: Case) -> bool:
    return (
        row["device"] == device_class(case.device)
        and row["dtype"] == str(case.dtype).removeprefix("torch.")
        and row["head_dim"] == case.head_dim
        and operator.length_class(row["frames"]) == case.num_frames
        and row["direction"] == ("training" if case.training else "forward")
    )


@cache
def _table(given: str | None) -> list[dict[str, Any]]:
    path = Path(given) if given else TABLE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["format"] != TABLE_FORMAT:
            raise ValueError(f"its format is {table['format']!r}")
        rows: list[dict[str, Any]] = table["rows"]
        for row in rows:
            _ = row["device"], row["dtype"], int(row["head_dim"]), int(row["frames"]), row["direction"]
            _ = {name: float(value) for name, value in row["milliseconds"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no table of measurements ({TABLE_FORMAT}): {type(error).__name__}: {error}: write one by "
            f"`python -m benchmarks.kernels temporal_attention`, or unset {TABLE_VARIABLE}."
        ) from error
    return rows


@cache
def device_class(device: torch.device) -> str:
    """The kind of a GPU that measurements hold for: "sm_90", or the architecture's name on ROCm."""
    properties = torch.cuda.get_device_properties(device)
    if torch.version.hip:
        return str(properties.gcnArchName).partition(":")[0]
    return f"sm_{properties.major}{properties.minor}"


def _is_capturing() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


def _obstacle(operator: Operator, backend: str, case: Case) -> str | None:
    """The reason why a backend cannot run, or None: known of it, or found by running it."""
    if backend == "sdpa":  # by which the others are judged
        return None
    return operator.obstacle(backend, case) or failure(lambda: operator.probe(operator.backends[backend], case))


def failure(probe: Callable[[], None]) -> str | None:
    """The reason why a probe fails, in one line, or None: a missing operator, a compiler, too little shared memory.

    It runs in a thread of its own, apart from what its first caller is in, as its outcome holds for all later calls:
    inference mode, autocast, a default device, hooks on what autograd saves, by which checkpointing counts.

    Raises:
        torch.OutOfMemoryError: the device's memory is full, which says nothing about the backend.
    """
    try:
        with ThreadPoolExecutor(1) as apart:
            apart.submit(probe).result()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of whatever kind
        return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}"
    return None


def refuse_difference(true: Sequence[Tensor], theirs: Sequence[Tensor], ours: Sequence[Tensor]) -> None:
    """Compares with PyTorch's result in the same dtype, by the largest distance of each from the one in float64.

    Raises:
        RuntimeError: ours is more than twice as far, beyond two roundings of the largest value.
    """
    for exact, their, our in zip(true, theirs, ours, strict=True):
        exact = exact.detach()
        error, allowed = (float((x.detach().double() - exact).abs().max()) for x in (our, their))
        scale = float(exact.abs().max())
        if not error <= 2 * allowed + 2 * torch.finfo(our.dtype).eps * scale:  # or one is NaN
            raise RuntimeError(f"it computes something else, off by {error:.2g} where values reach {scale:.2g}")
