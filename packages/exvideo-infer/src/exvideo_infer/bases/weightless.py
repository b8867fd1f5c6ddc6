"""A pipeline of diffusers by its configurations alone: networks without memory, for a look at shapes."""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn


def build_without_weights(kind: Any, name: str, torch_dtype: torch.dtype, **kwargs: Any) -> Any:
    """Builds a pipeline whose networks are on the meta device; no weights are read, nor loaded from a hub.

    Args:
        kind: the pipeline's class.
        name: folder or hub id.
        torch_dtype: of the networks.
        **kwargs: for diffusers' `from_pretrained`; of a part, those that say where it is.
    """
    where = {key: value for key, value in kwargs.items() if key != "variant"}
    parts: dict[str, Any] = {}
    for part, entry in kind.load_config(name, **where).items():
        if part.startswith("_"):
            continue
        if not isinstance(entry, list | tuple):
            parts[part] = entry  # a setting of the pipeline
        elif entry[0] is None:
            parts[part] = None
        else:
            parts[part] = _part(getattr(import_module(entry[0]), entry[1]), name, part, torch_dtype, where)
    return kind(**parts)


def _part(kind: Any, name: str, part: str, torch_dtype: torch.dtype, where: dict[str, Any]) -> Any:
    """A network on the meta device; a scheduler or a tokenizer as it is."""
    if not issubclass(kind, nn.Module):
        return kind.from_pretrained(name, subfolder=part, **where)
    if not hasattr(kind, "load_config"):  # of transformers
        return TextShapes(kind.config_class.from_pretrained(name, subfolder=part, **where), torch_dtype)
    config = kind.load_config(name, subfolder=part, **where)
    with torch.device("meta"):
        network = kind.from_config(config)
    return network.to(torch_dtype).eval()


class TextShapes(nn.Module):
    """A text encoder in shape alone: those of transformers look at values, which the meta device has none of.

    Args:
        config: of the text encoder.
        dtype: of its states.
    """

    device = torch.device("meta")

    def __init__(self, config: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.config, self.dtype = config, dtype

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> Any:
        """States (batch, tokens, width) of each layer, and the pooled ones, (batch, width), on the meta device."""
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        states = torch.empty(*input_ids.shape, self.config.hidden_size, device=self.device, dtype=self.dtype)
        layers = (states,) * (self.config.num_hidden_layers + 1)
        return BaseModelOutputWithPooling(last_hidden_state=states, pooler_output=states[:, 0], hidden_states=layers)
