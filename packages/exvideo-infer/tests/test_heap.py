import os
import platform
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from exvideo_infer import cli, heap, serving
from exvideo_infer.app import cli as app_cli
from exvideo_infer.server import cli as server_cli

_MAPPED = """
import ctypes
from exvideo_infer.heap import return_large_blocks

class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype, libc.malloc.restype = Counts, ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]

def is_mapped(size):  # and so given back when it is freed
    before = libc.mallinfo2().hblkhd
    block = libc.malloc(size)
    mapped = libc.mallinfo2().hblkhd - before >= size
    libc.free(block)
    return mapped

assert is_mapped(16 * 2**20)
assert not is_mapped(8 * 2**20)  # from now on it is kept
print(return_large_blocks(), is_mapped(12 * 2**20), is_mapped(2**18))  # 8 MiB lie there, free
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's heaps are not here")


def _run(**variables: str) -> list[str]:
    environment = {key: value for key, value in os.environ.items() if key not in heap._SETTINGS} | variables
    command = [sys.executable, "-c", _MAPPED]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()


@glibc
def test_large_blocks_are_given_back_and_small_ones_kept() -> None:
    assert _run() == ["True", "True", "False"]


@glibc
def test_a_setting_of_the_users_own_is_left_alone() -> None:
    assert _run(GLIBC_TUNABLES="glibc.malloc.arena_max=4") == ["False", "False", "False"]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not heap.return_large_blocks()


@pytest.mark.parametrize(
    ("main", "module", "arguments"),
    [
        (cli.main, cli, ["-o", "out.mp4"]),
        (app_cli.main, serving, ["--host", "0.0.0.0"]),
        (server_cli.main, serving, ["--host", "0.0.0.0"]),
    ],
)
def test_each_command_gives_large_blocks_back(
    monkeypatch: pytest.MonkeyPatch, main: Callable[[list[str]], int], module: ModuleType, arguments: list[str]
) -> None:
    monkeypatch.delenv("EXVIDEO_TOKEN", raising=False)
    calls: list[bool] = []
    monkeypatch.setattr(module, "return_large_blocks", lambda: calls.append(True))
    assert main(arguments) == 2  # neither words nor a picture; no token
    assert calls
