"""The most memory that the process has held."""

import pytest
import torch
from exvideo_infer import peak_memory
from exvideo_train.memory import peak_gib


def test_the_peak_is_told_in_gib() -> None:
    cpu = torch.device("cpu")
    assert peak_gib(cpu) == pytest.approx(peak_memory(cpu) / 2**30, abs=0.01)
