"""Contact sheets: real, before and after for held-out clips; and clips from text alone."""

from pathlib import Path

from exvideo_infer.video_file import read_clip

from demo.contact_sheet import ClipRows, Frames, write_contact_sheet
from demo.generate import caption_of
from demo.job import NUM_FRAMES, Job


def draw_sheets(job: Job, output: Path) -> None:
    """Writes `contact_sheet.png` of held-out clips, `after.png` of all of them, and `from_text.png` of prompts."""
    versions = {"real": job.held_out, "before": output / "base_direct", "after": output / "extended"}
    held_out = [
        ClipRows(caption_of(clip), {label: _frames(folder / clip.name) for label, folder in versions.items()})
        for clip in job.held_out_clips[: job.max_on_sheet]
    ]
    write_contact_sheet(output / "contact_sheet.png", held_out)
    extended = [
        ClipRows(caption_of(clip), {"after": _frames(versions["after"] / clip.name)}) for clip in job.held_out_clips
    ]
    write_contact_sheet(output / "after.png", extended)
    if job.prompts:
        made = sorted((output / "from_text").glob("*.mp4"))
        write_contact_sheet(
            output / "from_text.png", [ClipRows(caption_of(clip), {"from text": _frames(clip)}) for clip in made]
        )


def draw_shipped(prompt: str, folder: Path) -> None:
    """Writes `sheet.png` of the clips that `demo.generate.show_shipped` left in a folder."""
    rows = {name: _frames(folder / f"{name}.mp4") for name in ("before", "after")}
    write_contact_sheet(folder / "sheet.png", [ClipRows(prompt, rows)])


def _frames(path: Path) -> Frames:
    return read_clip(path, num_frames=NUM_FRAMES).permute(0, 2, 3, 1).numpy()
