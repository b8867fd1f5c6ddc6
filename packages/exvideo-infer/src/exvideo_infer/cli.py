r"""exvideo-generate: a clip from words, from its first frame, or from both.

exvideo-generate --prompt "a red circle bounces" -o out.mp4
exvideo-generate --base animatediff_folder --extension extension.safetensors --prompt "a boat" -o out.mp4
exvideo-generate --prompt "the circle moves left" --image first.png -o out.mp4
exvideo-generate --base stabilityai/stable-video-diffusion-img2vid-xt --extension extension.safetensors \
    --image first.png --num-frames 128 --height 512 --width 512 -o out.mp4
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from exvideo_infer.pipeline import ExVideoPipeline
    from exvideo_infer.video_file import VideoInfo

BAD_INPUT = 2  # exit code, argparse's own
BACKENDS = ("auto", "triton", "sdpa", "xformers")
DTYPES = ("auto", "float32", "float16", "bfloat16")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line: returns 0, or 2 after one sentence on stderr where the input is bad."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="exvideo-generate: %(message)s")  # words of the prompt that are not read
    start = time.perf_counter()
    try:
        generate = _prepare(options)
    except ValueError as error:
        return _refuse(error)
    from exvideo_infer.video_file import VideoError

    try:
        info = generate()
    except VideoError as error:
        return _refuse(error)
    print(
        f"Wrote {options.output}: {info.num_frames} frames of {info.width}x{info.height} at {info.fps:g} fps, "
        f"seed {options.seed}, in {time.perf_counter() - start:.1f} s."
    )
    return 0


def _prepare(options: argparse.Namespace) -> "Callable[[], VideoInfo]":
    """Checks every input, the quick ones first; raises ValueError with one sentence.

    Returns:
        what makes the clip and writes it.
    """
    from exvideo_blocks import read_extension_header

    from exvideo_infer.bases import animatediff, pipeline_class
    from exvideo_infer.bases.base import silence_loading
    from exvideo_infer.pipeline import ExVideoPipeline
    from exvideo_infer.video_file import check_writable

    if options.prompt is None and options.image is None:
        raise ValueError('Neither --prompt nor --image is given: say what to show, --prompt "a red circle bounces".')
    check_writable(options.output)
    image = None if options.image is None else _read_image(options.image)
    device = _choose_device(options.device)
    dtype = _choose_dtype(options.dtype, device)
    if options.extension is not None:
        read_extension_header(options.extension)
    silence_loading()
    if pipeline_class(options.base) == animatediff.PIPELINE:
        return _prepare_stock(options, device, dtype)
    pipeline = ExVideoPipeline.from_pretrained(options.base, torch_dtype=dtype, text_to_image=options.text_to_image)
    if options.extension is not None:
        pipeline.load_extension(options.extension)
    default_height, default_width = pipeline.default_size()
    height, width = options.height or default_height, options.width or default_width
    pipeline.check_inputs(options.num_frames or pipeline.default_num_frames, height, width)
    pipeline.check_conditions(options.prompt, image)
    cover = None if image is None else _cover(image, height, width)
    pipeline.to(device)
    _choose_backend(pipeline, options.attention_backend)
    _compile(pipeline, options.compile_blocks)
    source = "the prompt" if image is None else options.image
    _say(f"{width}x{height} from {source}, on {pipeline.device} in {pipeline.dtype}.")
    return lambda: _generate(pipeline, cover, height, width, options)


def _prepare_stock(
    options: argparse.Namespace, device: "torch.device", dtype: "torch.dtype"
) -> "Callable[[], VideoInfo]":
    from exvideo_infer.stock import TextRequest, defaults_of, generate, load_stock
    from exvideo_infer.video_file import write_video

    if options.prompt is None:
        raise ValueError(f'{options.base} makes clips of words alone: give --prompt "a boat on a lake".')
    for name in ("image", "text_to_image", "guidance_min", "motion_bucket_id"):
        if getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{options.base} is an AnimateDiff, which has no {option}: leave it out.")
    base = load_stock(options.base, options.extension, dtype)
    request = TextRequest(
        options.prompt, options.num_frames, options.height, options.width, options.steps, options.guidance_max,
        options.seed,
    )  # fmt: skip
    size = request.filled(base)
    base.pipeline.to(device)
    _choose_backend(base.pipeline, options.attention_backend)
    _compile(base.pipeline, options.compile_blocks)
    base.pipeline.set_progress_bar_config(disable=not sys.stderr.isatty())
    _say(f"{size['width']}x{size['height']}, {size['num_frames']} frames from the prompt, on {device} in {dtype}.")
    return lambda: write_video(options.output, generate(base, request), options.fps or defaults_of(base).fps)


def _choose_backend(pipeline: Any, backend: str | None) -> None:
    from exvideo_blocks import BackendError, extension_of

    if backend is None:
        return
    extension = extension_of(pipeline)
    if extension is None:
        raise ValueError(f"--attention-backend {backend} is of an extension's attention: give --extension, too.")
    try:
        extension.set_attention_backend(backend)
    except BackendError as error:
        raise ValueError(f"--attention-backend: {error}") from error


def _compile(pipeline: Any, wanted: bool) -> None:
    from exvideo_blocks import compile_blocks

    if wanted:
        blocks = compile_blocks(pipeline)
        _say(f"{len(blocks.names)} blocks are compiled when they are first called.")


def _generate(
    pipeline: "ExVideoPipeline", image: "Image | None", height: int, width: int, options: argparse.Namespace
) -> "VideoInfo":
    import torch

    from exvideo_infer.decode import decode_frames, to_uint8
    from exvideo_infer.video_file import write_video

    latents = pipeline(
        image=image,
        prompt=options.prompt,
        num_frames=options.num_frames,
        height=height,
        width=width,
        num_inference_steps=options.steps,
        min_guidance_scale=options.guidance_min,
        max_guidance_scale=options.guidance_max,
        fps=options.fps,
        motion_bucket_id=options.motion_bucket_id,
        generator=torch.Generator().manual_seed(options.seed),  # of the CPU: the same noise on every device
        output_type="latent",
        return_dict=False,
    )
    frames = (to_uint8(frame) for frame in decode_frames(pipeline.vae, latents[0]))
    return write_video(options.output, frames, options.fps or pipeline.sampling_defaults.fps)


def _read_image(path: Path) -> "Image":
    from PIL import Image, ImageOps

    if not path.is_file():
        raise ValueError(f"There is no image file {path}.")
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as an image: give a PNG, JPEG or other picture ({error}).") from error


def _cover(image: "Image", height: int, width: int) -> "Image":
    """Resized so that it covers the frame and cropped at its centre, as the training clips are."""
    from PIL import Image, ImageOps

    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def _choose_device(name: str) -> "torch.device":
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # an unknown name; a kind that is not here; an index too high
        raise ValueError(f"--device {name} is not on this machine: give auto, cpu, or a device that is.") from error
    return torch.device(name)


def _choose_dtype(name: str, device: "torch.device") -> "torch.dtype":
    import torch

    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _refuse(error: ValueError) -> int:
    _say(str(error))
    return BAD_INPUT


def _say(sentence: str) -> None:
    print(f"exvideo-generate: {sentence}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="exvideo-generate",
        description="Generates a clip from words, from its first frame, or from both.",
    )
    add = parser.add_argument
    add("--prompt", metavar="TEXT", help="what to show; without --image, the first frame is made from it, too")
    add("--image", type=Path, help="first frame; resized to cover the clip's size, cropped at its centre")
    add(
        "--base",
        default="embedded",
        metavar="DIR",
        help="base model: a folder saved by diffusers, or a hub id (default: the small one that is shipped)",
    )
    add(
        "--text-to-image",
        metavar="DIR",
        help="what makes the first frame: a text-to-image model, folder or hub id (default: the base's own, if any)",
    )
    add(
        "--extension",
        metavar="FILE",
        help="extension.safetensors of a training, its folder, or a hub id (default: the base is sampled directly)",
    )
    add("--num-frames", type=_at_least(1, int), help="default: the extension's, else the base's")
    add("--steps", type=_at_least(1, int), help="denoising steps (default: the base's, else 25)")
    add("--seed", type=_at_least(0, int), default=0, help="of the noise (default: %(default)s)")
    add("--fps", type=_at_least(1, float), help="rate the model is told and the file has (default: the base's, else 7)")
    add("--guidance-min", type=_at_least(1, float), help="guidance of the first frame (default: the base's, else 1)")
    add(
        "--guidance-max",
        type=_at_least(1, float),
        help="guidance of the last frame (default: the base's, else 3; AnimateDiff, of all frames: 7.5)",
    )
    add(
        "--motion-bucket-id",
        type=_at_least(0, float),
        help="motion, 0 to 255 (default: the base's, else 127)",
    )
    add("--height", type=_at_least(1, int), help="pixels (default: what the base was made for)")
    add("--width", type=_at_least(1, int), help="pixels (default: what the base was made for)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: cuda where there is one, else cpu)")
    add("--attention-backend", choices=BACKENDS, help="of the extension's temporal attention; default: auto")
    add("--compile-blocks", action="store_true", help="compile the network's blocks, which takes minutes: for GPUs")
    add("--dtype", choices=DTYPES, default="auto", help="auto: float16 on cuda, else float32")
    add("-o", "--output", required=True, type=Path, metavar="OUT.mp4", help="MP4 file to write")
    add("--version", action="version", version=f"%(prog)s {version('exvideo-infer')}")
    return parser


def _at_least(least: int, number: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = number(text)
        except ValueError:
            value = float("nan")
        if not least <= value < float("inf"):
            kind = "a whole number" if number is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind} of at least {least}")
        return value

    return parse
