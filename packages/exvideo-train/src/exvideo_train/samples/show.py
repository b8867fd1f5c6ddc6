"""The clips of a step made fit to look at: scored, if they can be, and put on a sheet beside the base's."""

from collections.abc import Callable, Sequence
from pathlib import Path

from exvideo_train.samples.scores import INSTALL, can_score, score
from exvideo_train.samples.sheet import draw_sheet
from exvideo_train.samples.wanted import Wanted

BASE, REAL, SHEET, SCORES = "base", "real", "sheet.png", "scores.json"


class Show:
    """Scores and sheets, in the main process.

    Args:
        metrics: score them; None for where exvideo-eval is installed.
        note: told once why there are no scores, and what they do not tell.
    """

    def __init__(self, metrics: bool | None, note: Callable[[str], None]) -> None:
        self._metrics = metrics
        self._note = note
        self._told: set[str] = set()

    def __call__(self, folder: Path, wanted: Sequence[Wanted], title: str) -> tuple[dict[str, float], list[Path]]:
        """The figures of the clips in a folder, and the files to keep; the sheet is written last.

        Args:
            folder: beside those of the base's own clips and of the held-out ones, under the same names.
            title: in the sheet, for these clips: "step 100".
        """
        files = [folder / f"{one.name}.mp4" for one in wanted]
        figures = self._score(folder, len({one.shape[2:] for one in wanted}))
        groups: dict[str, dict[str, Path]] = {}
        for one, file in zip(wanted, files, strict=True):
            places = {"held out": folder.parent / REAL, "base": folder.parent / BASE, title: folder}
            rows = {who: place / file.name for who, place in places.items()}
            label = f"{one.label}, seed {one.seed}"
            groups[label] = {who: path for who, path in rows.items() if path.is_file()}
        draw_sheet(folder / SHEET, groups, f"Samples at {title}")
        return figures, [*files, *(path for path in (folder / SCORES, folder / SHEET) if path.is_file())]

    def _score(self, folder: Path, sizes: int) -> dict[str, float]:
        real, base = folder.parent / REAL, folder.parent / BASE
        if self._metrics is False or not real.is_dir():
            return {}
        if not can_score():
            self._tell(f"The samples are not scored, as exvideo-eval is not installed: {INSTALL}, or leave it so.")
            return {}
        if sizes > 1:
            self._tell(f"The samples are not scored, as they are of {sizes} sizes: give one as samples.size.")
            return {}
        figures, notes = score(real, folder, base if base.is_dir() else None, folder / SCORES)
        for note in notes:
            self._tell(f"Scores of samples: {note}")
        return figures

    def _tell(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._note(sentence)
