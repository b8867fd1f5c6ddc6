"""Each frame that some clip lacks is decoded once and encoded once, at any stride, over kills and new captions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from exvideo_infer import Base, Conditions, load_base, read_clip
from exvideo_train.config import load_config
from exvideo_train.data import encode_data
from exvideo_train.data.dataset import Clip
from exvideo_train.data.frame_latents import AT_ONCE
from exvideo_train.data.latent_cache import EncodedClip, LatentCache
from exvideo_train.data.motion import motion_bucket, motion_score
from exvideo_train.data.sharing import Alone
from exvideo_train.data.video_encoder import VideoEncoder

MakeConfig = Callable[..., Path]
FRAMES = 150  # of three blocks


class Counted:
    """A base, and the frames that its autoencoder was asked for: whatever it is asked, it answers so many at once."""

    def __init__(self, base: Any) -> None:
        self.base = base
        self.frames = 0
        self.images = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def encode_frames(self, frames: torch.Tensor) -> torch.Tensor:
        self.frames += len(frames)
        return self.base.encode_frames(frames)

    def encode_image(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        self.images += 1
        return self.base.encode_image(image)


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def film(clip_writer: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_writer(tmp_path_factory.mktemp("film") / "film.mp4", frames=FRAMES)


@pytest.fixture(scope="module")
def base(tiny_base_dir: Path) -> Base:
    return load_base(tiny_base_dir)


def clips_of(film: Path, stride: int, num_frames: int = 24) -> list[Clip]:
    return [Clip(film, start, num_frames, 8.0, (32, 32)) for start in range(0, FRAMES - num_frames + 1, stride)]


def encode(folder: Path, clips: list[Clip], base: Any, **options: Any) -> list[EncodedClip]:
    cache = LatentCache(folder, base)
    assert VideoEncoder(cache, base, {}, **options).encode(clips) == {}
    return [cache.read(clip) for clip in clips]


def assert_same(ours: list[EncodedClip], others: list[EncodedClip]) -> None:
    for one, other in zip(ours, others, strict=True):
        assert torch.equal(one.latents, other.latents)
        for name, value in vars(one.conditions).items():
            theirs = getattr(other.conditions, name)
            assert value is theirs or torch.equal(value, theirs)


@pytest.mark.parametrize("stride", [1, 16, 40])
def test_frames_decoded_are_those_that_clips_need_each_once(
    film: Path, base: Base, tmp_path: Path, decoded: list[int], stride: int
) -> None:
    counted = Counted(base)
    clips = clips_of(film, stride)
    encode(tmp_path, clips, counted)
    needed = sorted({place for clip in clips for place in clip.places})
    assert decoded == needed
    assert len(needed) <= counted.frames < len(needed) + AT_ONCE
    assert counted.images == len(clips)
    encode(tmp_path, clips, counted)
    assert len(decoded) == len(needed)
    assert counted.images == len(clips)


def test_each_clip_is_as_if_it_had_been_encoded_alone(film: Path, base: Base, tmp_path: Path) -> None:
    clips = clips_of(film, 21)
    together = encode(tmp_path / "together", clips, base)
    for number, clip in enumerate(clips):
        assert_same(encode(tmp_path / str(number), [clip], base), together[number : number + 1])
    frames = read_clip(film, clips[3].start, clips[3].num_frames, (32, 32)).float() / 127.5 - 1
    whole = torch.cat([base.encode_frames(frames[at : at + 8]) for at in range(0, 24, 8)])
    assert torch.equal(together[3].latents, whole.half().float())
    for clip, encoded in zip(clips, together, strict=True):
        frames = read_clip(film, clip.start, clip.num_frames, (32, 32)).float() / 127.5 - 1
        assert encoded.conditions.time_ids is not None
        assert encoded.conditions.time_ids[0, 1] == motion_bucket(motion_score(frames))


@pytest.mark.parametrize("after", [30, 149])
def test_a_reading_that_is_killed_goes_on_from_the_last_block(
    film: Path, base: Base, tmp_path: Path, after: int
) -> None:
    clips = clips_of(film, 6)
    whole = encode(tmp_path / "whole", clips, base)
    counted, pictures = Counted(base), 0

    def kill(done: int, total: int) -> None:
        nonlocal pictures
        pictures += 1
        if pictures == after:
            raise Killed

    with pytest.raises(Killed):
        encode(tmp_path / "broken", clips, counted, progress=kill)
    assert_same(encode(tmp_path / "broken", clips, counted), whole)
    assert counted.frames < FRAMES + 64 + 2 * AT_ONCE


def test_another_stride_adds_what_is_lacking(film: Path, base: Base, tmp_path: Path, decoded: list[int]) -> None:
    counted = Counted(base)
    encode(tmp_path, clips_of(film, 60), counted)  # frames 0 to 23, 60 to 83, 120 to 143
    before = counted.frames
    finer = encode(tmp_path, clips_of(film, 30), counted)
    assert counted.frames - before <= 2 * 24 + AT_ONCE
    decoded.clear()
    assert_same(finer, encode(tmp_path / "anew", clips_of(film, 30), base))


def test_the_cache_holds_each_frame_once(film: Path, base: Base, tmp_path: Path) -> None:
    clips = clips_of(film, 3)
    one = encode(tmp_path / "run", clips, base)[0].latents
    size = sum(path.stat().st_size for path in (tmp_path / "run").rglob("latents-*.safetensors"))
    assert size < 1.1 * FRAMES * one[0].numel() * 2 + 3 * 200  # three headers
    assert len(clips) * 24 > 6 * FRAMES


def test_a_new_caption_decodes_no_video(
    make_config: MakeConfig, text_base_dir: Path, footage: Path, tmp_path: Path, decoded: list[int]
) -> None:
    rows = [f'{{"file": "{footage}/train/clip{number}.mp4", "caption": "CAPTION"}}' for number in range(3)]
    config = load_config(make_config(base=str(text_base_dir), **{"data.videos": str(tmp_path / "metadata.jsonl")}))
    base, tokens = load_base(text_base_dir), []
    for caption in ("a red circle", "a blue circle"):
        (tmp_path / "metadata.jsonl").write_text("\n".join(rows).replace("CAPTION", caption))
        data = encode_data(config, base, Alone(), lambda done, total: None)
        tokens.append(data.cache.read(data.training[0]).conditions.tokens)
        assert len(decoded) == 3 * 14
    assert not torch.equal(*tokens)
    assert torch.equal(tokens[0][:, 0], tokens[1][:, 0])


class OverTime:
    """A base whose autoencoder makes a row of two frames, so that a clip is encoded for itself."""

    network = scheduler = tokenizer = None
    encoders = ()
    encoding_settings: ClassVar[dict[str, Any]] = {}
    size_multiple = 2
    encodes_frames_apart = False

    def encode_frames(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.mean(dim=(2, 3)).unflatten(0, (-1, 2)).mean(dim=1)

    def encode_image(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"colour": image.mean(dim=(1, 2))}

    def encode_text(self, caption: str) -> dict[str, torch.Tensor]:
        raise AssertionError

    @staticmethod
    def conditions(encoded: Any, fps: float, motion_bucket_id: float) -> Conditions:
        return Conditions(encoded["colour"][None, None])


def test_clips_of_an_autoencoder_over_time_are_encoded_one_by_one_from_one_reading(
    film: Path, tmp_path: Path, decoded: list[int]
) -> None:
    base, clips = OverTime(), clips_of(film, 5)
    encoded = encode(tmp_path, clips, base)
    assert decoded == list(range(149))
    for clip, stored in zip(clips, encoded, strict=True):
        frames = read_clip(film, clip.start, clip.num_frames, (32, 32)).float() / 127.5 - 1
        assert torch.equal(stored.latents, base.encode_frames(frames).half().float())
        assert torch.equal(stored.conditions.tokens[0, 0], frames[0].mean(dim=(1, 2)).half().float())
