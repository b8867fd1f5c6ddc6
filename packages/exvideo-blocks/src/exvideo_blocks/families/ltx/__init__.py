"""LTX-Video (arXiv 2501.00103): text to video, and with the first frame given, image to video."""

from exvideo_blocks.families.ltx.family import LTX as LTX
