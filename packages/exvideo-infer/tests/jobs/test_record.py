"""Clips made again from what their files say, by the command line."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, save_extension
from exvideo_infer import ExVideoPipeline, read_clip, read_metadata, write_video
from exvideo_infer.cli import main
from exvideo_infer.jobs.maker import PipelineMaker
from PIL import Image

SIZE = ("--height", 16, "--width", 24, "--steps", 2, "--device", "cpu")


def generate(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def made(tiny_base_dir: Path, extension_file: Path, images: list[Image.Image], tmp_path: Path) -> Path:
    """A lossless clip of a picture, by the extended base, nothing left at its default."""
    images[0].save(tmp_path / "first.png")
    model = ("--base", tiny_base_dir, "--extension", extension_file)
    numbers = ("--num-frames", 9, "--seed", 7, "--fps", 5, "--guidance-min", 1.1, "--guidance-max", 1.7)
    image, out = ("--image", tmp_path / "first.png"), tmp_path / "out.mkv"
    assert generate(*model, *SIZE, *numbers, "--motion-bucket-id", 99, *image, "-o", out) == 0
    return out


def test_a_file_is_enough_to_make_its_clip_again(made: Path) -> None:
    again, other = made.with_name("again.mkv"), made.with_name("other.mkv")
    assert generate("--again", made, "-o", again) == 0
    assert again.read_bytes() == made.read_bytes()
    assert generate("--again", made, "--seed", 0, "-o", other) == 0  # the option's default, and yet given
    assert read_metadata(other)["settings"]["seed"] == 0
    assert not torch.equal(read_clip(other), read_clip(made))


def test_the_record_holds_prompt_settings_hashes_and_versions(made: Path, extension_file: Path) -> None:
    record = read_metadata(made)
    assert record["settings"]["max_guidance_scale"] == 1.7
    assert record["settings"]["seed"] == 7
    assert record["model"]["extension"] == str(extension_file)
    assert (record["model"]["device"], record["model"]["dtype"]) == ("cpu", "float32")
    assert record["versions"]["torch"] == version("torch")
    assert len(record["extension_hash"]) == len(record["model_hash"]) == 40


def test_another_picture_or_extension_is_refused_unless_it_is_given(
    made: Path, loaded: ExVideoPipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    again = ("--again", made, "-o", tmp_path / "again.mkv")
    picture = tmp_path / "first.png"
    before = picture.read_bytes()
    Image.new("RGB", (64, 48), "red").save(picture)
    assert generate(*again) == 2
    assert f"{picture} is not the picture that {made} was made from" in capsys.readouterr().err
    assert generate(*again, "--image", picture) == 0
    picture.write_bytes(before)

    other = tmp_path / "extension.safetensors"
    save_extension(extend(loaded.unet, ExtensionConfig(num_frames=12)), other)
    loaded.unload_extension()
    record = read_metadata(made)
    record["model"]["extension"] = str(other)
    changed = tmp_path / "changed.mkv"
    write_video(changed, read_clip(made).permute(0, 2, 3, 1), 5, metadata=record)
    assert generate("--again", changed, "-o", tmp_path / "again.mkv") == 2
    assert f"The base or the extension is not the one that made {changed}" in capsys.readouterr().err
    assert generate("--again", changed, "--extension", other, "-o", tmp_path / "again.mkv") == 0

    monkeypatch.setattr("exvideo_infer.jobs.record.version", lambda name: "9.9")
    assert generate(*again) == 0
    assert f"{made} was made with torch {version('torch')}, and here is 9.9" in capsys.readouterr().err


def test_settings_of_the_file_are_those_of_before_in_the_same_format(
    tiny_base_dir: Path, images: list[Image.Image], tmp_path: Path
) -> None:
    images[0].save(tmp_path / "first.png")
    out = tmp_path / "out.mp4"
    file = ("--crf", 40, "--pixel-format", "yuv444p")
    assert generate("--base", tiny_base_dir, *SIZE, "--image", tmp_path / "first.png", *file, "-o", out) == 0
    assert generate("--again", out, "-o", tmp_path / "same.mp4") == 0
    assert (tmp_path / "same.mp4").read_bytes() == out.read_bytes()
    assert generate("--again", out, "-o", tmp_path / "other.webm") == 0
    assert read_metadata(tmp_path / "other.webm")["file"] == {"format": "webm", "crf": 16, "pixel_format": "yuv420p"}


def test_what_changes_rounding_is_recorded_and_done_again(
    tiny_base_dir: Path, images: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images[0].save(tmp_path / "first.png")
    out, again = tmp_path / "out.mkv", tmp_path / "again.mkv"
    picture = ("--image", tmp_path / "first.png")
    assert generate("--base", tiny_base_dir, *SIZE, *picture, "--guidance-apart", "-o", out) == 0
    pipelines, init = [], PipelineMaker.__init__
    monkeypatch.setattr(PipelineMaker, "__init__", lambda self, pipe: (pipelines.append(pipe), init(self, pipe))[1])
    assert generate("--again", out, "-o", again) == 0
    assert [pipe.guidance_batched for pipe in pipelines] == [False]
    assert again.read_bytes() == out.read_bytes()
    assert generate("--base", tiny_base_dir, *SIZE, *picture, "-o", out) == 0
    assert pipelines[1].guidance_batched


def test_files_that_name_no_clip_are_refused(
    tiny_base_dir: Path, images: list[Image.Image], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images[0].save(tmp_path / "first.png")
    out = tmp_path / "out.mp4"
    command = ("--base", tiny_base_dir, *SIZE, "--image", tmp_path / "first.png", "-o", out)
    assert generate(*command, "--no-metadata") == 0
    assert generate("--again", out, "-o", tmp_path / "again.mp4") == 2
    assert f"{out} does not say how it was made" in capsys.readouterr().err
    write_video(out, [images[0]], 8, metadata={"prompt": "of another program"})
    assert generate("--again", out, "-o", tmp_path / "again.mp4") == 2
    assert f"{out} was not made by exvideo-generate" in capsys.readouterr().err


def test_clips_of_a_list_have_their_records(text_base_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text('{"prompt": "a red circle"}')
    model = ("--base", text_base_dir, "--device", "cpu", "--num-frames", 2)
    assert generate("--prompts", tmp_path / "list.jsonl", *model, "-o", tmp_path / "clips") == 0
    (path,) = (tmp_path / "clips").glob("*.mp4")
    assert read_metadata(path)["settings"]["prompt"] == "a red circle"
    assert generate("--again", path, "-o", tmp_path / "again.mp4") == 0
    assert (tmp_path / "again.mp4").read_bytes() == path.read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_the_embedded_model_makes_a_clip_again(tmp_path: Path, name: str) -> None:
    out, again = tmp_path / name, tmp_path / f"again-{name}"
    prompt = "a large red ring bounces quickly from edge to edge starting left on a black background"
    assert generate("--prompt", prompt, "--steps", 3, "--seed", 5, "--device", "cpu", "-o", out) == 0
    assert generate("--again", out, "-o", again) == 0
    assert torch.equal(read_clip(again), read_clip(out))
    assert again.read_bytes() == out.read_bytes()
