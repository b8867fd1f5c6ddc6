"""Publishing and loading through the Hugging Face hub, with a folder in place of its network."""

import os
import subprocess
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from shutil import copytree
from typing import Any

import huggingface_hub
import pytest
import torch
import yaml
from exvideo_blocks import (
    Extension,
    ExtensionConfig,
    extend,
    load_extension,
    push_to_hub,
    read_extension_header,
    save_extension,
    save_pretrained,
    summarize,
)
from exvideo_blocks.files.header import header_of
from huggingface_hub import errors

MakeUnet = Callable[..., Any]


class Hub:
    """Keeps what is uploaded in a folder and gives it back; remembers what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    def download(self, repo_id: str, filename: str, *, revision: str | None = None) -> str:
        self.asked.append(("download", repo_id, filename, revision))
        if self.error is not None:
            raise self.error
        return str(self.folder / repo_id / (revision or "main") / filename)

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
        self.asked.append(("create_repo", repo_id, private, exist_ok))
        if self.error is not None:
            raise self.error
        return f"https://huggingface.co/{repo_id}"

    def create_branch(self, repo_id: str, *, branch: str, exist_ok: bool) -> None:
        self.asked.append(("create_branch", repo_id, branch, exist_ok))

    def upload_folder(self, *, repo_id: str, folder_path: Path, revision: str | None, commit_message: str) -> None:
        self.asked.append(("upload_folder", repo_id, revision, commit_message))
        copytree(folder_path, self.folder / repo_id / (revision or "main"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tmp_path / "hub")
    _replace(monkeypatch, huggingface_hub, "hf_hub_download", hub.download)
    for name in ("create_repo", "create_branch", "upload_folder"):
        _replace(monkeypatch, huggingface_hub.HfApi, name, getattr(hub, name), is_method=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return hub


def _replace(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, function: Callable[..., Any], is_method: bool = False
) -> None:
    real = signature(getattr(owner, name))

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        real.bind(*args, **kwargs)  # the client that is installed takes these arguments
        return function(*args[1:] if is_method else args, **kwargs)

    monkeypatch.setattr(owner, name, stand_in)


def trained_extension(unet: Any) -> Extension:
    extension = extend(unet, ExtensionConfig(num_frames=12, level="conv"))
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.1)
    return extension


def test_pushed_and_loaded_by_id_is_the_same_model(tiny_unet: MakeUnet, hub: Hub) -> None:
    extension = trained_extension(tiny_unet())
    assert push_to_hub(extension, "anna/long-clips") == "https://huggingface.co/anna/long-clips"
    assert hub.asked == [
        ("create_repo", "anna/long-clips", False, True),
        ("upload_folder", "anna/long-clips", None, "ExVideo extension"),
    ]
    files = sorted(path.name for path in (hub.folder / "anna/long-clips/main").iterdir())
    assert files == ["README.md", "extension.safetensors"]
    unet = tiny_unet()
    loaded = load_extension(unet, "anna/long-clips")
    assert hub.asked[2:] == [("download", "anna/long-clips", "extension.safetensors", None)]
    parameters = loaded.named_parameters()
    assert all(torch.equal(parameters[name], value) for name, value in extension.named_parameters().items())
    assert read_extension_header("anna/long-clips") == header_of(extension)


def test_private_on_a_branch_in_half_precision_with_other_values(tiny_unet: MakeUnet, hub: Hub) -> None:
    extension = trained_extension(tiny_unet())
    name = "mid_block.attentions.0.frame_table.weight"
    ema = {name: torch.full((12, 64), 0.5)}
    push_to_hub(extension, "anna/b", private=True, revision="v1", tensors=ema, dtype=torch.float16)
    assert hub.asked == [
        ("create_repo", "anna/b", True, True),
        ("create_branch", "anna/b", "v1", True),
        ("upload_folder", "anna/b", "v1", "ExVideo extension"),
    ]
    loaded = load_extension(tiny_unet(), "anna/b", revision="v1")
    assert hub.asked[3] == ("download", "anna/b", "extension.safetensors", "v1")
    assert (loaded.named_parameters()[name] == 0.5).all()


def test_what_is_here_goes_first(tiny_unet: MakeUnet, hub: Hub) -> None:
    extension = trained_extension(tiny_unet())
    save_pretrained(extension, "anna/b")
    save_extension(extension, "file/e")
    for path in ("anna/b", Path("anna/b"), "anna/b/extension.safetensors", "file/e"):
        load_extension(tiny_unet(), path)
    assert hub.asked == []
    with pytest.raises(ValueError, match=r"revision='v1' is for the hub, and anna/b is a path here, which goes first"):
        load_extension(tiny_unet(), "anna/b", revision="v1")


@pytest.mark.parametrize("path", ["absent.safetensors", "out/absent.safetensors", "a/b/c", "/absent/file", "../b"])
def test_what_cannot_be_an_id_is_not_asked_for(tiny_unet: MakeUnet, hub: Hub, path: str) -> None:
    with pytest.raises(ValueError, match=r"is not a file: give the path of a .safetensors file.*or an id on the Hug"):
        load_extension(tiny_unet(), path)
    assert hub.asked == []


def answered(kind: type[Exception]) -> Exception:
    """An error of the hub's client as it raises it: many lines, the request's id among them."""
    error = kind.__new__(kind)
    Exception.__init__(error, "404 Client Error. (Request ID: Root=1-2)\n\nRepository Not Found for url: https://...")
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (answered(errors.RepositoryNotFoundError), "there is no such repository to see: check the name, or log in"),
        (answered(errors.GatedRepoError), "it is gated: ask for access on its page, then log in with `hf auth login`"),
        (answered(errors.RevisionNotFoundError), "it has no revision 'v1': give one of its branches, tags or commits"),
        (answered(errors.RemoteEntryNotFoundError), "it has no extension.safetensors: give the id of an ExVideo ext"),
        (errors.LocalEntryNotFoundError("no cache"), "it could not be reached, nor is extension.safetensors in the lo"),
        (errors.OfflineModeIsEnabled("HF_HUB_OFFLINE=1"), "downloaded (OfflineModeIsEnabled: HF_HUB_OFFLINE=1): try"),
        (answered(errors.HfHubHTTPError), "could not be downloaded (HfHubHTTPError: 404 Client Error. (Request ID: "),
        (ConnectionResetError(), "extension.safetensors could not be downloaded (ConnectionResetError): try again, or"),
    ],
)
def test_the_hub_says_no_in_one_sentence(tiny_unet: MakeUnet, hub: Hub, error: Exception, message: str) -> None:
    hub.error = error
    unet = tiny_unet()
    names = list(unet.state_dict())
    with pytest.raises(ValueError, match="anna/b is no path here, and on the Hugging Face hub") as refusal:
        load_extension(unet, "anna/b", revision="v1")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert refusal.value.__cause__ is error
    assert list(unet.state_dict()) == names


def test_the_real_client_without_a_network(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from exvideo_blocks.files.hub import locate, upload

for call in (lambda: locate("anna/b"), lambda: upload(Path("."), "anna/b")):
    try:
        call()
    except ValueError as error:
        print(error)
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
    )
    load, publish = done.stdout.splitlines()
    assert "it could not be reached, nor is extension.safetensors in the local cache" in load
    assert publish.startswith("anna/b could not be published on the Hugging Face hub (OfflineModeIsEnabled: ")


def test_publishing_that_fails(tiny_unet: MakeUnet, hub: Hub) -> None:
    extension = trained_extension(tiny_unet())
    for repo_id in ("b", "anna/b/c", "", "anna/b.safetensors"):
        with pytest.raises(ValueError, match=rf"repo_id='{repo_id}' is no id on the Hugging Face hub"):
            push_to_hub(extension, repo_id)
    assert hub.asked == []
    hub.error = errors.LocalTokenNotFoundError("Token is required")
    with pytest.raises(ValueError, match=r"anna/b could not be published .*\(LocalTokenNotFoundError: Token is req"):
        push_to_hub(extension, "anna/b")


# --- the card --------------------------------------------------------------------------------------------------------


def card(folder: Path) -> tuple[dict[str, Any], str]:
    """Front matter and body of a model card."""
    _, front, body = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_card_says_what_it_is_and_how_to_load_it(tiny_unet: MakeUnet, hub: Hub) -> None:
    extension = trained_extension(tiny_unet())
    push_to_hub(extension, "anna/long-clips", base_model="stabilityai/some-base")
    front, body = card(hub.folder / "anna/long-clips/main")
    assert (front["base_model"], front["library_name"]) == ("stabilityai/some-base", "exvideo")
    assert front["pipeline_tag"] == "image-to-video"
    assert {"exvideo", "long-video"} <= set(front["tags"])
    assert "stabilityai/some-base makes clips\nof up to 12 frames instead of 8." in body
    assert "| num_frames | 12 |\n| level | conv |\n| positions | reflected |" in body
    assert summarize(extension).to_markdown() in body
    size = (hub.folder / "anna/long-clips/main/extension.safetensors").stat().st_size
    assert f"| file | extension.safetensors, {size / 1e6:,.1f} MB |" in body


def test_the_lines_on_loading_run(tiny_unet: MakeUnet, hub: Hub) -> None:
    tiny_unet().save_pretrained("base/unet")
    extension = trained_extension(tiny_unet())
    push_to_hub(extension, "anna/long-clips", base_model="./base")
    front, body = card(hub.folder / "anna/long-clips/main")
    assert "base_model" not in front  # a path of this machine is no id
    code = body.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)
    assert len([line for line in code.splitlines() if line]) <= 5
    parameters = extension.named_parameters()
    for name, value in parameters.items():
        assert torch.equal(names["model"].get_parameter(name), value)


def test_the_base_is_where_the_model_came_from_if_that_is_an_id(tiny_unet: MakeUnet, hub: Hub) -> None:
    for where, expected in (("stabilityai/some-base", "stabilityai/some-base"), ("/home/anna/base", None)):
        unet = tiny_unet()
        unet.register_to_config(_name_or_path=where)
        save_pretrained(trained_extension(unet), "folder")
        assert card(Path("folder"))[0].get("base_model") == expected
