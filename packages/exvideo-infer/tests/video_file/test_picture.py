"""The picture of a frame: by plane, which is faster, it has the bits that it has by pixel."""

from math import ceil

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from exvideo_infer.video_file.kinds import RESAMPLING
from exvideo_infer.video_file.picture import Screen

FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12", "gray", "gray10le", "yuva420p")
BT709, BT601 = 1, 5
LIMITED, FULL = 1, 2


@pytest.mark.parametrize("pix_fmt", [*FORMATS, "rgb24", "gbrp", "bgra", "rgb565le"])
@pytest.mark.parametrize("shape", [(48, 64), (45, 63), (90, 40)])
@pytest.mark.parametrize("tags", [(BT709, LIMITED), (BT601, FULL)])
def test_a_picture_is_what_libswscale_makes_pixel_by_pixel(
    pix_fmt: str, shape: tuple[int, int], tags: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 22, 3), dtype=np.uint8).repeat(3, 0).repeat(3, 1)
    pixels = np.ascontiguousarray(pixels[: shape[0], : shape[1]])
    frame = VideoReformatter().reformat(av.VideoFrame.from_ndarray(pixels, format="rgb24"), format=pix_fmt)
    frame.colorspace, frame.color_range = tags
    for size in (None, (16, 16), (24, 40), (64, 50), (200, 31)):
        height, width = size or shape
        scale = max(height / shape[0], width / shape[1])
        covering = [max(height, ceil(shape[0] * scale - 1e-6)), max(width, ceil(shape[1] * scale - 1e-6))]
        expected = (
            VideoReformatter()
            .reformat(frame, covering[1], covering[0], "rgb24", interpolation=RESAMPLING, threads=1)
            .to_ndarray()
        )
        top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
        found = Screen("film.mp4", None, size).show(frame)
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, expected[top : top + height, left : left + width])
