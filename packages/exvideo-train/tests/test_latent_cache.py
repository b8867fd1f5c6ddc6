from pathlib import Path

import pytest
import torch
from exvideo_infer.base_model import load_base
from exvideo_infer.conditioning import embed_image, encode_clip, encode_first_frame
from exvideo_infer.video_file import read_clip
from exvideo_train.dataset import Clip
from exvideo_train.latent_cache import LatentCache, fingerprint
from exvideo_train.motion import motion_bucket, motion_score


def test_a_cached_clip_is_what_the_sampler_conditions_on(footage: Path, tiny_base_dir: Path, tmp_path: Path) -> None:
    base = load_base(tiny_base_dir)
    clip = Clip(footage / "train" / "clip0.mp4", start=2, num_frames=10, fps=8.0)
    cache = LatentCache(tmp_path, (32, 32), "encoders")
    cache.encode(clip, base)
    stored = cache.read(clip)
    frames = read_clip(clip.path, 2, 10).float() / 127.5 - 1
    half = {"rtol": 1e-3, "atol": 1e-3}
    torch.testing.assert_close(stored.latents, encode_clip(base.vae, frames[None])[0], **half)
    torch.testing.assert_close(stored.first_frame, encode_first_frame(base.vae, frames[:1])[0], **half)
    embedding = embed_image(base.image_encoder, base.feature_extractor, frames[:1])[0]
    torch.testing.assert_close(stored.embedding, embedding, **half)
    assert (stored.fps, stored.motion_bucket_id) == (8.0, motion_bucket(motion_score(frames)))


def test_the_name_depends_on_everything_that_the_contents_do(footage: Path, tmp_path: Path) -> None:
    def name(path: Path, start: int = 0, size: int = 32, encoders: str = "a") -> str:
        return LatentCache(tmp_path, (size, size), encoders).path_of(Clip(path, start, 10, 8.0)).name

    clip0, clip1 = (footage / "train" / f"clip{i}.mp4" for i in range(2))
    names = [name(clip0), name(clip1), name(clip0, start=1), name(clip0, size=64), name(clip0, encoders="b")]
    assert len(set(names)) == 5
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(clip0.read_bytes())
    assert name(moved) == name(clip0)


def test_the_fingerprint_sees_one_changed_weight() -> None:
    network = torch.nn.Linear(4, 4)
    before = fingerprint(network)
    assert fingerprint(network) == before
    with torch.no_grad():
        network.weight[0, 0] += 1
    assert fingerprint(network) != before


def test_a_clip_that_was_never_encoded(footage: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a file"):
        LatentCache(tmp_path, (32, 32), "x").read(Clip(footage / "train" / "clip0.mp4", 0, 10, 8.0))
