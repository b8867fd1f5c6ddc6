"""A server's address, the token that it asks for where other machines reach it, and the limits that it keeps."""

import argparse
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from exvideo_infer.heap import return_large_blocks
from exvideo_infer.jobs.limits import Limits
from exvideo_infer.options import BAD_INPUT, INTERRUPTED
from exvideo_infer.streams import outliving_readers

TOKEN_VARIABLE = "EXVIDEO_TOKEN"


def add_serving_options(parser: argparse.ArgumentParser, port: int) -> None:
    """Adds --host, --port, --token, --output and the limits."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen at (default: %(default)s, this machine alone)")
    add("--port", type=_port, default=port, help="0 takes a free one (default: %(default)s)")
    add("--token", help=f"that others need; better in {TOKEN_VARIABLE}, which no list of processes shows")
    add("-o", "--output", type=Path, default=Path("clips"), metavar="DIR", help="folder of clips (default: clips)")
    for name, what in {
        "pixels": "height times width of a clip",
        "frames": "frames of a clip",
        "steps": "steps of a clip",
        "queue": "clips that may wait",
    }.items():
        default = getattr(Limits, name)
        add(f"--max-{name}", type=_count, default=default, help=f"{what}, at most (default: %(default)s)")


def serve(program: str, run: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Runs a server until it is stopped: returns 130 after Ctrl-C, 2 after one sentence where it cannot start."""
    logging.basicConfig(format=f"{program}: %(message)s")
    return_large_blocks()
    try:
        with outliving_readers():
            run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ValueError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def limits_of(options: argparse.Namespace) -> Limits:
    """The limits that the options say."""
    return Limits(options.max_pixels, options.max_frames, options.max_steps, options.max_queue)


def check_folder(folder: Path) -> None:
    """Raises ValueError if clips cannot be put there."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: give a folder for the clips.")


def check_token(host: str, token: str | None) -> str | None:
    """The token that a server at this host asks for; None where it is reached from this machine alone and has none.

    Args:
        host: address that it listens at.
        token: as given on the command line; else that of `TOKEN_VARIABLE`.

    Raises:
        ValueError: it would be reached from other machines without one, or the token is empty.
    """
    token = os.environ.get(TOKEN_VARIABLE) if token is None else token
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


def url_of(listener: socket.socket) -> str:
    """The address of a socket, for a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
