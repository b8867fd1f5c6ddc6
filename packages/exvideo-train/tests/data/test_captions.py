"""Captions: read from beside the videos, in the latent cache, and in what an optimizer trains."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from exvideo_blocks import read_safetensors
from exvideo_infer import load_base
from exvideo_infer.encoders import embed_image, embed_text
from exvideo_infer.video_file import read_clip
from exvideo_train.cli import main
from exvideo_train.data.captions import read_caption, unread_captions, with_captions
from exvideo_train.data.dataset import Clip, find_files
from exvideo_train.data.fingerprint import fingerprint, fingerprint_of_encoders
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.data.video_encoder import VideoEncoder
from exvideo_train.errors import UserError

MakeConfig = Callable[..., Path]


@pytest.fixture
def captioned(footage: Path, tmp_path: Path) -> Path:
    """Three clips: one with a text file, one with a JSON file, one without either."""
    folder = tmp_path / "captioned"
    shutil.copytree(footage / "train", folder)
    (folder / "clip0.txt").write_text(" a red circle \n")
    (folder / "clip1.json").write_text(json.dumps({"caption": "a blue circle", "fps": 8}))
    return folder


def test_a_byte_order_mark_is_no_part_of_a_caption(tmp_path: Path) -> None:
    for suffix, content in ((".txt", "a red circle"), (".json", '{"caption": "a red circle"}')):
        (tmp_path / f"clip{suffix}").write_text(content, encoding="utf-8-sig")
        assert read_caption(tmp_path / "clip.mp4") == "a red circle"
        (tmp_path / f"clip{suffix}").unlink()


def test_captions_are_read_from_beside_the_video(captioned: Path) -> None:
    clips = [Clip(path, 0, 10, 8.0, (32, 32)) for path in find_files("data.videos", captioned)]
    assert [clip.caption for clip in with_captions(clips)] == ["a red circle", "a blue circle", None]
    (captioned / "clip1.txt").write_text("a circle")
    assert read_caption(captioned / "clip1.mp4") == "a circle"


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_caption_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "clip.txt").write_text(text)
    assert read_caption(tmp_path / "clip.mp4") is None


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("clip.json", b"{", "cannot be read"),
        ("clip.json", b'{"caption": 3}', "has the caption 3: make it text"),
        ("clip.txt", b"\xff", "cannot be read"),
    ],
)
def test_a_damaged_caption_is_named(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=complaint) as caught:
        read_caption(tmp_path / "clip.mp4")
    assert "\n" not in str(caught.value)


def test_json_that_tells_something_else_is_no_caption(tmp_path: Path) -> None:
    for content in ("[1]", '{"fps": 8}'):
        (tmp_path / "clip.json").write_text(content)
        assert read_caption(tmp_path / "clip.mp4") is None


def test_what_a_base_will_not_read_is_told(text_base_dir: Path) -> None:
    tokenizer = load_base(text_base_dir).tokenizer
    clips = [
        Clip(Path(f"{number}.mp4"), start, 10, 8.0, (32, 32), caption)
        for number, caption in enumerate(["a red circle", None, "a green zebra", "a red circle moves left left"])
        for start in (0, 1)
    ]
    assert unread_captions(clips[:2], tokenizer) == []
    missing, unknown, cut = unread_captions(clips, tokenizer)
    assert missing.startswith("1 of 4 videos have no caption and get the empty prompt (1.mp4 is the first)")
    assert unknown.endswith("words of the captions: green, zebra.\n")
    assert "the end of 1 captions" in cut


def test_the_embedding_is_what_the_sampler_makes_of_image_and_prompt(
    captioned: Path, text_base_dir: Path, tmp_path: Path
) -> None:
    base = load_base(text_base_dir)
    cache = LatentCache(tmp_path / "cache", base)
    clip = Clip(captioned / "clip0.mp4", 0, 10, 8.0, (32, 32))
    image_token = embed_image(base.image_encoder, base.feature_extractor, read_clip(clip.path, 0, 1) / 127.5 - 1)
    for caption, prompt in (("a red circle", "a red circle"), (None, "")):
        cache.encode_text(caption, base)
        VideoEncoder(cache, base, {}).encode([clip])
        expected = torch.cat([image_token, embed_text(base.text_encoder, base.tokenizer, [prompt])], dim=1)[0]
        stored = cache.read(replace(clip, caption=caption)).conditions.tokens[0]
        torch.testing.assert_close(stored, expected, rtol=1e-3, atol=1e-3)
    paths = {cache.text_of(caption) for caption in ("a red circle", "a blue circle", None)}
    assert len(paths) == 3


def test_the_fingerprint_sees_the_text_encoder_and_the_tokenizer(text_base_dir: Path, tiny_base_dir: Path) -> None:
    image_only = load_base(tiny_base_dir)
    assert fingerprint_of_encoders(image_only) == fingerprint(image_only.vae, image_only.image_encoder)
    base = load_base(text_base_dir)
    before = fingerprint_of_encoders(base)
    embed_text(base.text_encoder, base.tokenizer, ["a"])  # leaves a trace in the tokenizer
    assert fingerprint_of_encoders(base) == before
    base.tokenizer.model_max_length -= 1
    shorter = fingerprint_of_encoders(base)
    with torch.no_grad():
        base.text_encoder.text_model.final_layer_norm.bias += 1
    assert len({before, shorter, fingerprint_of_encoders(base)}) == 3


def test_a_run_on_captions_trains_what_one_token_cannot(
    make_config: MakeConfig,
    captioned: Path,
    text_base_dir: Path,
    tiny_base_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def trained(base: Path, name: str) -> dict[str, torch.Tensor]:
        changes = {"base": str(base), "data.videos": str(captioned), "optimizer.steps": 2}
        assert main(["--config", str(make_config(name, **changes))]) == 0
        tensors, _ = read_safetensors(tmp_path / name / "checkpoints" / "step-00000002" / "part-00000.safetensors")
        return {key: value for key, value in tensors.items() if key.startswith("exp_avg/")}

    with_text = trained(text_base_dir, "with_text")
    assert capsys.readouterr().err.count("1 of 3 videos have no caption") == 1
    queries = {name for name in with_text if ".attn2.to_q." in name}
    assert queries
    assert all(with_text[name].abs().max() > 0 for name in queries)
    assert queries.isdisjoint(trained(tiny_base_dir, "image_only"))
    assert "caption" not in capsys.readouterr().err
