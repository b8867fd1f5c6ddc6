"""exvideo-serve: makes clips over HTTP, one after another, by one loaded model.

exvideo-serve
exvideo-serve --extension extension.safetensors --port 8000 -o clips/
EXVIDEO_TOKEN=... exvideo-serve --host 0.0.0.0
"""

import argparse
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from exvideo_infer.options import BAD_INPUT, Parser, add_model_options, model_choice

TOKEN_VARIABLE = "EXVIDEO_TOKEN"
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server until it is stopped: returns 130 after Ctrl-C, 2 after one sentence where it cannot start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="exvideo-serve: %(message)s")
    try:
        _serve(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ValueError as error:
        print(f"exvideo-serve: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def check_token(host: str, token: str | None) -> str | None:
    """The token that a server at this host asks for; None where it is reached from this machine alone and has none.

    Raises:
        ValueError: it would be reached from other machines without one, or the token is empty.
    """
    if token is not None and not token.strip():
        raise ValueError("The token is empty: give one that is hard to guess.")
    if token is None and not _is_loopback(host):
        raise ValueError(
            f"--host {host} can be reached from other machines, and there is no token: set {TOKEN_VARIABLE} or give "
            "--token, or leave the host at 127.0.0.1."
        )
    return token if token is None else token.strip()


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises ValueError if that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # now, so that whoever reads the address can ask at once
    except OSError as error:
        listener.close()
        raise ValueError(f"{host}, port {port}, cannot be had ({error.strerror}): give another --port.") from error
    return listener


def _serve(options: argparse.Namespace) -> None:
    token = check_token(options.host, options.token or os.environ.get(TOKEN_VARIABLE))
    if options.output.exists() and not options.output.is_dir():
        raise ValueError(f"{options.output} is a file: give a folder for the clips.")
    try:
        import uvicorn

        from exvideo_infer.server.routes import create_app
    except ModuleNotFoundError as error:
        raise ValueError(f'{error.name} is not installed: pip install "exvideo-infer[server]".') from error
    from exvideo_infer.jobs.load import load_maker
    from exvideo_infer.jobs.queue import JobQueue
    from exvideo_infer.server.requests import Limits

    listener = bind(options.host, options.port)
    limits = Limits(options.max_pixels, options.max_frames, options.max_steps, options.max_queue)
    queue = JobQueue(load_maker(model_choice(options)), options.output, limits.queue)
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"Serving on http://{host}:{listener.getsockname()[1]}/v1/videos, clips to {options.output}.", flush=True)
    config = uvicorn.Config(create_app(queue, limits, token), log_level="warning")
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        queue.close()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parser() -> Parser:
    parser = Parser(prog="exvideo-serve", description="Makes clips over HTTP: POST, GET and DELETE /v1/videos.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen at (default: %(default)s, this machine alone)")
    add("--port", type=_port, default=8000, help="0 takes a free one (default: %(default)s)")
    add("--token", help=f"that requests need; better in {TOKEN_VARIABLE}, which no list of processes shows")
    add("-o", "--output", type=Path, default=Path("clips"), metavar="DIR", help="folder of clips (default: clips)")
    for name, default, what in (
        ("pixels", 1024 * 1024, "height times width of a clip"),
        ("frames", 256, "frames of a clip"),
        ("steps", 100, "steps of a clip"),
        ("queue", 16, "clips that may wait"),
    ):
        add(f"--max-{name}", type=_count, default=default, help=f"{what}, at most (default: %(default)s)")
    add_model_options(parser)
    add("--version", action="version", version=f"%(prog)s {version('exvideo-infer')}")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
