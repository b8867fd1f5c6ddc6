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
    from exvideo_infer.bases import load_base as load_base
    from exvideo_infer.bases import register_base as register_base
    from exvideo_infer.bases.base import Base as Base
    from exvideo_infer.bases.base import BaseModelError as BaseModelError
    from exvideo_infer.bases.base import encode_for as encode_for
    from exvideo_infer.bases.base import silence_loading as silence_loading
    from exvideo_infer.bases.optional import AugmentsFirstFrame as AugmentsFirstFrame
    from exvideo_infer.bases.optional import DecidesObjective as DecidesObjective
    from exvideo_infer.bases.optional import MixesExperts as MixesExperts
    from exvideo_infer.bases.sampling_defaults import SamplingDefaults as SamplingDefaults
    from exvideo_infer.bases.scratch import make_base as make_base
    from exvideo_infer.bases.scratch import save_base as save_base
    from exvideo_infer.beyond import Windows as Windows
    from exvideo_infer.beyond import between_keyframes as between_keyframes
    from exvideo_infer.beyond import chain as chain
    from exvideo_infer.conditions import Conditions as Conditions
    from exvideo_infer.conditions import PromptConditions as PromptConditions
    from exvideo_infer.conditions import TextConditions as TextConditions
    from exvideo_infer.decode import to_uint8 as to_uint8
    from exvideo_infer.extensions import mount_extension as mount_extension
    from exvideo_infer.live_bytes import LiveBytes as LiveBytes
    from exvideo_infer.live_bytes import fused_attention as fused_attention
    from exvideo_infer.memory import peak_memory as peak_memory
    from exvideo_infer.memory_report import MemoryReport as MemoryReport
    from exvideo_infer.pictures import read_image as read_image
    from exvideo_infer.pipeline import ExVideoOutput as ExVideoOutput
    from exvideo_infer.pipeline import ExVideoPipeline as ExVideoPipeline
    from exvideo_infer.prompts import unknown_words as unknown_words
    from exvideo_infer.prompts import words_beyond_end as words_beyond_end
    from exvideo_infer.sampler import denoise as denoise
    from exvideo_infer.sampler import guidance_per_frame as guidance_per_frame
    from exvideo_infer.streams import outliving_readers as outliving_readers
    from exvideo_infer.video_file import Examination as Examination
    from exvideo_infer.video_file import VideoError as VideoError
    from exvideo_infer.video_file import VideoInfo as VideoInfo
    from exvideo_infer.video_file import examine as examine
    from exvideo_infer.video_file import iter_frames as iter_frames
    from exvideo_infer.video_file import iter_frames_at as iter_frames_at
    from exvideo_infer.video_file import probe as probe
    from exvideo_infer.video_file import read_clip as read_clip
    from exvideo_infer.video_file import read_metadata as read_metadata
    from exvideo_infer.video_file import write_video as write_video

__version__ = "0.1.0"

_HOMES = {
    "AugmentsFirstFrame": "bases.optional",
    "Base": "bases.base",
    "BaseModelError": "bases.base",
    "Conditions": "conditions",
    "DecidesObjective": "bases.optional",
    "Examination": "video_file",
    "ExVideoOutput": "pipeline",
    "ExVideoPipeline": "pipeline",
    "LiveBytes": "live_bytes",
    "MixesExperts": "bases.optional",
    "MemoryReport": "memory_report",
    "PromptConditions": "conditions",
    "SamplingDefaults": "bases.sampling_defaults",
    "TextConditions": "conditions",
    "VideoError": "video_file",
    "VideoInfo": "video_file",
    "Windows": "beyond",
    "between_keyframes": "beyond",
    "chain": "beyond",
    "denoise": "sampler",
    "encode_for": "bases.base",
    "examine": "video_file",
    "fused_attention": "live_bytes",
    "guidance_per_frame": "sampler",
    "iter_frames": "video_file",
    "iter_frames_at": "video_file",
    "load_base": "bases",
    "make_base": "bases.scratch",
    "mount_extension": "extensions",
    "probe": "video_file",
    "read_clip": "video_file",
    "read_image": "pictures",
    "read_metadata": "video_file",
    "register_base": "bases",
    "save_base": "bases.scratch",
    "silence_loading": "bases.base",
    "unknown_words": "prompts",
    "to_uint8": "decode",
    "words_beyond_end": "prompts",
    "write_video": "video_file",
    "outliving_readers": "streams",
    "peak_memory": "memory",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
