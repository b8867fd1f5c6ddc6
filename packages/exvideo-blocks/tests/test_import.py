import subprocess
import sys

import exvideo_blocks

HEAVY = ("torch", "diffusers", "transformers", "peft", "safetensors", "huggingface_hub")


def loaded(code: str) -> list[str]:
    """The heavy modules that are there after some code has run in a new process."""
    code += f"\nimport sys; print(*(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded("import exvideo_blocks; dir(exvideo_blocks)") == []


def test_reading_a_header_loads_neither_diffusers_nor_the_hub() -> None:
    code = """
from exvideo_blocks import read_extension_header
try:
    read_extension_header("absent.safetensors")
except ValueError as error:
    assert "is not a file" in str(error)
"""
    assert not {"diffusers", "transformers", "peft", "huggingface_hub"} & set(loaded(code))


def test_extend_is_always_the_function() -> None:
    code = "import exvideo_blocks.mount, exvideo_blocks; print(callable(exvideo_blocks.extend))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "True"


def test_every_exported_name_is_there() -> None:
    assert [name for name in exvideo_blocks.__all__ if not hasattr(exvideo_blocks, name)] == []
