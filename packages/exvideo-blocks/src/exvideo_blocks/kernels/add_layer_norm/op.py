"""A sum and its layer norm: the frame positions before a temporal block, or a residual between two of its layers."""

import torch
from torch import Tensor

from exvideo_blocks.kernels.add_layer_norm import reference
from exvideo_blocks.kernels.add_layer_norm.backends import COMPUTE, Backend, choose
from exvideo_blocks.kernels.add_layer_norm.plan import probed_width


def add_layer_norm(
    tokens: Tensor, added: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5, *, backend: Backend = "auto"
) -> tuple[Tensor, Tensor]:
    """tokens + added, and layer_norm(tokens + added): both are wanted wherever a residual goes on beside its norm.

    The sum is rounded to its dtype before it is normed, as PyTorch does it in two steps; mean and variance are float32.

    Args:
        tokens: (batch * frames, positions, channels), of any strides.
        added: a residual of the same shape, or (frames, channels): a row for each frame, the same at every position
            and, where there are fewer rows than frames in the batch, in every clip. The dtype of tokens.
        weight, bias: (channels,) of the norm. Another dtype than that of tokens is computed with as it is.
        eps: added to the variance.
        backend: `auto`, `triton` or `torch`. `auto` takes triton on a GPU where it runs and logs its choice; on a CPU
            it is always `torch`.

    Returns:
        The sum and its norm, each (batch * frames, positions, channels) in the dtype of tokens. Under autocast too:
        PyTorch's layer norm gives float32 there, for the next product to round.

    Raises:
        ValueError: shapes or dtypes do not fit together, or there is no such backend.
        BackendError: the backend that was asked for cannot run here.
    """
    _check(tokens, added, weight, bias)
    if backend == "auto" and not tokens.is_cuda:
        return reference.add_layer_norm(tokens, added, weight, bias, eps)
    chosen = _choose(backend, tokens.device, tokens.dtype, probed_width(tokens.shape[2]))
    return COMPUTE[chosen](tokens, added, weight, bias, eps)


# While compiling, the choice is made once, outside the graph (as in temporal_attention.op).
def _choose(backend: Backend, device: torch.device, dtype: torch.dtype, width: int) -> str:
    return choose(backend, device, dtype, width)


_choose._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _check(tokens: Tensor, added: Tensor, weight: Tensor, bias: Tensor) -> None:
    if tokens.dim() != 3:
        raise ValueError(f"tokens are of shape {tuple(tokens.shape)}: give (batch * frames, positions, channels).")
    frames, channels = tokens.shape[0], tokens.shape[2]
    rows = added.dim() == 2 and added.shape[0] > 0 and frames % added.shape[0] == 0 and added.shape[1] == channels
    if not rows and added.shape != tokens.shape:
        raise ValueError(
            f"added is of shape {tuple(added.shape)} where tokens are of {tuple(tokens.shape)}: give that shape, or "
            "(frames, channels) of frames that divide the first axis."
        )
    if added.dtype != tokens.dtype:
        raise ValueError(f"added is of {added.dtype} and tokens are of {tokens.dtype}: give one dtype.")
    if not weight.shape == bias.shape == (channels,) or weight.dtype != bias.dtype:
        raise ValueError(
            f"weight and bias are of shapes {tuple(weight.shape)}, {tuple(bias.shape)} and of {weight.dtype}, "
            f"{bias.dtype}: give two of ({channels},) and of one dtype."
        )
