import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from exvideo_infer import Base, load_base, read_clip
from exvideo_infer.bases.svd import SVDBase
from exvideo_infer.encoders import added_time_ids, embed_image, encode_clip, encode_first_frame
from exvideo_train.config import load_config
from exvideo_train.data import Data, cache_file, encode_data
from exvideo_train.data.dataset import Clip
from exvideo_train.data.fingerprint import fingerprint
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.data.motion import motion_bucket, motion_score
from exvideo_train.data.sharing import Alone
from exvideo_train.data.video_encoder import VideoEncoder
from exvideo_train.errors import UserError
from safetensors.torch import save_file


def test_a_cached_clip_is_what_the_sampler_conditions_on(footage: Path, tiny_base_dir: Path, tmp_path: Path) -> None:
    base = load_base(tiny_base_dir)
    assert isinstance(base, SVDBase)
    clip = Clip(footage / "train" / "clip0.mp4", start=2, num_frames=10, fps=8.0, size=(32, 32))
    cache = LatentCache(tmp_path, base)
    assert VideoEncoder(cache, base, {}).encode([clip]) == {}
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
        clip = Clip(path, start, 10, 8.0, (size, size))
        return str(LatentCache(tmp_path, base).file_of(clip).record_of(clip.places))

    clip0, clip1 = (footage / "train" / f"clip{i}.mp4" for i in range(2))
    names = [name(clip0), name(clip1), name(clip0, start=1), name(clip0, size=64), name(clip0, base=other)]
    assert len(set(names)) == 5
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(clip0.read_bytes())
    assert name(moved) == name(clip0)


@pytest.mark.parametrize(
    ("part", "file", "change"),
    [
        ("vae", "config.json", {"scaling_factor": 0.25}),
        ("vae", "config.json", {"force_upcast": False}),
        ("image_encoder", "config.json", {"layer_norm_eps": 1e-3}),
        ("text_encoder", "config.json", {"hidden_act": "gelu"}),
        ("feature_extractor", "preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.5]}),
        ("feature_extractor", "preprocessor_config.json", {"image_std": [0.5, 0.5, 0.5]}),
        ("feature_extractor", "preprocessor_config.json", {"size": {"shortest_edge": 200}}),
    ],
)
def test_the_name_sees_each_setting_of_what_encodes(
    part: str, file: str, change: dict[str, Any], footage: Path, text_base_dir: Path, tmp_path: Path
) -> None:
    clip = Clip(footage / "train" / "clip0.mp4", 0, 10, 8.0, (32, 32))
    shutil.copytree(text_base_dir, tmp_path / "base")

    def cached(base: Path) -> LatentCache:
        return LatentCache(tmp_path / "cache", load_base(base))

    before, copied = cached(text_base_dir), cached(tmp_path / "base")
    assert copied.file_of(clip).folder == before.file_of(clip).folder  # it may lie elsewhere
    config = tmp_path / "base" / part / file
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    changed = cached(tmp_path / "base")
    assert changed.file_of(clip).folder != before.file_of(clip).folder
    assert changed.text_of("a") != before.text_of("a")
    assert changed.content_of(clip) == before.content_of(clip)


def test_what_a_checkpoint_knows_the_clips_by_stays_what_it_was(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        network.bias.copy_(torch.tensor([5.0, 6.0]))
    base: Any = SimpleNamespace(
        encoders=[network], tokenizer=None, conditions=None, encoding_settings={"any": 1}, encodes_frames_apart=True
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.mp4").write_bytes(b"one")
    (tmp_path / "sub" / "b.mp4").write_bytes(b"two")
    clips = [
        Clip(tmp_path / "a.mp4", 0, 10, 8.0, (32, 64)),
        Clip(tmp_path / "a.mp4", 2, 10, 8.0, (32, 64), "a red circle"),
        Clip(tmp_path / "sub" / "b.mp4", 0, 10, 7.5, (32, 64)),
    ]
    data = Data(LatentCache(tmp_path / "cache", base), clips, [], tmp_path)
    assert data.clips_by_name == {
        "a.mp4@0": "72c55f877096e40a39af286ddd24efab",
        "a.mp4@2": "06a52d7685ddb81aa765d81e8b433d8d",
        "sub/b.mp4@0": "f349710a8104264d159b792ea653aa9c",
    }
    assert data.content == "b1dd813d80934efde382437f41c725e5563cce307eb144b4848575277d9e366b"


def test_a_damaged_file_is_told_and_made_anew(
    footage: Path, text_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = load_base(text_base_dir)
    clip = Clip(footage / "train" / "clip0.mp4", 0, 10, 8.0, (32, 32), "a red circle")
    cache = LatentCache(tmp_path, base)
    file = cache.file_of(clip)

    def encode() -> None:
        cache.encode_text(clip.caption, base)
        assert VideoEncoder(cache, base, {}).encode([clip]) == {}

    encode()
    wanted = cache.read(clip)
    capsys.readouterr()
    for path in (file.block_of(0), file.record_of(clip.places), cache.text_of(clip.caption)):
        whole = path.read_bytes()
        length = int.from_bytes(whole[:8], "little")
        for damaged in (whole[:-1], whole[: length + 8], whole[:20], whole[:3], b"", bytes(100), whole + b"x"):
            path.write_bytes(damaged)
            encode()
            assert path.read_bytes() == whole
            assert capsys.readouterr().err == f"The cached file {path} is damaged: it is made anew.\n"
    assert torch.equal(cache.read(clip).latents, wanted.latents)
    encode()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, r" is full: a file needs 576 bytes, and [\d,]+ are free: make room, or name another folder"),
        (errno.EACCES, r" cannot be written to \(Permission denied\): mend that, or name another folder"),
    ],
)
def test_a_cache_that_cannot_be_written_to_is_one_sentence(
    footage: Path, tiny_base_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    def full(*args: Any) -> None:
        raise OSError(number, "No space left on device" if number == errno.ENOSPC else "Permission denied")

    monkeypatch.setattr(cache_file, "write_safetensors", full)
    base, clip = load_base(tiny_base_dir), Clip(footage / "train" / "clip0.mp4", 0, 10, 8.0, (32, 32))
    cache = LatentCache(tmp_path / "cache", base)
    with pytest.raises(UserError, match=rf"The folder {tmp_path / 'cache'}/files/\w+{told} as data\.cache\.$"):
        VideoEncoder(cache, base, {}).encode([clip])


def test_the_fingerprint_sees_one_changed_weight() -> None:
    network = torch.nn.Linear(4, 4)
    before = fingerprint(network)
    assert fingerprint(network) == before
    with torch.no_grad():
        network.weight[0, 0] += 1
    assert fingerprint(network) != before


def test_a_clip_that_was_never_encoded(footage: Path, tiny_base_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a file"):
        LatentCache(tmp_path, load_base(tiny_base_dir)).read(
            Clip(footage / "train" / "clip0.mp4", 0, 10, 8.0, (32, 32))
        )


def test_clips_of_the_layout_of_before_are_told_and_encoded_anew(
    make_config: Callable[..., Path], tiny_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(make_config())
    config.cache.mkdir(parents=True)
    for name in "ab":
        save_file({"latents": torch.zeros(10, 4, 4, 4)}, config.cache / f"{name * 32}.safetensors")
    data = encode_data(config, load_base(tiny_base_dir), Alone(), lambda done, total: None)
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"2 files in {config.cache} are of the layout that kept each clip for itself, which is read no more: their "
        "clips are encoded anew. --prune removes the files."
    )
    assert all(data.cache.read(clip).latents.abs().max() > 0 for clip in data.training)
