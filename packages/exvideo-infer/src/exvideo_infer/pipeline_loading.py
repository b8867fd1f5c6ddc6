"""The pipeline loaded: what diffusers loads of a folder or a hub, parts that it does not know, and an extension."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from exvideo_infer.bases import check_fits, check_variant, find_base, pipeline_class
from exvideo_infer.bases.base import BaseModelError, base_file, loading
from exvideo_infer.bases.sampling_defaults import FILE, read_sampling_defaults
from exvideo_infer.bases.svd import PIPELINES, WHERE, check_text_width, load_text_parts
from exvideo_infer.extensions import FILE as EXTENSION
from exvideo_infer.extensions import SUBFOLDER, mount_extension
from exvideo_infer.text_to_image import load_image_parts, load_text_to_image


def load_pipeline(from_pretrained: Callable[..., Any], source: str | Path, **kwargs: Any) -> Any:
    """Loads a pipeline and all that lies beside it; arguments and errors as `ExVideoPipeline.from_pretrained`.

    Args:
        from_pretrained: diffusers' own, of the class.
    """
    text_to_image = kwargs.pop("text_to_image", None)
    dtype = kwargs.pop("dtype", None) or kwargs.pop("torch_dtype", None) or torch.float32
    kwargs.pop("torch_dtype", None)
    where = {key: kwargs[key] for key in WHERE if key in kwargs}
    name = find_base(source)
    if pipeline_class(name, **where) not in PIPELINES:
        raise BaseModelError(
            f"{source} is no Stable Video Diffusion: give a base of its shape, or sample another with "
            "exvideo_infer.denoise."
        )
    plain = dtype.get("default", torch.float32) if isinstance(dtype, dict) else dtype
    check_variant(Path(name), kwargs.get("variant"))
    with loading(name):
        parts = _unlisted_parts(name, plain, where, kwargs.get("variant"))
        pipeline = from_pretrained(name, dtype=dtype, **(parts | kwargs))
    check_text_width(pipeline.text_encoder, pipeline.unet, name)
    check_fits(name, pipeline.unet, pipeline.scheduler)
    with loading(name):
        recommended = base_file(name, FILE, where)
        extension = base_file(name, f"{SUBFOLDER}/{EXTENSION}", where)
    if recommended is not None:
        pipeline.sampling_defaults = read_sampling_defaults(recommended.parent)
    if text_to_image is not None:
        own = {key: where[key] for key in ("cache_dir", "local_files_only") if key in where}
        pipeline.text_to_image = load_text_to_image(text_to_image, plain, **own)
    if extension is not None:
        mount_extension(pipeline.unet, extension)
    return pipeline


def _unlisted_parts(name: str, dtype: torch.dtype, where: Mapping[str, Any], variant: str | None) -> dict[str, Any]:
    """The parts of a base that its index does not list, as it is of a pipeline that does not know them."""
    index = DiffusionPipeline.load_config(name, **where)
    listed = {part for part, found in index.items() if isinstance(found, list) and found[0] is not None}
    parts = {} if "text_encoder" in listed else load_text_parts(name, dtype, where, variant)
    return parts if "image_unet" in listed else parts | load_image_parts(name, dtype, where, variant)
