"""The bytes of tensors that are alive, counted as operators make them and memory lets them go."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Within it, `now` and `peak` count the storages that operators have made and that something still holds.

    It sees real tensors and fake ones alike, each storage once; scratch memory inside an operator it does not see.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def ignore(self, tensors: Any) -> None:
        """Leaves storages that were there before out of the count."""
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, torch.Tensor):
                self._known.add(tensor.untyped_storage()._cdata)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._let_go, key, size)

    def _let_go(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


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
