"""The demo's own clips: long ones of the tiny world, for the embedded model, which was trained on 8 frames of it."""

from math import ceil
from pathlib import Path
from typing import Any

import yaml

from demo.generate import caption_of, show_shipped
from demo.job import NUM_FRAMES, Job
from demo.sheets import draw_shipped
from demo.stages import Stages
from tiny_world.programs import run_program

# Any 7 clips in a row have the 7 kinds of motion, so that of 24 each kind has 3 or 4.
CLIPS = {"train": 256, "held_out": 24}
# All that comes after these two stages and is no step, over what they took: 10.3 times on a Xeon with AMX, in bfloat16,
# and about 10 on a slow processor, in float32.
OTHERS = 10.5
REPEATS = 4  # at most so often a clip is trained on, where the steps are asked for
ON_SHEET = 7
PROMPTS = (
    "a large red ring bounces quickly from edge to edge starting left on a black background",
    "a small cyan circle slowly goes clockwise around a dot on a navy background",
    "a big yellow triangle slowly goes behind the wall on the right and returns in the grass",
    "a little green box on the left and a little pink disc on the right meet quickly and part on a grey background",
    "a large blue square slowly turns cyan and back in front of a city street",
)


def prepare(stages: Stages, output: Path, steps: int | None = None) -> Job:
    """Renders clips to train on, and others whose combinations of shape, colour and motion no training ever had.

    Args:
        steps: of the post-tuning if they are asked for: more of them get more clips.
    """
    recipe = Path(__file__).with_name("post_tune.yaml")
    drawn = (steps or 0) * yaml.safe_load(recipe.read_text(encoding="utf-8"))["optimizer"]["batch_size"]
    clips = CLIPS | {"train": max(CLIPS["train"], ceil(drawn / REPEATS))}
    with stages.stage(f"Before and after: one prompt at {NUM_FRAMES} frames, with the extension that is shipped", 25):
        show_shipped(PROMPTS[0], output / "shipped")
        draw_shipped(PROMPTS[0], output / "shipped")
    folders = {split: output / "clips" / split for split in CLIPS}
    with stages.stage(f"Clips: {NUM_FRAMES} frames each of the tiny world", 20):
        for split, folder in folders.items():
            options = ("--output", folder, "--clips", clips[split], "--frames", NUM_FRAMES, "--split", split)
            run_program("tiny_world.world", *options)
    return Job(
        base="embedded",
        recipe=recipe,
        train=folders["train"],
        held_out=folders["held_out"],
        arguments_of=_arguments_of,
        beside=lambda elapsed, clip: elapsed * (1 + OTHERS),
        truth_is_known=True,
        prompts=PROMPTS,
        max_on_sheet=ON_SHEET,
    )


def _arguments_of(clip: Path) -> dict[str, Any]:
    return {"prompt": caption_of(clip)}
