"""The truth of a clip of the tiny world, as its sidecar tells it and the judges name it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exvideo_eval.sidecar import TINY_WORLD, Sidecar, SidecarError, beside


def truth_of(video: Path, sidecar: Sidecar) -> Mapping[str, str]:
    """Shape, colour, place and motion of the first subject, the left one of two; empty outside the tiny world.

    Raises:
        SidecarError: the sidecar says that the clip is of the tiny world, and has no whole spec.
    """
    if not sidecar.is_tiny_world:
        return {}
    try:
        return _truth(sidecar.content["spec"])
    except (KeyError, IndexError, TypeError) as error:
        reason = f"says it is of the format {TINY_WORLD} and has no whole spec ({error!r})"
        raise SidecarError(beside(video, ".json"), reason) from error


def _truth(spec: Any) -> dict[str, str]:
    subject, motion = spec["subjects"][0], spec["motion"]
    truth = {
        "shape": subject["shape"],
        "colour": subject["colour"],
        "place": spec["background"]["place"],
        "motion": f"{motion['kind']} {motion['direction']}",
    }
    if not all(isinstance(value, str) for value in truth.values()):
        raise TypeError(f"{truth} holds something that is not text")
    return truth
