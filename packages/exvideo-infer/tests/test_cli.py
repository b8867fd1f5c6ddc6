import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, save_extension
from exvideo_infer import ExVideoPipeline, embedded, probe, read_clip, write_video
from exvideo_infer.cli import main
from PIL import Image


@pytest.fixture
def first_frame(tmp_path: Path, images: list[Image.Image]) -> Path:
    path = tmp_path / "first.png"
    images[0].save(path)
    return path


def command(base: Path, image: Path, output: Path, *more: object) -> list[str]:
    size = ("--height", 16, "--width", 24, "--steps", 2, "--device", "cpu")
    return [str(part) for part in ("--base", base, "--image", image, "-o", output, *size, *more)]


def test_generates_a_clip(
    tiny_base_dir: Path, first_frame: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    assert main(command(tiny_base_dir, first_frame, out, "--num-frames", 3, "--fps", 5, "--seed", 4)) == 0
    info = probe(out)
    assert (info.num_frames, info.fps, info.width, info.height) == (3, 5.0, 24, 16)
    said = capsys.readouterr().out
    assert said.startswith(f"Wrote {out}: 3 frames of 24x16 at 5 fps, seed 4, in ")


def test_a_clip_is_made_whoever_has_gone(
    gone_reader: Callable[[], AbstractContextManager[None]], tiny_base_dir: Path, first_frame: Path, tmp_path: Path
) -> None:
    with gone_reader():
        assert main(command(tiny_base_dir, first_frame, tmp_path / "out.mp4", "--num-frames", 2)) == 0
        assert main(command(tiny_base_dir, tmp_path / "nowhere.png", tmp_path / "other.mp4")) == 2
    assert probe(tmp_path / "out.mp4").num_frames == 2


def test_the_clip_is_the_pipelines(
    pipe: ExVideoPipeline, tiny_base_dir: Path, first_frame: Path, extension_file: Path, tmp_path: Path
) -> None:
    """Same seed, same extension: what the file shows is what the pipeline returns, but for the video encoding."""
    out = tmp_path / "out.mp4"
    arguments = command(tiny_base_dir, first_frame, out, "--extension", extension_file, "--seed", 3)
    assert main(arguments) == 0
    pipe.load_extension(extension_file)
    image = Image.open(first_frame).crop((0, 3, 64, 45)).resize((24, 16), Image.Resampling.LANCZOS)
    frames = pipe(image, height=16, width=24, num_inference_steps=2, generator=torch.Generator().manual_seed(3)).frames
    clip = read_clip(out)
    assert clip.shape[0] == 12
    expected = torch.from_numpy(np.stack([np.asarray(frame) for frame in frames[0]])).permute(0, 3, 1, 2)
    assert (clip.float() - expected.float()).abs().mean() < 12
    assert (clip.float() - expected.roll(1, dims=1).float()).abs().mean() > 12


def test_a_prompt_is_all_that_it_needs(
    text_base_dir: Path, text_pipe: ExVideoPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Base, steps, rate and guidance are those of the shipped model; the clip is the pipeline's."""
    monkeypatch.setattr(embedded, "directory", lambda: text_base_dir)
    out, prompt = tmp_path / "out.mp4", "a red circle moves left"
    assert main(["--prompt", prompt, "-o", str(out), "--device", "cpu"]) == 0
    info = probe(out)
    assert (info.num_frames, info.fps, info.width, info.height) == (8, 5.0, 64, 64)
    clip = read_clip(out).float()

    def distance(seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        frames = text_pipe(prompt=prompt, generator=generator, output_type="pt").frames[0]
        return float((clip - frames * 255).abs().mean())

    assert distance(0) < distance(1) / 2


def test_a_prompt_beside_an_image(text_base_dir: Path, first_frame: Path, tmp_path: Path) -> None:
    clips = []
    for prompt in ("a red circle", "a blue square"):
        out = tmp_path / "out.mp4"
        assert main(command(text_base_dir, first_frame, out, "--prompt", prompt, "--num-frames", 2)) == 0
        clips.append(read_clip(out))
    assert clips[0].shape == clips[1].shape
    assert not torch.equal(*clips)


def test_prompts_that_lead_to_no_clip(
    tiny_base_dir: Path, first_frame: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, out = ["--base", str(tiny_base_dir), "--device", "cpu"], ["-o", str(tmp_path / "out.mp4")]
    assert "Neither --prompt nor --image" in refuse(out, capsys)
    assert "no text-to-image model" in refuse([*base, "--prompt", "a red circle", *out], capsys)
    both = ["--prompt", "a red circle", "--image", str(first_frame)]
    assert "reads no text" in refuse([*base, *both, *out], capsys)
    absent = str(tmp_path / "absent")
    assert f"no folder {absent}" in refuse([*base, "--prompt", "x", "--text-to-image", absent, *out], capsys)
    assert not (tmp_path / "out.mp4").exists()


def refuse(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Runs the command line and returns what it says: one line on stderr, none on stdout, exit code 2."""
    try:
        code = main(arguments)
    except SystemExit as stopped:
        code = int(str(stopped.code))
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("exvideo-generate: ")
    return said.err


def test_bad_files_are_named(
    tiny_base_dir: Path, first_frame: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    no_image, cut_image, dot = tmp_path / "text.png", tmp_path / "cut.png", tmp_path / "dot.png"
    no_image.write_text("not an image")
    Image.new("RGB", (1, 1)).save(dot)
    cut_image.write_bytes(first_frame.read_bytes()[:2000])
    for arguments, complaint in [
        (command(tmp_path / "nowhere", first_frame, out), f"no folder {tmp_path / 'nowhere'}"),
        (command(tmp_path, first_frame, out), "model_index.json"),
        (command(tiny_base_dir, tmp_path / "no.png", out), "no.png"),
        (command(tiny_base_dir, tmp_path, out), f"no image file {tmp_path}"),
        (command(tiny_base_dir, no_image, out), "text.png"),
        (command(tiny_base_dir, cut_image, out), "cut.png"),
        (command(tiny_base_dir, dot, out), "dot.png is 1x1: give a picture of at least 2x2 pixels"),
        (command(tiny_base_dir, first_frame, tmp_path / "nowhere" / "out.mp4"), "no folder"),
        (command(tiny_base_dir, first_frame, tmp_path / "out.avi"), "out.avi"),
        (command(tiny_base_dir, first_frame, out, "--extension", tmp_path / "no.safetensors"), "no.safetensors"),
        (command(tiny_base_dir, first_frame, out, "--device", "cuda:99"), "cuda:99"),
        (command(tiny_base_dir, first_frame, out, "--device", "toaster"), "toaster"),
        (command(tiny_base_dir, first_frame, out, "--height", 18), "multiples of 8"),
    ]:
        assert complaint in refuse(arguments, capsys)
    assert not out.exists()


def test_bad_extensions_are_named(
    tiny_unet: Callable[..., Any],
    tiny_base_dir: Path,
    first_frame: Path,
    extension_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, other, cut = tmp_path / "out.mp4", tmp_path / "other.safetensors", tmp_path / "cut.safetensors"
    save_extension(extend(tiny_unet(num_frames=6), ExtensionConfig(num_frames=12)), other)
    shutil.copy(extension_file, cut)
    cut.write_bytes(cut.read_bytes()[:-100])
    for extension, complaint in {other: "another base", cut: "truncated", first_frame: "first.png"}.items():
        assert complaint in refuse(command(tiny_base_dir, first_frame, out, "--extension", extension), capsys)
    too_long = command(tiny_base_dir, first_frame, out, "--extension", extension_file, "--num-frames", 13)
    assert "num_frames is 13, but the extension has 12" in refuse(too_long, capsys)
    assert not out.exists()


@pytest.mark.parametrize(
    "option", ["--steps=0", "--num-frames=x", "--seed=-1", "--fps=0", "--guidance-max=0.5", "--dtype=int8", "--no=1"]
)
def test_bad_options_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert option.split("=")[0] in refuse(command(tmp_path, tmp_path, tmp_path / "out.mp4", option), capsys)


def test_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "exvideo_infer", "--help"], capture_output=True, text=True, check=True)
    assert "--extension" in done.stdout


def test_the_backend_of_attention_can_be_chosen(
    tiny_base_dir: Path, first_frame: Path, extension_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    arguments = command(tiny_base_dir, first_frame, out, "--num-frames", 3)
    with_extension = [*arguments, "--extension", str(extension_file)]
    assert main([*with_extension, "--attention-backend", "sdpa"]) == 0
    assert main([*with_extension, "--attention-backend", "triton"]) == 2
    assert "--attention-backend: The backend triton cannot run temporal attention on cpu" in capsys.readouterr().err
    assert main([*arguments, "--attention-backend", "sdpa"]) == 2
    assert "--attention-backend sdpa is of an extension's attention: give --extension, too" in capsys.readouterr().err


def test_numbers_that_no_clip_can_have_are_refused_as_they_are_parsed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option, rule in {
        "--guidance-max=inf": "a number of at least 1",
        "--fps=nan": "a number from 1 to 1000",
        "--fps=1e9": "a number from 1 to 1000",
        "--motion-bucket-id=1e9": "a number from 0 to 255",
        "--seed=18446744073709551616": "a whole number from 0 to 18446744073709551615",
    }.items():
        name, value = option.split("=")
        said = refuse(["--prompt", "a", "-o", str(tmp_path / "out.mp4"), option], capsys)
        assert f"argument {name}: '{value}' is not {rule}" in said


def test_seconds_are_a_length(
    tiny_base_dir: Path, first_frame: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    assert main(command(tiny_base_dir, first_frame, out, "--seconds", 0.7, "--fps", 4)) == 0
    assert probe(out).num_frames == 3
    said = capsys.readouterr()
    assert "24x16, 3 frames at 4 fps, num_inference_steps 2, min_guidance_scale 1" in said.err
    assert "seed 0, from" in said.err
    assert " s a step, peak memory " in said.out
    both = command(tiny_base_dir, first_frame, out, "--seconds", 1, "--num-frames", 4)
    assert "num_frames is 4 and seconds is 1: give one of them" in refuse(both, capsys)


def test_ctrl_c_and_no_memory_have_exit_codes_and_a_sentence(
    tiny_base_dir: Path,
    first_frame: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out.mp4"
    no_room = "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried ..."
    for error, code, sentence in [
        (KeyboardInterrupt(), 130, "Interrupted"),
        (torch.OutOfMemoryError("CUDA out of memory."), 3, "not enough memory"),
        (RuntimeError(no_room), 3, "not enough memory"),
        (MemoryError(), 3, "not enough memory"),
    ]:

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(ExVideoPipeline, "__call__", fail)
        assert main(command(tiny_base_dir, first_frame, out)) == code
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith("exvideo-generate: ")
        assert sentence in said
    assert not list(tmp_path.glob("*.mp4"))


def write_list(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "list.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_a_list_of_prompts_becomes_a_folder_of_clips(
    text_base_dir: Path, first_frame: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "a red circle"},
        {"prompt": "a red circle", "seed": 1},
        {"prompt": "a red circle", "seed": 0},
        {"prompt": "moves left", "image": "first.png", "num_frames": 3},
    ]
    out = tmp_path / "clips"
    arguments = ["--base", text_base_dir, "--prompts", write_list(tmp_path, *rows), "-o", out, "--num-frames", 2]
    size = ["--height", 16, "--width", 24, "--steps", 1, "--device", "cpu"]
    assert main([str(part) for part in (*arguments, *size)]) == 0
    said = capsys.readouterr()
    assert "Line 3 asks for clip" in said.err
    assert "3 clips are in" in said.out
    assert ": 3 were made here." in said.out
    settings = [json.loads(path.read_text()) for path in out.glob("*.json")]
    assert sorted((one["prompt"], one["seed"], one["num_frames"]) for one in settings) == [
        ("a red circle", 0, 2),
        ("a red circle", 1, 2),
        ("moves left", 0, 3),
    ]
    assert len(list(out.glob("*.mp4"))) == 3
    assert main([str(part) for part in (*arguments, *size)]) == 0
    assert ": 0 were made here." in capsys.readouterr().out
    assert main([str(part) for part in (*arguments, *size, "--dtype", "bfloat16")]) == 0
    assert ": 3 were made here." in capsys.readouterr().out


def test_rows_name_their_clips(text_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, row = tmp_path / "clips", {"prompt": "a red circle", "name": "street"}
    size = ["--num-frames", 2, "--height", 16, "--width", 24, "--steps", 1, "--device", "cpu"]

    def arguments(*rows: dict[str, Any]) -> list[str]:
        list_ = write_list(tmp_path, *rows)
        return [str(part) for part in ("--base", text_base_dir, "--prompts", list_, "-o", out, *size)]

    assert "list.jsonl, line 2: street is the name of another clip before it" in refuse(
        arguments(row, row | {"seed": 1}), capsys
    )
    assert not out.exists()
    assert main(arguments(row, row | {"seed": 1, "name": "wall"})) == 0
    assert sorted(path.name for path in out.iterdir()) == ["street.json", "street.mp4", "wall.json", "wall.mp4"]
    assert main(arguments(row, row)) == 0
    assert "1 clips are in" in capsys.readouterr().out
    assert main(arguments(row | {"seed": 2})) == 2
    assert "street.mp4 is there, and not the clip" in capsys.readouterr().err


def test_bad_lists_are_refused_before_anything_is_made(
    tiny_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"prompt": "a"}
    out = tmp_path / "clips"

    def arguments(*rows: dict[str, Any], base: Path = tmp_path / "absent") -> list[str]:
        return ["--base", str(base), "--prompts", str(write_list(tmp_path, *rows)), "-o", str(out)]

    assert "list.jsonl, line 2: steps is 0" in refuse(arguments(good, {"prompt": "a", "steps": 0}), capsys)
    assert "no folder" in refuse(arguments(good), capsys)  # the list was read first
    assert "line 1: There is no text-to-image model" in refuse(arguments(good, base=tiny_base_dir), capsys)
    assert "--prompt stands beside --prompts" in refuse([*arguments(good), "--prompt", "b"], capsys)
    assert not out.exists()
    out.write_text("a file")
    assert "is a file: give a folder" in refuse(arguments(good), capsys)


@pytest.mark.parametrize(
    ("way", "cost"),
    [
        (("--beyond", "windows"), "It takes 8 evaluations of the network, each of up to 8 frames"),
        (("--beyond", "free-noise", "--window-length", 6, "--window-overlap", 1), "It takes 8 evaluations"),
        (("--beyond", "chain", "--window-length", 7), "It takes 8 evaluations of the network, each of up to 7 frames"),
        (("--beyond", "keyframes", "--keyframe-every", 3, "--interpolator", "linear"), "It takes 2 evaluations"),
        (("--continue", "film.mkv"), "It takes 6 evaluations of the network, each of up to 8 frames"),
        (("--video", "film.mkv", "--strength", 0.4), "It takes 2 evaluations of the network, each of up to 20 frames"),
    ],
)
def test_clips_beyond_the_model_cost_what_is_said_and_are_made_again(
    tiny_base_dir: Path,
    first_frame: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    way: tuple[object, ...],
    cost: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (20, 24, 32, 3), dtype=np.uint8)
    write_video("film.mkv", iter(noise), 9)
    out, again = tmp_path / "out.mkv", tmp_path / "again.mkv"
    arguments = command(tiny_base_dir, first_frame, out, "--num-frames", 20, *way)
    if way[0] == "--continue":
        arguments = [part for part in arguments if part not in ("--image", str(first_frame))]
    assert main(arguments) == 0
    assert cost in capsys.readouterr().err
    assert len(read_clip(out)) == 20
    assert main(["--again", str(out), "-o", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()
    if way[0] == "--beyond":
        assert main(["--again", str(out), "--beyond", "chain", "-o", str(again)]) == 0  # without settings of another
    else:
        capsys.readouterr()
        write_video("film.mkv", iter(noise // 2), 9)
        complaint = f"film.mkv is not the clip that {out} was made from: give that one by {way[0]}"
        assert complaint in refuse(["--again", str(out), "-o", str(again)], capsys)


def test_rows_of_a_list_have_their_ways(tiny_base_dir: Path, first_frame: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "film.mkv", iter(np.zeros((5, 24, 32, 3), dtype=np.uint8)), 9)
    rows: list[dict[str, Any]] = [
        {"image": "first.png", "num_frames": 9, "beyond": "keyframes", "interpolator": "linear"},
        {"continues": "film.mkv", "num_frames": 3},
        {"video": "film.mkv", "strength": 0.5},
    ]
    model = ["--base", tiny_base_dir, "--height", 16, "--width", 24, "--steps", 2, "--device", "cpu"]
    out = tmp_path / "clips"
    assert main([str(part) for part in ("--prompts", write_list(tmp_path, *rows), "-o", out, *model)]) == 0
    assert sorted(probe(path).num_frames for path in out.glob("*.mp4")) == [3, 5, 9]


def test_clips_that_cannot_be_begun_from_are_named(
    tiny_base_dir: Path, first_frame: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--base", str(tiny_base_dir), "-o", str(tmp_path / "out.mp4")]
    assert "no.mp4" in refuse(["--video", str(tmp_path / "no.mp4"), *out], capsys)
    assert "no.mp4" in refuse(["--continue", str(tmp_path / "no.mp4"), "--num-frames", "3", *out], capsys)
    assert "there is no video" in refuse(["--strength", "0.5", "--image", str(first_frame), *out], capsys)
    assert "--continue stands beside --prompts" in refuse(
        ["--continue", "a.mp4", "--prompts", str(write_list(tmp_path, {"prompt": "a"})), *out], capsys
    )
    assert "line 1: " in refuse(["--prompts", str(write_list(tmp_path, {"video": "no.mp4"})), *out], capsys)
