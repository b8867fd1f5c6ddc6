import subprocess
import sys


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, exvideo_blocks; print([m for m in ('torch', 'diffusers', 'transformers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_extend_is_always_the_function() -> None:
    code = "import exvideo_blocks.mount, exvideo_blocks; print(callable(exvideo_blocks.extend))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "True"
