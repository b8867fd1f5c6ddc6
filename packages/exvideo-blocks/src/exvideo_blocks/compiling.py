"""Regional compilation: the repeated blocks of a model, each by `torch.compile`, instead of the model as a whole."""

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from exvideo_blocks.families import networks_of

# Lists of blocks in the UNets of diffusers, which name none in `_repeated_blocks` as its transformers do.
LISTS = ("resnets", "attentions", "motion_modules")
# Of blocks within these, which they checkpoint one by one: PyTorch does not compile a checkpoint with dropout in it.
LISTS_WITHIN = ("transformer_blocks", "temporal_transformer_blocks")
# Of graphs for one kind of block: as many as its widths in a network, twice, as a size that changes once is a symbol
# from then on. PyTorch's own limit, 8, is below the widths of a UNet alone; beyond it, it stops compiling in silence.
RECOMPILE_LIMIT = 64


@dataclass
class CompiledBlocks:
    """The blocks of a model that are compiled when they are first called, and what that has cost so far.

    Attributes:
        names: of the blocks.
        graphs: compiled until now, forward ones; more of them when shapes change.
        seconds: that compiling them took.
    """

    names: list[str]
    _backend: Callable[..., Any] = field(repr=False)
    graphs: int = 0
    seconds: float = 0.0

    def __call__(self, graph: Any, inputs: Any, **options: Any) -> Any:
        """The backend of torch.compile, which counts."""
        started = time.perf_counter()
        compiled = self._backend(graph, inputs, **options)
        self.graphs += 1
        self.seconds += time.perf_counter() - started
        return compiled

    def __str__(self) -> str:
        return f"{len(self.names)} blocks compiled, {self.graphs} graphs in {self.seconds:.0f} s"


def compile_blocks(model: Any, *, backend: str = "inductor") -> CompiledBlocks:
    """Compiles the repeated blocks of a model in place: equal to eager but for rounding. Meant for GPUs.

    Call it after the model was extended and moved, and its gradient checkpointing enabled. Each residual block, spatial
    transformer and temporal site is compiled by itself, or the blocks in them if they checkpoint these; blocks of the
    same shape share a graph, so that compiling takes the time of a few of them.
    A number of frames or a size that changes is compiled once more, as a symbol, and not again. Names of parameters,
    files and hooks stay. `extension.disable`, `restore` and `extend` put other modules in the model: those are not
    compiled until this is called again.

    Args:
        model: a model of a family or a pipeline of diffusers with one, or with two, extended or not.
        backend: of torch.compile.

    Returns:
        the names of the blocks, and a count of graphs and seconds that goes on as they are called.

    Raises:
        ValueError: the model has no blocks that repeat.
    """
    networks = networks_of(model)
    blocks: dict[str, nn.Module] = {}
    for name, network in networks.items():
        repeated = _repeated(network)
        if not repeated:
            raise ValueError(
                f"{type(network).__name__} has no blocks that repeat: use torch.compile on the model itself."
            )
        blocks |= {f"{name}.{at}" if len(networks) > 1 else at: block for at, block in repeated.items()}
    compiled = CompiledBlocks(list(blocks), torch._dynamo.lookup_backend(backend))
    options: dict[str, Any] = {"backend": compiled}
    if "recompile_limit" in inspect.signature(torch.compile).parameters:
        options["recompile_limit"] = RECOMPILE_LIMIT
    else:
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, RECOMPILE_LIMIT)
    for block in blocks.values():
        block.compile(**options)
    return compiled


def _repeated(network: nn.Module) -> dict[str, nn.Module]:
    """The blocks that diffusers says repeat, or members of the lists of its UNets, by name."""
    kinds = getattr(network, "_repeated_blocks", None)
    if kinds:
        return {name: module for name, module in network.named_modules() if type(module).__name__ in kinds}
    found: dict[str, nn.Module] = {}
    for name, block in _members(network, LISTS).items():
        if getattr(block, "gradient_checkpointing", False) or getattr(block, "temporal_checkpointing", False):
            found |= {f"{name}.{inner}": module for inner, module in _members(block, LISTS_WITHIN).items()}
        else:
            found[name] = block
    return found


def _members(owner: nn.Module, lists: tuple[str, ...]) -> dict[str, nn.Module]:
    """Members of the module lists of these names, by name."""
    return {
        f"{at}.{index}": block
        for at, module in owner.named_modules()
        if at.rpartition(".")[2] in lists and isinstance(module, nn.ModuleList)
        for index, block in enumerate(module)
    }
