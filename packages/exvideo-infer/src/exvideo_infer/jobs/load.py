"""Loads the model that is chosen, and puts it on its device."""

from typing import Any

from exvideo_blocks import BackendError, compile_blocks, extension_of, networks_of

from exvideo_infer.bases import STOCK, pipeline_class
from exvideo_infer.bases.base import silence_loading
from exvideo_infer.extensions import check_extension
from exvideo_infer.jobs.maker import Maker, load_pipeline_maker
from exvideo_infer.jobs.model import ModelChoice, choose_device, choose_dtype
from exvideo_infer.jobs.stock_maker import load_stock_maker


def load_maker(choice: ModelChoice) -> Maker:
    """Loads what is chosen; the quick checks come first.

    Raises:
        ValueError: a part cannot be had, or does not fit; one sentence.
    """
    device = choose_device(choice.device)
    dtype = choose_dtype(choice.dtype, device)
    for extension in (choice.extension, choice.extension_2):
        if extension is not None:
            check_extension(extension)
    silence_loading()
    stock = pipeline_class(choice.base) in STOCK
    maker: Maker = load_stock_maker(choice, dtype) if stock else load_pipeline_maker(choice, dtype)
    maker.pipeline.to(device)
    if choice.attention_backend is not None:
        _choose_backend(maker.pipeline, choice.attention_backend)
    if choice.compile_blocks:
        compile_blocks(maker.pipeline)
    return maker


def _choose_backend(pipeline: Any, backend: str) -> None:
    found = map(extension_of, networks_of(pipeline).values())
    extensions = [extension for extension in found if extension is not None]
    if not extensions:
        raise ValueError(f"--attention-backend {backend} is of an extension's attention: give --extension, too.")
    try:
        for extension in extensions:
            extension.set_attention_backend(backend)
    except BackendError as error:
        raise ValueError(f"--attention-backend: {error}") from error
