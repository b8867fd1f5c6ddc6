from pathlib import Path

import numpy as np
import pytest
from exvideo_infer.cli import main
from exvideo_infer.contact_sheet import GAP, MAX_FRAMES, ContactSheet, check_sheet
from exvideo_infer.video_file import VideoError
from PIL import Image


def grey(count: int, height: int = 60, width: int = 80) -> list[np.ndarray]:
    return [np.full((height, width, 3), place * 255 // count, np.uint8) for place in range(count)]


@pytest.mark.parametrize("count", [1, 2, 7, 16, 17, 128])
def test_frames_are_spread_from_the_first_to_the_last(count: int) -> None:
    sheet, frames = ContactSheet(count, fps=8), grey(count)
    assert [frame.mean() for frame in sheet.watch(frames)] == [frame.mean() for frame in frames]  # all pass by
    drawn = np.asarray(sheet.draw())
    shown = [drawn[top + 30, left + 40].tolist() for top in range(GAP, len(drawn), 80) for left in range(GAP, 336, 84)
             if left < drawn.shape[1]]  # fmt: skip
    shown = [level for level, *_ in shown][: min(count, MAX_FRAMES)]
    assert shown[0] == 0
    assert shown[-1] == frames[-1].mean()
    assert shown == sorted(set(shown))
    assert len(shown) == min(count, MAX_FRAMES)


def test_large_frames_are_made_smaller() -> None:
    sheet = ContactSheet(16, fps=8)
    list(sheet.watch(grey(16, 576, 1024)))
    assert sheet.draw().size == (4 * 260 + GAP, 4 * (144 + 16 + GAP) + GAP)


def test_what_cannot_be_a_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"sheet\.jpg does not end in \.png"):
        check_sheet(tmp_path / "sheet.jpg")
    with pytest.raises(VideoError, match="no folder"):
        check_sheet(tmp_path / "missing" / "sheet.png")


def test_the_command_writes_one(tiny_base_dir: Path, images: list[Image.Image], tmp_path: Path) -> None:
    images[0].save(tmp_path / "first.png")
    command = ["--base", str(tiny_base_dir), "--image", str(tmp_path / "first.png"), "--height", "16", "--width", "24"]
    command += ["--steps", "1", "--device", "cpu", "--num-frames", "5", "-o", str(tmp_path / "out.gif")]
    assert main([*command, "--sheet"]) == 0
    assert main([*command, "--sheet", str(tmp_path / "named.png")]) == 0
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "named.png").read_bytes()
    assert main([*command, "--sheet", str(tmp_path / "named.jpg")]) == 2
    assert main([*command, "--crf", "3"]) == 2
