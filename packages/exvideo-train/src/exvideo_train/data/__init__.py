"""The clips of a run: found, compared, encoded once, and read back."""

from exvideo_train.data.encode import Data, encode_data, find_all_clips

__all__ = ["Data", "encode_data", "find_all_clips"]
