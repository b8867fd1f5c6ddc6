"""Reads the JSON of pytest-benchmark (`--benchmark-json`, format 3 to 5): https://pytest-benchmark.readthedocs.io."""

import json
from pathlib import Path
from typing import Any


def read_times(path: Path) -> list[dict[str, Any]]:
    """Each benchmark's name and, as one turn by the wall, the best of its rounds: [{"name", "wall": [seconds a call]}].

    Raises:
        ValueError: the file is no such JSON.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not (isinstance(content, dict) and {"benchmarks", "machine_info"} <= content.keys()):
        raise ValueError(f"{path} is not what pytest-benchmark writes: give the file of its --benchmark-json.")
    return [
        {"name": benchmark["fullname"].rpartition("/")[2], "wall": [benchmark["stats"]["min"]]}
        for benchmark in content["benchmarks"]
    ]
