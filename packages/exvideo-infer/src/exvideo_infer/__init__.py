"""Long clips from words or a first frame, by an extended video diffusion model: sampler, command line, video files.

    from exvideo_infer import ExVideoPipeline

    frames = ExVideoPipeline.from_pretrained("embedded")(prompt="a red circle bounces").frames[0]

    pipe = ExVideoPipeline.from_pretrained("stabilityai/stable-video-diffusion-img2vid-xt")
    pipe.load_extension("extension.safetensors")
    frames = pipe(image=first_frame, num_frames=128).frames[0]

Nothing heavy is imported before one of these names is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exvideo_infer.base_model import BaseModelError as BaseModelError
    from exvideo_infer.pipeline import ExVideoOutput as ExVideoOutput
    from exvideo_infer.pipeline import ExVideoPipeline as ExVideoPipeline
    from exvideo_infer.video_file import VideoError as VideoError
    from exvideo_infer.video_file import VideoInfo as VideoInfo
    from exvideo_infer.video_file import iter_frames as iter_frames
    from exvideo_infer.video_file import probe as probe
    from exvideo_infer.video_file import read_clip as read_clip
    from exvideo_infer.video_file import write_video as write_video

__version__ = "0.1.0"

_EXPORTS = {
    "BaseModelError": "exvideo_infer.base_model",
    "ExVideoOutput": "exvideo_infer.pipeline",
    "ExVideoPipeline": "exvideo_infer.pipeline",
    "VideoError": "exvideo_infer.video_file",
    "VideoInfo": "exvideo_infer.video_file",
    "iter_frames": "exvideo_infer.video_file",
    "probe": "exvideo_infer.video_file",
    "read_clip": "exvideo_infer.video_file",
    "write_video": "exvideo_infer.video_file",
}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
