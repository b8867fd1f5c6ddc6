"""The clips of the documentation (docs/gallery.md) are those that `python -m demo.gallery` makes."""

import json
from pathlib import Path

import numpy as np
import pytest
from exvideo_infer import iter_frames, read_metadata
from PIL import Image

from demo import gallery

ROOT = Path(__file__).parents[2]
PROMPTS = json.loads((ROOT / gallery.LIST).read_text(encoding="utf-8"))


def test_each_prompt_has_both_its_clips_on_the_page() -> None:
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    for name, prompt in PROMPTS.items():
        assert f"**{prompt}**" in page
        for end in ("", "-base"):
            path = ROOT / "docs" / "gallery" / f"{name}{end}.mp4"
            assert f'src="gallery/{path.name}"' in page
            made = read_metadata(path)["settings"]
            assert (made["prompt"], made["seed"], made["num_frames"], made["extended"]) == (prompt, 0, 40, not end)
            assert len(list(iter_frames(path))) == gallery.FRAMES


def test_pictures_of_the_documentation_are_small() -> None:
    files = [*(ROOT / "docs" / "gallery").iterdir(), ROOT / gallery.PICTURE]
    assert sum(path.stat().st_size for path in files) < 1_000_000


@pytest.mark.long
def test_the_picture_has_a_row_a_prompt_and_all_frames(tmp_path: Path) -> None:
    prompts = {name: PROMPTS[name] for name in gallery.SHOWN}
    gallery.write_before_after(tmp_path / "a.webp", prompts, ROOT / "docs" / "gallery")
    with Image.open(tmp_path / "a.webp") as made, Image.open(ROOT / gallery.PICTURE) as kept:
        assert made.size == kept.size
        assert getattr(made, "n_frames", 0) == getattr(kept, "n_frames", 0) == gallery.FRAMES
        for frame in (0, 39):
            made.seek(frame)
            kept.seek(frame)
            assert np.array_equal(np.asarray(made.convert("RGB")), np.asarray(kept.convert("RGB")))


@pytest.mark.long
def test_a_clip_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clips.json").write_text(json.dumps({name: PROMPTS[name] for name in ("bounces",)}))
    monkeypatch.setattr(gallery, "LIST", tmp_path / "clips.json")
    monkeypatch.setattr(gallery, "SHOWN", ("bounces",))
    assert gallery.main(["--output", str(tmp_path), "--picture", str(tmp_path / "a.webp")]) == 0
    for name in ("bounces.mp4", "bounces-base.mp4"):
        made, kept = (np.stack(list(iter_frames(at / name))) for at in (tmp_path, ROOT / "docs" / "gallery"))
        assert np.abs(made.astype(int) - kept).mean() < 3  # another processor rounds otherwise
