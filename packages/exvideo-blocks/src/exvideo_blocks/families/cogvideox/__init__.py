"""CogVideoX (arXiv 2408.06072): text to video, versions 2b and 5b."""

from exvideo_blocks.families.cogvideox.family import CogVideoX as CogVideoX
