"""Base models, a file a family: the embedded one, a folder in diffusers' layout, or a repository of a hub."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import family_of

from exvideo_infer import embedded
from exvideo_infer.bases import animatediff, cogvideox, hunyuan_video, ltx, svd, wan
from exvideo_infer.bases.base import Base, BaseModelError, check_is_folder_or_hub_id, loading

EMBEDDED = "embedded"
INDEX = "model_index.json"
WEIGHTS = ".safetensors"
WEIGHTLESS: dict[str, Callable[..., Base]] = {
    **wan.PIPELINES,
    **ltx.PIPELINES,
    **hunyuan_video.PIPELINES,
    **cogvideox.PIPELINES,
}  # the bases of transformers, which can be had by their configurations alone
# Whose bases are sampled by their own pipeline of diffusers (`exvideo_infer.stock`); all others by `ExVideoPipeline`.
STOCK: dict[str, Callable[..., Base]] = {animatediff.PIPELINE: animatediff.load, **WEIGHTLESS}
_LOADERS: dict[str, Callable[..., Base]] = {}


def register_base(pipeline_class: str, load: Callable[..., Base]) -> None:
    """Makes a kind of base known to `load_base`.

    Args:
        pipeline_class: `_class_name` in the `model_index.json` of its folders.
        load: called as `load(name, torch_dtype, **kwargs)`, with the folder or hub id and `load_base`'s own arguments.

    Raises:
        ValueError: bases of that class are loaded by another function.
    """
    if _LOADERS.setdefault(pipeline_class, load) is not load:
        raise ValueError(f"Bases of {pipeline_class} are registered already: choose another class name.")


def load_base(
    directory_or_hub_id: str | Path,
    torch_dtype: torch.dtype | None = None,
    pipeline: str | None = None,
    *,
    weights: bool = True,
    **kwargs: Any,
) -> Base:
    """Loads the parts of a base model.

    Args:
        directory_or_hub_id: "embedded" for the model that ships with this package; a folder that holds a
            `model_index.json`; or a hub id such as "stabilityai/stable-video-diffusion-img2vid-xt".
        torch_dtype: of the weights, whatever dtype they are stored in; float32 if None. `dtype` is another name of it.
        pipeline: class of diffusers that the base is loaded as, where its weights serve several: as
            "WanImageToVideoPipeline", clips of a Wan 2.2 TI2V-5B begin at a picture. None for the folder's own.
        weights: False, for a look at shapes, leaves the networks of a video transformer's base on the meta device, by
            their configurations; bases of other kinds are loaded as always.
        **kwargs: for diffusers' `from_pretrained`: `variant`, `revision`, `cache_dir`, `local_files_only` ...

    Raises:
        BaseModelError: if the folder is missing, is of a pipeline that is not known, its files or the hub cannot be
            read, or its scheduler samples otherwise than its network was trained.
        MemoryError: it does not fit.
    """
    torch_dtype = kwargs.pop("dtype", None) or torch_dtype
    name, kind = find_base(directory_or_hub_id), pipeline or pipeline_class(directory_or_hub_id, **kwargs)
    if kind not in _LOADERS:
        is_of = "is of" if pipeline is None else "was to be loaded as"
        raise BaseModelError(f"{name} {is_of} {kind}: give a base of {', '.join(_LOADERS)}.")
    check_variant(Path(name), kwargs.get("variant"))
    if not weights and kind in WEIGHTLESS:
        kwargs["weights"] = False
    base = _LOADERS[kind](name, torch_dtype or torch.float32, **kwargs)
    check_fits(name, base.network, base.scheduler)
    return base


def check_fits(name: str, network: Any, scheduler: Any) -> None:
    """Raises BaseModelError if a scheduler samples otherwise than the network was trained, or no family knows that."""
    try:
        family_of(network).objective(scheduler)
    except (TypeError, ValueError) as error:
        raise BaseModelError(f"The base {name} does not fit together. {error}") from error


def pipeline_class(directory_or_hub_id: str | Path, **kwargs: Any) -> str | None:
    """The class of diffusers' pipelines that a base is of, by its `model_index.json`; None if that does not say.

    Raises:
        BaseModelError: as `load_base`, if it is missing or cannot be read.
    """
    name = find_base(directory_or_hub_id)
    if Path(name).exists() and not (Path(name) / INDEX).is_file():
        raise BaseModelError(f"{name} holds no {INDEX}: give the folder of a base model saved by diffusers.")
    from diffusers import DiffusionPipeline

    with loading(name):
        found: str | None = DiffusionPipeline.load_config(name, **kwargs).get("_class_name")
    return found


def check_variant(folder: Path, variant: str | None) -> None:
    """Looks into a folder, where weights may lie as `model.fp16.safetensors` alone, which is the variant fp16.

    Raises:
        BaseModelError: a part of the base has no weights of this variant, and has some of others, or no part has any of
            it; it names what is there.
    """
    found: dict[Path, set[str | None]] = {}
    for part in sorted({path.parent for path in folder.glob(f"*/*{WEIGHTS}")}):
        names = {path.name.removesuffix(WEIGHTS).split("-0")[0] for path in part.glob(f"*{WEIGHTS}")}
        found[part] = {name.partition(".")[2] or None for name in names}
    for part, variants in found.items():
        if variant in variants or None in variants:  # diffusers takes the plain weights where a part has no others
            continue
        there = sorted(one for one in variants if one)
        raise BaseModelError(
            f"{part} holds weights of the variant {', '.join(there)} alone, and {variant or 'no variant'} was asked "
            f"for: give variant={there[0]!r}, which exvideo-train calls base_variant."
        )
    everywhere = {one for variants in found.values() for one in variants}
    if variant is not None and found and variant not in everywhere:
        others = ", ".join(sorted(repr(one) for one in everywhere if one))
        raise BaseModelError(
            f"{folder} holds no weights of the variant {variant!r}: leave the variant out"
            + (f", or give {others}." if others else ".")
        )


def find_base(directory_or_hub_id: str | Path) -> str:
    """The folder or hub id that a name means; raises BaseModelError if it can be neither."""
    name = str(directory_or_hub_id)
    if name == EMBEDDED:
        name = str(embedded.directory())
        if not (embedded.directory() / INDEX).is_file():
            raise BaseModelError(
                f"The embedded model's files are not in {name}: install exvideo-infer from its wheel, or give the "
                "folder or the hub id of another base."
            )
    check_is_folder_or_hub_id(name)
    return name


for _pipeline in svd.PIPELINES:
    register_base(_pipeline, svd.load)
for _pipeline, _load in STOCK.items():
    register_base(_pipeline, _load)
