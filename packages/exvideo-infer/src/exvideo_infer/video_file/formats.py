"""The kinds of file that are written: their suffixes, codecs, pixel formats and limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exvideo_infer.video_file.kinds import VideoError

MIN_FPS = 0.01
# Matroska has names drawn by chance; without them the same frames become the same file.
NO_CHANCE = {"fflags": "+bitexact"}


@dataclass(frozen=True)
class VideoFormat:
    """A kind of file.

    Args:
        name: as a caller asks for it; the suffix of its files, but for "png": a folder of pictures has none.
        title: in words, for messages.
        codec: FFmpeg's name of the encoder.
        container: FFmpeg's name of the file format; empty where there is none.
        pixel_formats: FFmpeg's names, the default first.
        max_fps: beyond it files of this kind cannot say their rate, or players slow them down.
        default_crf: constant rate factor where none is given; None for a codec that has none.
        max_crf: the worst quality that it can be told.
        codec_options, container_options: FFmpeg's.
    """

    name: str
    title: str
    codec: str
    container: str
    pixel_formats: tuple[str, ...]
    max_fps: float = 1000
    default_crf: int | None = None
    max_crf: int = 0
    codec_options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """The suffix of a file of this kind; empty for a folder of pictures."""
        return "" if self.name == "png" else f".{self.name}"

    @property
    def is_yuv(self) -> bool:
        """True where colours are converted by a matrix that the file names."""
        return self.pixel_formats[0].startswith("yuv")


FORMATS = (
    VideoFormat(
        "mp4", "MP4 (H.264)", "libx264", "mp4",
        ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"),
        # Visually lossless: what is measured on our files should be the model's doing, not the encoder's.
        default_crf=16, max_crf=51,
        # Colours are halved in size around the middle of four pixels, and the file says so. Without it readers take
        # them to sit on the left ones, and coloured things come back 0.4 pixels to the left.
        # cpu-independent: without it x264's fastest routines do not always turn the same frames into the same file.
        codec_options={"x264-params": "chromaloc=1:cpu-independent=1"},
        container_options={"movflags": "+faststart"},
    ),
    VideoFormat(
        "webm", "WebM (VP9)", "libvpx-vp9", "webm", ("yuv420p", "yuv422p", "yuv444p"), default_crf=16, max_crf=63,
        codec_options={"b:v": "0", "cpu-used": "4", "row-mt": "1"},
        container_options=NO_CHANCE,
    ),
    # FFV1, level 3: a sum for each slice, so that damage is noticed; archives keep films in it.
    VideoFormat("mkv", "lossless Matroska (FFV1)", "ffv1", "matroska", ("bgr0",),
                codec_options={"level": "3", "slicecrc": "1", "g": "1"}, container_options=NO_CHANCE),
    # Players show frames of less than 20 ms for 100 ms.
    VideoFormat("gif", "GIF", "gif", "gif", ("pal8",), max_fps=50, container_options={"loop": "0"}),
    # Lossless: the lossy kind leaves out frames that are nearly the one before, and slow motion stands still.
    # Browsers show frames of 10 ms and less for 100 ms.
    VideoFormat("webp", "animated WebP (lossless)", "libwebp_anim", "webp", ("bgra",), max_fps=90,
                codec_options={"lossless": "1"}, container_options={"loop": "0"}),
    VideoFormat("png", "a folder of PNG frames", "png", "", ("rgb24",)),
)  # fmt: skip


@dataclass(frozen=True)
class Encoding:
    """A kind of file with the settings of one.

    Args:
        crf: None where the codec has none.
        pixel_format: one of the format's.
    """

    format: VideoFormat
    crf: int | None
    pixel_format: str

    @property
    def options(self) -> dict[str, str]:
        """FFmpeg's options of the codec."""
        return dict(self.format.codec_options) | ({} if self.crf is None else {"crf": str(self.crf)})


def choose_encoding(
    path: str | Path,
    format: str | None = None,
    crf: int | None = None,
    pixel_format: str | None = None,
    fps: float | None = None,
) -> Encoding:
    """The encoding that a file's name and a caller's wishes mean.

    Args:
        path: its suffix decides, where `format` does not; none means a folder of PNG frames.
        format: "mp4", "webm", "mkv", "gif", "webp" or "png".
        crf: constant rate factor of MP4 (0 to 51) and WebM (0 to 63): less is better and larger.
        pixel_format: FFmpeg's name; of MP4 and WebM.
        fps: to be checked, if it is known.

    Raises:
        VideoError: no format has such a suffix or name, or the format has not what is asked for.
    """
    found = _format_of(Path(path), format)
    if crf is not None and found.default_crf is None:
        raise VideoError(f"{path} is to be {found.title}, which has no crf: leave it out, or write MP4 or WebM.")
    if crf is not None and not 0 <= crf <= found.max_crf:
        raise VideoError(f"crf is {crf}: {found.title} takes 0, the best, to {found.max_crf}.")
    if pixel_format is not None and pixel_format not in found.pixel_formats:
        raise VideoError(f"pixel_format is {pixel_format!r}: {found.title} takes {', '.join(found.pixel_formats)}.")
    if fps is not None and not MIN_FPS <= fps <= found.max_fps:
        raise VideoError(
            f"{path} cannot have {fps} frames a second: {found.title} takes {MIN_FPS:g} to {found.max_fps:g}."
        )
    return Encoding(found, found.default_crf if crf is None else crf, pixel_format or found.pixel_formats[0])


def _format_of(path: Path, name: str | None) -> VideoFormat:
    for known in FORMATS:
        if name == known.name or (name is None and path.suffix.lower() == known.suffix):
            return known
    if name is not None:
        raise VideoError(f"format is {name!r}: choose from {', '.join(known.name for known in FORMATS)}.")
    endings = ", ".join(known.suffix for known in FORMATS if known.suffix)
    raise VideoError(
        f"{path} ends in {path.suffix}, which is not written: give {endings}, or no suffix for a folder of PNG frames."
    )
