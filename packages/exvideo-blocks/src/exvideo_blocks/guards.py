"""Methods of an extended model that would break its extension: refused, or made harmless, while that is in it."""

from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from exvideo_blocks.families.family import check_processor

_OFF = "inside `with extension.disabled():` the model is its base"
# Of diffusers' models. Others do no harm: docs/mounted.md judges each.
REFUSED = {
    "save_pretrained": "would write a base that its own class loads as another model: save the extension "
    f"(save_extension), and the base, if need be, where it is by itself: {_OFF}.",
    "push_to_hub": "would publish a base that its own class loads as another model: push the extension "
    f"(exvideo_blocks.push_to_hub), and the base, if need be, where it is by itself: {_OFF}.",
    "fuse_qkv_projections": "would put fused projections beside the ones that the extension adapts: run it without, or "
    f"take the extension off (restore); {_OFF}.",
    "unfuse_qkv_projections": "would set other attention processors, though nothing is fused.",
    "load_motion_modules": "would write the adapter's values over the frozen ones that the base shares: restore the "
    "model, load them, and extend it again.",
    "save_motion_modules": f"would write frozen values and lose what the extension has learnt: {_OFF}.",
    "freeze_unet2d_params": "would unfreeze the base's own motion weights, which no file of the extension holds: "
    "train extension.trainable_parameters(), for which all else is frozen.",
}
# They reach what the base shares with the extension that waits.
_REFUSED_WHILE_DISABLED = ("load_motion_modules", "freeze_unet2d_params")
_PLAIN_STARTS = ("gaussian", "orthogonal")
_INJECTING = ("add_adapter", "load_lora_adapter", "load_attn_procs")


class Mounted(Protocol):
    """The questions that the guards ask an extension."""

    model: nn.Module

    @property
    def is_enabled(self) -> bool: ...
    def sites(self) -> dict[str, nn.Module]: ...
    def named_parameters(self) -> dict[str, nn.Parameter]: ...
    def fused_into(self, *, possibly: bool = False) -> list[str]: ...
    def originals_carry_adapters(self) -> bool: ...
    def trains_linear_weights(self) -> bool: ...
    def not_added_beside_updates(self) -> list[str]: ...


def guard(extension: Mounted) -> None:
    """Puts the guards on the extension's model; those that its class does not need are left out.

    Fewer while the extension is disabled: the model is its base then.
    """
    model: Any = extension.model
    unguard(model)
    guards: dict[str, _Guard] = {
        "fuse_lora": _Fusion(extension, "fuse_lora"),
        "set_attn_processor": _Processors(extension, "set_attn_processor"),
    }
    if extension.is_enabled:
        guards |= {name: _Injection(extension, name) for name in _INJECTING}
    for name, why in REFUSED.items():
        if extension.is_enabled or name in _REFUSED_WHILE_DISABLED:
            guards[name] = _Refusal(name, why)
    for name, made in guards.items():
        if hasattr(type(model), name):
            setattr(model, name, made)


def unguard(model: Any) -> None:
    """Takes the guards off a model."""
    for name in [name for name, value in vars(model).items() if isinstance(value, _Guard)]:
        delattr(model, name)


@dataclass(eq=False)
class _Guard:
    """A stand-in for a method."""


@dataclass(eq=False)
class _Refusal(_Guard):
    method: str
    why: str

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        raise ValueError(f"{self.method} on an extended model {self.why}")


@dataclass(eq=False)
class _Guarded(_Guard):
    extension: Mounted
    method: str

    def run(self, *args: Any, **kwargs: Any) -> Any:
        model = self.extension.model
        return getattr(type(model), self.method)(model, *args, **kwargs)


class _Injection(_Guarded):
    """Adapters are put on a model, and peft freezes all else: what the extension trains goes on requiring gradients.

    Those that start by taking a part out of the weights below them (PiSSA, OLoRA ...) would take it out of what trains.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for config in (*args, *kwargs.values()):
            if getattr(config, "modules_to_save", None):
                raise ValueError(
                    f"modules_to_save={config.modules_to_save!r} trains copies of modules of the model, which "
                    "diffusers does not take off again, and an extended model could not be restored: leave it out."
                )
            start = getattr(config, "init_lora_weights", True)
            if isinstance(start, str) and start not in _PLAIN_STARTS and self.extension.trains_linear_weights():
                raise ValueError(
                    f"init_lora_weights={start!r} takes a part out of the weights that an adapter is put beside, and "
                    "this extension trains and saves such weights: give True or 'gaussian'."
                )
        trained = [p for p in self.extension.named_parameters().values() if p.requires_grad]
        try:
            return self.run(*args, **kwargs)
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)


class _Fusion(_Guarded):
    """Adapters are fused into the weights below them, which may be copies of the base's, but not what is trained.

    Nor what the base shares with an extension that waits.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.extension.is_enabled and self.extension.originals_carry_adapters():
            raise ValueError(
                "fuse_lora would add an adapter to weights that the base shares with its disabled extension: take the "
                "extension off (restore), and put it on again after."
            )
        trained = self.extension.fused_into(possibly=True)
        if trained:
            raise ValueError(
                f"fuse_lora would add an adapter to {len(trained)} parameters that this extension trains and saves "
                f"({trained[0]} is the first): leave it beside them, unfused, which computes the same."
            )
        multiplied = self.extension.not_added_beside_updates()
        if multiplied:
            raise ValueError(
                "fuse_lora would scale or turn the weights below an adapter, but not the low-rank updates beside "
                f"them ({multiplied[0]} is the first layer with one): leave it unfused; a plain LoRA can be fused."
            )
        return self.run(*args, **kwargs)


class _Processors(_Guarded):
    """Attention processors are set; blocks that compute their attention themselves would ignore all but plain ones."""

    def __call__(self, processor: Any, *args: Any, **kwargs: Any) -> Any:
        for at, site in self.extension.sites().items():
            for name, block in site.named_modules():
                if getattr(block, "ignores_processors", False):
                    self._check(processor, f"{at}.{name}.")
        return self.run(processor, *args, **kwargs)

    @staticmethod
    def _check(processor: Any, block: str) -> None:
        given = processor if isinstance(processor, dict) else {block: processor}
        for name, value in given.items():
            if name.startswith(block):
                check_processor(value)
