import subprocess
import sys

import exvideo_eval


def test_importing_the_package_and_asking_for_help_load_nothing_heavy() -> None:
    code = (
        "import sys, exvideo_eval, exvideo_eval.cli, exvideo_eval.compare\n"
        "print([name for name in ('torch', 'matplotlib', 'av', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_had() -> None:
    for name in exvideo_eval.__all__:
        assert getattr(exvideo_eval, name) is not None
