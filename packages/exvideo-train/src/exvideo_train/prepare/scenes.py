"""Scenes of analysed files: from one end of a shot to the next, those of use, and those that are held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from exvideo_train.data.manifest import HELD_OUT, TRAINING
from exvideo_train.prepare.analysis import Analysis


@dataclass(frozen=True)
class Rules:
    """The scenes that are wanted.

    Args:
        threshold: a shot ends where that is likelier than this, in (0, 1).
        min_frames: of a scene; those that are shorter are left out.
        max_frames: of a clip; longer scenes are parted. At least twice `min_frames`; None for whole scenes.
        min_brightness: mean of a scene, 0 black, 1 white; darker ones are left out.
        min_motion: mean difference between neighbouring frames, of full scale; scenes that move less are left out.
    """

    threshold: float = 0.5
    min_frames: int = 16
    max_frames: int | None = None
    min_brightness: float = 0.03
    min_motion: float = 0.0005


@dataclass(frozen=True)
class Scene:
    """A stretch of a file without a cut.

    Args:
        path: of the file.
        number: from 1 on, in the file.
        start, end: its frames, the end not included.
        brightness, motion: means over its frames, as in `Analysis`.
        left_out: the reason why it is of no use, its kind before a colon; None if it is.
        split: `TRAINING` or `HELD_OUT`.
    """

    path: Path
    number: int
    start: int
    end: int
    brightness: float
    motion: float
    left_out: str | None = None
    split: str = TRAINING

    @property
    def num_frames(self) -> int:
        return self.end - self.start


def find_scenes(path: Path, analysis: Analysis, rules: Rules, unwanted: Sequence[range] = ()) -> list[Scene]:
    """All scenes of a file in their order; those of no use with the reason.

    Frames in the middle of a fade or a dissolve are in none.

    Args:
        path: of the file.
        analysis: of it.
        rules: for what is wanted.
        unwanted: numbers of scenes that a person does not want.
    """
    scenes = []
    for number, (start, end) in enumerate(_stretches(analysis.ends, rules.threshold), start=1):
        brightness = sum(analysis.brightness[start:end]) / (end - start)
        within = analysis.motion[start + 1 : end]
        scene = Scene(path, number, start, end, brightness, sum(within) / max(len(within), 1))
        unwelcome = any(number in numbers for numbers in unwanted)
        scenes.append(replace(scene, left_out="unwanted" if unwelcome else _reason(scene, rules)))
    return scenes


def hold_out(scenes: Sequence[Scene], share: float, seed: int) -> list[Scene]:
    """The scenes, a share of those of use held out, whole: at least one, and never all.

    Which ones is a function of the seed, the files' names and the scenes' first frames.

    Args:
        share: in [0, 1); 0 for none.
    """
    useful = [scene for scene in scenes if scene.left_out is None]
    count = min(max(1, round(share * len(useful))), len(useful) - 1) if share else 0
    drawn = sorted(useful, key=lambda scene: sha256(f"{seed}:{scene.path.name}:{scene.start}".encode()).digest())
    chosen = {(scene.path, scene.start) for scene in drawn[: max(count, 0)]}
    return [replace(scene, split=HELD_OUT) if (scene.path, scene.start) in chosen else scene for scene in scenes]


def parts(scene: Scene, max_frames: int | None) -> list[tuple[int, int]]:
    """A scene as stretches of at most `max_frames`, first frame and end, as equal as they can be."""
    count = 1 if max_frames is None else -(-scene.num_frames // max_frames)
    places = [scene.start + scene.num_frames * place // count for place in range(count + 1)]
    return list(pairwise(places))


def in_no_scene(analyses: Mapping[Path, Analysis], scenes: Sequence[Scene]) -> int:
    """Frames of the files that are in the middle of a transition."""
    return sum(found.num_frames for found in analyses.values()) - sum(scene.num_frames for scene in scenes)


def _stretches(ends: Sequence[float], threshold: float) -> list[tuple[int, int]]:
    """From the first frame after an end to the first frame of the next, which is the last one of its shot."""
    stretches, start = [], 0
    for place, likelihood in enumerate(ends):
        begins = place > 0 and ends[place - 1] > threshold
        if begins and likelihood <= threshold:
            start = place
        if (likelihood > threshold and not begins) or (place == len(ends) - 1 and likelihood <= threshold):
            stretches.append((start, place + 1))
    return stretches


def _reason(scene: Scene, rules: Rules) -> str | None:
    if scene.num_frames < rules.min_frames:
        return f"short: {scene.num_frames} frames, and --min-frames is {rules.min_frames}"
    if scene.brightness < rules.min_brightness:
        return f"dark: a brightness of {scene.brightness:.3f}, and --min-brightness is {rules.min_brightness:g}"
    if scene.motion < rules.min_motion:
        return f"still: a motion of {scene.motion:.5f}, and --min-motion is {rules.min_motion:g}"
    return None
