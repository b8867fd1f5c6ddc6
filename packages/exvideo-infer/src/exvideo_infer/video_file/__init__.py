"""Video files in and out."""

from exvideo_infer.video_file.examine import Examination as Examination
from exvideo_infer.video_file.examine import examine as examine
from exvideo_infer.video_file.examine import is_hdr as is_hdr
from exvideo_infer.video_file.examine import probe as probe
from exvideo_infer.video_file.kinds import Frame as Frame
from exvideo_infer.video_file.kinds import VideoError as VideoError
from exvideo_infer.video_file.kinds import VideoInfo as VideoInfo
from exvideo_infer.video_file.metadata import read_metadata as read_metadata
from exvideo_infer.video_file.read import iter_frames as iter_frames
from exvideo_infer.video_file.read import iter_frames_at as iter_frames_at
from exvideo_infer.video_file.read import read_clip as read_clip
from exvideo_infer.video_file.whole import check_place as check_place
from exvideo_infer.video_file.whole import whole as whole
from exvideo_infer.video_file.write import check_writable as check_writable
from exvideo_infer.video_file.write import write_video as write_video
