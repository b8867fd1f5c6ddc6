"""Exact counters of PyTorch programs: the same at every run, on every machine of one build of PyTorch.

    with counted() as counts:
        model(clip).mean().backward()
    counts.operators, counts.flops, counts.saved_bytes, counts.peak_bytes

or `step = counts(step)` for each of a function's calls: a counter adds up over all that it has seen.
"""

import gc
import weakref
from collections import Counter
from contextlib import ContextDecorator, ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    flops: int = sdpa_flop_count(query.shape, key.shape, value.shape)
    return flops


def _attention_backward(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    flops: int = sdpa_backward_flop_count(grad.shape, query.shape, key.shape, value.shape)
    return flops


# PyTorch's registry has attention on GPUs alone.
FLOPS = dict(flop_registry) | {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


class counted(ContextDecorator):  # noqa: N801 - a context manager and decorator, named as such
    """Counts all that PyTorch's operators do while it is entered, forward and backward.

    Attributes:
        flops: of matrix products, convolutions and attention, two for a multiply-add (`torch.utils.flop_counter`).
        operators_by_name: runs of each operator that computes or copies; views are free and do not count.
        saved_bytes: of memory that was made inside and kept for the backward pass, each piece once. What
            `torch.utils.checkpoint` keeps is not seen here, but in `peak_bytes`.
        peak_bytes: the most memory, of tensors made inside, that was alive at one time, on any device. What a kernel
            takes for itself while it runs is not seen.
    """

    def __init__(self) -> None:
        self.flops = 0
        self.operators_by_name: Counter[str] = Counter()
        self.saved_bytes = 0
        self._memory = _LiveMemory()

    @property
    def operators(self) -> int:
        """Runs of all operators."""
        return self.operators_by_name.total()

    @property
    def peak_bytes(self) -> int:
        return self._memory.peak

    def __enter__(self) -> "counted":
        gc.collect()
        self._collecting = gc.isenabled()
        gc.disable()  # else garbage in circles would be freed at some moment or other, and memory counted with it
        self._entered = ExitStack()
        self._entered.enter_context(_Watch(self))
        self._saved = _Seen()
        self._entered.enter_context(saved_tensors_hooks(self._pack, lambda tensor: tensor))
        return self

    def __exit__(self, *error: Any) -> None:
        self._entered.close()
        self._memory.close()
        if self._collecting:
            gc.enable()

    def _pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if self._memory.made_here(storage) and self._saved.add(storage):
            self.saved_bytes += storage.nbytes()
        return tensor.detach()  # itself would hold the node that holds it

    def _ran(self, func: Any, args: Any, kwargs: Any, made: Any) -> None:
        if func.overloadpacket in FLOPS:
            self.flops += FLOPS[func.overloadpacket](*args, **kwargs, out_val=made)
        if not func.is_view and func is not torch.ops.aten.detach.default:
            self.operators_by_name[func.overloadpacket.__name__] += 1
        self._memory.saw((args, kwargs), made)


class _Watch(TorchDispatchMode):
    """Tells a counter of every operator; of those that PyTorch makes up of others, of these others.

    Not `FlopCounterMode`: it also follows modules, and fails where one is given a parameter without gradients.
    """

    def __init__(self, counter: counted) -> None:
        super().__init__()
        self._counter = counter

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func.overloadpacket not in FLOPS:
            with self:
                made = func.decompose(*args, **given)  # in inference mode they come whole
            if made is not NotImplemented:
                return made
        made = func(*args, **given)
        self._counter._ran(func, args, given, made)
        return made


class _Seen:
    """Storages that were seen and are still alive: an address may be used again for another."""

    def __init__(self) -> None:
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __contains__(self, storage: Any) -> bool:
        return storage._cdata in self._alive

    def add(self, storage: Any, dead: Any = None) -> bool:
        """True if it is new; `dead` is called without arguments once it is freed."""
        key = storage._cdata
        if key in self._alive:
            return False

        def forget(_: Any) -> None:
            self._alive.pop(key, None)
            if dead is not None:
                dead()

        self._alive[key] = weakref.ref(storage, forget)
        return True


class _LiveMemory:
    """Bytes of the storages that operators make, from their making to their end."""

    def __init__(self) -> None:
        self.peak = self._now = 0
        self._made, self._given = _Seen(), _Seen()

    def made_here(self, storage: Any) -> bool:
        return storage in self._made

    def saw(self, given: Any, made: Any) -> None:
        """Takes note of an operator: what it was given, if unknown, was there before."""
        for storage in _storages(given):
            if storage not in self._made:
                self._given.add(storage)
        for storage in _storages(made):
            size = storage.nbytes()
            if storage not in self._given and self._made.add(storage, lambda size=size: self._free(size)):
                self._now += size
                self.peak = max(self.peak, self._now)

    def close(self) -> None:
        """Ends a stretch: what is still alive was there before the next one."""
        self._now = 0
        self._made, self._given = _Seen(), _Seen()

    def _free(self, size: int) -> None:
        self._now -= size


def _storages(tree: Any) -> list[Any]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
