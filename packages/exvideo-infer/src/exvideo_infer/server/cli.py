"""exvideo-serve: makes clips over HTTP, one after another, by one loaded model.

exvideo-serve
exvideo-serve --extension extension.safetensors --port 8000 -o clips/
EXVIDEO_TOKEN=... exvideo-serve --host 0.0.0.0
"""

import argparse
from collections.abc import Sequence
from importlib.metadata import version

from exvideo_infer.options import Parser, add_model_options, model_choice
from exvideo_infer.serving import add_serving_options, bind, check_folder, check_token, limits_of, serve, url_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server until it is stopped: returns 130 after Ctrl-C, 2 after one sentence where it cannot start."""
    return serve("exvideo-serve", _serve, _parser().parse_args(arguments))


def _serve(options: argparse.Namespace) -> None:
    token = check_token(options.host, options.token)
    check_folder(options.output)
    try:
        import uvicorn

        from exvideo_infer.server.routes import create_app
    except ModuleNotFoundError as error:
        raise ValueError(f'{error.name} is not installed: pip install "exvideo-infer[server]".') from error
    from exvideo_infer.bases.base import silence_loading

    silence_loading()  # before what gives notices as it is imported
    from exvideo_infer.jobs.load import load_maker
    from exvideo_infer.jobs.queue import JobQueue
    from exvideo_infer.jobs.record import write_with_record

    listener = bind(options.host, options.port)
    choice = model_choice(options)
    maker = load_maker(choice)
    queue = JobQueue(maker, options.output, limits_of(options), write=write_with_record(choice, maker, paths=False))
    print(f"Serving on {url_of(listener)}/v1/videos, clips to {options.output}.", flush=True)
    config = uvicorn.Config(create_app(queue, token), log_level="warning")
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        queue.close()


def _parser() -> Parser:
    parser = Parser(prog="exvideo-serve", description="Makes clips over HTTP: POST, GET and DELETE /v1/videos.")
    add_serving_options(parser, port=8000)
    add_model_options(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('exvideo-infer')}")
    return parser
