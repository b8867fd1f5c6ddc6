"""Loads the judges of the tiny world, and of no other: what a clip shows, and how well it goes with a caption.

Three files of one training belong together: `classifier.safetensors`, `matcher.safetensors` (half-precision weights)
and `judges.json`, which has the classes, the words, and the checksums of the other two.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as F

from exvideo_eval.tiny_world.networks import FRAME_SIZE, MAX_CAPTION_WORDS, Matcher, VideoClassifier

FORMAT = "exvideo.judges/1"
DESCRIPTION, CLASSIFIER, MATCHER = "judges.json", "classifier.safetensors", "matcher.safetensors"
FOLDER = Path(__file__).parent
PADDING, UNKNOWN = "<pad>", "<unk>"  # words 0 and 1


@dataclass(frozen=True)
class Judges:
    """Both networks, in single precision on one device, with what their numbers mean. Answers are on the CPU.

    Every method takes clips as uint8 RGB (batch, frames, 3, height, width) of any length and size; frames are resized
    to 64x64 whole. Raises ValueError for other clips.

    Attributes:
        properties: the classes of "shape", "colour", "place" and "motion", in the order of the probabilities.
        words: the vocabulary.
        sha256: checksum (hex) of each of the three files by its name.
    """

    properties: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]
    sha256: Mapping[str, str]
    classifier: VideoClassifier
    matcher: Matcher

    def classify(self, clips: Tensor) -> dict[str, Tensor]:
        """Probabilities (batch, classes), double precision, by property."""
        with torch.inference_mode():
            log_odds = self.classifier(self._pixels(clips))
            return {name: odds.double().softmax(dim=-1).cpu() for name, odds in log_odds.items()}

    def features(self, clips: Tensor) -> Tensor:
        """(batch, 128), double precision: what the classifier reads its answers from."""
        with torch.inference_mode():
            return self.classifier.features(self._pixels(clips)).double().cpu()

    def embed_clips(self, clips: Tensor) -> Tensor:
        """(batch, 128) of length 1, double precision; near the embeddings of captions that describe the clips."""
        with torch.inference_mode():
            return F.normalize(self.matcher.embed_clips(self._pixels(clips)).double(), dim=-1).cpu()

    def embed_captions(self, captions: Sequence[str]) -> Tensor:
        """(captions, 128) of length 1, double precision."""
        numbers = self.word_numbers(captions).to(self._device)
        with torch.inference_mode():
            return F.normalize(self.matcher.embed_captions(numbers).double(), dim=-1).cpu()

    def similarity(self, clips: Tensor, captions: Sequence[str]) -> Tensor:
        """Cosine (batch,) in [-1, 1] of each clip with the caption at its place.

        Raises:
            ValueError: there are not as many captions as clips.
        """
        if len(clips) != len(captions):
            raise ValueError(f"{len(clips)} clips and {len(captions)} captions were given: give each clip its caption.")
        return (self.embed_clips(clips) * self.embed_captions(captions)).sum(dim=-1)

    def word_numbers(self, captions: Sequence[str]) -> Tensor:
        """Word numbers (captions, 32), filled up with 0; 1 stands for each unknown word, and for a caption of none."""
        known = {word: number for number, word in enumerate(self.words)}
        numbers = torch.zeros((len(captions), MAX_CAPTION_WORDS), dtype=torch.long)
        for row, caption in enumerate(captions):
            found = [known.get(word, 1) for word in words_of(caption)][:MAX_CAPTION_WORDS] or [1]
            numbers[row, : len(found)] = torch.tensor(found)
        return numbers

    @property
    def _device(self) -> torch.device:
        return next(self.classifier.parameters()).device

    def _pixels(self, clips: Tensor) -> Tensor:
        return _pixels(clips.to(self._device))


def words_of(caption: str) -> list[str]:
    """The words of a caption as the matcher learned them: lower case, letters a to z only."""
    return re.findall("[a-z]+", caption.lower())


def judges_present(folder: Path | None = None) -> bool:
    """True if the folder holds the three files; `load_judges` tells whether they are good."""
    return all(((folder or FOLDER) / name).is_file() for name in (DESCRIPTION, CLASSIFIER, MATCHER))


def load_judges(folder: str | Path | None = None, device: str = "cpu") -> Judges:
    """The judges in a folder, by default those that came with the package, on a device.

    Raises:
        ValueError: one sentence naming the file: missing, of another format, damaged, or not of the same training.
    """
    folder = FOLDER if folder is None else Path(folder)
    raw = {name: _read(folder / name) for name in (DESCRIPTION, CLASSIFIER, MATCHER)}
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in raw.items()}
    properties, words, expected = _described(folder / DESCRIPTION, raw[DESCRIPTION])
    for name, checksum in expected.items():
        if sha256[name] != checksum:
            raise ValueError(
                f"{folder / name} is damaged or of other judges, as its SHA-256 is {sha256[name]} and {DESCRIPTION} "
                f"says {checksum}: install exvideo-eval again, or put back the three files of one training."
            )
    # Building networks draws random weights: a judge inside a training run must leave its generator as it is.
    with torch.random.fork_rng(devices=[]):
        classifier, matcher = VideoClassifier(properties), Matcher(len(words))
    _fill(classifier, folder / CLASSIFIER, raw[CLASSIFIER])
    _fill(matcher, folder / MATCHER, raw[MATCHER])
    return Judges(properties, words, sha256, classifier.to(device), matcher.to(device))


def _pixels(clips: Tensor) -> Tensor:
    """uint8 clips of any size as (batch, frames, 3, 64, 64) in [-1, 1]."""
    if clips.dtype != torch.uint8 or clips.ndim != 5 or clips.shape[2] != 3 or 0 in clips.shape:
        raise ValueError(
            f"The clips are {clips.dtype} of shape {tuple(clips.shape)}: give torch.uint8 RGB clips of shape "
            "(batch, frames, 3, height, width), none of them 0."
        )
    frames = clips.flatten(0, 1).float()
    if clips.shape[-2:] != (FRAME_SIZE, FRAME_SIZE):
        frames = F.interpolate(
            frames, size=(FRAME_SIZE, FRAME_SIZE), mode="bilinear", antialias=True, align_corners=False
        )
    return (frames / 127.5 - 1).unflatten(0, clips.shape[:2])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"The judges of the tiny world lack {path} ({error.strerror or error}): install a release of exvideo-eval "
            "that carries them, or choose --features transnetv2 or random3d."
        ) from error


def _described(path: Path, raw: bytes) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...], dict[str, str]]:
    """Classes by property, words, and the checksums of the other two files, from judges.json."""
    try:
        content: Any = json.loads(raw)
    except ValueError as error:
        raise ValueError(f"{path} is damaged, as it is not JSON ({error}): install exvideo-eval again.") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise ValueError(f"{path} has the format {found!r}, and only {FORMAT!r} is known: use judges of that format.")
    try:
        properties = {str(name): _texts(classes) for name, classes in content["properties"].items()}
        words = _texts(content["words"])
        expected = {CLASSIFIER: str(content["classifier_sha256"]), MATCHER: str(content["matcher_sha256"])}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged, as a field is missing or wrong ({error}): pack the judges again."
        ) from error
    if not properties or words[:2] != (PADDING, UNKNOWN):
        raise ValueError(f"{path} is damaged: it needs properties, and words that begin with {PADDING} and {UNKNOWN}.")
    return properties, words, expected


def _texts(items: Any) -> tuple[str, ...]:
    if not isinstance(items, list) or not items or not all(isinstance(item, str) for item in items):
        raise TypeError(f"{items!r:.60} is not a list of words")
    return tuple(items)


def _fill(network: nn.Module, path: Path, raw: bytes) -> None:
    """Weights from the bytes of a safetensors file, in single precision, for evaluation only."""
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in load(raw).items()})
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} does not hold this network's weights ({reason:.300}): pack it again.") from error
    network.eval().requires_grad_(False)
