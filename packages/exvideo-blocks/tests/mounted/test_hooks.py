"""An extended model with hooks of a library: cast layer by layer, or offloaded."""

from pathlib import Path

import pytest
import torch
from exvideo_blocks import restore, save_extension

from .models import CELLS, FLOAT8, Extended, bits, close, run, same


@pytest.mark.parametrize(("family", "level"), CELLS)
def test_layerwise_casting_works_and_is_not_taken_off_unsaid(
    extended: Extended, tmp_path: Path, family: str, level: str
) -> None:
    model, extension, _ = extended(family, level)
    model.enable_layerwise_casting(storage_dtype=FLOAT8, compute_dtype=torch.float32)
    rounded = extended(family, level)[0]
    for name, module in model.named_modules():
        if any(parameter.dtype == FLOAT8 for parameter in module.parameters(recurse=False)):
            for parameter in rounded.get_submodule(name).parameters(recurse=False):
                parameter.data = parameter.data.to(FLOAT8).float()
    torch.testing.assert_close(run(model), run(rounded), **close)
    for off in (
        extension.disable,
        lambda: restore(model),
        lambda: save_extension(extension, tmp_path / "e.safetensors"),
    ):
        with pytest.raises(ValueError, match=r"runs through hooks of a library \(offloading, layerwise casting\)"):
            off()
    assert extension.is_enabled
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["sequential", "group", "disk"])
@pytest.mark.parametrize(("family", "level"), [("svd", "full"), ("animatediff", "lora"), ("animatediff", "position")])
def test_offloaded_it_runs_and_is_not_taken_off_unsaid(
    extended: Extended, tmp_path: Path, family: str, level: str, kind: str
) -> None:
    accelerate = pytest.importorskip("accelerate")
    model, extension, base = extended(family, level)
    before = run(model)
    if kind == "sequential":
        accelerate.cpu_offload(model, torch.device("cpu"))
    else:
        where = {"offload_to_disk_path": str(tmp_path / "disk")} if kind == "disk" else {}
        model.enable_group_offload(torch.device("cpu"), offload_type="leaf_level", **where)
    with pytest.raises(ValueError, match=r"runs through hooks of a library.*remove_hook_from_module"):
        restore(model)
    with pytest.raises(ValueError, match="runs through hooks of a library"), extension.disabled():
        pass
    with pytest.raises(ValueError, match="runs through hooks of a library"):
        save_extension(extension, tmp_path / "e.safetensors")
    if kind != "disk":
        torch.testing.assert_close(run(model), before)
    if kind == "sequential":
        accelerate.hooks.remove_hook_from_module(model, recurse=True)
        assert torch.equal(run(model), before)
        restore(model)
        assert same(bits(model), base)
