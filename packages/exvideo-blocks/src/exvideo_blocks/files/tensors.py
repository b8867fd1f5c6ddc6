"""An extension's tensors on their way out to a file and in from one: everything wrong with them in one error."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from exvideo_blocks.rotary import OFFSETS

_FLOATING = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
_MAX_LISTED = 20
_TOO_NARROW = "train it again, or save it again as torch.bfloat16 or torch.float32 if torch.float16 was too narrow."


def check_tensors(
    tensors: Mapping[str, Tensor], parameters: Mapping[str, Tensor], source: str, *, complete: bool = True
) -> None:
    """Compares tensors with the parameters that they are for.

    Args:
        tensors: what was given, by name.
        parameters: what is wanted, by name.
        source: where the tensors come from, for the error.
        complete: whether every parameter must have its tensor.

    Raises:
        ValueError: tensors are missing, unknown, of another shape, of no floating type or not finite. All of them are
            named, up to 20 a kind, and counted.
    """
    missing = [name for name in parameters if name not in tensors] if complete else []
    unknown = [name for name in tensors if name not in parameters]
    known = {name: tensor for name, tensor in tensors.items() if name in parameters}
    misshapen = [
        f"{name} {tuple(tensor.shape)} where the model has {tuple(parameters[name].shape)}"
        for name, tensor in known.items()
        if tensor.shape != parameters[name].shape
    ]
    mistyped = [f"{name} {tensor.dtype}" for name, tensor in known.items() if tensor.dtype not in _FLOATING]
    faults = [
        f"{verb} {len(items)} tensor{'s' * (len(items) > 1)}{which} ({_listed(items)})"
        for verb, which, items in (
            ("lacks", " of this extension", missing),
            ("has", " that this extension does not", unknown),
            ("has", " of another shape", misshapen),
            ("has", " of no floating type that is read", mistyped),
        )
        if items
    ]
    if faults:
        raise ValueError(
            f"{source} {', and '.join(faults)}: check base, level and frames, or copy or save the file again."
        )
    check_finite(known, source)


def check_finite(tensors: Mapping[str, Tensor], source: str, way_out: str = _TOO_NARROW) -> None:
    """Raises ValueError, with their names and the way out, if tensors hold an infinity or no number."""
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        count = f"{len(bad)} tensor{'s' * (len(bad) > 1)}"
        raise ValueError(f"{source} has values that are not finite in {count} ({_listed(bad)}): {way_out}")


def _listed(items: Iterable[str]) -> str:
    items = list(items)
    more = [f"and {len(items) - _MAX_LISTED} more"] if len(items) > _MAX_LISTED else []
    return ", ".join(items[:_MAX_LISTED] + more)


def values_for(
    path: str | Path,
    parameters: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """The values for a file, by name.

    Args:
        path: the file, for the error.
        parameters: every parameter of the extension.
        tensors: values in place of some of theirs.
        dtype: torch.float32, torch.bfloat16 or torch.float16; None keeps each tensor's own. Offsets of angles, which
            half precision would round to a tenth of a radian, stay in theirs.

    Raises:
        ValueError: `tensors` has a name or a shape that the extension does not, a value is not finite, be it because
            `dtype` cannot hold it, or there are no values, the model being on the meta device.
    """
    if dtype not in (None, torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"dtype={dtype} is none of torch.float32, torch.bfloat16, torch.float16: choose one.")
    check_tensors(tensors or {}, parameters, f"the tensors for {path}", complete=False)
    values = dict(parameters) | dict(tensors or {})
    if any(value.is_meta for value in values.values()):
        raise ValueError(
            f"The model is on the meta device, so there are no values to write to {path}: load its weights first."
        )
    if dtype is not None:
        values = {
            name: value.detach().to(value.dtype if name.endswith(OFFSETS) else dtype) for name, value in values.items()
        }
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
