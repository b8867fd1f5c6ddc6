"""A sum and the layer norm of it, in one pass over memory."""

from exvideo_blocks.kernels.add_layer_norm.op import add_layer_norm

__all__ = ["add_layer_norm"]
