"""The record of a clip, as metadata of its file: all that it takes to make it again, and the way back to options."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import extension_of, networks_of

from exvideo_infer.jobs.job import FILES, Clip
from exvideo_infer.jobs.maker import Maker
from exvideo_infer.jobs.model import ModelChoice, add_tensor
from exvideo_infer.jobs.run import Write
from exvideo_infer.video_file import Frame, VideoError, VideoInfo, write_video
from exvideo_infer.video_file.formats import Encoding, choose_encoding

MADE_BY = "exvideo-generate"
PACKAGES = ("exvideo-infer", "exvideo-blocks", "torch", "diffusers", "transformers")
# Options of the command by the settings of a clip that they ask for.
CLIP_OPTIONS = {
    "prompt": "prompt",
    "seed": "seed",
    "num_frames": "num_frames",
    "height": "height",
    "width": "width",
    "fps": "fps",
    "num_inference_steps": "steps",
    "min_guidance_scale": "guidance_min",
    "max_guidance_scale": "guidance_max",
    "guidance_scale": "guidance_max",
    "motion_bucket_id": "motion_bucket_id",
    "beyond": "beyond",
    "window_length": "window_length",
    "window_overlap": "window_overlap",
    "keyframe_every": "keyframe_every",
    "interpolator": "interpolator",
    "strength": "strength",
}
MODEL_OPTIONS = (
    *("base", "text_to_image", "extension", "extension_2"),
    *("device", "dtype", "attention_backend", "compile_blocks"),
)
PATHS = ("base", "extension", "extension_2", "text_to_image")  # where they are names of files
ROUNDING_OPTIONS = ("decode_tile_size", "guidance_apart")  # with them rounding is another
FILE_OPTIONS = ("crf", "pixel_format")


def record_of(clip: Clip, choice: ModelChoice, maker: Maker, encoding: Encoding) -> dict[str, Any]:
    """The record of a clip, in values that JSON has.

    Args:
        clip: resolved by the maker.
        choice: what the maker was loaded from; its "auto" is recorded as what it came to.
        encoding: of the file.
    """
    pipeline = maker.pipeline
    chosen = {name: getattr(choice, name) for name in (*MODEL_OPTIONS, *ROUNDING_OPTIONS)}
    return {
        "made_by": MADE_BY,
        "settings": dict(clip.settings),
        **{name: str(getattr(clip.job, name)) for name in FILES if getattr(clip.job, name) is not None},
        "model": {
            **{name: str(value) if isinstance(value, Path) else value for name, value in chosen.items()},
            "device": torch.device(pipeline.device).type,
            "dtype": str(pipeline.dtype).removeprefix("torch."),
        },
        "model_hash": maker.model,
        "extension_hash": _extension_hash(pipeline),
        "file": {"format": encoding.format.name, "crf": encoding.crf, "pixel_format": encoding.pixel_format},
        "versions": {name: version(name) for name in PACKAGES},
    }


def write_with_record(
    choice: ModelChoice,
    maker: Maker,
    crf: int | None = None,
    pixel_format: str | None = None,
    *,
    metadata: bool = True,
    paths: bool = True,
) -> Write:
    """Makes a writer of clips' files that hold their records.

    Args:
        choice, maker: as for `record_of`.
        crf, pixel_format: as for `write_video`.
        metadata: False leaves the records out.
        paths: False leaves this machine's folders out of them: for clips that others fetch.
    """

    def write(path: Path, clip: Clip, frames: Iterator[Frame]) -> VideoInfo:
        encoding = choose_encoding(path, crf=crf, pixel_format=pixel_format)
        record = record_of(clip, choice, maker, encoding) if metadata else None
        if record is not None and not paths:
            record = _without_paths(record)
        return write_video(path, frames, clip.settings["fps"], crf=crf, pixel_format=pixel_format, metadata=record)

    return write


def options_of(record: Mapping[str, Any], path: Path, encoding: Encoding) -> dict[str, Any]:
    """The options of exvideo-generate that make a recorded clip again, by name.

    Args:
        record: of a file's metadata.
        path: of that file, for errors.
        encoding: of the file to be written; settings of the recorded file's are taken where both are of one format.

    Raises:
        VideoError: the metadata is not of exvideo-generate.
    """
    parts = [record.get(name) for name in ("settings", "model", "file")]
    if record.get("made_by") != MADE_BY or not all(isinstance(part, dict) for part in parts):
        raise VideoError(f"{path} was not made by {MADE_BY}: its metadata names no clip that could be made again.")
    settings, model, file = record["settings"], record["model"], record["file"]
    options = {option: settings[name] for name, option in CLIP_OPTIONS.items() if settings.get(name) is not None}
    options |= {name: model.get(name) for name in (*MODEL_OPTIONS, *ROUNDING_OPTIONS)}
    for name in FILES:
        options[name] = Path(record[name]) if isinstance(record.get(name), str) else None
    if file.get("format") == encoding.format.name:
        options |= {name: file.get(name) for name in FILE_OPTIONS}
    return options


def check_again(
    record: Mapping[str, Any], path: Path, clip: Clip, maker: Maker, given: Collection[str]
) -> Iterator[str]:
    """Compares a clip that is to be made again with its record; yields what may make other frames, in sentences.

    Args:
        record, path: as for `options_of`.
        clip, maker: of what is to be made now.
        given: options that were given anew: what follows from them is meant.

    Raises:
        ValueError: the model, or the picture, is not the one of the record.
    """
    if not set(MODEL_OPTIONS) & set(given) and record.get("model_hash") != maker.model:
        raise ValueError(
            f"The base or the extension is not the one that made {path}: give those that did by --base and "
            "--extension, or others, if they are meant."
        )
    recorded = record["settings"]
    for name, what in zip(FILES, ("picture", "clip", "clip"), strict=True):
        option = "continue" if name == "continues" else name
        if name not in given and recorded.get(name) != clip.settings.get(name):
            raise ValueError(
                f"{getattr(clip.job, name)} is not the {what} that {path} was made from: give that one by --{option}, "
                "or another, if it is meant."
            )
    versions = record.get("versions")
    for name, before in versions.items() if isinstance(versions, dict) else ():
        if name in PACKAGES and before != version(name):
            yield f"{path} was made with {name} {before}, and here is {version(name)}: frames may differ."
    for name in sorted((recorded.keys() | clip.settings.keys()) - CLIP_OPTIONS.keys() - {*FILES, "version"}):
        if recorded.get(name) != clip.settings.get(name):
            yield f"{path} was made at {name} {recorded.get(name)}, and here it is {clip.settings.get(name)}."


def _without_paths(record: dict[str, Any]) -> dict[str, Any]:
    """The record with names in place of paths; a picture's, which was uploaded, says nothing."""
    named = {
        name: Path(value).name
        for name, value in record["model"].items()
        if isinstance(value, str) and name in PATHS and Path(value).exists()
    }
    return {name: value for name, value in record.items() if name not in FILES} | {"model": record["model"] | named}


def _extension_hash(pipeline: Any) -> str | None:
    """Of all extensions that are mounted; of one network by its own names alone, as records have always had it."""
    found = {name: extension_of(network) for name, network in networks_of(pipeline).items()}
    tensors = {name: extension.named_parameters() for name, extension in found.items() if extension is not None}
    if len(found) == 1:
        return _hash(*tensors.values()) if tensors else None
    named = {f"{name}.{key}": tensor for name, own in tensors.items() for key, tensor in own.items()}
    return _hash(named) if named else None


def _hash(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=20)
    for name, tensor in sorted(tensors.items()):
        add_tensor(digest, name, tensor)
    return digest.hexdigest()
