"""The authors' released checkpoint, ExVideo-SVD-128f-v1: its names <-> ours, by rule.

The release numbers the steps of its UNet in one flat list. A temporal site's number follows from how many steps stand
before it, and within a site a name is a regular rewriting of diffusers' own.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.extension import Extension
from exvideo_blocks.files.tensors import assign, values_for
from exvideo_blocks.files.weights import read_safetensors, write_safetensors

# Steps in the flat list: a spatial and a temporal resnet with their mixing; the same of attentions, where the temporal
# one is the fourth; a skip connection stored or taken up; a change of resolution (the way down stores a skip as well).
_RESNETS, _ATTENTIONS, _SKIP, _DOWN, _UP = 4, 5, 1, 2, 1
_TEMPORAL_ATTENTION = 3

_BLOCK = "temporal_transformer_blocks.0."
# Ours -> theirs within a site; the first prefix that fits is replaced.
_PARTS = {
    "frame_table.weight": "positional_embedding.embeddings",
    "identity_convs.0.": "positional_conv.",
    "time_pos_embed.linear_1.": "positional_embedding_proj.0.",
    "time_pos_embed.linear_2.": "positional_embedding_proj.2.",
    f"{_BLOCK}norm_in.": "norm_in.",
    f"{_BLOCK}ff_in.net.0.proj.": "act_fn_in.proj.",
    f"{_BLOCK}ff_in.net.2.": "ff_in.",
    f"{_BLOCK}norm1.": "norm1.",
    f"{_BLOCK}attn1.to_out.0.": "attn1.to_out.",
    f"{_BLOCK}attn1.": "attn1.",
    f"{_BLOCK}norm2.": "norm2.",
    f"{_BLOCK}attn2.to_out.0.": "attn2.to_out.",
    f"{_BLOCK}attn2.": "attn2.",
    f"{_BLOCK}norm3.": "norm_out.",
    f"{_BLOCK}ff.net.0.proj.": "act_fn_out.proj.",
    f"{_BLOCK}ff.net.2.": "ff_out.",
}


def load_published(extension: Extension, path: str | Path) -> None:
    """Copies the values of a checkpoint in the authors' format into a mounted extension.

    The weights are taken exactly. The authors' UNet has other group-norm epsilons than diffusers' (1e-5 for 1e-6 in the
    spatial transformers' input norms, and in the temporal resnets of `up_blocks.0`), so outputs differ a little.

    Args:
        extension: of Stable Video Diffusion, at level "full" and as many frames as the checkpoint has (128).
        path: .safetensors; or .pth, .pt, .ckpt or .bin, of which only tensors are read (`weights_only`).

    Raises:
        ValueError: the extension is of another kind, the file cannot be read, or its tensors do not fit; no parameter
            was changed then.
    """
    names = published_names(extension)
    tensors = _read(Path(path))
    parameters = extension.named_parameters()
    assign({theirs: parameters[ours] for theirs, ours in names.items()}, tensors, str(path))


def export_published(extension: Extension, path: str | Path, *, dtype: torch.dtype | None = None) -> None:
    """Writes an extension as a safetensors file in the authors' format, atomically.

    Args:
        extension: of Stable Video Diffusion, at level "full".
        path: file to write.
        dtype: floating type in the file, torch.float16 in the release; None keeps each tensor's own.

    Raises:
        ValueError: the extension is of another kind, a value is not finite in `dtype`, or as `Extension.check_whole`.
            Nothing is written then.
    """
    extension.check_whole()
    names = published_names(extension)
    values = values_for(path, extension.named_parameters(), dtype=dtype)
    write_safetensors(path, {theirs: values[ours] for theirs, ours in names.items()}, {})


def published_names(extension: Extension) -> dict[str, str]:
    """The authors' name of every tensor of an extension -> ours.

    Raises:
        ValueError: the format has no place for this kind of extension.
    """
    if extension.family_name != "svd" or extension.config.level != "full":
        raise ValueError(
            f"The published format holds extensions of family 'svd' at level 'full', this one is of family "
            f"{extension.family_name!r} at level {extension.config.level!r}: mount one with level='full' on "
            "Stable Video Diffusion."
        )
    if extension.config.frame_rate != "own":
        raise ValueError(
            f"The published format cannot say frame_rate={extension.config.frame_rate!r}, without which these weights "
            "are not what was trained: save this extension in our own format, save_extension."
        )
    numbers = dict(_number_sites(extension.model))
    names = {}
    for name in extension.names:
        site = next(site for site in numbers if name.startswith(f"{site}."))
        names[f"blocks.{numbers[site]}.{_rewrite(name.removeprefix(f'{site}.'))}"] = name
    return names


def _number_sites(unet: Any) -> Iterator[tuple[str, int]]:
    """(name of a temporal site in diffusers, its number in the authors' list of steps), in the model's order."""
    step = 0
    for index, block in enumerate(unet.down_blocks):
        for layer, attends in enumerate(_attention_of_layers(block)):
            step += _RESNETS
            if attends:
                yield f"down_blocks.{index}.attentions.{layer}", step + _TEMPORAL_ATTENTION
                step += _ATTENTIONS
            step += _SKIP
        step += _DOWN if block.downsamplers is not None else 0
    for layer in range(len(unet.mid_block.attentions)):
        yield f"mid_block.attentions.{layer}", step + _RESNETS + _TEMPORAL_ATTENTION
        step += _RESNETS + _ATTENTIONS
    step += _RESNETS
    for index, block in enumerate(unet.up_blocks):
        for layer, attends in enumerate(_attention_of_layers(block)):
            step += _SKIP + _RESNETS
            if attends:
                yield f"up_blocks.{index}.attentions.{layer}", step + _TEMPORAL_ATTENTION
                step += _ATTENTIONS
        step += _UP if block.upsamplers is not None else 0


def _attention_of_layers(block: Any) -> list[bool]:
    """For each layer of a down or up block, whether it has attention."""
    return [hasattr(block, "attentions")] * len(block.resnets)


def _rewrite(name: str) -> str:
    for ours, theirs in _PARTS.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise ValueError(
        f"{name!r} has no place in the published format, which knows one temporal block a site: "
        "save this extension in our own format, save_extension."
    )


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix not in (".pth", ".pt", ".ckpt", ".bin"):
        return read_safetensors(path)[0]
    if not path.is_file():
        raise ValueError(f"{path} is not a file: give the path of the authors' checkpoint.")
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle made to do harm can raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} is truncated, or holds more than tensors and is not read ({reason}): "
            "copy it again, or convert it to safetensors."
        ) from error
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items()
    ):
        raise ValueError(f"{path} is no flat mapping of names to tensors: give the authors' checkpoint as released.")
    return tensors
