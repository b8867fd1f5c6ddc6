"""Writes the page: one HTML file that holds all it needs, opens from disk and asks no network for anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from torch import Tensor

from exvideo_eval.page.chart import STYLES, chart
from exvideo_eval.page.examples import Example
from exvideo_eval.page.markdown_to_html import as_html
from exvideo_eval.page.row_video import as_data_uri, side_by_side
from exvideo_eval.result_parts import Curve
from exvideo_eval.video_reader import VideoReadError, iter_clips
from exvideo_eval.whole_file import replacing

MAX_VIDEO_BYTES = 12_000_000  # of all clips of a page together, before they are written as text, which adds a third
_SMALL = 128  # pixels of clips that are shown larger than they are: enlarged as squares, not as a blur


@dataclass(frozen=True)
class Row:
    """Clips that are shown beside each other.

    Args:
        example: the generated clip, and why it is shown.
        clips: file of each series ("real", "baseline", "generated"), in the order of the columns; None for none.
        is_paired: False if the real clip is another one than the generated was made from.
    """

    example: Example
    clips: Mapping[str, Path | None]
    is_paired: bool = True


@dataclass(frozen=True)
class PageContent:
    """All that a page shows.

    Args:
        title, lead: of the page, and the sentence beneath.
        measure: by which the examples were chosen, in words.
        rows: one an example, all with the same series.
        num_frames, size, fps: of the clips: frames compared, (height, width), and frames a second they play at.
        curves: by name, and then by series.
        report: in Markdown.
    """

    title: str
    lead: str
    measure: str
    rows: Sequence[Row]
    num_frames: int
    size: tuple[int, int]
    fps: float
    curves: Mapping[str, Mapping[str, Curve]]
    report: str


def write_page(path: Path, content: PageContent) -> None:
    """Write a page, to a temporary name first. Its clips are read again, and encoded small.

    Raises:
        OSError: it cannot be written.
        VideoReadError: a file that was measured cannot be read any more.
    """
    template = Template(_part("page.html"))
    series = list(content.rows[0].clips) if content.rows else list(STYLES)
    text = template.substitute(
        title=escape(content.title),
        lead=escape(content.lead),
        style=_part("page.css"),
        script=_part("page.js"),
        num_frames=content.num_frames,
        last_frame=content.num_frames - 1,
        fps=f"{content.fps:g}",
        legend="".join(_legend(who) for who in series),
        rows=_rows(content),
        charts="\n".join(chart(name, curves) for name, curves in content.curves.items()),
        report=as_html(content.report),
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _part(name: str) -> str:
    return files("exvideo_eval.page").joinpath(name).read_text(encoding="utf-8")


def _legend(who: str) -> str:
    colour, dash = STYLES[who]
    line = f'<line x1="0" x2="30" y1="4" y2="4" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"></line>'
    return f'<span><svg viewBox="0 0 30 8">{line}</svg>{escape(who)}</span>'


def _rows(content: PageContent) -> str:
    if not content.rows:
        return ""
    why = f'<p class="why">Clips by {escape(content.measure)}. All play in step, frame by frame.</p>'
    return why + '<div class="rows">' + "\n".join(_row(row, content) for row in content.rows) + "</div>"


def _row(row: Row, content: PageContent) -> str:
    clips = [None if path is None else _first_clip(path, content) for path in row.clips.values()]
    video = side_by_side(clips, content.fps, MAX_VIDEO_BYTES // len(content.rows))
    names = "".join(f"<div><b>{escape(who)}</b> {escape(_named(who, row))}</div>" for who in row.clips)
    small = ' class="small"' if max(content.size) <= _SMALL else ""
    value = "" if row.example.value is None else f", {row.example.value:.4g}"
    reason = f"{escape(row.example.reason)}: {escape(row.example.name)}{value}"
    return (
        f'<div class="row"><p class="why">{reason}</p>'
        f'<video{small} muted playsinline preload="auto" src="{as_data_uri(video)}"></video>'
        f'<div class="names">{names}</div></div>'
    )


def _named(who: str, row: Row) -> str:
    path = row.clips[who]
    return "none" if path is None else path.name + (", another clip" if who == "real" and not row.is_paired else "")


def _first_clip(path: Path, content: PageContent) -> Tensor:
    for clip in iter_clips(path, content.num_frames, content.size):
        return clip
    raise VideoReadError(path.name, f"has fewer than the {content.num_frames} frames it was measured with")
