import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from exvideo_eval.tiny_world.judges import Judges, judges_present, load_judges
from torch import Tensor


def clips(batch: int = 2, frames: int = 5, height: int = 64, width: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, frames, 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 64, 64), (9, 40, 100), (40, 16, 16)])
def test_clips_of_any_length_and_size_get_probabilities_of_the_described_classes(
    judges: Judges, frames: int, height: int, width: int
) -> None:
    probabilities = judges.classify(clips(2, frames, height, width))
    assert {name: tuple(values.shape) for name, values in probabilities.items()} == {
        name: (2, len(classes)) for name, classes in judges.properties.items()
    }
    for values in probabilities.values():
        torch.testing.assert_close(values.sum(dim=-1), torch.ones(2, dtype=torch.float64))


def test_frames_are_made_smaller_with_antialiasing(judges: Judges) -> None:
    plain = (clips() // 2 + 60).repeat_interleave(4, dim=3).repeat_interleave(4, dim=4)
    stripes = torch.tensor([-40, 40, 40, -40]).repeat(64)  # the pixels that plain bilinear resizing reads are brighter
    striped, brighter = (plain + stripes).byte(), plain + 40
    seen, expected, missed = (judges.features(given) for given in (striped, plain, brighter))
    assert (seen - expected).norm() < 0.1 * (missed - expected).norm()


def test_answers_do_not_depend_on_the_batch(judges: Judges) -> None:
    given, captions = clips(3), ["a red circle", "a red circle moves left", "zebras"]
    apart = torch.cat([judges.similarity(clip[None], [text]) for clip, text in zip(given, captions, strict=True)])
    torch.testing.assert_close(judges.similarity(given, captions), apart, rtol=0, atol=1e-5)
    torch.testing.assert_close(judges.features(given)[1:2], judges.features(given[1:2]), rtol=0, atol=1e-5)


def test_answers_are_read_from_the_features(judges: Judges) -> None:
    odds = judges.classifier.heads["shape"](judges.features(clips()).float())
    torch.testing.assert_close(odds.softmax(dim=-1).double(), judges.classify(clips())["shape"], rtol=0, atol=1e-5)


def test_similarity_is_the_cosine_of_both_embeddings(judges: Judges) -> None:
    captions = ["a red circle", "left"]
    video, text = judges.embed_clips(clips()), judges.embed_captions(captions)
    torch.testing.assert_close(video.norm(dim=-1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(text.norm(dim=-1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(judges.similarity(clips(), captions), torch.diagonal(video @ text.T))
    with pytest.raises(ValueError, match="2 clips and 1 captions were given"):
        judges.similarity(clips(), ["a"])


@pytest.mark.parametrize(
    ("caption", "numbers"),
    [
        ("A red, RED circle!", [2, 3, 3, 4]),
        ("a 3-sided zebra", [2, 1, 1]),
        ("", [1]),
        ("a " * 40, [2] * 32),
    ],
)
def test_captions_become_word_numbers(judges: Judges, caption: str, numbers: list[int]) -> None:
    assert judges.word_numbers([caption]).tolist() == [numbers + [0] * (32 - len(numbers))]


@pytest.mark.parametrize("wrong", [clips().float(), clips()[0], clips().permute(0, 1, 3, 4, 2), clips()[:, :0]])
def test_other_clips_are_refused(judges: Judges, wrong: Tensor) -> None:
    with pytest.raises(ValueError, match=r"The clips are .*: give torch\.uint8 RGB clips"):
        judges.classify(wrong)


def test_loading_gives_single_precision_in_evaluation_and_leaves_the_generator_alone(judges_folder: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    judges = load_judges(judges_folder)
    assert torch.equal(before, torch.get_rng_state())
    for network in (judges.classifier, judges.matcher):
        assert not network.training
        assert {(weight.dtype, weight.requires_grad) for weight in network.parameters()} == {(torch.float32, False)}


def truncate(folder: Path) -> None:
    weights = folder / "matcher.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def edit(folder: Path, **changes: object) -> None:
    path = folder / "judges.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def truncate_and_promise_it(folder: Path) -> None:
    truncate(folder)
    edit(folder, matcher_sha256=hashlib.sha256((folder / "matcher.safetensors").read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "judges.json").unlink(), r"lack .*judges\.json \(No such file"),
        (lambda folder: (folder / "matcher.safetensors").unlink(), r"lack .*matcher\.safetensors"),
        (truncate, r"matcher\.safetensors is damaged or of other judges, as its SHA-256 is"),
        (truncate_and_promise_it, r"matcher\.safetensors does not hold this network's weights"),
        (lambda folder: edit(folder, classifier_sha256="0"), r"classifier\.safetensors is damaged .* says 0:"),
        (lambda folder: edit(folder, format="exvideo.judges/2"), "has the format 'exvideo.judges/2', and only"),
        (lambda folder: (folder / "judges.json").write_text("[]"), "has the format None"),
        (lambda folder: (folder / "judges.json").write_text("{"), "it is not JSON"),
        (lambda folder: edit(folder, words=["a"]), "words that begin with <pad> and <unk>"),
        (lambda folder: edit(folder, words=["<pad>", "<unk>"]), r"matcher\.safetensors does not hold .*words\.weight"),
        (lambda folder: edit(folder, properties={"shape": []}), "a field is missing or wrong"),
        (lambda folder: edit(folder, properties={"shape": ["circle"]}), r"classifier\.safetensors does not hold"),
    ],
)
def test_what_is_missing_damaged_or_mixed_is_named(
    judges_folder: Path, tmp_path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    folder = shutil.copytree(judges_folder, tmp_path / "judges")
    spoil(folder)
    with pytest.raises(ValueError, match=sentence):
        load_judges(folder)


def test_presence_needs_all_three_files(judges_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(judges_folder, tmp_path / "judges")
    assert judges_present(folder)
    (folder / "classifier.safetensors").unlink()
    assert not judges_present(folder)


@pytest.mark.skipif(not judges_present(), reason="the trained judges are not packed into this checkout")
def test_the_judges_of_the_package_load() -> None:
    assert set(load_judges().properties) == {"shape", "colour", "place", "motion"}
