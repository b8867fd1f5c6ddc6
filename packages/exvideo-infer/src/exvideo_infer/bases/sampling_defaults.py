"""Defaults of a call: Stable Video Diffusion's values, or those that a base recommends, or an extension."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from exvideo_infer.bases.error import BaseModelError
from exvideo_infer.video_file import whole

FILE = "sampling.json"
TEXT_TO_IMAGE_KEYS = ("num_inference_steps", "guidance_scale")


@dataclass(frozen=True)
class SamplingDefaults:
    """Arguments of `ExVideoPipeline.__call__`; a base's own are in its folder's `sampling.json`.

    Args:
        height, width: pixels; Stable Video Diffusion's 576 and 1024 where they are None.
        text_to_image: arguments of the folder's own text-to-image model, of `TEXT_TO_IMAGE_KEYS`.
    """

    num_inference_steps: int = 25
    min_guidance_scale: float = 1.0
    max_guidance_scale: float = 3.0
    fps: float = 7
    motion_bucket_id: float = 127
    noise_aug_strength: float = 0.02
    height: int | None = None
    width: int | None = None
    text_to_image: Mapping[str, Any] = field(default_factory=dict)

    def replace(self, **given: Any) -> Self:
        """These values with those given in place of theirs; None stands for nothing given."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})


def of_extension(defaults: SamplingDefaults, training: Mapping[str, Any] | None) -> SamplingDefaults:
    """A base's defaults with those of an extension in place of theirs: what it was trained at.

    Args:
        training: of the extension's file, whose `sampling` holds arguments by name; others than this version knows are
            passed over.

    Raises:
        ValueError: a value is no number.
    """
    given = (training or {}).get("sampling", {})
    known = {field.name for field in fields(SamplingDefaults)} - {"text_to_image"}
    if not isinstance(given, Mapping):
        raise ValueError(f"The extension says sampling={given!r}, and it should be arguments by name: save it again.")
    for name in known & given.keys():
        if isinstance(given[name], bool) or not isinstance(given[name], int | float):
            raise ValueError(f"The extension says {name}={given[name]!r}, and it should be a number: save it again.")
    return replace(defaults, **{name: given[name] for name in known & given.keys()})


def read_sampling_defaults(directory: Path | None) -> SamplingDefaults:
    """The recommendations in a base's `sampling.json`; Stable Video Diffusion's values where there is none.

    Raises:
        BaseModelError: if the file is no JSON object, has a key that is none of `SamplingDefaults`, or a value that is
            no number.
    """
    if directory is None or not (directory / FILE).is_file():
        return SamplingDefaults()
    path = directory / FILE
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BaseModelError(f"{path} cannot be read as JSON ({error}): copy the base again.") from error
    _check_numbers(path, values, tuple(one.name for one in fields(SamplingDefaults)))
    _check_numbers(path, values.get("text_to_image", {}), TEXT_TO_IMAGE_KEYS)
    return SamplingDefaults(**values)


def write_sampling_defaults(defaults: SamplingDefaults, directory: Path) -> None:
    """Writes what a base recommends as `read_sampling_defaults` reads it; no file where it recommends nothing.

    Args:
        directory: made if it is not there.
    """
    plain = SamplingDefaults()
    own = {name: value for name, value in asdict(defaults).items() if value != getattr(plain, name)}
    if own:
        directory.mkdir(parents=True, exist_ok=True)
        with whole(directory / FILE) as temporary:
            temporary.write_text(json.dumps(own, indent=2) + "\n", encoding="utf-8")
    else:
        (directory / FILE).unlink(missing_ok=True)


def _check_numbers(path: Path, values: Any, known: tuple[str, ...]) -> None:
    if not isinstance(values, dict):
        raise BaseModelError(f"{path} has {values!r} where it should have an object of {', '.join(known)}.")
    for key, value in values.items():
        if key not in known:
            raise BaseModelError(f"{path} has the unknown key {key!r}: it may have {', '.join(known)}.")
        if key != "text_to_image" and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise BaseModelError(f"{path} has {value!r} for {key}: it should be a number.")
