"""The networks that are built here, beside the code of their authors, on the same random weights."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from exvideo_eval.features.published.i3d import InceptionI3d
from exvideo_eval.features.published.video_transformer import Shape
from exvideo_eval.features.published.videomae import GIANT, VideoMAE
from exvideo_eval.features.published.vjepa import HUGE, VJepa
from torch import Tensor, nn

Peer = Callable[[str], Any]


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Every weight and statistic drawn, so that no two of them can be taken for one another."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn(value.shape, generator=generator) / max(1, value[0].numel()) ** 0.5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.running_var.abs_().add_(0.5)
    return network.eval()


def clips(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("frames", [10, 16])
def test_i3d(peer: Peer, frames: int) -> None:
    theirs = randomised(peer("cdfvd.third_party.i3d.pytorch_i3d").InceptionI3d(400))
    ours = InceptionI3d().eval()
    ours.load_state_dict(theirs.state_dict())
    x = clips(1, 3, frames, 224, 224)
    with torch.inference_mode():
        expected = theirs(x)
        torch.testing.assert_close(ours(x), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_videomae(peer: Peer) -> None:
    authors = peer("cdfvd.third_party.VideoMAEv2.videomaev2_finetune")
    sizes = {"img_size": 28, "patch_size": 14, "all_frames": 4, "tubelet_size": 2, "num_classes": 3, "qkv_bias": True}
    norm = partial(nn.LayerNorm, eps=1e-6)
    theirs = authors.VisionTransformer(
        embed_dim=32, depth=3, num_heads=4, mlp_ratio=48 / 11, norm_layer=norm, init_scale=1.0, **sizes
    )
    theirs.interpolate_pos_encoding = lambda _: theirs.pos_embed  # theirs is for 16 frames of 224 pixels alone
    randomised(theirs)
    ours = VideoMAE(Shape(width=32, depth=3, heads=4, hidden=int(32 * 48 / 11), patch=14, key_bias=False)).eval()
    ours.load_state_dict({key: value for key, value in theirs.state_dict().items() if not key.startswith("head.")})
    x = clips(2, 3, 4, 28, 28)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs.forward_features(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("frames", "height", "width"), [(16, 32, 32), (8, 48, 32)])
def test_vjepa(peer: Peer, frames: int, height: int, width: int) -> None:
    """Of the size that it was trained at, and of another, to which the position encoding is bent."""
    shape = Shape(width=48, depth=2, heads=4, hidden=192, patch=16, key_bias=True)
    norm = partial(nn.LayerNorm, eps=1e-6)
    encoder = peer("vjepa.models.vision_transformer").VisionTransformer(
        img_size=32, patch_size=16, num_frames=16, embed_dim=48, depth=2, num_heads=4, norm_layer=norm
    )
    pooler = peer("vjepa.models.attentive_pooler").AttentivePooler(embed_dim=48, num_heads=4)
    randomised(encoder, 0)
    randomised(pooler, 2)
    ours = VJepa(shape, size=32).eval()
    weights = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    ours.load_state_dict(weights | {f"pooler.{key}": value for key, value in pooler.state_dict().items()})
    x = clips(2, 3, frames, height, width)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), pooler(encoder(x)).squeeze(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "build", "shape"),
    [
        ("cdfvd.third_party.VideoMAEv2.videomaev2_finetune", "vit_giant_patch14_224", GIANT),
        ("vjepa.models.vision_transformer", "vit_huge", HUGE),
    ],
)
def test_full_sizes_are_the_authors(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, module: str, build: str, shape: Shape
) -> None:
    authors, asked = peer(module), dict[str, Any]()
    monkeypatch.setattr(authors, "VisionTransformer", lambda **sizes: asked.update(sizes) or SimpleNamespace())
    getattr(authors, build)()
    theirs = (asked["embed_dim"], asked["depth"], asked["num_heads"], asked["patch_size"])
    assert theirs == (shape.width, shape.depth, shape.heads, shape.patch)
    assert int(asked["embed_dim"] * asked["mlp_ratio"]) == shape.hidden
