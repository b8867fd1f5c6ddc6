"""The small text-to-video model that ships with this package: `ExVideoPipeline.from_pretrained("embedded")`.

Its files lie beside this one, in the layout that `exvideo_infer.load_base` reads; `README.md` is its card.
"""

from pathlib import Path


def directory() -> Path:
    """The model's folder."""
    return Path(__file__).parent


def extension() -> Path:
    """An extension of it to 40 frames, made by the recipe of the repository's demo: `--extension embedded`."""
    return Path(__file__).parent / "extension.safetensors"
