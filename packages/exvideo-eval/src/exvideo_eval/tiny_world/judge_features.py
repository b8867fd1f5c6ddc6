"""Features of the tiny world's judge: of a network that was trained to tell that world's clips, and knows no others."""

from torch import Tensor

from exvideo_eval.tiny_world import JUDGES
from exvideo_eval.tiny_world.judges import CLASSIFIER, Judges
from exvideo_eval.tiny_world.networks import FRAME_SIZE, WIDTH


class JudgeFeatures:
    """128 numbers a clip: what the classifier's answers on shape, colour, place and motion are read from."""

    name = JUDGES
    dimension = WIDTH
    input_description = f"RGB, whole frame to {FRAME_SIZE}x{FRAME_SIZE} (bilinear, antialiased), averaged over frames"

    def __init__(self, judges: Judges) -> None:
        self.judges = judges
        self.weights_sha256 = judges.sha256[CLASSIFIER]

    def __call__(self, clips: Tensor) -> Tensor:
        """uint8 RGB clips (batch, frames, 3, height, width) to float64 features (batch, 128)."""
        return self.judges.features(clips)
