"""The cost of an extension: parameters by group, bytes of its file, memory of a training step's state."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from exvideo_blocks.extension import Extension

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
REST = "everything else"  # the group of parameters that no pattern of the family finds
_GB, _GIB = 1e9, 2**30


@dataclass(frozen=True)
class Group:
    """Parameters of one kind in the extended model: how many the level adapts, and how many stay frozen."""

    name: str
    trained: int
    frozen: int


@dataclass(frozen=True)
class TrainingState:
    """Bytes that a training step's state takes in one process, unsharded; activations are not in it.

    Args:
        weights: the whole extended model, in the precision.
        gradients: of what learns, in the precision.
        masters: fp32 copies of what learns; none at fp32, where the weights themselves are that.
        moments: AdamW's two of what learns, fp32.
        ema: moving average of what learns, fp32.
        kept_base: the base's own weights of what trains, kept aside for `restore`, in the precision.
    """

    weights: int
    gradients: int
    masters: int
    moments: int
    ema: int
    kept_base: int

    @property
    def total(self) -> int:
        """Sum of all parts, bytes."""
        return self.weights + self.gradients + self.masters + self.moments + self.ema + self.kept_base


@dataclass(frozen=True)
class Summary:
    """The numbers of an extension; `print` it for a table, `to_markdown` for a card.

    Args:
        title: family, lengths and level, in words.
        groups: parameters of the extended model by kind; kinds that it does not have are left out.
        base: parameters of the base model.
        learning: trained parameters less those that cannot learn with the number of context tokens given.
        kept_base: parameters of the base kept aside because a copy of them trains.
    """

    title: str
    groups: tuple[Group, ...]
    base: int
    learning: int
    kept_base: int

    @property
    def trained(self) -> int:
        """Parameters that the level adapts: what a file holds."""
        return sum(group.trained for group in self.groups)

    @property
    def total(self) -> int:
        """Parameters of the extended model."""
        return self.trained + sum(group.frozen for group in self.groups)

    def file_bytes(self, dtype: torch.dtype) -> int:
        """Bytes of the tensors in a file of this dtype; its header takes some tens of kilobytes more."""
        return self.trained * dtype.itemsize

    def training_state(self, precision: str) -> TrainingState:
        """Memory of a training step's state.

        Args:
            precision: "fp32", "bf16" or "fp16", of weights and gradients.

        Raises:
            ValueError: the precision is unknown.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision={precision!r} is unknown: choose one of {', '.join(PRECISIONS)}.")
        size = PRECISIONS[precision].itemsize
        return TrainingState(
            weights=size * self.total,
            gradients=size * self.learning,
            masters=0 if precision == "fp32" else 4 * self.learning,
            moments=8 * self.learning,
            ema=4 * self.learning,
            kept_base=size * self.kept_base,
        )

    def to_markdown(self) -> str:
        """The groups as a Markdown table."""
        rows = [f"| {name} | {trained} | {frozen} |" for name, trained, frozen in self._rows()]
        return "\n".join(["| parameters | trained | frozen |", "| --- | ---: | ---: |", *rows])

    def __str__(self) -> str:
        lines = [self.title, "", f"{'parameters':<24}{'trained':>16}{'frozen':>16}"]
        lines += [f"{name:<24}{trained:>16}{frozen:>16}" for name, trained, frozen in self._rows()]
        share = f"{self.trained:,} trained, {self.trained / self.total:.1%}"
        lines += ["", f"base {self.base:,}; extended {self.total:,}; {share}"]
        lines += [f"{self.learning:,} of them can learn"] if self.learning != self.trained else []
        sizes = [f"{name} {self.file_bytes(dtype) / _GB:.2f} GB" for name, dtype in PRECISIONS.items()]
        lines += [f"file: {', '.join(sizes)}", "", *self._memory()]
        return "\n".join(lines)

    def _rows(self) -> list[tuple[str, str, str]]:
        counts = [(group.name, group.trained, group.frozen) for group in self.groups]
        counts.append(("total", self.trained, self.total - self.trained))
        return [(name, f"{trained:,}", f"{frozen:,}") for name, trained, frozen in counts]

    def _memory(self) -> Iterable[str]:
        yield "a training step's state in GiB, one process, without activations"
        parts = ("weights", "gradients", "masters", "moments", "ema", "kept_base", "total")
        yield f"{'':<6}" + "".join(f"{part:>10}" for part in parts)
        for precision in PRECISIONS:
            state = self.training_state(precision)
            yield f"{precision:<6}" + "".join(f"{getattr(state, part) / _GIB:>10.2f}" for part in parts)


def summarize(extension: Extension, context_tokens: int | None = None) -> Summary:
    """Counts the parameters of an extended model, mounted or disabled, on any device, meta included.

    Args:
        extension: the extension.
        context_tokens: tokens that the model is conditioned on, as in `Extension.trainable_parameters`.
    """
    adapted = set(extension.names)
    sites = {name: dict(site.named_parameters()) for name, site in extension.sites().items()}
    originals = {name: dict(site.named_parameters()) for name, site in extension.originals.items()}
    named = {id(parameter): name for name, parameter in extension.named_parameters().items()}
    of_sites = {
        named.get(id(p), f"{site}.{name}"): p for site, parameters in sites.items() for name, p in parameters.items()
    }  # fmt: skip
    mounted = tuple(f"{name}." for name in sites)
    outside = {name: p for name, p in extension.model.named_parameters() if not name.startswith(mounted)}
    shared = {id(parameter) for parameter in of_sites.values()}
    kept = [p for parameters in originals.values() for p in parameters.values() if id(p) not in shared]
    dead = set(extension.dead_names(context_tokens))
    return Summary(
        title=(
            f"{extension.family_name}: {extension.base_frames} -> {extension.config.num_frames} frames, "
            f"level {extension.config.level}"
        ),
        groups=_count_groups(outside | of_sites, adapted, extension.family.GROUPS),
        base=_count(outside.values()) + sum(_count(parameters.values()) for parameters in originals.values()),
        learning=_count(parameter for name, parameter in of_sites.items() if name in adapted - dead),
        kept_base=_count(kept),
    )


def _count_groups(
    parameters: Mapping[str, Tensor], adapted: set[str], patterns: Mapping[str, str]
) -> tuple[Group, ...]:
    patterns = {**patterns, REST: ""}
    members: dict[str, list[str]] = {group: [] for group in patterns}
    for name in parameters:
        members[next(group for group, pattern in patterns.items() if re.search(pattern, name))].append(name)
    return tuple(
        Group(
            group,
            trained=_count(parameters[name] for name in names if name in adapted),
            frozen=_count(parameters[name] for name in names if name not in adapted),
        )
        for group, names in members.items()
        if names
    )


def _count(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)
