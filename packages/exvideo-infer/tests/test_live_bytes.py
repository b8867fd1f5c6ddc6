import pytest
import torch
from exvideo_infer import LiveBytes
from torch import Tensor, nn


def network() -> nn.Module:
    layer = [nn.Linear(8, 8), nn.SiLU(), nn.LayerNorm(8)]
    return nn.Sequential(*layer, *(nn.Sequential(nn.Linear(8, 8), nn.SiLU(), nn.LayerNorm(8)) for _ in range(3)))


def peak_of(model: nn.Module, given: Tensor, live: LiveBytes) -> int:
    live.ignore([*model.parameters(), given])
    with live:
        model(given).square().sum().backward()
    return live.peak


class Asking(LiveBytes):
    """Asks each operator each time."""

    def _answered(self, function, args, kwargs):  # type: ignore[no-untyped-def]
        return function(*args, **kwargs)


def test_operators_that_are_not_asked_again_count_the_same() -> None:
    with torch.device("meta"):
        model, given = network(), torch.empty(2, 5, 8)
    assert peak_of(model, given, LiveBytes()) == peak_of(model, given, Asking()) > 0


def test_shapes_without_memory_count_as_tensors_do() -> None:
    real, given = network(), torch.randn(2, 5, 8)
    with torch.device("meta"):
        meta, shape = network(), torch.empty(2, 5, 8)
    for model in (real, meta):
        for parameter in model.parameters():
            parameter.register_post_accumulate_grad_hook(lambda one: setattr(one, "grad", None))
    assert peak_of(meta, shape, LiveBytes()) == pytest.approx(peak_of(real, given, LiveBytes()), rel=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_operator_is_asked_anew_for_another_shape_type_or_setting(dtype: torch.dtype) -> None:
    rows = torch.empty(3, 4, device="meta", dtype=dtype)
    with LiveBytes():
        for _ in range(2):
            assert (rows + 1).dtype is dtype
            assert rows.sum(0).shape == (4,)
            assert rows.sum(1).shape == (3,)
            assert rows.double().sum(1).dtype is torch.float64
            assert (rows.t().contiguous() + 1).shape == (4, 3)


def test_views_and_operators_in_place_stay_what_they_are() -> None:
    given = torch.empty(3, 4, device="meta")
    live = LiveBytes()
    live.ignore(given)
    with live:
        for _ in range(2):
            assert given.t().untyped_storage()._cdata == given.untyped_storage()._cdata
            assert given.add_(1) is given
    assert live.peak == 0
