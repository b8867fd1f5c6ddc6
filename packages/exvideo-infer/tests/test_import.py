import subprocess
import sys

HEAVY = ("torch", "numpy", "diffusers", "transformers", "av", "PIL")


def test_import_loads_nothing_heavy() -> None:
    script = f"import sys, exvideo_infer; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_export_can_be_had() -> None:
    import exvideo_infer

    for name in exvideo_infer.__all__:
        assert getattr(exvideo_infer, name).__name__ == name
