"""A family of somebody else's is one object and one call: mounted, trained, saved, loaded and taken off like ours."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from diffusers import DDIMScheduler
from exvideo_blocks import (
    ExtensionConfig,
    check_extends,
    extend,
    extension_of,
    lengthen,
    load_extension,
    read_safetensors,
    restore,
    save_extension,
    save_pretrained,
    write_safetensors,
)
from exvideo_blocks.families import FAMILIES, animatediff, family_of, register_family
from exvideo_blocks.families.family import Family, check_class
from exvideo_blocks.layers import FrameTable
from exvideo_blocks.levels import LEVELS
from exvideo_blocks.positions import POSITIONS
from exvideo_blocks.twins import twin_of, twin_with_own
from torch import Tensor, nn

CHANNELS = 8


class FrameAttention(nn.Module):
    """Attention along frames, (batch, frames, channels), with positions that are known for a few frames only."""

    def __init__(self, known_frames: int) -> None:
        super().__init__()
        self.register_buffer("positions", torch.randn(known_frames, CHANNELS))
        self.attn = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def placed(self, num_frames: int) -> Tensor:
        return self.positions[:num_frames]

    def forward(self, x: Tensor) -> Tensor:
        placed = x + self.placed(x.shape[1])
        return x + self.attn(placed, placed, placed, need_weights=False)[0]


class ExtendedFrameAttention(FrameAttention):
    def placed(self, num_frames: int) -> Tensor:
        return self.frame_table(num_frames)


class ToyModel(nn.Module):
    def __init__(self, known_frames: int = 4) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.entry, self.time = nn.Linear(CHANNELS, CHANNELS), FrameAttention(known_frames)

    def forward(self, x: Tensor) -> Tensor:
        return self.time(self.entry(x))


class ToyFamily:
    NAME = "toy"
    PIPELINE_TAG = "video-to-video"
    SUBFOLDER = "network"
    LEVELS = ("temporal", "position")
    GROUPS: ClassVar = {"positions": "frame_table", "attention": r"\.attn\."}

    def model_class(self) -> type[nn.Module]:
        return ToyModel

    def can_run(self, model: Any, num_frames: int) -> bool:
        return True

    def base_frames(self, model: Any) -> int:
        return len(model.time.positions)

    def rows(self, num_frames: int) -> int:
        return num_frames

    def architecture(self, model: Any) -> dict[str, Any]:
        return {"channels": CHANNELS}

    def find_sites(self, model: nn.Module) -> dict[str, nn.Module]:
        return {name: site for name, site in model.named_modules() if isinstance(site, FrameAttention)}

    def extended_site(self, site: Any, config: ExtensionConfig, known_frames: int) -> nn.Module:
        check_class(site, FrameAttention)
        if config.positions != "reflected":
            raise ValueError(f"positions={config.positions!r} are not ToyModel's.")
        ids = POSITIONS[config.positions](self.rows(known_frames), self.rows(config.num_frames))
        whole = LEVELS[config.level].blocks
        extended = twin_of(twin_with_own(site, lambda name: whole), ExtendedFrameAttention)
        extended.add_module("frame_table", FrameTable(site.positions[[int(position) for position in ids]]))
        return extended

    def adapted_names(self, site: Any, level_name: str) -> list[str]:
        whole = LEVELS[level_name].blocks
        return [name for name, _ in site.named_parameters() if whole or name.startswith("frame_table.")]

    def dead_names(self, names: Iterable[str], context_tokens: int | None) -> list[str]:
        return []

    def objective(self, scheduler: Any, **settings: Any) -> Any:
        return animatediff.objective(scheduler, **settings)

    def call(self, network: Any, model_input: Tensor, time: Tensor, conditions: Any) -> Tensor:
        return network(model_input)


@pytest.fixture
def toy() -> Iterator[Family]:
    family = ToyFamily()
    register_family(family)
    yield family
    del FAMILIES["toy"]


def test_it_is_mounted_trained_saved_loaded_and_taken_off(toy: Family, tmp_path: Path) -> None:
    model, untouched, other = ToyModel(), ToyModel(), ToyModel()
    short, clips = torch.randn(2, 4, CHANNELS), torch.randn(2, 12, CHANNELS)
    extension = extend(model, ExtensionConfig(num_frames=12, level="temporal"))
    assert torch.equal(model(short), untouched(short))

    objective = family_of(model).objective(DDIMScheduler())
    level, noise = torch.tensor([300, 900]), torch.randn_like(clips)
    optimizer = torch.optim.SGD(extension.trainable_parameters().values(), lr=0.1)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        model_input, time = objective.precondition(clips, noise, level)
        prediction = family_of(model).call(model, model_input, time, conditions=None)
        losses.append(objective.loss(prediction, model_input, clips, noise, level).mean())
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    assert torch.equal(model.entry.weight, untouched.entry.weight)

    save_extension(extension, tmp_path / "toy.safetensors")
    loaded = load_extension(other, tmp_path / "toy.safetensors")
    assert (loaded.family_name, loaded.base_frames) == ("toy", 4)
    assert torch.equal(other(clips), model(clips))
    before = model(clips)
    assert lengthen(model, 20).config.num_frames == 20
    assert torch.equal(model(clips), before)

    restore(model)
    assert list(model.state_dict()) == list(untouched.state_dict())
    assert torch.equal(model(short), untouched(short))


def test_its_card_says_what_it_is_and_how_to_make_its_base(toy: Family, tmp_path: Path) -> None:
    extension = extend(ToyModel(), ExtensionConfig(num_frames=12, level="position"))
    save_pretrained(extension, tmp_path, repo_id="anna/toy")
    card = (tmp_path / "README.md").read_text()
    assert "pipeline_tag: video-to-video" in card
    assert f"from {ToyModel.__module__} import ToyModel\n" in card
    assert "model = ToyModel(...)  # the base, with its weights\n" in card
    assert "diffusers import" not in card
    assert "a ToyModel makes clips\nof up to 12 frames instead of 4." in card
    assert load_extension(ToyModel(), tmp_path).config == extension.config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "level='full' is not one that toy models serve: choose one of temporal, position"),
        ({"level": "lora"}, "level='lora' is not one that toy models serve"),
        ({"level": "temporal", "positions": "continued"}, "positions='continued' are not ToyModel's"),
    ],
)
def test_what_it_cannot_serve_is_refused_before_the_model_is_touched(
    toy: Family, options: dict[str, Any], message: str
) -> None:
    model, config = ToyModel(), ExtensionConfig(num_frames=12, **options)
    with pytest.raises(ValueError, match=message):
        extend(model, config)
    assert extension_of(model) is None
    assert all(parameter.requires_grad for parameter in model.parameters())


class CompressedFamily(ToyFamily):
    """A toy whose autoencoder makes one row of four frames; its model knows 4 rows, 16 frames."""

    def rows(self, num_frames: int) -> int:
        if num_frames % 4:
            below = num_frames // 4 * 4
            raise ValueError(f"num_frames={num_frames} is no multiple of 4: give {below or 4} or {below + 4}.")
        return num_frames // 4

    def can_run(self, model: Any, num_frames: int) -> bool:
        return True

    def base_frames(self, model: Any) -> int:
        return 4 * len(model.time.positions)


def test_rows_that_are_fewer_than_frames_are_saved_loaded_and_lengthened(
    toy: Family, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(FAMILIES, "toy", CompressedFamily())
    model, other, clips = ToyModel(), ToyModel(), torch.randn(2, 6, CHANNELS)
    extension = extend(model, ExtensionConfig(num_frames=24, level="position"))
    assert len(extension.named_parameters()["time.frame_table.weight"]) == 6
    with torch.no_grad():
        extension.named_parameters()["time.frame_table.weight"].add_(torch.randn(6, CHANNELS))
    save_extension(extension, tmp_path / "toy.safetensors")
    assert load_extension(other, tmp_path / "toy.safetensors").config.num_frames == 24
    assert torch.equal(other(clips), model(clips))
    before = model(clips)
    assert len(lengthen(model, 40).named_parameters()["time.frame_table.weight"]) == 10
    assert torch.equal(model(clips), before)
    for function in (extend, check_extends):
        with pytest.raises(ValueError, match="num_frames=30 is no multiple of 4: give 28 or 32"):
            function(ToyModel(), ExtensionConfig(num_frames=30, level="position"))


def test_a_file_with_other_rows_than_it_says_is_refused(
    toy: Family, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(FAMILIES, "toy", CompressedFamily())
    save_extension(extend(ToyModel(), ExtensionConfig(num_frames=24, level="position")), tmp_path / "toy.safetensors")
    tensors, metadata = read_safetensors(tmp_path / "toy.safetensors")
    config = metadata["config"].replace('"num_frames": 24', '"num_frames": 24000')
    write_safetensors(tmp_path / "long.safetensors", tensors, metadata | {"config": config})
    model = ToyModel()
    with pytest.raises(ValueError, match="says num_frames=24000, and none of its tensors has 6000 rows: copy or save"):
        load_extension(model, tmp_path / "long.safetensors")
    assert extension_of(model) is None


class LargerModel(ToyModel):
    """A toy of a kind of its own, that is a ToyModel too."""


def test_the_most_specific_family_has_a_model(toy: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    larger = type("Larger", (ToyFamily,), {"NAME": "larger", "model_class": lambda self: LargerModel})()
    monkeypatch.setitem(FAMILIES, "larger", larger)
    assert family_of(LargerModel()) is larger
    assert family_of(ToyModel()) is toy
    assert family_of(type("Nameless", (LargerModel,), {})()) is larger
    monkeypatch.setitem(FAMILIES, "same", type("Same", (ToyFamily,), {"NAME": "same"})())
    with pytest.raises(TypeError, match="ToyModel is a model of toy and same: register one family a class"):
        family_of(ToyModel())


def test_what_it_adds_and_does_not_name_is_frozen(toy: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ToyFamily.extended_site

    def with_a_scale(self: ToyFamily, *args: Any) -> nn.Module:
        site = plain(self, *args)
        site.register_parameter("scale", nn.Parameter(torch.ones(CHANNELS)))
        return site

    monkeypatch.setattr(ToyFamily, "extended_site", with_a_scale)
    model = ToyModel()
    extension = extend(model, ExtensionConfig(num_frames=12, level="position"))
    assert "time.scale" in dict(model.named_parameters())
    assert {name for name, p in model.named_parameters() if p.requires_grad} == set(extension.named_parameters())


def test_a_model_without_a_temporal_site_is_refused(toy: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyFamily, "find_sites", lambda self, model: {})
    model = ToyModel()
    for function in (extend, check_extends):
        with pytest.raises(ValueError, match="This ToyModel has no temporal site, so there is nothing to extend: pass"):
            function(model, ExtensionConfig(num_frames=12, level="position"))
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_compiled_model_has_its_family_and_is_refused_by_name(toy: Family) -> None:
    model = ToyModel()
    compiled = torch.compile(model)
    assert family_of(compiled) is toy
    with pytest.raises(ValueError, match="This model is compiled: extend the model that was given"):
        extend(compiled, ExtensionConfig(num_frames=12, level="position"))
    assert extension_of(model) is None


def test_a_name_is_taken_once(toy: Family) -> None:
    register_family(toy)  # the same again is no harm
    with pytest.raises(ValueError, match="A family named 'toy' is registered already"):
        register_family(ToyFamily())


def test_a_model_of_no_family_is_told_which_there_are(toy: Family) -> None:
    with pytest.raises(TypeError, match=r"Linear cannot be extended: pass one of .*UNetMotionModel, .*ToyModel"):
        extend(nn.Linear(2, 2), ExtensionConfig(num_frames=12))
