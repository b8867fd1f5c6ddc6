"""Whether tensors from outside fit an extension: everything that is wrong with them in one error."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

_FLOATING = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
_MOST_LISTED = 20
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
            f"{source} {', and '.join(faults)}; check base, level and frames, or copy or save the file again."
        )
    check_finite(known, source)


def check_finite(tensors: Mapping[str, Tensor], source: str, way_out: str = _TOO_NARROW) -> None:
    """Raises ValueError, with their names and the way out, if tensors hold an infinity or no number."""
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        count = f"{len(bad)} tensor{'s' * (len(bad) > 1)}"
        raise ValueError(f"{source} has values that are not finite in {count} ({_listed(bad)}); {way_out}")


def _listed(items: Iterable[str]) -> str:
    items = list(items)
    more = [f"and {len(items) - _MOST_LISTED} more"] if len(items) > _MOST_LISTED else []
    return ", ".join(items[:_MOST_LISTED] + more)
