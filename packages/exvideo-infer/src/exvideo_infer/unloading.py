"""A network's weights off its device while another one needs the memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from exvideo_infer.placement import execution_device


@contextmanager
def unloaded(network: Any) -> Iterator[None]:
    """A block in which a network rests in main memory. One that rests there anyway, or is offloaded, stays as it is.

    Args:
        network: of diffusers; no other thread runs it within the block.
    """
    device = network.device
    if device.type == "cpu" or execution_device(network) != device or hasattr(network, "_hf_hook"):
        yield
        return
    from diffusers.utils.torch_utils import empty_device_cache

    network.to("cpu")
    empty_device_cache(device.type)
    try:
        yield
    finally:
        network.to(device)
