"""A family of somebody else's is one object and one call: mounted, trained, saved, loaded and taken off like ours."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import Extension, ExtensionConfig, check_extends, extend, extension_of, lengthen, restore
from exvideo_blocks.families import FAMILIES, family_of, register
from exvideo_blocks.families.family import Family, check_class
from exvideo_blocks.layers import FrameTable
from exvideo_blocks.levels import LEVELS
from exvideo_blocks.positions import POSITIONS
from exvideo_blocks.twins import twin_of, twin_with_own
from torch import Tensor, nn

GUIDE = (Path(__file__).parents[4] / "docs" / "adding-a-family.md").read_text()
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


@dataclass(frozen=True)
class ToyObjective:
    """The model removes noise of a strength from 0 to 1."""

    def noise_levels(self) -> Tensor:
        return torch.linspace(0, 1, 11)

    def precondition(self, latents: Tensor, noise: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        return latents + level.view(-1, 1, 1) * noise, level

    def loss(self, prediction: Tensor, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return (prediction - latents).float().square().flatten(1).mean(dim=1)


class ToyFamily:
    NAME = "toy"
    MODEL_CLASS = "ToyModel"
    PIPELINE_TAG = "video-to-video"

    def matches(self, model: nn.Module) -> bool:
        return isinstance(model, ToyModel)

    def base_frames(self, model: Any) -> int:
        return len(model.time.positions)

    def architecture(self, model: Any) -> dict[str, Any]:
        return {"channels": CHANNELS}

    def find_sites(self, model: nn.Module) -> dict[str, nn.Module]:
        return {name: site for name, site in model.named_modules() if isinstance(site, FrameAttention)}

    def extended_site(self, site: Any, config: ExtensionConfig, known_frames: int) -> nn.Module:
        check_class(site, FrameAttention)
        if config.level not in ("temporal", "position") or config.positions != "reflected":
            raise ValueError(f"level={config.level!r} and positions={config.positions!r} are not both ToyModel's.")
        ids = POSITIONS[config.positions](known_frames, config.num_frames)
        whole = LEVELS[config.level].blocks
        extended = twin_of(ExtendedFrameAttention, twin_with_own(site, lambda name: whole))
        extended.add_module("frame_table", FrameTable(site.positions[[int(position) for position in ids]]))
        return extended

    def adapted_names(self, site: Any, level_name: str) -> list[str]:
        whole = LEVELS[level_name].blocks
        return [name for name, _ in site.named_parameters() if whole or name.startswith("frame_table.")]

    def is_dead_with_one_token(self, name: str) -> bool:
        return False

    def objective(self, scheduler: Any) -> ToyObjective:
        return ToyObjective()


@pytest.fixture
def toy() -> Iterator[Family]:
    family = ToyFamily()
    register(family)
    yield family
    del FAMILIES["toy"]


def test_it_is_mounted_trained_saved_loaded_and_taken_off(toy: Family, tmp_path: Path) -> None:
    model, untouched, other = ToyModel(), ToyModel(), ToyModel()
    short, clips = torch.randn(2, 4, CHANNELS), torch.randn(2, 12, CHANNELS)
    extension = extend(model, ExtensionConfig(num_frames=12, level="temporal"))
    assert torch.equal(model(short), untouched(short))

    objective = family_of(model).objective(scheduler=None)
    level, noise = objective.noise_levels()[[3, 9]], torch.randn_like(clips)
    optimizer = torch.optim.SGD(extension.trainable_parameters().values(), lr=0.1)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        model_input, _ = objective.precondition(clips, noise, level)
        losses.append(objective.loss(model(model_input), clips, noise, level).mean())
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    assert torch.equal(model.entry.weight, untouched.entry.weight)

    extension.save(tmp_path / "toy.safetensors")
    loaded = Extension.load(tmp_path / "toy.safetensors", other)
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
    extension.save_pretrained(tmp_path, repo_id="anna/toy")
    card = (tmp_path / "README.md").read_text()
    assert "pipeline_tag: video-to-video" in card
    assert f"from {ToyModel.__module__} import ToyModel\n" in card
    assert "model = ToyModel(...)  # the base, with its weights\n" in card
    assert "diffusers import" not in card
    assert "a ToyModel makes clips\nof up to 12 frames instead of 4." in card
    assert Extension.load(tmp_path, ToyModel()).config == extension.config


@pytest.mark.parametrize("options", [{}, {"level": "lora"}, {"level": "temporal", "positions": "continued"}])
def test_what_it_cannot_serve_is_refused_before_the_model_is_touched(toy: Family, options: dict[str, Any]) -> None:
    model, config = ToyModel(), ExtensionConfig(num_frames=12, **options)
    message = f"level={config.level!r} and positions={config.positions!r} are not both ToyModel's"
    with pytest.raises(ValueError, match=message):
        extend(model, config)
    assert extension_of(model) is None
    assert all(parameter.requires_grad for parameter in model.parameters())


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
        with pytest.raises(ValueError, match="This ToyModel has no temporal site, so there is nothing to extend; pass"):
            function(model, ExtensionConfig(num_frames=12, level="position"))
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_name_is_taken_once(toy: Family) -> None:
    register(toy)  # the same again is no harm
    with pytest.raises(ValueError, match="A family named 'toy' is registered already"):
        register(ToyFamily())


def test_a_model_of_no_family_is_told_which_there_are(toy: Family) -> None:
    with pytest.raises(TypeError, match=r"Linear cannot be extended; pass one of: .*UNetMotionModel, ToyModel"):
        extend(nn.Linear(2, 2), ExtensionConfig(num_frames=12))


def test_the_guide_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = set(FAMILIES)
    code = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL))
    try:
        exec(compile(code, "adding-a-family.md", "exec"), {})
        assert len(FAMILIES) == len(known) + 1
    finally:
        for name in set(FAMILIES) - known:
            del FAMILIES[name]
