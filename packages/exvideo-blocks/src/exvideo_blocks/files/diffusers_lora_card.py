"""The model card of a LoRA that was exported for stock pipelines."""

import json
from collections.abc import Mapping
from typing import Any

from exvideo_blocks.extension import Extension
from exvideo_blocks.files.hub import is_id


def lora_card(
    extension: Extension, positions: Mapping[str, Any], *, base_model: str | None = None, file_bytes: int
) -> str:
    """The card as Markdown with YAML front matter.

    Args:
        extension: what was exported.
        positions: `stock`, True if a stock pipeline gives the same positions, and `why` it does not.
        base_model: path or hub id of the base; None leaves it open.
        file_bytes: size of the LoRA's file.
    """
    config, base_frames = extension.config, extension.base_frames
    base = [f"base_model: {json.dumps(base_model)}"] if base_model and is_id(base_model) else []
    tags = ["tags:", *(f"- {tag}" for tag in ("exvideo", "lora", "video-generation", "long-video"))]
    front = "\n".join([*base, "library_name: diffusers", f"pipeline_tag: {extension.family.PIPELINE_TAG}", *tags])
    said = (
        "A stock pipeline gives these positions by itself."
        if positions["stock"]
        else f"**Stock diffusers cannot give these positions ({positions['why']})**: loaded by `load_lora_weights`, it "
        "computes something else than what was trained. Load it by `import_lora`."
    )
    expert = (extension.training or {}).get("expert")
    of_expert = (
        f"\nOf the expert {expert} of a mixture: load it into that network alone, by `load_into_transformer_2=True` or "
        "`import_lora(pipe.transformer_2, ...)` where it is the second of the pipeline's two.\n"
        if expert
        else ""
    )
    return f"""---
{front}
---

# A LoRA for longer clips

Low-rank updates (rank {config.lora_rank}) of the attention of {base_model or f"a {type(extension.model).__name__}"}, by
[ExVideo](https://arxiv.org/abs/2406.14130): trained for clips of up to {config.num_frames} frames in place of
{base_frames}. {file_bytes / 1e6:,.1f} MB.
{of_expert}
Positions: {config.positions}, from {base_frames} frames of the base. {said}

```python
pipe.load_lora_weights("path of this folder")  # diffusers
```

```python
from exvideo_blocks import import_lora

import_lora(pipe, "path of this folder")  # pip install exvideo-blocks; brings the positions, too
```
"""
