"""Video files in: each decoded once, from its beginning to its end, as a player shows it."""

from exvideo_eval.video_reader.clips import iter_clips as iter_clips
from exvideo_eval.video_reader.decoding import Decoding as Decoding
from exvideo_eval.video_reader.decoding import frame_rate as frame_rate
from exvideo_eval.video_reader.decoding import probe as probe
from exvideo_eval.video_reader.digest import digest as digest
from exvideo_eval.video_reader.kinds import Frame as Frame
from exvideo_eval.video_reader.kinds import VideoInfo as VideoInfo
from exvideo_eval.video_reader.kinds import VideoReadError as VideoReadError
from exvideo_eval.video_reader.screen import RESIZING as RESIZING
