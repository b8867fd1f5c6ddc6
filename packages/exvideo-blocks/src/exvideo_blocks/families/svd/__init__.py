"""Stable Video Diffusion, and models of its shape that read text besides: image to video."""

from exvideo_blocks.families.svd.objective import SigmaObjective as SigmaObjective
from exvideo_blocks.families.svd.objective import call as call
from exvideo_blocks.families.svd.objective import karras_sigmas as karras_sigmas
from exvideo_blocks.families.svd.objective import objective as objective
from exvideo_blocks.families.svd.sites import adapted_names as adapted_names
from exvideo_blocks.families.svd.sites import architecture as architecture
from exvideo_blocks.families.svd.sites import base_frames as base_frames
from exvideo_blocks.families.svd.sites import dead_names as dead_names
from exvideo_blocks.families.svd.sites import extended_site as extended_site
from exvideo_blocks.families.svd.sites import find_sites as find_sites
from exvideo_blocks.families.svd.sites import model_class as model_class
from exvideo_blocks.families.svd.sites import rows as rows
from exvideo_blocks.levels import LEVELS as LEVELS

NAME = "svd"
PIPELINE_TAG = "image-to-video"
SUBFOLDER = "unet"
_BLOCK = r"(^|\.)temporal_transformer_blocks\..*"
GROUPS = {
    "LoRA": r"\.lora_[AB]\b",
    "frame tables": r"(^|\.)frame_table",
    "identity convolutions": r"(^|\.)identity_conv",
    "time_pos_embed": r"(^|\.)time_pos_embed\.",
    "temporal attn1": _BLOCK + r"\.attn1\.",
    "temporal attn2": _BLOCK + r"\.attn2\.",
    "temporal feed-forwards": _BLOCK + r"\.ff(_in)?\.",
    "temporal norms": _BLOCK + r"\.norm\w*\.",
}
