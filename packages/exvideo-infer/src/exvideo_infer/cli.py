r"""exvideo-generate: clips from words, from their first frames, or from both.

exvideo-generate --prompt "a red circle bounces" -o out.mp4
exvideo-generate --prompts list.jsonl -o clips/
exvideo-generate --again out.mp4 -o same.mkv
exvideo-generate --prompt "a red circle bounces" --beyond windows --num-frames 80 -o out.mp4
exvideo-generate --continue out.mp4 --num-frames 40 -o more.mp4
exvideo-generate --video out.mp4 --strength 0.5 -o again.mp4
exvideo-generate --base animatediff_folder --extension extension.safetensors --prompt "a boat" -o out.mp4
exvideo-generate --prompt "the circle moves left" --image first.png -o out.mp4
exvideo-generate --base stabilityai/stable-video-diffusion-img2vid-xt --extension extension.safetensors \
    --image first.png --num-frames 128 --height 512 --width 512 -o out.mp4
"""

import argparse
import logging
import sys
import time
from collections.abc import Collection, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exvideo_infer.heap import return_large_blocks
from exvideo_infer.jobs.job import FILES, SETTINGS
from exvideo_infer.options import (
    BAD_INPUT,
    INTERRUPTED,
    OUT_OF_MEMORY,
    Parser,
    add_clip_options,
    add_file_options,
    add_model_options,
    given_options,
    model_choice,
)
from exvideo_infer.ranges import RANGES
from exvideo_infer.streams import outliving_readers

if TYPE_CHECKING:
    from exvideo_infer.jobs.job import Clip
    from exvideo_infer.jobs.maker import Maker, Watch
    from exvideo_infer.jobs.run import Write
    from exvideo_infer.video_file import VideoInfo
    from exvideo_infer.video_file.formats import Encoding


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0; or after one sentence on stderr 2 where the input is bad, 3 where memory ran out, 130 after Ctrl-C.
    """
    with outliving_readers():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(format="exvideo-generate: %(message)s")  # words of the prompt that are not read
    return_large_blocks()
    try:
        return _run(options, given_options(parser, arguments))
    except KeyboardInterrupt:
        return _end(INTERRUPTED, "Interrupted: the clip in the making was not written.")
    except (ValueError, RuntimeError, MemoryError) as error:
        from exvideo_infer.memory import is_out_of_memory

        if is_out_of_memory(error):
            less = "or, of a base in Stable Video Diffusion's shape, --guidance-apart or --decode-tile-size 256"
            shorter = f"ask for fewer frames, a smaller height and width, or --dtype float16 on a GPU, {less}"
            return _end(OUT_OF_MEMORY, f"There was not enough memory for the clip: {shorter}.")
        if isinstance(error, ValueError):
            return _end(BAD_INPUT, str(error))
        raise


def _run(options: argparse.Namespace, given: Collection[str]) -> int:
    start = time.perf_counter()
    if options.prompts is not None:
        _make_list(options)
        return 0
    from exvideo_infer.contact_sheet import ContactSheet
    from exvideo_infer.jobs.job import Job
    from exvideo_infer.pictures import read_image
    from exvideo_infer.video_file import probe

    record = None if options.again is None else _recall(options, given)
    if all(getattr(options, name) is None for name in ("prompt", *FILES)):
        raise ValueError('Neither --prompt nor --image is given: say what to show, --prompt "a red circle bounces".')
    _encoding(options)
    sheet_path = _sheet_path(options)
    job = Job(prompt=options.prompt, **{name: getattr(options, name) for name in FILES}, **_numbers(options))
    if job.image is not None:
        read_image(job.image)
    for path in filter(None, (job.continues, job.video)):
        probe(path)
    from exvideo_infer.bases.base import silence_loading

    silence_loading()  # before what gives notices as it is imported
    from exvideo_infer.jobs.load import load_maker
    from exvideo_infer.jobs.maker import Watch
    from exvideo_infer.jobs.record import check_again

    maker = load_maker(model_choice(options))
    clip = maker.resolve(job)
    for note in () if record is None else check_again(record, options.again, clip, maker, given):
        _say(note)
    _say(f"{clip}, from {job.image or job.continues or job.video or 'the prompt'}, {_place(maker)}. {clip.cost}")
    watch, sheet = Watch(), ContactSheet(clip.settings["num_frames"], clip.settings["fps"])
    info = _write(options, maker)(options.output, clip, sheet.watch(maker.frames(clip, watch)))
    print(_wrote(options.output, info, clip, f", in {time.perf_counter() - start:.1f} s", watch, maker))
    if sheet_path is not None:
        sheet.save(sheet_path)
        print(f"Wrote {sheet_path}, its contact sheet.")
    return 0


def _recall(options: argparse.Namespace, given: Collection[str]) -> dict[str, Any]:
    """Fills in the options that are not given from the metadata of the clip to be made again, which is returned."""
    from exvideo_infer.jobs.record import options_of
    from exvideo_infer.video_file import read_metadata

    record = read_metadata(options.again)
    for name, value in options_of(record, options.again, _encoding(options)).items():
        of_another = (name == "num_frames" and "seconds" in given) or (name in SETTINGS and "beyond" in given)
        if name not in given and not of_another:
            setattr(options, name, value)
    return record


def _encoding(options: argparse.Namespace) -> "Encoding":
    from exvideo_infer.video_file import check_writable

    return check_writable(options.output, crf=options.crf, pixel_format=options.pixel_format, fps=options.fps)


def _sheet_path(options: argparse.Namespace) -> Path | None:
    from exvideo_infer.contact_sheet import check_sheet

    if options.sheet is None:
        return None
    path: Path = options.sheet if options.sheet.name else options.output.with_suffix(".png")
    check_sheet(path)
    return path


def _write(options: argparse.Namespace, maker: "Maker") -> "Write":
    from exvideo_infer.jobs.record import write_with_record

    settings = {"crf": options.crf, "pixel_format": options.pixel_format}
    return write_with_record(model_choice(options), maker, **settings, metadata=not options.no_metadata)


def _make_list(options: argparse.Namespace) -> None:
    from exvideo_infer.jobs.job_list import read_jobs
    from exvideo_infer.jobs.run import SUFFIX, clip_path, make_all
    from exvideo_infer.video_file.formats import choose_encoding

    for name in ("prompt", *FILES):
        if getattr(options, name) is not None:
            name = "continue" if name == "continues" else name
            raise ValueError(f"--{name} stands beside --prompts: write it into a row of the list.")
    for name in ("again", "sheet"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} stands beside --prompts, and is of one clip: leave it out.")
    choose_encoding(SUFFIX, "mp4", options.crf, options.pixel_format)
    jobs = read_jobs(options.prompts, {name: value for name, value in _numbers(options).items() if value is not None})
    folder: Path = options.output
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: give a folder for the clips of --prompts.")
    from exvideo_infer.bases.base import silence_loading

    silence_loading()  # before what gives notices as it is imported
    from exvideo_infer.jobs.load import load_maker

    maker = load_maker(model_choice(options))
    clips: dict[str, Clip] = {}
    for line, job in jobs.items():
        try:
            clip = maker.resolve(job)
        except ValueError as error:
            raise ValueError(f"{options.prompts}, line {line}: {error}") from error
        name = clip.file_name(maker.model)
        if clips.setdefault(name, clip) is not clip:
            if clips[name].name(maker.model) != clip.name(maker.model):
                raise ValueError(f"{options.prompts}, line {line}: {name} is the name of another clip before it.")
            _say(f"Line {line} asks for clip {name}, as a line before it does: it is made once.")
    folder.mkdir(parents=True, exist_ok=True)
    asked = sum(clip.evaluations or 0 for clip in clips.values())
    _say(f"{len(clips)} clips to {folder}, {_place(maker)}. They take {asked} evaluations of the network in all.")

    def tell(name: str, clip: "Clip", info: "VideoInfo", watch: "Watch") -> None:
        print(_wrote(clip_path(folder, name), info, clip, "", watch, maker), flush=True)

    made = make_all(clips, folder, maker, tell, _write(options, maker))
    print(f"{len(clips)} clips are in {folder}: {made} were made here.")


def _numbers(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in (*RANGES, "beyond", "interpolator")}


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
        "--continue",
        dest="continues",
        type=Path,
        metavar="CLIP",
        help="go on with a clip from its last frame, at its rate; what is written are the frames after it",
    )
    add("--video", type=Path, metavar="CLIP", help="a clip to begin from: noise is put on it, and taken off again")
    add(
        "--prompts",
        type=Path,
        metavar="LIST.jsonl",
        help='many clips, one object a line: {"prompt": ..., "image": ..., "seed": ..., "num_frames": ...} and so on, '
        "as the options are called; options given here hold for rows that are silent",
    )
    add(
        "--again",
        type=Path,
        metavar="CLIP",
        help="make a clip again, by what its file says of how it was made; options given beside it are taken instead",
    )
    add_model_options(parser)
    add_clip_options(parser)
    add_file_options(parser)
    add(
        "--sheet",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="SHEET.png",
        help="also write a contact sheet, some frames on one picture (default name: the clip's, with .png)",
    )
    add(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="OUT",
        help="file to write: .mp4, .webm, .mkv (lossless), .gif, .webp; without a suffix, a folder of PNG frames; with "
        "--prompts a folder of MP4s, where processes share the work and a second run goes on",
    )
    add("--version", action="version", version=f"%(prog)s {version('exvideo-infer')}")
    return parser
