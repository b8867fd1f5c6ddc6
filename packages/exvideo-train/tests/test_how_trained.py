"""An extension's file and its card remember how it was trained."""

from collections.abc import Callable
from pathlib import Path

from exvideo_blocks import read_extension_header
from exvideo_infer import ExVideoPipeline
from exvideo_train.cli import main

MakeConfig = Callable[..., Path]


def test_file_and_card_remember(
    make_config: MakeConfig, footage: Path, tiny_base_dir: Path, tmp_path: Path, mlflow_uri: str
) -> None:
    validation = {"validation.videos": str(footage / "held_out"), "validation.sigmas": [2.0]}
    path = make_config(**validation, **{"optimizer.steps": 2, "data.max_bad": 3})
    assert main(["--config", str(path)]) == 0
    file = tmp_path / "run" / "extension.safetensors"
    training = read_extension_header(file).training
    assert training is not None
    motion = training["sampling"].pop("motion_bucket_id")
    assert 0 <= motion <= 255
    steps = {"num_inference_steps": 25, "min_guidance_scale": 1.0, "max_guidance_scale": 3.0}
    assert training == {
        "fps": [8.0],
        "sizes": [[32, 32]],
        "sampling": {"fps": 8.0, "noise_aug_strength": 0.0} | steps,
    }
    pipe = ExVideoPipeline.from_pretrained(tiny_base_dir)
    pipe.load_extension(file)
    assert (pipe.sampling_defaults.fps, pipe.sampling_defaults.motion_bucket_id) == (8.0, motion)
    assert pipe.default_size() == (32, 32)

    card = (tmp_path / "run" / "README.md").read_text()
    for line in (
        "| trained: fps | [8.0] |",
        "| clips | 9 of 10 frames, from 3 videos |",
        "| held-out clips | 1, from 1 videos |",
        "| steps | 2, of 2 clips each, in fp32 |",
        "| processes | 1 |",
        "    exvideo-train --config x.yaml",
        "  max_bad: 3",
        "  videos: train",
    ):
        assert line in card.splitlines(), line
    assert card.count("| held-out loss at step ") == 2
    assert "| held-out loss of the base, run at this length |" in card
    for private in (str(tmp_path), str(footage), str(tiny_base_dir), mlflow_uri):
        assert private not in card
