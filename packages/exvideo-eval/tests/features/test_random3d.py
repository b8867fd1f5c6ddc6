import torch
from exvideo_eval.features.random3d import Random3DFeatures


def clips(seed: int, batch: int = 3) -> torch.Tensor:
    return torch.randint(
        0, 256, (batch, 8, 3, 20, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def test_weights_are_the_same_bits_everywhere_and_differ_by_seed() -> None:
    assert Random3DFeatures().weights_sha256 == "e4fefe5523170d42f8f96f096f46c7091ebcda089d73f519ded008a60e65bd92"
    assert Random3DFeatures(1).weights_sha256 != Random3DFeatures(0).weights_sha256
    assert Random3DFeatures(1).name == "random 3D network, seed 1"


def test_features_do_not_depend_on_the_batch_or_on_torchs_generator() -> None:
    given = clips(0)
    whole = Random3DFeatures()(given)
    torch.manual_seed(99)
    apart = torch.cat([Random3DFeatures()(clip[None]) for clip in given])
    assert whole.shape == (3, Random3DFeatures.dimension)
    assert whole.dtype == torch.float64
    torch.testing.assert_close(apart, whole, rtol=1e-5, atol=1e-6)


def test_order_of_frames_changes_the_features() -> None:
    given = clips(0)
    moved = given[:, [0, 4, 2, 6, 1, 5, 3, 7]]
    assert not torch.allclose(Random3DFeatures()(moved), Random3DFeatures()(given), rtol=1e-3)
