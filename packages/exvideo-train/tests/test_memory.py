"""The most memory that the process has held."""

import subprocess
import sys

RISING = """
import torch
from exvideo_train.memory import peak_gib, start_phase

cpu = torch.device("cpu")
start_phase(cpu)
before = peak_gib(cpu)
held = torch.ones(int(before * 2**30) + 64 * 2**20, dtype=torch.uint8)  # more than it has ever held
risen = peak_gib(cpu)
assert held[-1] == 1
assert risen - before >= 32 / 2**10, (before, risen)
del held
assert peak_gib(cpu) >= risen
"""


def test_the_peak_of_a_process_rises_and_stays() -> None:
    # In a process that has held little yet.
    done = subprocess.run([sys.executable, "-c", RISING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
