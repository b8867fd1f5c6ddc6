"""Figures of the machine beside those of the training, under the names that MLflow's own pages look for."""

import time

INTERVAL = 10.0  # seconds


class SystemFigures:
    """Reads the load of the processors and the memory in use, every `INTERVAL` seconds; needs psutil."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._due = time.monotonic()
        psutil.cpu_percent(interval=None)  # its figures are of the time since the last call

    def due(self) -> dict[str, float]:
        """The figures, in percent and megabytes; none of them before it is time again."""
        if time.monotonic() < self._due:
            return {}
        self._due = time.monotonic() + INTERVAL
        memory = self._psutil.virtual_memory()
        return {
            "system/cpu_utilization_percentage": self._psutil.cpu_percent(interval=None),
            "system/system_memory_usage_megabytes": memory.used / 1e6,
            "system/system_memory_usage_percentage": memory.percent,
        }
