"""`--encode-only` and `--prune`: the clips of a run without the run."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import torch
from exvideo_infer import load_base
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.data import encode_data
from exvideo_train.data.leases import Leases
from exvideo_train.data.sharing import Alone
from safetensors.torch import save_file

MakeConfig = Callable[..., Path]


def files_in(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in folder.rglob("*.safetensors")}


def test_clips_are_encoded_ahead_of_a_run_and_what_others_use_is_pruned(
    make_config: MakeConfig, text_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    changes = {"base": str(text_base_dir), "data.cache": str(cache)}
    ours = make_config("ours", **changes)
    assert main(["--config", str(ours), "--show", "3"]) == 0
    assert capsys.readouterr().out == (f"9 clips are encoded in {cache}. {tmp_path / 'ours' / 'clips.png'} shows 3.\n")
    assert len(list((tmp_path / "ours" / "clips").glob("*.mp4"))) == 6
    assert not list((tmp_path / "ours").glob("*.safetensors"))
    before = files_in(cache)
    data = encode_data(load_config(ours), load_base(text_base_dir), Alone(), lambda done, total: None)
    assert files_in(cache) == before
    latents = [data.cache.read(clip).latents for clip in data.training]

    others = make_config("others", **changes, extension={"num_frames": 14}, **{"data.size": [64, 64]})
    assert main(["--config", str(others), "--encode-only"]) == 0
    save_file({"latents": torch.zeros(1)}, cache / "of_before.safetensors")
    more = {path: size for path, size in files_in(cache).items() if path not in before}
    busy = next(path.parent for path in more if path.parent.parent.name == "files")
    in_it = {path for path in more if path.parent == busy}
    capsys.readouterr()
    with closing(Leases()) as leases:
        assert leases.take(busy)
        assert main(["--config", str(ours), "--prune"]) == 0
    removed, kept = sum(more[path] for path in more if path not in in_it), sum(before.values())
    assert capsys.readouterr().out == (
        f"Removed {len(more) - len(in_it)} files of {removed:,} bytes from {cache}; {len(before)} of {kept:,} bytes "
        "are this configuration's and stay. Left as they are, as another process encodes them just now: 1 videos.\n"
    )
    assert files_in(cache).keys() == before.keys() | in_it
    assert main(["--config", str(ours), "--prune"]) == 0
    assert files_in(cache) == before
    assert {path.name for path in cache.iterdir()} <= {"files", "texts", "files.json"}
    for clip, was in zip(data.training, latents, strict=True):
        assert torch.equal(data.cache.read(clip).latents, was)
