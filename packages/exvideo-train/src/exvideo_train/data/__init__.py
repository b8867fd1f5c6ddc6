"""The clips of a run: found, compared, encoded once, and read back."""

from exvideo_train.data.cache_bytes import cache_bytes
from exvideo_train.data.encode import Data, encode_data, find_all_clips, find_data

__all__ = ["Data", "cache_bytes", "encode_data", "find_all_clips", "find_data"]
