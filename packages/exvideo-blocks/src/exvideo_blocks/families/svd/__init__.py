"""Stable Video Diffusion, and models of its shape that read text besides: image to video."""

from exvideo_blocks.families.family import row_a_frame, unet_groups
from exvideo_blocks.families.svd.frame_rate import tell_frame_rate as tell_frame_rate
from exvideo_blocks.families.svd.objective import SigmaObjective as SigmaObjective
from exvideo_blocks.families.svd.objective import call as call
from exvideo_blocks.families.svd.objective import karras_sigmas as karras_sigmas
from exvideo_blocks.families.svd.objective import objective as objective
from exvideo_blocks.families.svd.sites import adapted_names as adapted_names
from exvideo_blocks.families.svd.sites import architecture as architecture
from exvideo_blocks.families.svd.sites import base_frames as base_frames
from exvideo_blocks.families.svd.sites import can_run as can_run
from exvideo_blocks.families.svd.sites import dead_names as dead_names
from exvideo_blocks.families.svd.sites import extended_site as extended_site
from exvideo_blocks.families.svd.sites import find_sites as find_sites
from exvideo_blocks.families.svd.sites import model_class as model_class
from exvideo_blocks.levels import LEVELS as LEVELS

NAME = "svd"
PIPELINE_TAG = "image-to-video"
SUBFOLDER = "unet"
GROUPS = unet_groups("temporal_transformer_blocks")
rows = row_a_frame
