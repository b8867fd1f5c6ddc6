"""`exvideo-eval --real DIR --generated DIR`: judge generated clips against real ones, write a report.

`torchrun --nproc-per-node 4 -m exvideo_eval --real DIR --generated DIR` does so by four processes.
`exvideo-eval compare` and `exvideo-eval ab` are programs of their own, each in its module.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING

from exvideo_eval.features.choice import CHOICES
from exvideo_eval.measure_options import add_measure_options, clip_measures, measure_settings
from exvideo_eval.result_parts import Metric
from exvideo_eval.streams import outliving_readers

if TYPE_CHECKING:
    from exvideo_eval.suite import Evaluation

COMMANDS = {"ab": "exvideo_eval.ab.command", "compare": "exvideo_eval.compare_command"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when a report was written, 2 (and one sentence on stderr) when it cannot be."""
    with outliving_readers():
        return _main(list(sys.argv[1:] if arguments is None else arguments))


def _main(given: list[str]) -> int:
    if given[:1] and given[0] in COMMANDS:
        status: int = import_module(COMMANDS[given[0]]).main(given[1:])
        return status
    options = _parser().parse_args(given)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("exvideo_eval").setLevel(logging.INFO)
    try:
        return _run(options)
    except ValueError as error:
        print(f"exvideo-eval: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    from exvideo_eval.execution import Execution, available_workers
    from exvideo_eval.plan import Settings
    from exvideo_eval.processes import Processes
    from exvideo_eval.report import require_report, write_report
    from exvideo_eval.suite import evaluate, take_part

    settings = Settings(
        features=options.features,
        num_frames=options.frames,
        size=options.size,
        window=options.window,
        window_stride=options.window_stride,
        dimension=options.dimension,
        resamples=options.resamples,
        level=options.level,
        seed=options.seed,
        seam_every=options.seam_every,
        thirds=options.thirds,
    )
    processes = Processes.started()
    execution = Execution(
        cache=options.cache or _cache_beside(options.output),
        device=options.device,
        batch_size=options.batch_size,
        workers=available_workers() if options.workers is None else options.workers,
        processes=processes,
        progress=processes.is_main,
    )
    folders = (options.real, options.generated, options.baseline)
    measures, by_clip = measure_settings(options), clip_measures(options)
    published = () if measures is None else measures.measures
    require_report(options.output, options.examples, options.examples_by, (*by_clip, *published))
    if not processes.is_main:
        take_part(*folders, settings, execution, measures, by_clip, options.base_clips)
        processes.leave()
        return 0
    evaluation = evaluate(
        *folders, settings, execution=execution, measures=measures, clip_measures=by_clip, base_clips=options.base_clips
    )
    processes.leave()
    _tell(evaluation, write_report(options.output, evaluation, options.examples, options.examples_by))
    return 0


def _cache_beside(output: Path) -> Path:
    """The folder of that name and "-cache"; raises ValueError for the root of a file system, beside which is none."""
    whole = Path(os.path.abspath(output))
    if not whole.name:
        raise ValueError(f"--output is {output}, beside which no cache can be: give a folder in it, or --cache.")
    return whole.with_name(f"{whole.name}-cache")


def _tell(evaluation: "Evaluation", files: Sequence[Path]) -> None:
    results = {"baseline": evaluation.baseline, "generated": evaluation.generated, "contrast": evaluation.contrast}
    for name, result in results.items():
        for metric in result.metrics if result is not None else ():
            if metric.better != "neutral":
                print(f"{name}: {_line(metric)}")
    print(f"Report: {', '.join(map(str, files))}")


def _line(metric: Metric) -> str:
    """A metric with what it rests on: its interval, the number of clips, of dimensions if there are any, and p."""
    interval = "" if metric.interval is None else f" [{metric.interval.low:.4g}, {metric.interval.high:.4g}]"
    dimension = "" if metric.dimension is None else f", dimension {metric.dimension}"
    chance = "" if metric.significance is None else f", p {metric.significance.p_value:.2g}"
    return f"{metric.name} {metric.value:.4g}{interval} (n {metric.n}{dimension}{chance})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exvideo-eval",
        description="Judge generated clips against real ones.",
        epilog="Other commands, each with a --help of its own: exvideo-eval compare, exvideo-eval ab.",
    )
    parser.add_argument("--version", action="version", version=metadata.version("exvideo-eval"))
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="folder of real video files")
    parser.add_argument("--generated", type=Path, required=True, metavar="DIR", help="folder of generated video files")
    parser.add_argument(
        "--baseline", type=Path, metavar="DIR", help="a second generated set, reported beside the first"
    )
    parser.add_argument(
        "--base-clips", type=Path, metavar="DIR", help="the base's own short clips: fragments are compared with them"
    )
    parser.add_argument("--thirds", action="store_true", help="distances by third; always with --base-clips")
    parser.add_argument("--output", type=Path, default=Path("out/report"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--features", choices=CHOICES, default="auto", help="network of the Fréchet distance")
    parser.add_argument("--frames", type=int, metavar="N", help="frames of each clip; default: as the generated files")
    parser.add_argument("--size", type=_size, metavar="HxW", help="pixels compared; default: as the generated files")
    parser.add_argument(
        "--window", type=int, metavar="N", help="frames a feature vector; default: 16, at most --frames"
    )
    parser.add_argument("--window-stride", type=int, metavar="N", help="frames between windows; default: half a window")
    parser.add_argument("--dimension", type=int, metavar="N", help="of the Fréchet distance; default: as clips allow")
    parser.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="draws of intervals and tests; default: %(default)s"
    )
    parser.add_argument(
        "--seam-every", type=int, metavar="N", help="look for a seam at frames N, 2 N, ...: borders of windows"
    )
    parser.add_argument("--level", type=float, default=0.95, help="of the intervals; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of all draws; default: %(default)s")
    parser.add_argument(
        "--examples", type=int, default=6, metavar="N", help="clips that report.html shows; default: 6, 0 for no page"
    )
    parser.add_argument(
        "--examples-by", default="motion energy", metavar="MEASURE", help="best to worst; default: motion energy"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="what was measured of files, for later runs; default: OUTPUT-cache"
    )
    parser.add_argument("--device", default="cpu", help="of the networks: cpu, cuda, cuda:N; default: cpu")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=8,
        metavar="N",
        help="samples a network takes at a time; default: 8",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="files read at a time; default: one a processor")
    add_measure_options(parser)
    return parser


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, such as 64x64")
    return int(height), int(width)
