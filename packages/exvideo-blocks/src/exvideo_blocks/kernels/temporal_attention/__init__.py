"""Self-attention along the frames of token-major activations."""

from exvideo_blocks.kernels.temporal_attention.op import temporal_attention

__all__ = ["temporal_attention"]
