"""Who computes temporal attention in the benchmark, and on which memory: ours, PyTorch's, xformers', compiled eager."""

import gc
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from exvideo_blocks.kernels.temporal_attention import temporal_attention
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.stopwatch import Contender

OURS = "ours, token-major"
XFORMERS = "xformers, token-major"
COMPILED = "compiled eager, token-major"
SDPA = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "mem-efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}

# Activations read or written and multiply-adds of (frames x frames x head_dim), in the best program: forward reads
# q, k, v and writes o in two products; backward reads q, k, v, do and writes dq, dk, dv in five.
WORK = {"forward": (4, 2), "backward": (7, 5)}

# Of those that write out all scores: beyond it they would not fit beside the others.
MAX_SCORE_BYTES = 4 * 2**30


def with_permutes(backend: str) -> str:
    return f"SDPA {backend} with diffusers' permutes"


def token_major(backend: str) -> str:
    return f"SDPA {backend} on token-major views"


def permuted(backend: str) -> str:
    return f"SDPA {backend} on permuted inputs"


WHAT_THEY_ARE = {
    OURS: "q, k, v and o as (batch * frames, positions, channels)",
    with_permutes("..."): "one activation permuted in and one out, as its temporal block does once for all its layers",
    permuted("..."): "q, k, v and o as contiguous (batch * positions, heads, frames, head_dim); permutes not timed",
    token_major("..."): "positions among the heads, on the memory that ours reads; 'default' is our backend sdpa",
    XFORMERS: "its memory_efficient_attention, positions among the heads, on the memory that ours reads",
    COMPILED: "softmax(q k^T) v written out, positions among the heads, by torch.compile; on a GPU only",
}


@dataclass(frozen=True)
class Case:
    """One size: `positions` = height * width."""

    num_frames: int
    positions: int
    batch: int = 1
    channels: int = 320
    num_heads: int = 5

    @property
    def title(self) -> str:
        return f"C={self.channels} T={self.num_frames} S={self.positions} batch={self.batch}"

    def work(self, direction: str, itemsize: int) -> tuple[int, int]:
        """Bytes that must be read or written, and FLOPs."""
        activations, products = WORK[direction]
        numbers = self.batch * self.num_frames * self.positions * self.channels
        return activations * numbers * itemsize, 2 * products * numbers * self.num_frames

    def score_bytes(self, itemsize: int) -> int:
        """Of all scores, written out."""
        return self.batch * self.positions * self.num_heads * self.num_frames**2 * itemsize


@dataclass(frozen=True)
class Program:
    """One way to compute attention, with inputs and an output gradient in its own layout."""

    attend: Callable[[Tensor, Tensor, Tensor], Tensor]
    inputs: tuple[Tensor, Tensor, Tensor]
    gradient: Tensor
    as_tokens: Callable[[Tensor], Tensor] = lambda tensor: tensor  # its output, or gradient by its first input

    def forward(self) -> Tensor:
        with torch.no_grad():
            return self.attend(*self.inputs)

    def prepare_backward(self) -> Contender:
        """Runs forward once; what is returned runs backward alone, as often as it is called."""
        inputs = [tensor.detach().requires_grad_() for tensor in self.inputs]
        output = self.attend(*inputs)
        return lambda: torch.autograd.grad(output, inputs, self.gradient, retain_graph=True)


def programs(case: Case, device: torch.device, dtype: torch.dtype) -> dict[str, Program]:
    """Every contender on the same numbers, ours first; also those that cannot run here."""
    generator = torch.Generator(device).manual_seed(0)
    shape = (case.batch * case.num_frames, case.positions, case.channels)
    q, k, v, do = (torch.randn(shape, generator=generator, device=device, dtype=dtype) for _ in range(4))
    heads = case.num_heads

    def per_head(tokens: Tensor) -> Tensor:
        return to_rows(tokens, case.num_frames).unflatten(-1, (heads, -1)).transpose(1, 2).contiguous()

    rows = (q, to_rows(k, case.num_frames), to_rows(v, case.num_frames))
    by_heads = (per_head(q), per_head(k), per_head(v))
    do_by_heads = per_head(do)

    def from_heads(by_heads: Tensor) -> Tensor:
        return to_tokens(by_heads.transpose(1, 2).flatten(2), case.positions)

    found = {OURS: Program(_ours(case, device), (q, k, v), do)}
    for name, backend in SDPA.items():
        found[with_permutes(name)] = Program(_diffusers(case, backend), rows, do)
    for name, backend in SDPA.items():
        found[permuted(name)] = Program(_sdpa(case, backend), by_heads, do_by_heads, from_heads)
    for name, choice in {"default": None, **SDPA}.items():
        found[token_major(name)] = Program(_token_major(case, choice), (q, k, v), do)
    found[XFORMERS] = Program(_xformers(case), (q, k, v), do)
    if device.type == "cuda":
        found[COMPILED] = Program(_compiled(case), (q, k, v), do)
    return found


def runnable(by_name: dict[str, Program]) -> tuple[dict[str, Program], dict[str, str]]:
    """Those that run forward and backward, and why each of the others does not."""
    running, reasons = {}, {}
    for name, program in by_name.items():
        try:
            program.prepare_backward()()
        except (RuntimeError, ValueError, NotImplementedError) as error:
            if name == OURS:
                raise
            reasons[name] = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            gc.collect()  # what an out-of-memory error still holds
        else:
            running[name] = program
    return running, reasons


def to_rows(tokens: Tensor, num_frames: int) -> Tensor:
    """(batch * frames, positions, channels) -> (batch * positions, frames, channels), in memory of that layout."""
    return tokens.unflatten(0, (-1, num_frames)).transpose(1, 2).flatten(0, 1).contiguous()


def to_tokens(rows: Tensor, positions: int) -> Tensor:
    """The inverse of `to_rows`."""
    return rows.unflatten(0, (-1, positions)).transpose(1, 2).flatten(0, 1).contiguous()


Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def our_backend(device: torch.device) -> Literal["triton", "auto"]:
    """The kernels on a GPU, or an error: `auto` might take a peer's in silence, and ours would be its times."""
    return "triton" if device.type == "cuda" else "auto"


def _ours(case: Case, device: torch.device) -> Attend:
    backend = our_backend(device)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return temporal_attention(
            q, k, v, num_frames=case.num_frames, num_heads=case.num_heads, backend=backend
        ).contiguous()

    return attend


def _xformers(case: Case) -> Attend:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return temporal_attention(
            q, k, v, num_frames=case.num_frames, num_heads=case.num_heads, backend="xformers"
        ).contiguous()

    return attend


def _token_major(case: Case, backend: SDPBackend | None) -> Attend:
    """Our backend sdpa, with the kernel that PyTorch takes by itself if none is given."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if backend is SDPBackend.MATH:
            _refuse_large_scores(case, q.itemsize)
        with nullcontext() if backend is None else sdpa_kernel(backend):
            return temporal_attention(
                q, k, v, num_frames=case.num_frames, num_heads=case.num_heads, backend="sdpa"
            ).contiguous()

    return attend


def _refuse_large_scores(case: Case, itemsize: int) -> None:
    size = case.score_bytes(itemsize)
    if size > MAX_SCORE_BYTES:
        raise ValueError(f"its scores would take {size / 2**30:.1f} GiB: at most {MAX_SCORE_BYTES / 2**30:.1f} here.")


def _sdpa(case: Case, backend: SDPBackend) -> Attend:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if backend is SDPBackend.MATH:
            _refuse_large_scores(case, q.itemsize)
        with sdpa_kernel(backend):
            return scaled_dot_product_attention(q, k, v)

    return attend


def _diffusers(case: Case, backend: SDPBackend) -> Attend:
    def attend(tokens: Tensor, k: Tensor, v: Tensor) -> Tensor:
        rows = to_rows(tokens, case.num_frames)
        q, k, v = (x.unflatten(-1, (case.num_heads, -1)).transpose(1, 2) for x in (rows, k, v))
        return to_tokens(_sdpa(case, backend)(q, k, v).transpose(1, 2).flatten(2), case.positions)

    return attend


def _compiled(case: Case) -> Attend:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        _refuse_large_scores(case, q.itemsize)
        return _written_out(q, k, v, case.num_frames, case.num_heads)

    return attend


@torch.compile(dynamic=True)  # compiled once, and not for each size
def _written_out(q: Tensor, k: Tensor, v: Tensor, num_frames: int, num_heads: int) -> Tensor:
    head_dim = q.shape[2] // num_heads
    shape = (q.shape[0] // num_frames, num_frames, q.shape[1] * num_heads, head_dim)
    q_heads, k_heads, v_heads = (x.reshape(shape).transpose(1, 2) for x in (q, k, v))
    weights = (q_heads @ k_heads.transpose(-1, -2) * head_dim**-0.5).softmax(-1)
    return (weights @ v_heads).transpose(1, 2).reshape(q.shape)
