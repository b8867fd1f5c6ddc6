"""Footage to a list of clips, a file at a time, and what is told of it."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from exvideo_infer import VideoError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from exvideo_train.atomic import sweep, write_json
from exvideo_train.bar import Bar
from exvideo_train.data.captions import read_caption
from exvideo_train.data.manifest import HELD_OUT, TRAINING
from exvideo_train.errors import UserError
from exvideo_train.prepare.analysis import Analysis, Analyst
from exvideo_train.prepare.captions import Captions, read_captions, read_kept
from exvideo_train.prepare.clips import MANIFEST, Stretch, cut_clips, keep_manifest, remove_others, write_manifest
from exvideo_train.prepare.scenes import Rules, Scene, find_scenes, hold_out, in_no_scene, parts
from exvideo_train.prepare.sheet import pictures_of, write_sheets
from exvideo_train.prepare.shots import ShotDetector

SCENES = "scenes.json"
_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class Job:
    """The footage, and what is wanted of it.

    Args:
        files: video files.
        output: folder that is written to, made if missing.
        rules: for scenes that are of use.
        held_out: share of the scenes, in [0, 1).
        seed: of what is held out.
        captions: a list; None for those beside the files. Of clips that neither of them tells of, or whose captions in
            the list that is there a person has mended, these stay.
        unwanted: numbers of scenes that are left out, by names of files.
        cut: True writes a file a clip.
        size: (height, width) of these; their own if None.
    """

    files: Sequence[Path]
    output: Path
    rules: Rules
    held_out: float
    seed: int
    captions: Path | None
    unwanted: Mapping[str, Sequence[range]]
    cut: bool
    size: tuple[int, int] | None


def prepare(job: Job) -> str:
    """Finds the scenes of all files and writes list, scenes, sheets and, where they are asked for, clips.

    Returns:
        Sentences for the person.

    Raises:
        UserError: no scene is of use, `captions` or `unwanted` name what is not there, or the extra is not installed.
        VideoError: a clip cannot be written.
        OSError: the output folder cannot be written to.
    """
    names = {path.name for path in job.files}
    for name in job.unwanted:
        if name not in names:
            raise UserError(f"--leave-out names {name}, and no file of the footage is called that: mend the name.")
    job.output.mkdir(parents=True, exist_ok=True)
    sweep(job.output, older_than=_ABANDONED_SECONDS)
    with _bar() as bar:
        analyses, unread = _analyse(job, bar)
        scenes = [
            scene
            for path, found in analyses.items()
            for scene in find_scenes(path, found, job.rules, job.unwanted.get(path.name, ()))
        ]
        if all(scene.left_out for scene in scenes):
            raise UserError(_nothing(scenes, unread))
        scenes = hold_out(scenes, job.held_out, job.seed)
        is_own = job.captions is not None and job.captions.resolve() == (job.output / MANIFEST).resolve()
        listed = None if job.captions is None or is_own else read_captions(job.captions, analyses, scenes)
        kept, strays = _kept(job.output, analyses)
        beside = {path: read_caption(path) for path in analyses}
        stretches = _stretches(scenes, job.rules, listed, kept, beside)
        cut = _cut(job, analyses, stretches, bar) if job.cut else None
        lost = (kept.texts | strays) - {stretch.caption for stretch in stretches}
        before = keep_manifest(job.output) if lost else None
        write_json(job.output / SCENES, _described(job.output, scenes, analyses, unread, beside, stretches, cut))
        manifest = write_manifest(job.output, stretches, cut)
        if cut is not None:
            remove_others(job.output, cut)
        _draw(job, analyses, scenes, stretches, bar)
    lines = _told(job, analyses, scenes, stretches, listed, unread)
    if kept.used:
        lines.append(f"{len(kept.used)} captions are those of the list that was there: remove it to be without them.")
    if before is not None:
        lines.append(f"{len(lost)} captions of the list that was there are in no clip now; it is {before}.")
    return "\n".join([*lines, f"Wrote {manifest}, and sheet-01.png beside it to look at."])


def _bar() -> Bar:
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


@contextmanager
def _task(bar: Bar, title: str) -> Iterator[Callable[[int, int], None]]:
    """A line of the bar; gives a function to call with (done, in all)."""
    task = bar.add_task(title, total=None)
    yield lambda done, total: bar.update(task, completed=done, total=total)
    bar.remove_task(task)


def _analyse(job: Job, bar: Bar) -> tuple[dict[Path, Analysis], dict[Path, str]]:
    """The files that could be read, and why the others could not."""
    analyst = Analyst(job.output, ShotDetector)
    found: dict[Path, Analysis] = {}
    unread: dict[Path, str] = {}
    for path in job.files:
        with _task(bar, path.name) as progress:
            try:
                found[path] = analyst.look_at(path, progress)
            except VideoError as error:
                unread[path] = str(error)
    return found, unread


def _kept(output: Path, analyses: Mapping[Path, Analysis]) -> tuple[Captions, set[str]]:
    """The captions of the list that is there, as `read_kept`; none if there is no list."""
    if not (output / MANIFEST).exists():
        return Captions([], output / MANIFEST), set()
    try:
        known = json.loads((output / SCENES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    return read_kept(output / MANIFEST, analyses, known if isinstance(known, dict) else {})


def _stretches(
    scenes: Sequence[Scene],
    rules: Rules,
    listed: Captions | None,
    kept: Captions,
    beside: Mapping[Path, str | None],
) -> list[Stretch]:
    return [
        Stretch(
            scene.path,
            start,
            end,
            scene.split,
            (listed.of(scene.path, start, end) if listed else None)
            or kept.of(scene.path, start, end)
            or beside[scene.path],
        )
        for scene in scenes
        if scene.left_out is None
        for start, end in parts(scene, rules.max_frames)
    ]


def _cut(job: Job, analyses: Mapping[Path, Analysis], stretches: Sequence[Stretch], bar: Bar) -> list[Path]:
    clips: list[Path] = []
    for path, found in analyses.items():
        own = [stretch for stretch in stretches if stretch.path == path]
        with _task(bar, f"cutting {path.name}") as progress:
            clips += cut_clips(job.output, path, found, own, job.size, progress) if own else []
    return clips


def _draw(
    job: Job,
    analyses: Mapping[Path, Analysis],
    scenes: Sequence[Scene],
    stretches: Sequence[Stretch],
    bar: Bar,
) -> None:
    pictures = {}
    with _task(bar, "sheets") as progress:
        for number, (path, found) in enumerate(analyses.items()):
            progress(number, len(analyses))
            pictures[path] = pictures_of(path, found, [scene for scene in scenes if scene.path == path])
    captions = {(stretch.path, stretch.start): stretch.caption for stretch in stretches if stretch.caption}
    write_sheets(job.output, scenes, pictures, {path: found.fps for path, found in analyses.items()}, captions)


def _nothing(scenes: Sequence[Scene], unread: Mapping[Path, str]) -> str:
    reasons = [f"scene {scene.number} of {scene.path} is left out: {scene.left_out}" for scene in scenes]
    reasons += [reason.rstrip(".") for reason in unread.values()]
    return f"No scene is of use ({reasons[0]}): give longer or other footage, or change that option."


def _described(
    output: Path,
    scenes: Sequence[Scene],
    analyses: Mapping[Path, Analysis],
    unread: Mapping[Path, str],
    beside: Mapping[Path, str | None],
    stretches: Sequence[Stretch],
    cut: Sequence[Path] | None,
) -> dict[str, Any]:
    rows = [asdict(scene) | {"path": str(scene.path)} for scene in scenes]
    damaged = {str(path): found.damage for path, found in analyses.items() if found.damage}
    unread_by_name = {str(path): reason for path, reason in unread.items()}
    described = {"format_version": 1, "scenes": rows, "damaged": damaged, "unread": unread_by_name}
    # By which the next run tells captions of the list that a person mended, and where in the footage they are.
    described["beside"] = {str(path.resolve()): caption for path, caption in beside.items() if caption is not None}
    described["clips"] = {
        clip.relative_to(output).as_posix(): {
            "file": str(stretch.path.resolve()), "start": stretch.start, "end": stretch.end
        }
        for clip, stretch in zip(cut or (), stretches, strict=False)
    }  # fmt: skip
    return described


def _told(
    job: Job,
    analyses: Mapping[Path, Analysis],
    scenes: Sequence[Scene],
    stretches: Sequence[Stretch],
    listed: Captions | None,
    unread: Mapping[Path, str],
) -> list[str]:
    lines = [f"Left out: {reason}" for reason in unread.values()]
    lines += [f"Used to frame {found.num_frames}: {found.damage}" for found in analyses.values() if found.damage]
    left_out = [scene for scene in scenes if scene.left_out is not None]
    why = Counter(str(scene.left_out).partition(":")[0] for scene in left_out)
    reasons = ", ".join(f"{count} {reason}" for reason, count in why.items())
    frames = in_no_scene(analyses, scenes)
    lines.append(
        f"{len(scenes)} scenes in {len(analyses)} files; {len(left_out)} left out"
        + (f" ({reasons})" if reasons else "")
        + (f"; {frames} frames of fades and dissolves are in none" if frames else "")
        + "."
    )
    counts = Counter(stretch.split for stretch in stretches)
    lines.append(f"{counts[TRAINING]} clips to train on, {counts[HELD_OUT]} held out.")
    if job.held_out and not counts[HELD_OUT]:
        lines.append("Nothing is held out, as only one scene is of use.")
    if listed is not None and listed.unused:
        lines.append(f"No clip is given rows {', '.join(map(str, listed.unused))} of {job.captions}.")
    return lines
