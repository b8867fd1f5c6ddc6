"""Checkpoints: written beside training, found again, and compared with the run that goes on from one."""

from exvideo_train.checkpoints.checkpoint import Checkpoint, newest_checkpoint
from exvideo_train.checkpoints.identity import check_continues, identity_of
from exvideo_train.checkpoints.writer import EXTENSION, CheckpointWriter, Export

__all__ = [
    "EXTENSION",
    "Checkpoint",
    "CheckpointWriter",
    "Export",
    "check_continues",
    "identity_of",
    "newest_checkpoint",
]
