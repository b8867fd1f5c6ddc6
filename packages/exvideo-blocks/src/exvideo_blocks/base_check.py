"""Whether a model is the base that a file's extension was made for."""

import json
from collections.abc import Mapping
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from exvideo_blocks.header import ExtensionHeader, architecture_hash


def check_base(
    source: str | Path,
    header: ExtensionHeader,
    family: str,
    architecture: Mapping[str, Any],
    model_class: type,
) -> None:
    """Raises ValueError, saying what differs, if a file's extension was made for another base than this one.

    An option that only one of the two names, as they were written by different versions of diffusers, counts as its
    default in the other; one number counts as a list of that number a block.

    Args:
        source: the file, for the error.
        header: what it says of itself.
        family: the model's family.
        architecture: the model's architecture.
        model_class: its class, whose options have defaults.
    """
    if header.family != family:
        raise ValueError(
            f"{source} extends a model of family {header.family!r}, this one is {family!r}; load its own base."
        )
    if header.base_config_hash == architecture_hash(architecture):
        return
    defaults, differences = _defaults(model_class), []
    for key in sorted(set(header.base_config) | set(architecture)):
        default = defaults.get(key, "absent")
        there, here = header.base_config.get(key, default), architecture.get(key, default)
        if not _is_same(there, here):
            differences.append(f"{key} {there} there, {here} here")
    if differences:
        raise ValueError(
            f"{source} was made for another base ({', '.join(differences)}); load the base that it was trained on."
        )


def _is_same(there: Any, here: Any) -> bool:
    if isinstance(there, list) != isinstance(here, list):
        several, one = (there, here) if isinstance(there, list) else (here, there)
        return bool(several) and all(item == one for item in several)
    return bool(there == here)


def _defaults(cls: type) -> dict[str, Any]:
    """The options of a class that have a default, and that default as a JSON value."""
    options = signature(cls).parameters.values()
    defaults = {option.name: option.default for option in options if option.default is not Parameter.empty}
    return {name: json.loads(json.dumps(value, default=str)) for name, value in defaults.items()}
