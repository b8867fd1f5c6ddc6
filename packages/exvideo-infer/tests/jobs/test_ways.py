"""Ways that a clip is made: what each costs, its settings, and the names of clips."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline, read_clip, write_video
from exvideo_infer.jobs.job import Job
from exvideo_infer.jobs.maker import PipelineMaker, Watch
from exvideo_infer.jobs.ways import way_of
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "steps": 2}
PLAIN = {
    "prompt", "image", "seed", "num_frames", "height", "width", "num_inference_steps", "min_guidance_scale",
    "max_guidance_scale", "fps", "motion_bucket_id", "noise_aug_strength", "extended", "version",
}  # fmt: skip


@pytest.fixture
def picture(images: list[Image.Image], tmp_path: Path) -> Path:
    images[0].save(tmp_path / "first.png")
    return tmp_path / "first.png"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Seven lossless frames at 12 a second."""
    rng = np.random.default_rng(0)
    path = tmp_path / "film.mkv"
    write_video(path, iter(rng.integers(0, 256, (7, 32, 48, 3), dtype=np.uint8)), 12)
    return path


@pytest.fixture
def asked(pipe: ExVideoPipeline, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The frames of each evaluation of the network."""
    seen, forward = list[int](), pipe.unet.forward

    def counting(model_input: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(model_input.shape[1])
        return forward(model_input, *args, **kwargs)

    monkeypatch.setattr(pipe.unet, "forward", counting)
    return seen


@pytest.mark.parametrize(
    ("given", "evaluations", "longest"),
    [
        ({"num_frames": 20}, 2, 20),
        ({"num_frames": 20, "beyond": "windows"}, 8, 8),
        ({"num_frames": 20, "beyond": "free-noise", "window_length": 6, "window_overlap": 2}, 10, 6),
        ({"num_frames": 20, "beyond": "chain"}, 6, 8),
        ({"num_frames": 9, "beyond": "chain", "window_length": 3}, 8, 3),
        ({"num_frames": 20, "beyond": "keyframes", "keyframe_every": 4, "interpolator": "linear"}, 2, 6),
        ({"num_frames": 1, "beyond": "chain"}, 2, 1),
    ],
)
def test_it_costs_what_it_says(
    pipe: ExVideoPipeline, picture: Path, asked: list[int], given: dict[str, Any], evaluations: int, longest: int
) -> None:
    maker = PipelineMaker(pipe)
    clip = maker.resolve(Job(image=picture, **SMALL, **given))
    assert (clip.evaluations, clip.longest) == (evaluations, longest)
    assert f"It takes {evaluations} evaluations of the network, each of up to {longest} frames, twice" in clip.cost
    watch = Watch()
    assert len(list(maker.frames(clip, watch))) == given["num_frames"]
    assert len(asked) == evaluations
    assert max(asked) == longest
    assert len(watch.step_times) == 2 * clip.settings.get("clips", 1)


def test_a_clip_is_continued_from_its_last_frame(pipe: ExVideoPipeline, film: Path, asked: list[int]) -> None:
    maker = PipelineMaker(pipe)
    clip = maker.resolve(Job(continues=film, num_frames=9, **SMALL, window_length=4))
    assert (clip.settings["fps"], clip.settings["clips"], clip.evaluations) == (12, 3, 6)
    made = list(maker.frames(clip, Watch()))
    assert len(made) == 9
    assert asked == [4] * 6
    last = Image.fromarray(read_clip(film, 6, size=(16, 24))[0].permute(1, 2, 0).numpy())
    last.save(film.with_name("last.png"))
    from_picture = maker.resolve(Job(image=film.with_name("last.png"), num_frames=4, fps=12, **SMALL))
    assert np.array_equal(list(maker.frames(from_picture, Watch()))[1:], made[:3])


def test_a_video_is_gone_over_again(pipe: ExVideoPipeline, film: Path, asked: list[int]) -> None:
    maker = PipelineMaker(pipe)
    job = Job(video=film, strength=0.5, **SMALL)
    clip = maker.resolve(job)
    assert (clip.settings["num_frames"], clip.settings["fps"], clip.evaluations) == (7, 12, 2)
    made = np.stack(list(maker.frames(clip, Watch())))
    assert asked == [7, 7]
    generator = torch.Generator().manual_seed(0)
    expected = pipe(
        video=read_clip(film, size=(16, 24)), strength=0.5, height=16, width=24, num_inference_steps=2, fps=12,
        generator=generator,
    ).frames[0]  # fmt: skip
    assert np.array_equal(made, np.stack([np.asarray(frame) for frame in expected]))
    assert maker.resolve(replace(job, num_frames=3)).settings["num_frames"] == 3
    by_seconds = maker.resolve(replace(job, seconds=0.25))
    by_frames = maker.resolve(replace(job, num_frames=3))
    assert by_seconds.name("model") == by_frames.name("model")
    with pytest.raises(ValueError, match="8 frames from 0 on were asked for"):
        maker.resolve(replace(job, num_frames=8))
    with pytest.raises(ValueError, match="the least is"):
        maker.resolve(replace(job, strength=0.001, steps=25))


def test_names_of_clips_without_the_new_settings_stay(pipe: ExVideoPipeline, picture: Path, film: Path) -> None:
    maker = PipelineMaker(pipe)
    job = Job(image=picture, num_frames=20, **SMALL)
    assert set(maker.resolve(job).settings) == PLAIN
    windowed = maker.resolve(replace(job, beyond="windows")).settings
    assert set(windowed) == PLAIN | {"beyond", "evaluations_a_step"}
    others = [
        replace(job, beyond="windows"),
        replace(job, beyond="windows", window_overlap=2),
        replace(job, beyond="free-noise"),
        replace(job, beyond="chain"),
        replace(job, beyond="chain", window_length=5),
        replace(job, beyond="keyframes", interpolator="linear"),
        replace(job, beyond="keyframes", interpolator="linear", keyframe_every=3),
        replace(job, image=None, continues=film),
        replace(job, num_frames=7, video=film),
        replace(job, num_frames=7, video=film, strength=0.7),
    ]
    assert len({maker.resolve(one).name("model") for one in [job, *others]}) == len(others) + 1


def test_another_film_makes_another_name(pipe: ExVideoPipeline, film: Path) -> None:
    maker = PipelineMaker(pipe)
    jobs = [Job(continues=film, num_frames=3, **SMALL), Job(video=film, **SMALL)]
    before = [maker.resolve(job).name("model") for job in jobs]
    frames = read_clip(film).permute(0, 2, 3, 1).numpy()
    write_video(film.with_name("copy.mkv"), iter(frames), 12, metadata={"by": "somebody else"})
    copy = film.with_name("copy.mkv")
    copies = [replace(jobs[0], continues=copy), replace(jobs[1], video=copy)]
    assert [maker.resolve(job).name("model") for job in copies] == before
    frames = frames.copy()
    frames[-1, 0, 0] ^= 1
    write_video(film, iter(frames), 12)
    assert not set(before) & {maker.resolve(job).name("model") for job in jobs}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"beyond": "loop"}, "beyond is 'loop': give windows or free-noise or chain or keyframes"),
        ({"window_length": 4}, "window_length is 4, a setting of beyond windows or free-noise or chain"),
        ({"beyond": "chain", "window_overlap": 2}, "window_overlap is 2, a setting of beyond windows"),
        ({"beyond": "windows", "keyframe_every": 2}, "keyframe_every is 2, a setting of beyond keyframes"),
        ({"interpolator": "cubic"}, "interpolator is 'cubic': give auto or rife or linear"),
        ({"beyond": "windows", "window_length": 1}, "window_length is 1: give a whole number of at least 2"),
        ({"beyond": "keyframes", "keyframe_every": 0}, "keyframe_every is 0"),
        ({"strength": 0.5}, "there is no video to put noise on"),
        ({"video": Path("a.mp4"), "strength": 0}, r"strength is 0: give a number from 0\.001 to 1"),
        ({"video": Path("a.mp4"), "beyond": "chain"}, "a video is gone over whole"),
        ({"continues": Path("a.mp4"), "image": Path("a.png")}, "a clip begins from one of them"),
        ({"continues": Path("a.mp4"), "beyond": "windows"}, "a clip is continued as a chain"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Job("a", **given)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"beyond": "windows", "window_length": 4, "window_overlap": 4}, "overlap is 4"),
        ({"beyond": "windows", "window_overlap": 8}, "overlap is 8"),
        ({"beyond": "keyframes", "keyframe_every": 20}, r"every=20 frames would be 0\.4 a second"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        way_of(Job("a", **given), 40, 8, own=8)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"beyond": "windows", "window_length": 20}, "window_length is 20, but the extension has 12"),
        ({"beyond": "chain", "window_length": 20}, "window_length is 20, but the extension has 12"),
        ({"beyond": "keyframes", "interpolator": "linear"}, "keyframes is 16, but the extension has 12"),
    ],
)
def test_pieces_longer_than_the_extension_are_refused(
    pipe: ExVideoPipeline, picture: Path, extension_file: Path, given: dict[str, Any], complaint: str
) -> None:
    pipe.load_extension(extension_file)
    maker = PipelineMaker(pipe)
    with pytest.raises(ValueError, match=complaint):
        maker.resolve(Job(image=picture, num_frames=30, **SMALL, **given))
