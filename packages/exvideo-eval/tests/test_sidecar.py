import json
from collections.abc import Callable
from pathlib import Path

import pytest
from exvideo_eval.folder import is_of_tiny_world, list_files
from exvideo_eval.sidecar import SidecarError, read_sidecar
from exvideo_eval.tiny_world.truth import truth_of


def test_the_tiny_worlds_sidecar_tells_caption_and_truth(tmp_path: Path, write_sidecar: Callable[..., Path]) -> None:
    write_sidecar(tmp_path / "a.mp4", caption="a ring", shape="ring")
    sidecar = read_sidecar(tmp_path / "a.mp4")
    assert (sidecar.caption, sidecar.is_tiny_world) == ("a ring", True)
    truth = {"shape": "ring", "colour": "red", "place": "street", "motion": "crosses left"}
    assert truth_of(tmp_path / "a.mp4", sidecar) == truth


def test_other_sidecars_tell_at_most_a_caption(tmp_path: Path) -> None:
    def told() -> tuple[str | None, dict[str, str]]:
        sidecar = read_sidecar(tmp_path / "a.mp4")
        return sidecar.caption, dict(truth_of(tmp_path / "a.mp4", sidecar))

    assert told() == (None, {})
    (tmp_path / "a.txt").write_text(" a ball\n")
    assert told() == ("a ball", {})
    (tmp_path / "a.json").write_text(json.dumps({"format": "other", "spec": 3}))
    assert told() == ("a ball", {})
    (tmp_path / "a.json").write_text(json.dumps({"caption": "a box"}))
    assert told() == ("a box", {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"format"', "is not JSON"),
        ('{"format": "exvideo.tiny_world/1", "spec": {"subjects": []}}', "has no whole spec"),
        (
            '{"format": "exvideo.tiny_world/1", "spec": {"subjects": [{"shape": ["ring"], "colour": "red"}], '
            '"background": {"place": "street"}, "motion": {"kind": "meets", "direction": "apart"}}}',
            "not text",
        ),
        ("\udcff", "cannot be read"),
    ],
)
def test_damaged_sidecars_are_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SidecarError, match=rf"a\.json .*{reason}.*: write it again or remove it\."):
        truth_of(tmp_path / "a.mp4", read_sidecar(tmp_path / "a.mp4"))


def test_sidecars_are_no_videos_and_other_text_files_are_still_listed(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.json", "a.txt", "notes.txt"):
        (tmp_path / name).write_text("")
    assert [path.name for path in list_files("real", tmp_path)] == ["a.mp4", "notes.txt"]


def test_a_folder_is_of_the_tiny_world_if_every_readable_video_says_so(
    tiny_world_folders: Path,
) -> None:
    real = tiny_world_folders / "real"
    assert is_of_tiny_world(real)
    assert not is_of_tiny_world(tiny_world_folders / "frozen")
    (real / "notes.txt").write_text("no video")
    assert is_of_tiny_world(real)
    for damage in ("{}", "{"):
        (real / "2.json").write_text(damage)
        assert not is_of_tiny_world(real)
