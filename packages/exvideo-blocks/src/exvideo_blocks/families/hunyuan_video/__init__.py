"""HunyuanVideo (arXiv 2412.03603): text to video."""

from exvideo_blocks.families.hunyuan_video.family import HunyuanVideo as HunyuanVideo
