"""CLIP (Radford et al., arXiv 2103.00020) of transformers: embeddings of frames and of captions in one space."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from exvideo_eval.features.published.pinned import file_sha256, require_pinned

WEIGHTS = "model.safetensors"
SIZE = 224  # of the pictures that the protocols' preprocessing makes
_FILES = ("*.json", "*.txt", WEIGHTS)


class ClipModel:
    """Frames (batch, 3, 224, 224), preprocessed, and captions to embeddings (batch, dimension), of any length.

    Args:
        place: a folder, or an id on the Hugging Face hub.
        sha256: of its model.safetensors.

    Raises:
        ValueError: transformers is not installed, there is no such model, its weights are others, or it is no CLIP of
            224 pixels.
    """

    def __init__(self, place: str, sha256: str, device: torch.device) -> None:
        transformers = _transformers()
        folder = Path(place) if Path(place).is_dir() else _from_hub(place)
        weights = folder / WEIGHTS
        if not weights.is_file():
            raise ValueError(f"{place} has no {WEIGHTS}: give the folder or hub id of a CLIP in safetensors.")
        self.sha256 = file_sha256(weights)
        require_pinned("clip", place, sha256, self.sha256)
        self.name = place.rstrip("/") if not Path(place).is_dir() else folder.resolve().name
        try:
            model: Any = transformers.CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise ValueError(f"{place} is no CLIP model that transformers loads: {error}.") from error
        if model.config.vision_config.image_size != SIZE:
            raise ValueError(
                f"{place} takes pictures of {model.config.vision_config.image_size} pixels, and the protocol is "
                f"defined for {SIZE}: give such a model."
            )
        self._model = model.eval().requires_grad_(False).to(device)
        self._device = device

    def frames(self, pixels: Tensor) -> Tensor:
        """Embeddings (batch, dimension) of preprocessed frames (batch, 3, 224, 224)."""
        hidden = self._model.vision_model(pixel_values=pixels.to(self._device)).pooler_output
        embeddings: Tensor = self._model.visual_projection(hidden)
        return embeddings

    def captions(self, texts: Sequence[str]) -> tuple[Tensor, int]:
        """Embeddings (texts, dimension), and the number of texts that are longer than the model reads, and were cut."""
        longest = self._model.config.text_config.max_position_embeddings
        cut = sum(len(self._tokenizer(text)["input_ids"]) > longest for text in texts)
        tokens = self._tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        with torch.inference_mode():
            inputs = {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask")}
            return self._model.text_projection(self._model.text_model(**inputs).pooler_output), cut


def _transformers() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ValueError("CLIP needs transformers: pip install 'exvideo-eval[clip]'.") from error


def _from_hub(place: str) -> Path:
    try:
        hub = importlib.import_module("huggingface_hub")
        return Path(hub.snapshot_download(place, allow_patterns=list(_FILES)))
    except (ImportError, OSError, ValueError) as error:
        raise ValueError(f"{place} is no folder, and cannot be had from the hub ({error}): give a folder.") from error
