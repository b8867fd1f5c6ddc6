"""Named ways to clips beyond the length that a model was trained at, without training; each says what it costs."""

from exvideo_infer.beyond.chaining import chain as chain
from exvideo_infer.beyond.keyframes import between_keyframes as between_keyframes
from exvideo_infer.beyond.windows import Windows as Windows
