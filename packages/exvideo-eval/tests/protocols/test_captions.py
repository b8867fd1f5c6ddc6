"""CLIP of transformers, small and of random weights, on clips with captions beside them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.features.published.pinned import PinnedFile, file_sha256
from exvideo_eval.metrics.clip_similarity import text_similarity
from exvideo_eval.protocols.into_result import contrasted
from exvideo_eval.protocols.measuring import MeasureSettings, Meter
from exvideo_eval.statistics import Resampling

RESAMPLING = Resampling(50, 0.95, 0)
CAPTIONS = ("a red ball", "a big dog")


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> PinnedFile:
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("clip") / "tiny-clip"
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    words = letters + [f"{letter}</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    text = {"vocab_size": len(words), "max_position_embeddings": 16, "eos_token_id": len(words) - 1}
    config = transformers.CLIPConfig(
        text_config=sizes | text, vision_config=sizes | {"image_size": 224, "patch_size": 56}, projection_dim=16
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.CLIPModel(config).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    names = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    kind = {"tokenizer_class": "CLIPTokenizer", "pad_token": "<|endoftext|>", "model_max_length": 16}
    (folder / "tokenizer_config.json").write_text(json.dumps(names | kind))
    return PinnedFile(str(folder), file_sha256(folder / "model.safetensors"))


@pytest.fixture
def captioned(clip_sets: Path, tmp_path: Path) -> Path:
    for index, caption in enumerate(CAPTIONS):
        for ending in (".mp4", ".txt"):
            content = caption.encode() if ending == ".txt" else (clip_sets / "real" / f"{index}.mp4").read_bytes()
            (tmp_path / f"{index}{ending}").write_bytes(content)
    return tmp_path


def test_score_cosine_and_consistency_of_one_model_that_is_named(captioned: Path, tiny_clip: PinnedFile) -> None:
    meter = Meter(MeasureSettings(("clip-score", "clip-cosine", "temporal-clip"), {"clip": tiny_clip}))
    found = meter.measure("generated", captioned, captioned, RESAMPLING)
    score, cosine, consistency = found.metrics
    assert [metric.name for metric in found.metrics] == ["CLIP score", "CLIP cosine", "temporal CLIP"]
    assert {metric.features for metric in found.metrics} == {"CLIP tiny-clip"}
    network = meter.networks["clip"]
    assert network.clip is not None
    frames = meter._features(meter.protocols["clip-score"], "generated", captioned).features
    texts = network.clip.captions(CAPTIONS)[0].double().numpy()
    expected = np.mean([text_similarity(of_clip, text) for of_clip, text in zip(frames, texts, strict=True)])
    assert cosine.value == pytest.approx(expected, rel=1e-6)
    assert score.value == pytest.approx(100 * max(0.0, float(expected)), rel=1e-6)
    assert -1 <= consistency.value <= 1
    assert found.clip_values[1].clips == ("0.mp4", "1.mp4")
    assert np.mean(found.clip_values[1].values) == pytest.approx(cosine.value)
    assert (score.better, consistency.better) == ("higher", "neutral")  # a frozen clip is the most consistent of all


def test_two_sets_are_contrasted_clip_by_clip(tmp_path: Path, clip_sets: Path, tiny_clip: PinnedFile) -> None:
    folders = [tmp_path / kind for kind in ("real", "generated")]
    for folder in folders:
        folder.mkdir()
        for index, caption in enumerate((*CAPTIONS, "a cat")):
            (folder / f"{index}.mp4").write_bytes((clip_sets / folder.name / f"{index}.mp4").read_bytes())
            (folder / f"{index}.txt").write_text(caption)
    meter = Meter(MeasureSettings(("clip-score", "clip-cosine"), {"clip": tiny_clip}))
    ours, theirs = (meter.measure("generated", folders[0], folder, RESAMPLING) for folder in folders)
    found = contrasted(ours, theirs, "baseline", RESAMPLING)
    cosine = next(metric for metric in found.metrics if metric.name == "CLIP cosine, difference to baseline")
    pairs = zip(ours.clip_values[1].values, theirs.clip_values[1].values, strict=True)
    assert cosine.value == pytest.approx(np.mean([one - two for one, two in pairs]))
    assert (cosine.n, cosine.better, cosine.features) == (3, "higher", "CLIP tiny-clip")
    assert cosine.interval is not None
    assert cosine.significance is not None
    assert found.notes == ()


def test_embeddings_are_those_of_transformers_own_methods(tiny_clip: PinnedFile) -> None:
    import transformers
    from exvideo_eval.features.published.clip import ClipModel

    ours = ClipModel(tiny_clip.place, tiny_clip.sha256, torch.device("cpu"))
    theirs = transformers.CLIPModel.from_pretrained(tiny_clip.place).eval()
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    tokens = transformers.AutoTokenizer.from_pretrained(tiny_clip.place)(
        list(CAPTIONS), padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        (texts, cut), images = ours.captions(CAPTIONS), ours.frames(pixels)
        answer = theirs(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], pixel_values=pixels)
    assert cut == 0
    torch.testing.assert_close(torch.nn.functional.normalize(images), answer.image_embeds)
    torch.testing.assert_close(torch.nn.functional.normalize(texts), answer.text_embeds)


def test_clips_without_a_caption_are_named_and_long_captions_are_noted(captioned: Path, tiny_clip: PinnedFile) -> None:
    meter = Meter(MeasureSettings(("clip-score",), {"clip": tiny_clip}))
    (captioned / "1.txt").write_text("a very long caption of a street that goes on and on and on")
    notes = meter.measure("generated", captioned, captioned, RESAMPLING).notes
    assert "CLIP score: 1 captions are longer than the network reads, and were cut." in notes
    (captioned / "1.txt").unlink()
    meter = Meter(MeasureSettings(("clip-score",), {"clip": tiny_clip}))
    with pytest.raises(ValueError, match=r"1 of 2 have none \(1.mp4\): write each into NAME.txt"):
        meter.measure("generated", captioned, captioned, RESAMPLING)


def test_other_weights_than_the_pinned_ones_are_refused(tiny_clip: PinnedFile) -> None:
    with pytest.raises(ValueError, match=f"is {tiny_clip.sha256}, not {'0' * 64}"):
        Meter(MeasureSettings(("clip-score",), {"clip": PinnedFile(tiny_clip.place, "0" * 64)}))
