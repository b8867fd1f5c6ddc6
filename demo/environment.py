"""Variables of the environment that libraries read when they are imported."""

import os


def set_environment() -> None:
    """Makes libraries quiet and small operations fast, but for what a person has set; before torch is imported."""
    for library in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY"):
        os.environ.setdefault(library, "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # By default OpenMP's threads wait for each other in a busy loop, for milliseconds: where another program has one of
    # the two cores, that makes small operations ten times slower.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
