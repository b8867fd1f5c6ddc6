"""exvideo-app: a web page that makes clips, one after another, by one loaded model.

exvideo-app
exvideo-app --extension extension.safetensors
EXVIDEO_TOKEN=... exvideo-app --host 0.0.0.0
"""

import argparse
import os
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exvideo_infer.options import Parser, add_model_options, model_choice
from exvideo_infer.serving import add_serving_options, bind, check_folder, check_token, limits_of, serve, url_of

if TYPE_CHECKING:
    from exvideo_infer.jobs.maker import Maker

USER = "exvideo"  # who logs in, with the token as the password


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves the page until it is stopped: returns 130 after Ctrl-C, 2 after one sentence where it cannot start."""
    return serve("exvideo-app", _serve, _parser().parse_args(arguments))


def _serve(options: argparse.Namespace) -> None:
    token = check_token(options.host, options.token)
    check_folder(options.output)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # it would ask the network at its import
    try:
        from gradio.themes import Default

        from exvideo_infer.app.page import CSS, Page
    except ModuleNotFoundError as error:
        raise ValueError(f'{error.name} is not installed: pip install "exvideo-infer[app]".') from error
    from exvideo_infer.bases.base import silence_loading

    silence_loading()  # before what gives notices as it is imported
    from exvideo_infer.jobs.load import load_maker
    from exvideo_infer.jobs.queue import JobQueue
    from exvideo_infer.jobs.record import write_with_record

    with bind(options.host, options.port) as listener:  # to find out before the model is loaded
        url, port = url_of(listener), listener.getsockname()[1]
    choice = model_choice(options)
    maker = load_maker(choice)
    write = write_with_record(choice, maker, paths=False)
    queue = JobQueue(maker, options.output.absolute(), limits_of(options), _show(options.base), write)
    extension = "without an extension" if options.extension is None else f"extended by {options.extension}"
    dtype = str(maker.pipeline.dtype).removeprefix("torch.")
    what = f"The base {options.base}, {extension}, on {maker.pipeline.device} in {dtype}."
    page = Page(queue, what, compares=_can_compare(maker)).build()
    try:
        page.launch(
            server_name=options.host,
            server_port=port,
            allowed_paths=[str(queue.folder)],
            auth=None if token is None else (USER, token),
            theme=Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),  # of no other site
            css=CSS,
            footer_links=[],
            share=False,
            ssr_mode=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=queue.limits.body_bytes,
        )
        print(f"The page is at {url}, clips go to {options.output}.", flush=True)
        threading.Event().wait()
    finally:
        page.close(verbose=False)
        queue.close()


def _can_compare(maker: "Maker") -> bool:
    return getattr(maker.pipeline, "extension", None) is not None


def _show(base: str) -> Any:
    """Makes a preview of a step, where the base's folder has the matrix for it."""
    from exvideo_infer import embedded
    from exvideo_infer.bases import EMBEDDED
    from exvideo_infer.preview import load_preview, spread

    preview = load_preview(embedded.directory() if base == EMBEDDED else Path(base))
    if preview is None:
        return None

    def show(tensors: Mapping[str, Any]) -> Any:
        return preview(spread(tensors["pred_original_sample"][0]))

    return show


def _parser() -> Parser:
    parser = Parser(prog="exvideo-app", description="A web page that makes clips from words or a first frame.")
    add_serving_options(parser, port=7860)
    add_model_options(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('exvideo-infer')}")
    return parser
