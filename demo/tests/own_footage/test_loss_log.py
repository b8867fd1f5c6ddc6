"""Every loss is kept, and the lines printed are means of what came since the line before."""

import json
from pathlib import Path

import pytest

from demo.own_footage.loss_log import LossLog


def test_losses_are_printed_now_and_then_and_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = LossLog("VAE", steps=10, lines=3)
    for step in range(10):
        log.add(float(step))
    printed = capsys.readouterr().out.splitlines()
    assert ["4/10" in printed[0], "8/10" in printed[1], "10/10" in printed[2]] == [True] * 3
    assert "loss 1.5000" in printed[0]
    assert "loss 5.5000" in printed[1]
    assert "loss 8.5000" in printed[2]
    log.write(tmp_path / "loss.json")
    assert json.loads((tmp_path / "loss.json").read_text()) == {"name": "VAE", "losses": [float(i) for i in range(10)]}
