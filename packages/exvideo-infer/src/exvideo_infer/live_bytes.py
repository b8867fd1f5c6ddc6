"""The bytes of tensors that are alive, counted as operators make them and memory lets them go."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map


class LiveBytes(TorchDispatchMode):
    """Within it, `now` and `peak` count the storages that operators have made and that something still holds.

    It sees real tensors and fake ones alike, each storage once; scratch memory inside an operator it does not see. An
    operator on the meta device is asked once for each set of shapes and settings: its Python takes long to answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()
        self._answers: dict[Any, Any] = {}
        self._is_aside = False

    def ignore(self, tensors: Any) -> None:
        """Leaves storages that were there before out of the count."""
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, torch.Tensor):
                self._known.add(tensor.untyped_storage()._cdata)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A block whose new storages are left out of the count: those of another memory."""
        self._is_aside = True
        try:
            yield
        finally:
            self._is_aside = False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = self._answered(function, args, kwargs or {})
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _answered(self, function: Any, args: Any, kwargs: Any) -> Any:
        """The operator's answer; anew from the shapes of its last one, where it only depends on those."""
        key = _question(function, args, kwargs)
        if key is None:
            return function(*args, **kwargs)
        if key not in self._answers:
            made = function(*args, **kwargs)
            self._answers[key] = tree_map(_Shape.of, made)
            return made
        return tree_map(lambda part: part.made() if isinstance(part, _Shape) else part, self._answers[key])

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, 0 if self._is_aside else storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._let_go, key, size)

    def _let_go(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


@dataclass(frozen=True)
class _Shape:
    """All of a tensor that is on the meta device, or is to be made there or elsewhere, but its values."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, value: Any) -> Any:
        """Of a tensor; any other value is itself."""
        if not isinstance(value, Tensor):
            return value
        return cls(tuple(value.shape), value.stride(), value.dtype, value.device)

    def made(self) -> Tensor:
        return torch.empty_strided(self.size, self.stride, dtype=self.dtype, device=self.device)


def _question(function: Any, args: Any, kwargs: Any) -> Any:
    """A key of the operator and all that it is given; None where its answer may be, or change, one of its tensors."""
    leaves, structure = tree_flatten((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if not tensors or not all(type(tensor) in (Tensor, nn.Parameter) and tensor.is_meta for tensor in tensors):
        return None
    if not _is_fresh(function):
        return None
    return function, structure, tuple((type(leaf), _Shape.of(leaf)) for leaf in leaves)


@cache
def _is_fresh(function: Any) -> bool:
    """True if by its schema an operator changes none of its tensors and gives none of them, nor a view of one, back."""
    schema = function._schema
    return not any(one.alias_info is not None for one in (*schema.arguments, *schema.returns))


@contextmanager
def fused_attention() -> Iterator[None]:
    """On the meta device PyTorch writes attention out, scores and all; GPUs have it fused, in whatever dtype.

    It is put in the place of PyTorch's own, not into a mode: a mode is off while activations are computed anew.
    """
    own = F.scaled_dot_product_attention

    def fused(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **others: Any) -> Tensor:
        if attn_mask is not None or query.device.type != "meta":
            return own(query, key, value, attn_mask, **others)
        parts = (part.contiguous() for part in (query, key, value))
        attended: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(*parts)[0]
        return attended

    F.scaled_dot_product_attention = fused  # type: ignore[assignment] # of fewer arguments
    try:
        yield
    finally:
        F.scaled_dot_product_attention = own
