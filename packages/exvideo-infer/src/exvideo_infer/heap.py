"""glibc's heaps, which keep freed blocks of up to 32 MiB in pieces that a later block of another size does not fit."""

import ctypes
import os
import platform

LARGE = 2**20  # bytes
_M_MMAP_THRESHOLD = -3  # malloc.h
_SETTINGS = ("MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def return_large_blocks() -> bool:
    """Lets this process give each freed block of 1 MiB or more back at once, so that its peak is what it uses.

    By itself glibc raises the size from which it does so to that of the largest block freed, up to 32 MiB
    (mallopt(3), M_MMAP_THRESHOLD). Blocks below lie in heaps that break into pieces: activations of small pictures, of
    many sizes, then take up to twice what is alive, another amount in each run, and the more the longer it runs. It
    is a setting of the whole process, for command lines; a library leaves it to the program.

    Returns:
        True if it is set: not where the C library is another one, nor where the user's environment has set its own.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _SETTINGS):
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE))
