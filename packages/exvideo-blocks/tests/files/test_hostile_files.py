"""Files that are damaged, of another kind, or made to do harm: one sentence each, and the model stays as it was."""

import errno
import json
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, load_extension, read_extension_header, save_extension
from exvideo_blocks.files.header import architecture_hash
from exvideo_blocks.files.weights import read_safetensors, write_safetensors
from torch import Tensor

MakeUnet = Callable[..., Any]
Contents = tuple[dict[str, Tensor], dict[str, str]]


@pytest.fixture
def good(tiny_unet: MakeUnet, tmp_path: Path) -> Path:
    """An extension of 12 frames, level position."""
    path = tmp_path / "e.safetensors"
    save_extension(extend(tiny_unet(), ExtensionConfig(num_frames=12, level="position")), path)
    return path


def refusal(path: Path, unet: Any) -> str:
    """The message that loading a file is refused with; nothing else may come of it."""
    untouched = {name: value.clone() for name, value in unet.state_dict().items()}
    with pytest.raises(ValueError, match="safetensors") as error:
        load_extension(unet, path)
    assert list(unet.state_dict()) == list(untouched)
    assert all(torch.equal(value, untouched[name]) for name, value in unet.state_dict().items())
    assert all(parameter.requires_grad for parameter in unet.parameters())
    text = str(error.value)
    assert path.name in text
    assert "\n" not in text
    return text


# --- not safetensors -------------------------------------------------------------------------------------------------


def raw(header: Any, data: bytes = b"") -> bytes:
    """A safetensors file of any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"", "header too small"),
        (b"\x10\x00\x00", "header too small"),
        (struct.pack("<Q", 2**63) + b"{}", "header too large"),
        (struct.pack("<Q", 99_000_000) + b"{}", "invalid header length"),
        (raw(b"this is no JSON"), "invalid JSON in header"),
        (raw(b"\xff\xfe\xfd"), "invalid UTF-8 in header"),
        (raw(b"[" * 100_000), "header"),
        (raw([1, 2]), "invalid JSON in header"),
        (raw({"a": tensor("F32", [2], 0, 8), "b": tensor("F32", [2], 4, 12)}, bytes(12)), "invalid offset"),
        (raw({"a": tensor("F32", [2], 0, 8), "b": tensor("F32", [2], 16, 24)}, bytes(24)), "invalid offset"),
        (raw({"a": tensor("F32", [2], 8, 0)}, bytes(8)), "invalid"),
        (raw({"a": tensor("F32", [2], 0, 4000)}, bytes(8)), "invalid"),
        (raw({"a": tensor("F32", [1000], 0, 8)}, bytes(8)), "invalid"),
        (raw({"a": tensor("F32", [2**62, 8], 0, 8)}, bytes(8)), "overflow"),
        (raw({"a": tensor("F32", [-2], 0, 8)}, bytes(8)), "invalid JSON in header"),
        (raw({"a": tensor("F99", [2], 0, 8)}, bytes(8)), "invalid JSON in header"),
        (raw({"a": tensor("F32", [2], 0, 8)}, bytes(9)), "not fully covered"),
    ],
)
def test_a_file_that_is_no_whole_safetensors(tiny_unet: MakeUnet, tmp_path: Path, contents: bytes, reason: str) -> None:
    path = tmp_path / "e.safetensors"
    path.write_bytes(contents)
    text = refusal(path, tiny_unet())
    assert text.startswith(f"{path} is truncated or not a safetensors file (")
    assert reason.lower() in text.lower()
    assert text.endswith("copy or save it again.")


@pytest.mark.parametrize("kept", [0.1, 0.3, 0.999])
def test_a_truncated_file(tiny_unet: MakeUnet, good: Path, kept: float) -> None:
    good.write_bytes(good.read_bytes()[: int(kept * good.stat().st_size)])
    assert "is truncated or not a safetensors file" in refusal(good, tiny_unet())


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_named_and_not_run(tiny_unet: MakeUnet, tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "e.safetensors"
    torch.save({"a": Bomb(tmp_path / "exploded")}, path, _use_new_zipfile_serialization=zipped)
    assert "is a pickle of torch.save, which can run any code" in refusal(path, tiny_unet())
    assert not (tmp_path / "exploded").exists()


def test_a_header_that_begins_as_a_pickle_does_is_read(tmp_path: Path) -> None:
    for length in range(48, 400, 8):
        path = tmp_path / f"{length}.safetensors"
        write_safetensors(path, {"a": torch.ones(2)}, {"padding": "x" * length})
        assert read_safetensors(path)[0]["a"].tolist() == [1, 1]
    assert any(path.read_bytes()[0] == 0x80 for path in tmp_path.iterdir())


def test_folders_and_absent_files(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    assert "is a folder without extension.safetensors" in refusal(tmp_path, tiny_unet())
    assert "absent.safetensors is not a file: give the path of" in refusal(tmp_path / "absent.safetensors", tiny_unet())
    with pytest.raises(ValueError, match=r"is a folder, where a .safetensors file is wanted"):
        read_safetensors(tmp_path)


# --- safetensors, but not of this extension -------------------------------------------------------------------------


def set_config(**settings: Any) -> Callable[[Contents], None]:
    def change(contents: Contents) -> None:
        _, metadata = contents
        metadata["config"] = json.dumps(json.loads(metadata["config"]) | settings)

    return change


def set_metadata(**values: str) -> Callable[[Contents], None]:
    return lambda contents: contents[1].update(values)


def base_config(text: str) -> Callable[[Contents], None]:
    return set_metadata(base_config=text, base_config_hash=architecture_hash(json.loads(text)))


def first(contents: Contents) -> str:
    return next(iter(contents[0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda contents: contents[1].clear(), "is a safetensors file but no ExVideo extension: give a file that"),
        (set_metadata(format_version="1"), "has extension format 1, this version reads 2: install exvideo-blocks 0.1"),
        (set_metadata(format_version="3", written_by="exvideo-blocks 9.1"), "reads 2: install exvideo-blocks 9.1, or"),
        (lambda contents: contents[1].pop("config"), "has a damaged extension header (no 'config'): copy or save"),
        (set_metadata(config="{"), "has a damaged extension header ("),
        (set_metadata(config="[" * 100_000), "has a damaged extension header ("),
        (set_metadata(config="3"), "config, base_config and training must be JSON objects"),
        (set_metadata(training="[1]"), "config, base_config and training must be JSON objects"),
        (set_metadata(base_frames="many"), "has a damaged extension header (invalid literal"),
        (set_config(colour="red"), "has settings that this version does not know (colour): install exvideo-blocks"),
        (set_config(level="everything"), "level='everything' is unknown: choose one of full"),
        (set_config(level=["full"]), "has a damaged extension header ("),
        (set_config(num_frames="12"), "num_frames='12' must be a whole number"),
        (
            set_config(num_frames=10**12),
            "says num_frames=1000000000000, and none of its tensors has 10",
        ),
        (set_config(level="lora", lora_rank=10**9), "says lora_rank=1000000000, and none of its tensors"),
        (set_config(num_frames=13), "says num_frames=13, and none of its tensors has 13 rows"),
        (set_config(level="conv"), "e.safetensors lacks "),
        (base_config("[]"), "config, base_config and training must be JSON objects"),
        (set_metadata(base_config='{"a": 1}'), "base_config does not have the hash beside it"),
        (base_config("{}"), "was made for another base ("),
        (set_metadata(family="wan"), "extends a model of family 'wan', this one is 'svd': load its own base."),
        (lambda contents: contents[0].pop(first(contents)), "lacks 1 tensor of this extension (down_blocks.0"),
        (lambda contents: contents[0].update(stranger=torch.zeros(1)), "1 tensor that this extension does not (strang"),
        (lambda contents: contents[0].update({first(contents): torch.zeros(3, 3)}), "(3, 3) where the model has (12,"),
        (lambda contents: contents[0].update({first(contents): torch.zeros(12, 32).int()}), "of no floating type"),
        (lambda contents: contents[0][first(contents)].fill_(float("nan")), "has values that are not finite in 1 tens"),
    ],
)
def test_contents_that_do_not_fit(
    tiny_unet: MakeUnet, good: Path, change: Callable[[Contents], Any], message: str
) -> None:
    contents = read_safetensors(good)
    change(contents)
    write_safetensors(good, *contents)
    assert message in refusal(good, tiny_unet())


def test_a_type_that_no_parameter_has(tiny_unet: MakeUnet, good: Path) -> None:
    tensors, metadata = read_safetensors(good)
    name = next(iter(tensors))
    tensors[name] = tensors[name].to(torch.float8_e4m3fn)
    write_safetensors(good, tensors, metadata)
    assert f"of no floating type that is read ({name} torch.float8_e4m3fn)" in refusal(good, tiny_unet())


def test_a_file_of_another_base_says_what_differs(tiny_unet: MakeUnet, good: Path) -> None:
    text = refusal(good, tiny_unet(num_frames=10))
    assert "was made for another base (num_frames 8 there, 10 here): load the base that it was trained on." in text


def test_other_models_than_a_base(tiny_unet: MakeUnet, good: Path) -> None:
    with pytest.raises(TypeError, match=r"Linear cannot be extended: pass one of .*UNetSpatioTemporalConditionModel"):
        load_extension(torch.nn.Linear(2, 2), good)
    unet = tiny_unet()
    load_extension(unet, good)
    with pytest.raises(ValueError, match="extended already: call restore"):
        load_extension(unet, good)


def test_a_header_is_read_without_a_model(good: Path) -> None:
    assert read_extension_header(good).config == ExtensionConfig(num_frames=12, level="position")
    assert read_extension_header(str(good)) == read_extension_header(good)


def test_a_disk_that_takes_no_more_is_the_system_s_error_and_leaves_nothing(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_safetensors(tmp_path / "x.safetensors", {"x": torch.zeros(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []
