import subprocess
import sys

HEAVY = ("torch", "deepspeed", "diffusers", "transformers", "mlflow", "pydantic")


def test_import_loads_nothing_heavy() -> None:
    script = f"import sys, exvideo_train; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_export_can_be_had() -> None:
    import exvideo_train

    assert {"TrainConfig", "load_config", "train"} <= set(exvideo_train.__all__)
    for name in exvideo_train.__all__:
        assert getattr(exvideo_train, name).__name__ == name
