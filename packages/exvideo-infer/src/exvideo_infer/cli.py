r"""exvideo-generate: clips from words, from their first frames, or from both.

exvideo-generate --prompt "a red circle bounces" -o out.mp4
exvideo-generate --prompts list.jsonl -o clips/
exvideo-generate --base animatediff_folder --extension extension.safetensors --prompt "a boat" -o out.mp4
exvideo-generate --prompt "the circle moves left" --image first.png -o out.mp4
exvideo-generate --base stabilityai/stable-video-diffusion-img2vid-xt --extension extension.safetensors \
    --image first.png --num-frames 128 --height 512 --width 512 -o out.mp4
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exvideo_infer.jobs.limits import RANGES
from exvideo_infer.options import BAD_INPUT, Parser, add_clip_options, add_model_options, model_choice

if TYPE_CHECKING:
    from exvideo_infer.jobs.job import Clip
    from exvideo_infer.jobs.maker import Maker, Watch
    from exvideo_infer.video_file import VideoInfo

OUT_OF_MEMORY = 3
INTERRUPTED = 130  # a shell's code for a process that Ctrl-C has ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0; or after one sentence on stderr 2 where the input is bad, 3 where memory ran out, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="exvideo-generate: %(message)s")  # words of the prompt that are not read
    try:
        return _run(options)
    except KeyboardInterrupt:
        return _end(INTERRUPTED, "Interrupted: the clip in the making was not written.")
    except (ValueError, RuntimeError, MemoryError) as error:
        from exvideo_infer.memory import is_out_of_memory

        if is_out_of_memory(error):
            shorter = "ask for fewer frames, a smaller height and width, or --dtype float16 on a GPU"
            return _end(OUT_OF_MEMORY, f"There was not enough memory for the clip: {shorter}.")
        if isinstance(error, ValueError):
            return _end(BAD_INPUT, str(error))
        raise


def _run(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    if options.prompts is not None:
        _make_list(options)
        return 0
    from exvideo_infer.first_frame import read_image
    from exvideo_infer.jobs.job import Job
    from exvideo_infer.video_file import check_writable, write_video

    if options.prompt is None and options.image is None:
        raise ValueError('Neither --prompt nor --image is given: say what to show, --prompt "a red circle bounces".')
    check_writable(options.output)
    job = Job(prompt=options.prompt, image=options.image, **_numbers(options))
    if job.image is not None:
        read_image(job.image)
    from exvideo_infer.jobs.load import load_maker
    from exvideo_infer.jobs.maker import Watch

    maker = load_maker(model_choice(options))
    clip = maker.resolve(job)
    _say(f"{clip}, from {'the prompt' if job.image is None else job.image}, {_place(maker)}.")
    watch = Watch()
    info = write_video(options.output, maker.frames(clip, watch), clip.settings["fps"])
    print(_wrote(options.output, info, clip, f", in {time.perf_counter() - start:.1f} s", watch, maker))
    return 0


def _make_list(options: argparse.Namespace) -> None:
    from exvideo_infer.jobs.job_list import read_jobs

    for name in ("prompt", "image"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} stands beside --prompts: write it into a row of the list.")
    jobs = read_jobs(options.prompts, {name: value for name, value in _numbers(options).items() if value is not None})
    folder: Path = options.output
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: give a folder for the clips of --prompts.")
    from exvideo_infer.jobs.load import load_maker
    from exvideo_infer.jobs.run import clip_path, make_all

    maker = load_maker(model_choice(options))
    clips: dict[str, Clip] = {}
    for line, job in jobs.items():
        try:
            clip = maker.resolve(job)
        except ValueError as error:
            raise ValueError(f"{options.prompts}, line {line}: {error}") from error
        name = clip.name(maker.model)
        if clips.setdefault(name, clip) is not clip:
            _say(f"Line {line} asks for clip {name}, as a line before it does: it is made once.")
    folder.mkdir(parents=True, exist_ok=True)
    _say(f"{len(clips)} clips to {folder}, {_place(maker)}.")

    def tell(name: str, clip: "Clip", info: "VideoInfo", watch: "Watch") -> None:
        print(_wrote(clip_path(folder, name), info, clip, "", watch, maker), flush=True)

    made = make_all(clips, folder, maker, tell)
    print(f"{len(clips)} clips are in {folder}: {made} were made here.")


def _numbers(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in RANGES}


def _place(maker: "Maker") -> str:
    return f"on {maker.pipeline.device} in {maker.pipeline.dtype}"


def _wrote(path: Path, info: "VideoInfo", clip: "Clip", took: str, watch: "Watch", maker: "Maker") -> str:
    from exvideo_infer.memory import peak_memory

    step = "" if watch.seconds_per_step is None else f", {watch.seconds_per_step:.3g} s a step"
    return (
        f"Wrote {path}: {info.num_frames} frames of {info.width}x{info.height} at {info.fps:g} fps, "
        f"seed {clip.job.seed}{took}{step}, peak memory {peak_memory(maker.pipeline.device) / 2**30:.2f} GiB."
    )


def _end(code: int, sentence: str) -> int:
    _say(sentence)
    return code


def _say(sentence: str) -> None:
    print(f"exvideo-generate: {sentence}", file=sys.stderr)


def _parser() -> Parser:
    parser = Parser(
        prog="exvideo-generate",
        description="Generates clips from words, from their first frames, or from both.",
    )
    add = parser.add_argument
    add("--prompt", metavar="TEXT", help="what to show; without --image, the first frame is made from it, too")
    add("--image", type=Path, help="first frame; resized to cover the clip's size, cropped at its centre")
    add(
        "--prompts",
        type=Path,
        metavar="LIST.jsonl",
        help='many clips, one object a line: {"prompt": ..., "image": ..., "seed": ..., "num_frames": ...} and so on, '
        "as the options are called; options given here hold for rows that are silent",
    )
    add_model_options(parser)
    add_clip_options(parser)
    add(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="OUT",
        help="MP4 file to write; with --prompts a folder, where processes share the work and a second run goes on",
    )
    add("--version", action="version", version=f"%(prog)s {version('exvideo-infer')}")
    return parser
