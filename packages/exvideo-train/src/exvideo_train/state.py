"""The state of a run."""

from dataclasses import dataclass


@dataclass
class TrainState:
    """`step`: optimizer updates made. Order of clips, noise and learning rate are functions of it."""

    step: int = 0
