"""The model as it ships: sizes, layout, and that it does what it is for. The exams measure how well."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval import load_judges
from exvideo_infer import embedded
from exvideo_infer.pipeline import ExVideoPipeline
from PIL import Image

from tiny_world.system.batches import clips_of
from tiny_world.system.judges import PROPERTIES, labels_of
from tiny_world.system.pack import JUDGES_FOLDER, SYSTEM_FOLDER
from tiny_world.truth.tracker import track
from tiny_world.world.event_sampler import sample_event
from tiny_world.world.marks import mark_coverage
from tiny_world.world.render import render
from tiny_world.world.spec import EVENTS, Background, ClipSpec, Motion, Subject


@pytest.fixture(scope="module")
def pipeline() -> ExVideoPipeline:
    pipeline = ExVideoPipeline.from_pretrained("embedded")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_the_files_are_within_their_budgets() -> None:
    extension = embedded.extension().stat().st_size
    assert extension < 4e6
    assert bytes_of(SYSTEM_FOLDER) - extension < 15e6
    assert bytes_of(JUDGES_FOLDER) < 3e6


def test_a_stock_pipeline_of_diffusers_loads_the_base() -> None:
    from diffusers import StableVideoDiffusionPipeline

    stock = StableVideoDiffusionPipeline.from_pretrained(SYSTEM_FOLDER)
    assert stock.unet.config.num_frames == 8


def test_the_same_seed_gives_the_same_clip_from_words_alone(pipeline: ExVideoPipeline) -> None:
    clips = [
        pipeline(
            prompt="a red circle bounces",
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
            num_inference_steps=2,
        ).frames
        for seed in (3, 3, 4)
    ]
    assert clips[0].shape == (1, 8, 64, 64, 3)
    assert np.array_equal(clips[0], clips[1])
    assert not np.array_equal(clips[0], clips[2])


def test_words_alone_steer_where_the_same_picture_goes(pipeline: ExVideoPipeline) -> None:
    """One first frame, a large blue square in the middle of black; the prompt says which way it goes."""
    went = {}
    for direction in ("left", "right", "up", "down"):
        spec = moving(direction)
        frames = pipeline(
            image=Image.fromarray(render(spec, 1)[0]),
            prompt=f"a large blue square moves {direction} quickly and bounces on a black background",
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        ).frames[0]
        centre = track((frames * 255).round().astype(np.uint8), spec).centre[:, 0]
        went[direction] = centre[-1] - centre[0]
    assert went["left"][0] < -8
    assert went["right"][0] > 8
    assert went["up"][1] < -8
    assert went["down"][1] > 8


def test_the_judges_know_held_out_clips() -> None:
    clips = clips_of(range(70), 8, "held_out")
    frames = ((clips.pixels + 1) * 127.5).round().to(torch.uint8)
    chances = load_judges().classify(frames)
    for place, name in enumerate(("shape", "colour", "place")):
        truth = [labels_of(spec)[place] for spec in clips.specs]
        assert (chances[name].argmax(dim=1).numpy() == truth).mean() > 0.95, name


def test_the_matcher_knows_which_caption_is_a_clips_own() -> None:
    clips = clips_of(range(28), 8, "held_out")
    judges = load_judges()
    frames = ((clips.pixels + 1) * 127.5).round().to(torch.uint8)
    own = judges.similarity(frames, clips.captions)
    others = judges.similarity(frames, tuple(reversed(clips.captions)))
    assert own.mean() > others.mean() + 0.4


def test_what_the_judges_call_a_class_is_what_the_world_calls_it() -> None:
    assert {name: tuple(classes) for name, classes in load_judges().properties.items()} == PROPERTIES


def moving(direction: str) -> ClipSpec:
    return ClipSpec(
        (Subject("square", "blue", "large"),),
        Background("black"),
        Motion("bounces", direction, "fast", along=0.5, across=0.5),
    )


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_marks_of_events_get_no_colour_from_the_autoencoder(pipeline: ExVideoPipeline, kind: str) -> None:
    # It never saw one. White bands came back green and yellow, and drew subjects into them.
    specs = [sample_event(3, index, kind, 4) for index in range(12)]
    pixels = torch.stack([torch.from_numpy(render(spec, 1)[0]) for spec in specs]).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        latents = pipeline.vae.encode(pixels).latent_dist.mode()
        made = torch.cat([pipeline.vae.decode(one[None], num_frames=1).sample for one in latents])
    marks = torch.from_numpy(np.stack([mark_coverage(spec)[..., 0] for spec in specs])) > 0.99
    colourful = made.amax(dim=1) - made.amin(dim=1)  # 2 of the purest colour
    own = pixels.amax(dim=1) - pixels.amin(dim=1)
    assert (colourful - own)[marks].abs().mean() < 0.25


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_of(folder))


def files_of(folder: Path) -> Sequence[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
