"""The model card of an extension: README.md beside its file, in the form that the Hugging Face hub reads."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from exvideo_blocks.extension import Extension
from exvideo_blocks.files.hub import FILE_NAME, is_id
from exvideo_blocks.summary import summarize


def write_model_card(
    extension: Extension, file: Path, *, repo_id: str | None = None, base_model: str | None = None
) -> None:
    """Writes README.md beside an extension's file.

    Args:
        extension: what the file holds.
        file: the file, already written: its size is told.
        repo_id: `user/name` on the hub; None where the folder is not published.
        base_model: path or hub id of the base; None takes the one that the model was loaded from, if that is a hub id.
    """
    base = base_model or _loaded_from(extension)
    text = model_card(extension, file_bytes=file.stat().st_size, repo_id=repo_id, base_model=base)
    file.with_name("README.md").write_text(text, encoding="utf-8")


def model_card(
    extension: Extension, *, file_bytes: int | None = None, repo_id: str | None = None, base_model: str | None = None
) -> str:
    """The card as Markdown with YAML front matter.

    Args:
        extension: what is described.
        file_bytes: size of its file; None leaves it out.
        repo_id: `user/name` on the hub, for the title and the lines on loading.
        base_model: path or hub id of the base; None leaves it open.
    """
    model_class = type(extension.model).__name__
    import_line, base_line = _loading_of_the_base(extension, base_model)
    mounted = {"family": extension.family_name} | asdict(extension.config) | {"base_frames": extension.base_frames}
    if extension.config.level != "lora":
        del mounted["lora_rank"]
    mounted |= dict(_flat({"trained": extension.training or {}}))
    mounted["file"] = FILE_NAME if file_bytes is None else f"{FILE_NAME}, {file_bytes / 1e6:,.1f} MB"
    rows = "\n".join(f"| {name} | {value} |" for name, value in mounted.items())
    return f"""---
{_front_matter(extension, base_model)}
---

# {(repo_id or "An ExVideo extension").rpartition("/")[2]}

An [ExVideo](https://arxiv.org/abs/2406.14130) extension: with it, {base_model or f"a {model_class}"} makes clips
of up to {extension.config.num_frames} frames instead of {extension.base_frames}.

| what | value |
| --- | --- |
{rows}

## How to load

Install it with `pip install exvideo-blocks`; then

```python
{import_line}
from exvideo_blocks import load_extension

{base_line}
load_extension(model, {json.dumps(repo_id or "path of this folder")})  # in place
```

## Parameters

{summarize(extension).to_markdown()}
"""


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}: ")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)


def _loading_of_the_base(extension: Extension, base_model: str | None) -> tuple[str, str]:
    """Two lines of Python: the import of the model's class, and the base made with it."""
    module, name = type(extension.model).__module__, type(extension.model).__name__
    if module.partition(".")[0] != "diffusers":
        return f"from {module} import {name}", f"model = {name}(...)  # the base, with its weights"
    source = json.dumps(base_model or "path or id of the base")
    return (
        f"from diffusers import {name}",
        f'model = {name}.from_pretrained({source}, subfolder="{extension.family.SUBFOLDER}")',
    )


def _front_matter(extension: Extension, base_model: str | None) -> str:
    # JSON strings are YAML strings, whatever is in them.
    lines = [f"base_model: {json.dumps(base_model)}"] if base_model and is_id(base_model) else []
    lines += [
        "library_name: exvideo",
        f"pipeline_tag: {extension.family.PIPELINE_TAG}",
        "tags:",
        *(f"- {tag}" for tag in ("exvideo", "diffusers", "video-generation", "long-video")),
    ]
    return "\n".join(lines)


def _loaded_from(extension: Extension) -> str | None:
    config = getattr(extension.model, "config", None)
    name = str(getattr(config, "_name_or_path", "") or "")
    return name if is_id(name) and not Path(name).exists() else None
