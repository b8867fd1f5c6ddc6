"""Tickets as HTML: progress, previews and errors. All that people have written is escaped."""

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

from exvideo_infer.jobs.queue import JobQueue, Status, Ticket

HISTORY = ("prompt", "seed", "frames", "size", "steps", "extension", "clip")
MOST_SHOWN = 50  # rows of the history
_PROMPT_SHOWN = 120  # characters


def progress(queue: JobQueue, ticket: Ticket) -> str:
    """A line on a ticket, and its bar."""
    place, steps = queue.position(ticket), ticket.num_steps
    if ticket.status is Status.QUEUED:
        said = f"Waiting: {place} in line" if place else "Waiting"
    elif ticket.status is Status.RUNNING:
        said = f"Step {ticket.step} of {steps}" if ticket.step < steps else "Decoding"
        said = said if ticket.step or ticket.clip is None else "First frame"
    elif ticket.status is Status.COMPLETED:
        took = "" if ticket.seconds is None else f" in {ticket.seconds:.1f} s"
        said = f"Done{took}, seed {ticket.settings['seed']}"
    elif ticket.status is Status.CANCELLED:
        said = "Cancelled"
    else:
        return error(ticket.error or "The clip failed.")
    done = steps if ticket.status is Status.COMPLETED else ticket.step
    return f'<div class="told">{html.escape(said)}</div><progress value="{done}" max="{max(1, steps)}"></progress>'


def about(model: str) -> str:
    """A line on the model."""
    return f'<div class="about">{html.escape(model)}</div>'


def error(sentence: str) -> str:
    """A sentence on what went wrong."""
    return f'<div class="told wrong" role="alert">{html.escape(sentence)}</div>'


def notes(sentences: Sequence[str]) -> str:
    """Sentences on what the model will not read."""
    return "".join(f'<div class="note">{html.escape(sentence)}</div>' for sentence in sentences)


def animation(pictures: Any, seconds: float) -> str:
    """The preview: pictures (frames, height, width, 3) as one image that moves; "" where there are none.

    Args:
        pictures: spread over the clip.
        seconds: its length.
    """
    if pictures is None:
        return ""
    from PIL import Image

    first, *rest = [Image.fromarray(picture) for picture in pictures]
    file = io.BytesIO()
    duration = round(1000 * seconds / len(pictures))
    first.save(file, "WEBP", save_all=True, append_images=rest, duration=duration, loop=0, quality=80)
    content = base64.b64encode(file.getvalue()).decode()
    return f'<img class="preview" alt="preview of the clip" src="data:image/webp;base64,{content}">'


def history(queue: JobQueue) -> list[list[str]]:
    """The newest clips of the folder, a row each, as `HISTORY` has the columns."""
    tickets = [ticket for ticket in queue.newest(MOST_SHOWN) if ticket.status is Status.COMPLETED]
    return [_row(ticket) for ticket in tickets]


def _row(ticket: Ticket) -> list[str]:
    settings = ticket.settings
    prompt = settings.get("prompt") or "(a picture)"
    values = (
        prompt if len(prompt) <= _PROMPT_SHOWN else f"{prompt[:_PROMPT_SHOWN]}…",
        settings.get("seed", ""),
        settings.get("num_frames", ""),
        f"{settings.get('width', '')}x{settings.get('height', '')}",
        settings.get("num_inference_steps", ""),
        "with" if settings.get("extended") else "without",
        ticket.name,
    )
    return [str(value) for value in values]
