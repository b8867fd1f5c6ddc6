"""The values of an extension's parameters, on their way out to a file and in from one."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from exvideo_blocks.tensor_check import check_finite, check_tensors


def values_for(
    path: str | Path,
    parameters: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """What a file is to hold, by name.

    Args:
        path: the file, for the error.
        parameters: every parameter of the extension.
        tensors: values in place of some of theirs.
        dtype: torch.float32, torch.bfloat16 or torch.float16; None keeps each tensor's own.

    Raises:
        ValueError: `tensors` has a name or a shape that the extension does not, a value is not finite, be it because
            `dtype` cannot hold it, or there are no values, the model being on the meta device.
    """
    if dtype not in (None, torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"dtype={dtype} is none of torch.float32, torch.bfloat16, torch.float16; choose one.")
    check_tensors(tensors or {}, parameters, f"the tensors for {path}", complete=False)
    values = dict(parameters) | dict(tensors or {})
    if any(value.is_meta for value in values.values()):
        raise ValueError(
            f"The model is on the meta device, so there are no values to write to {path}; load its weights first."
        )
    if dtype is not None:
        values = {name: value.detach().to(dtype) for name, value in values.items()}
    check_finite(values, f"what would be written to {path}")
    return values


def assign(parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor], source: str) -> None:
    """Copies a value into every parameter of an extension, rounded to the parameter's own dtype.

    Args:
        parameters: every parameter of the extension, by the name that its value has.
        tensors: one value a parameter.
        source: where they come from, for the error.

    Raises:
        ValueError: tensors are missing, unknown, of another shape or type, or not finite, be it because the
            parameter's dtype cannot hold them: all of them are listed, and no parameter was changed.
    """
    check_tensors(tensors, parameters, source)
    values = {name: tensors[name].to(parameter.dtype) for name, parameter in parameters.items()}
    check_finite(values, f"{source}, in the model's type,", "load it on a model in torch.bfloat16 or torch.float32.")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name])
