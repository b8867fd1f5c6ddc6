"""Self-attention along the frames of token-major activations, and the projections around it."""

from exvideo_blocks.kernels.temporal_attention.op import temporal_attention, temporal_attention_packed
from exvideo_blocks.kernels.temporal_attention.projections import project_packed

__all__ = ["project_packed", "temporal_attention", "temporal_attention_packed"]
