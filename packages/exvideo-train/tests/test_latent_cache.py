from pathlib import Path

import pytest
import torch
from exvideo_infer import Base, load_base, read_clip
from exvideo_infer.bases.svd import SVDBase
from exvideo_infer.encoders import added_time_ids, embed_image, encode_clip, encode_first_frame
from exvideo_train.dataset import Clip
from exvideo_train.latent_cache import LatentCache, fingerprint
from exvideo_train.motion import motion_bucket, motion_score


def test_a_cached_clip_is_what_the_sampler_conditions_on(footage: Path, tiny_base_dir: Path, tmp_path: Path) -> None:
    base = load_base(tiny_base_dir)
    assert isinstance(base, SVDBase)
    clip = Clip(footage / "train" / "clip0.mp4", start=2, num_frames=10, fps=8.0)
    cache = LatentCache(tmp_path, (32, 32), base)
    cache.encode(clip, base)
    stored = cache.read(clip)
    frames = read_clip(clip.path, 2, 10).float() / 127.5 - 1
    half = {"rtol": 1e-3, "atol": 1e-3}
    torch.testing.assert_close(stored.latents, encode_clip(base.vae, frames[None])[0], **half)
    assert stored.conditions.first_frame is not None
    torch.testing.assert_close(stored.conditions.first_frame, encode_first_frame(base.vae, frames[:1]), **half)
    tokens = embed_image(base.image_encoder, base.feature_extractor, frames[:1])
    torch.testing.assert_close(stored.conditions.tokens, tokens, **half)
    bucket = motion_bucket(motion_score(frames))
    assert stored.conditions.time_ids is not None
    assert torch.equal(stored.conditions.time_ids, added_time_ids(8.0, bucket, 0.0, 1, torch.float32, "cpu"))


def test_the_name_depends_on_everything_that_the_contents_do(
    footage: Path, tiny_base_dir: Path, tmp_path: Path
) -> None:
    base, other = load_base(tiny_base_dir), load_base(tiny_base_dir)
    with torch.no_grad():
        next(other.encoders[0].parameters()).add_(1)

    def name(path: Path, start: int = 0, size: int = 32, base: Base = base) -> str:
        return LatentCache(tmp_path, (size, size), base).path_of(Clip(path, start, 10, 8.0)).name

    clip0, clip1 = (footage / "train" / f"clip{i}.mp4" for i in range(2))
    names = [name(clip0), name(clip1), name(clip0, start=1), name(clip0, size=64), name(clip0, base=other)]
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


def test_a_clip_that_was_never_encoded(footage: Path, tiny_base_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a file"):
        LatentCache(tmp_path, (32, 32), load_base(tiny_base_dir)).read(
            Clip(footage / "train" / "clip0.mp4", 0, 10, 8.0)
        )
