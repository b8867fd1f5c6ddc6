"""Generated clips have the names, the noise and the sidecars by which they are compared."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer.video_file import probe, read_clip, write_video
from PIL import Image

from demo import generate as module
from demo.generate import caption_of, generate, generate_all, generate_from_text
from demo.job import NUM_FRAMES, Job


class PipelineOfOneColour:
    """Draws one grey level from the generator, and makes every frame of it."""

    sampling_defaults = SimpleNamespace(fps=8)

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def set_progress_bar_config(self, **kwargs: Any) -> None:
        pass

    def __call__(self, image: Image.Image | None = None, **arguments: Any) -> Any:
        self.calls.append({"image": image, **arguments})
        level = int(torch.randint(256, (), generator=arguments["generator"]))
        return SimpleNamespace(frames=[[Image.new("RGB", (64, 64), (level,) * 3)] * arguments["num_frames"]])


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Two held-out clips, one white and with a caption, one black and without."""
    folder = tmp_path / "held_out"
    folder.mkdir()
    for name, level in (("a", 255), ("b", 0)):
        write_video(folder / f"{name}.mp4", np.full((3, 64, 64, 3), level, np.uint8), fps=12)
    (folder / "a.json").write_text(json.dumps({"caption": "a small red circle", "spec": {}}))
    return Job("base", tmp_path / "recipe", tmp_path, folder, arguments_of=lambda clip: {"prompt": caption_of(clip)})


def test_each_clip_starts_from_its_first_frame_and_both_sets_from_one_noise(job: Job, tmp_path: Path) -> None:
    pipeline: Any = PipelineOfOneColour()
    for name in ("before", "after"):
        for seed, clip in enumerate(job.held_out_clips):
            generate(pipeline, job, clip, seed, tmp_path / name)
    assert [np.asarray(call["image"]).mean() > 128 for call in pipeline.calls] == [True, False] * 2
    assert [call["prompt"] for call in pipeline.calls] == ["a small red circle", "b"] * 2
    frames = {(name, clip): read_clip(tmp_path / name / f"{clip}.mp4") for name in ("before", "after") for clip in "ab"}
    assert all(len(clip) == NUM_FRAMES for clip in frames.values())
    assert torch.equal(frames["before", "a"], frames["after", "a"])
    assert torch.equal(frames["before", "b"], frames["after", "b"])
    assert not torch.equal(frames["before", "a"], frames["before", "b"])
    assert probe(tmp_path / "after" / "a.mp4").fps == 12


def test_what_a_clip_has_to_show_is_written_beside_it(job: Job, tmp_path: Path) -> None:
    pipeline: Any = PipelineOfOneColour()
    for clip in job.held_out_clips:
        generate(pipeline, job, clip, 0, tmp_path / "made")
    assert (tmp_path / "made" / "a.json").read_text() == (job.held_out / "a.json").read_text()
    assert not (tmp_path / "made" / "b.json").exists()
    generate_from_text(pipeline, ["a ring", "a box"], tmp_path / "from_text")
    assert [caption_of(path) for path in sorted((tmp_path / "from_text").glob("*.mp4"))] == ["a ring", "a box"]
    assert pipeline.calls[-1]["image"] is None


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_both_sets_are_made_side_by_side_as_in_training_and_only_one_by_the_extended_model(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, dtype: torch.dtype
) -> None:
    made: list[Any] = []

    class Loaded(PipelineOfOneColour):
        @classmethod
        def from_pretrained(cls, base: str, torch_dtype: torch.dtype) -> "Loaded":
            assert torch_dtype == dtype
            made.append(cls())
            return made[-1]

        def load_extension(self, path: Path) -> None:
            self.extension = path

    monkeypatch.setattr(module, "ExVideoPipeline", Loaded)
    (tmp_path / "post_tune.yaml").write_text(f"engine: {{precision: {precision}}}")
    threads = torch.get_num_threads()
    generate_all(job, tmp_path)
    base, extended = made
    assert not hasattr(base, "extension")
    assert extended.extension == tmp_path / "post_tune" / "extension.safetensors"
    assert torch.equal(read_clip(tmp_path / "base_direct" / "b.mp4"), read_clip(tmp_path / "extended" / "b.mp4"))
    assert [len(pipeline.calls) for pipeline in made] == [2, 2]
    assert torch.get_num_threads() == threads
