"""Wan 2.1 and 2.2 (arXiv 2503.20314): text to video, and with the first frame given, image to video."""

from exvideo_blocks.families.wan.family import Wan as Wan
