"""Random sequences of what people do to an extended model: each step works or is refused, none changes it unsaid."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, extension_of, load_extension, restore, save_extension
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("peft")

MakeBase = Callable[[str, torch.dtype], Any]
FRAMES = {True: 6, False: 4}  # of a clip that the model can run, by whether it is extended
FULL = ("full", "temporal", "attention")  # levels that train what a LoRA is fused into
STEPS = (
    "mount full", "mount lora", "mount conv", "mount position", "load lora", "load full",
    "style spatial", "style everywhere", "fuse", "unfuse", "unload",
    "cast float64", "cast float32", "cast bfloat16", "disable", "enable", "restore",
)  # fmt: skip


def run(model: Any, frames: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    dtype = next(model.parameters()).dtype
    sample = torch.randn(1, 4, frames, 4, 6, generator=generator, dtype=torch.float64).to(dtype)
    context = torch.randn(1, 1, 32, generator=generator, dtype=torch.float64).to(dtype)
    with torch.no_grad():
        return model(sample, torch.tensor(7), context.repeat(frames, 1, 1)).sample


def is_temporal(name: str) -> bool:
    return "motion_modules" in name


def style(model: Any, everywhere: bool) -> dict[str, Tensor]:
    generator, tensors = torch.Generator().manual_seed(2), {}
    for name, module in model.named_modules():
        if name.endswith(("to_q", "to_v")):
            down = torch.randn(2, module.in_features, generator=generator)
            up = 0.1 * torch.randn(module.out_features, 2, generator=generator)
            if everywhere or not is_temporal(name):
                tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    return tensors


class Person:
    """Takes steps with a model, and knows what it must compute after each."""

    def __init__(self, base: Any, files: dict[str, Path]) -> None:
        self.model, self.pristine, self.files = base, copy.deepcopy(base), files
        self.learnt: dict[str, Tensor] | None = None
        self.config = ExtensionConfig(num_frames=7)
        self.casts: list[torch.dtype] = []
        self.everywhere = False
        self.present = self.fused = False  # the style, beside the weights or in them
        self.spatial = self.in_extended = self.in_base = False  # where it is felt

    @property
    def enabled(self) -> bool:
        extension = extension_of(self.model)
        return extension is not None and extension.is_enabled

    def expected(self) -> Tensor:
        model = copy.deepcopy(self.pristine)
        for dtype in self.casts:
            model.to(dtype)
        tensors = style(model, True)
        if self.enabled:
            extension = extend(model, self.config)
            assert self.learnt is not None
            with torch.no_grad():
                for name, parameter in extension.named_parameters().items():
                    parameter.copy_(self.learnt[name])
        temporal = self.in_extended if self.enabled else self.in_base
        for key in [key for key in tensors if ".lora_A." in key]:
            name = key.removesuffix(".lora_A.weight")
            if temporal if is_temporal(name) else self.spatial:
                weight = model.get_submodule(name).weight
                weight.data += (tensors[f"{name}.lora_B.weight"] @ tensors[key]).to(weight.dtype)
        return run(model, FRAMES[self.enabled])

    def take(self, step: str) -> None:
        """Takes a step; raises the ValueError of a refusal."""
        kind, _, what = step.partition(" ")
        getattr(self, f"_{kind}")(what)

    def _mount(self, level: str) -> None:
        extension = extend(self.model, ExtensionConfig(num_frames=7, level=level))
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in extension.named_parameters().values():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
        self._mounted(extension)

    def _load(self, level: str) -> None:
        self._mounted(load_extension(self.model, self.files[level]))

    def _mounted(self, extension: Any) -> None:
        self.config = extension.config
        self.learnt = {name: parameter.detach().clone() for name, parameter in extension.named_parameters().items()}
        # A style that was fused into the base is in the extended sites, be they shares or copies of its weights.
        self.in_extended = self.in_base

    def _style(self, where: str) -> None:
        if self.present or self.spatial:
            return
        everywhere = where == "everywhere"
        self.model.load_lora_adapter(style(self.model, everywhere), prefix=None, adapter_name="style")
        self.present, self.spatial, self.everywhere = True, True, everywhere
        if everywhere and self.enabled:
            self.in_extended = True
        elif everywhere:
            self.in_base = True

    def _fuse(self, _: str) -> None:
        if self.present and not self.fused:
            self.model.fuse_lora()
            self.fused = True

    def _unfuse(self, _: str) -> None:
        if self.fused:
            self.model.unfuse_lora()
            self.fused = False

    def _unload(self, _: str) -> None:
        if not self.present:
            return
        self.model.unload_lora()
        if not self.fused:
            self.spatial = False
            if self.everywhere and self.enabled:
                self.in_extended = False
            elif self.everywhere:
                self.in_base = False
        self.present = self.fused = False

    def _cast(self, name: str) -> None:
        dtype = getattr(torch, name)
        self.model.to(dtype)
        self.casts.append(dtype)

    def _disable(self, _: str) -> None:
        if extension_of(self.model) is not None:
            extension_of(self.model).disable()

    def _enable(self, _: str) -> None:
        if extension_of(self.model) is not None:
            extension_of(self.model).enable()

    def _restore(self, _: str) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            restore(self.model)
        said = [warning for warning in caught if "were changed while the model was extended" in str(warning.message)]
        assert not said or torch.bfloat16 in self.casts
        self.learnt = None


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {level: tmp_path_factory.mktemp("files") / f"{level}.safetensors" for level in ("full", "lora")}


def check(make_base: MakeBase, files: dict[str, Path], steps: list[str]) -> None:
    for level, path in files.items():
        if not path.is_file():
            maker = Person(make_base("animatediff", torch.float32), files)
            maker.take(f"mount {level}")
            save_extension(extension_of(maker.model), path)
    person = Person(make_base("animatediff", torch.float32), files)
    for step in steps:
        state = {name: value.clone() for name, value in person.model.state_dict().items()}
        try:
            person.take(step)
        except ValueError:
            after = person.model.state_dict()
            assert after.keys() == state.keys()
            assert all(torch.equal(after[name], state[name]) for name in state)
        tolerance = 0.2 if torch.bfloat16 in person.casts else 5e-4
        torch.testing.assert_close(
            run(person.model, FRAMES[person.enabled]), person.expected(), rtol=tolerance, atol=tolerance
        )
    person.take("unload")
    if extension_of(person.model) is not None:
        person.take("restore")
    _check_base(person)


def random_sequences(number: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    slow = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    tries = settings(max_examples=number, deadline=None, derandomize=True, suppress_health_check=slow)
    return lambda test: tries(given(steps=st.lists(st.sampled_from(STEPS), min_size=4, max_size=9))(test))


@random_sequences(8)
def test_no_step_changes_anything_unsaid(make_base: MakeBase, files: dict[str, Path], steps: list[str]) -> None:
    check(make_base, files, steps)


@pytest.mark.long
@random_sequences(200)
def test_no_step_of_many_changes_anything_unsaid(make_base: MakeBase, files: dict[str, Path], steps: list[str]) -> None:
    check(make_base, files, steps)


@pytest.mark.parametrize(
    "steps",
    [
        "mount lora, style everywhere, fuse, unload, restore",
        "mount conv, disable, style everywhere, fuse, enable, unload, enable, fuse",
        "style everywhere, mount position, unload, mount position, style everywhere, fuse, restore, unfuse, unload",
        "load full, style everywhere, fuse, cast bfloat16, unload, disable, cast float32, enable",
        "style spatial, load lora, fuse, disable, unfuse, unload, enable, cast float64, restore",
    ],
)
def test_the_sequences_that_used_to_go_wrong(make_base: MakeBase, files: dict[str, Path], steps: str) -> None:
    check(make_base, files, steps.split(", "))


def _check_base(person: Person) -> None:
    """The base's temporal sites have its bits: cast as the model was, or as often as they were in it."""
    if person.in_base:
        return  # somebody fused a style into them while there was no extension
    once, each = copy.deepcopy(person.pristine), copy.deepcopy(person.pristine)
    for dtype in person.casts:
        each.to(dtype)
    once.to(next(person.model.parameters()).dtype)
    state, ways = person.model.state_dict(), (once.state_dict(), each.state_dict())
    for name in filter(is_temporal, ways[0]):
        assert any(torch.equal(state[name], way[name]) for way in ways), name
