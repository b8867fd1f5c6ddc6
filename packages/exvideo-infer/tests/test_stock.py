"""Clips by a family's own pipeline: what is asked for is filled in from extension and base, or refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, restore, save_extension
from exvideo_infer.stock import TextRequest, defaults_of, generate, load_stock, mounted_on
from PIL import Image


@pytest.fixture
def base(make_transformer_dir: Callable[..., Path]) -> Any:
    loaded = load_stock(make_transformer_dir("wan"), None, torch.float32)
    loaded.pipeline.set_progress_bar_config(disable=True)
    return loaded


def test_an_extension_decides_what_is_left_open(base: Any) -> None:
    assert mounted_on(base) is None
    plain = TextRequest("a red circle").filled(base)
    extension = extend(base.network, ExtensionConfig(num_frames=plain["num_frames"] + 8, level="position"))
    extension.training = {"sizes": [[48, 32]], "sampling": {"num_inference_steps": 3}}
    try:
        filled = TextRequest("a red circle").filled(base)
        assert filled["num_frames"] == plain["num_frames"] + 8
        assert (filled["height"], filled["width"], filled["num_inference_steps"]) == (48, 32, 3)
        assert defaults_of(base).num_inference_steps == 3
        given = TextRequest("a red circle", num_frames=5, height=32, width=64, steps=2).filled(base)
        assert [given[name] for name in ("num_frames", "height", "width", "num_inference_steps")] == [5, 32, 64, 2]
        with pytest.raises(ValueError, match="but the extension has"):
            TextRequest("a", num_frames=filled["num_frames"] + 4).filled(base)
    finally:
        restore(base.network)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_frames": 6}, "6"),
        ({"num_frames": 0}, "num_frames"),
        ({"height": 33}, "33"),
        ({"image": Image.new("RGB", (32, 32))}, "begin at no picture"),
    ],
)
def test_a_clip_that_cannot_be_made_is_refused(base: Any, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TextRequest("a red circle", **changes).filled(base)


def test_a_second_extension_is_for_a_mixture(make_transformer_dir: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_transformer_dir("wan")
    base = load_stock(folder, None, torch.float32)
    save_extension(extend(base.network, ExtensionConfig(num_frames=121, level="position")), tmp_path / "e.safetensors")
    mounted = mounted_on(load_stock(folder, tmp_path / "e.safetensors", torch.float32))
    assert mounted is not None
    assert mounted.config.num_frames == 121
    with pytest.raises(ValueError, match="is no mixture of two experts"):
        load_stock(folder, None, torch.float32, tmp_path / "e.safetensors")


def test_a_run_s_folder_is_taken_before_the_run_has_ended(
    make_transformer_dir: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_transformer_dir("wan")
    extension = extend(load_stock(folder, None, torch.float32).network, ExtensionConfig(121, level="position"))
    step = tmp_path / "run" / "checkpoints" / "step-00000100"
    save_extension(extension, step / "extension.safetensors")
    (step / "state.json").write_text("{}")
    for source in (tmp_path / "run", step):
        mounted = mounted_on(load_stock(folder, source, torch.float32))
        assert mounted is not None
        assert mounted.config.num_frames == 121
    with pytest.raises(ValueError, match="is a folder without"):
        load_stock(folder, tmp_path, torch.float32)
    (tmp_path / "one.pth").touch()
    with pytest.raises(ValueError, match="is a pickle"):
        load_stock(folder, tmp_path / "one.pth", torch.float32)


def test_a_seed_makes_the_same_frames_again(base: Any) -> None:
    def frames(seed: int) -> list[Any]:
        return list(generate(base, TextRequest("a red circle", num_frames=5, height=32, width=32, steps=1, seed=seed)))

    first, again, other = frames(0), frames(0), frames(1)
    assert [one.shape for one in first] == [(32, 32, 3)] * 5
    assert all((one == two).all() for one, two in zip(first, again, strict=True))
    assert any((one != two).any() for one, two in zip(first, other, strict=True))
