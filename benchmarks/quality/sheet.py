"""Contact sheets: of a clip of each kind of motion, the real one and what methods made of its first frame."""

from collections.abc import Sequence
from pathlib import Path

from exvideo_infer.video_file import read_clip

from benchmarks.quality.protocol import KINDS_OF_MOTION
from benchmarks.quality.rows import Row
from benchmarks.quality.setting import Setting
from tiny_world.world.contact_sheet import contact_sheet

SHOWN = ("direct", "rife", "chain", "exvideo", "exvideo-chain", "exvideo-rife")
COLUMNS = 11


def draw(path: Path, setting: Setting, shown: Sequence[str] = SHOWN) -> None:
    """Writes a PNG of the first seed, of some methods and what is trained here; what is not there is left out."""
    names = (*shown, *setting.trained)
    seed, rows, titles = setting.size.seeds[0], [], []
    real = setting.real()
    # Of clips with events, which stand by kind and duration, some from all over.
    step = max(1, len(real) // KINDS_OF_MOTION) if setting.of.durations else 1
    for clip in real[::step][:KINDS_OF_MOTION]:
        files = {clip.caption: clip.path}
        for name in (name for name in names if name in setting.names):
            title = f"    {setting.method(name, seed).title}"
            files[title] = Row(name, seed).folder(setting.made) / clip.path.name
        for title, file in files.items():
            if file.exists():
                rows.append(read_clip(file).permute(0, 2, 3, 1).numpy())
                titles.append(title)
    last = setting.of.num_frames - 1
    columns = sorted({round(last * column / (COLUMNS - 1)) for column in range(COLUMNS)})
    path.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows, titles, columns).quantize(256).save(path, optimize=True)
