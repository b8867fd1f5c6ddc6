"""AnimateDiff (arXiv 2307.04725): a text-to-image model with motion modules between its blocks; text to video."""

from exvideo_blocks.families.animatediff.objective import NoiseObjective as NoiseObjective
from exvideo_blocks.families.animatediff.objective import call as call
from exvideo_blocks.families.animatediff.objective import objective as objective
from exvideo_blocks.families.animatediff.sites import adapted_names as adapted_names
from exvideo_blocks.families.animatediff.sites import architecture as architecture
from exvideo_blocks.families.animatediff.sites import base_frames as base_frames
from exvideo_blocks.families.animatediff.sites import can_run as can_run
from exvideo_blocks.families.animatediff.sites import dead_names as dead_names
from exvideo_blocks.families.animatediff.sites import extended_site as extended_site
from exvideo_blocks.families.animatediff.sites import find_sites as find_sites
from exvideo_blocks.families.animatediff.sites import model_class as model_class
from exvideo_blocks.families.family import row_a_frame, unet_groups
from exvideo_blocks.levels import LEVELS as LEVELS

NAME = "animatediff"
PIPELINE_TAG = "text-to-video"
SUBFOLDER = "unet"
GROUPS = unet_groups("motion_modules")
rows = row_a_frame
