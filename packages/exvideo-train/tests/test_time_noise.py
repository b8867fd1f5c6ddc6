"""TimeNoise: noise on the first frame that grows with the clip's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from exvideo_blocks.families.svd import SigmaObjective
from exvideo_infer import Conditions
from exvideo_train.config import TimeNoiseSection, load_config
from exvideo_train.data.dataset import Clip
from exvideo_train.data.latent_cache import EncodedClip
from exvideo_train.errors import UserError
from exvideo_train.order import ClipOrder
from exvideo_train.step import Batch, training_batch
from exvideo_train.time_noise import strength_of, with_time_noise

MakeConfig = Callable[..., Path]


def strengths_at(level: float, section: TimeNoiseSection, number: int = 4000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.stack([strength_of(torch.tensor(level), section, generator) for _ in range(number)])


@pytest.mark.parametrize("level", [0.0, 350.0, 560.0, 700.0, 5000.0])
def test_strengths_are_logit_normal_about_a_centre_that_rises_with_the_level(level: float) -> None:
    # The paper: beta_s = beta_m logistic(N(mu(t), 1)), mu(t) = 2 t^a - 1, a = 5; t from 0 to 1.
    section = TimeNoiseSection(maximum=15.0)
    normal = torch.logit(strengths_at(level, section) / 15)
    centre = 2 * min(level / 700, 1) ** 5 - 1
    assert normal.mean().item() == pytest.approx(centre, abs=0.06)
    assert normal.std().item() == pytest.approx(1, abs=0.05)


def test_without_a_width_it_is_a_function_of_the_level() -> None:
    section = TimeNoiseSection(maximum=2.0, exponent=1.0, std=0.0, highest_level=10.0)
    assert strengths_at(5.0, section, 3).tolist() == [1.0, 1.0, 1.0]


def test_the_noise_is_as_strong_as_the_network_is_told() -> None:
    first = torch.ones(1, 4, 100, 100)
    conditions = Conditions(torch.ones(1, 5, 6), first, torch.tensor([[7.0, 127.0, 0.0]]))
    generator = torch.Generator().manual_seed(0)
    made = with_time_noise(conditions, torch.tensor(700.0), TimeNoiseSection(maximum=15.0), generator)
    assert made.first_frame is not None
    assert made.time_ids is not None
    assert made.time_ids[0, :2].tolist() == [7.0, 127.0]
    strength = made.time_ids[0, 2].item()
    assert 0 < strength < 15
    assert (made.first_frame - first).std().item() == pytest.approx(strength, rel=0.02)
    assert torch.equal(made.tokens, conditions.tokens)  # of the clean image
    assert torch.equal(first, torch.ones(1, 4, 100, 100))


class OneClip:
    """A cache in which every clip is the same."""

    def read(self, clip: Clip, variant: int | None = None) -> EncodedClip:
        conditions = Conditions(torch.ones(1, 5, 6), torch.ones(1, 4, 2, 2), torch.tensor([[7.0, 1.0, 0.0]]))
        return EncodedClip(torch.ones(3, 4, 2, 2), conditions)


def batch(path: Path, samples: list[int]) -> Batch:
    config = load_config(path)
    order = ClipOrder([Clip(Path("a.mp4"), 0, 3, 8.0, (16, 16))], config.seed, config.optimizer.batch_size)
    return training_batch(config, SigmaObjective(), OneClip(), order, 0, samples)  # type: ignore[arg-type]


def test_a_sample_has_its_own_whatever_batch_it_is_in_and_all_else_as_without(make_config: MakeConfig) -> None:
    path = make_config(**{"optimizer.batch_size": 40, "time_noise.maximum": 15.0, "conditioning_dropout": 0.25})
    made = batch(path, list(range(40)))
    assert made.conditions.time_ids is not None
    assert made.conditions.first_frame is not None
    assert len(set(made.conditions.time_ids[:, 2].tolist())) == 40
    alone = batch(path, [7])
    assert torch.equal(alone.conditions.first_frame[0], made.conditions.first_frame[7])
    dropped = made.conditions.tokens.flatten(1).sum(1) == 0
    assert 1 <= dropped.sum() <= 25
    assert torch.equal(made.conditions.first_frame.flatten(1).abs().sum(1) == 0, dropped)  # no noise in place of none
    without = batch(make_config(**{"optimizer.batch_size": 40, "conditioning_dropout": 0.25}), list(range(40)))
    assert torch.equal(without.level, made.level)
    assert torch.equal(without.noise, made.noise)
    assert torch.equal(without.conditions.tokens, made.conditions.tokens)


def test_noise_of_both_kinds_is_refused(make_config: MakeConfig) -> None:
    path = make_config(**{"noise_augmentation.variants": 2, "time_noise.maximum": 15.0})
    with pytest.raises(UserError, match=r"variants=2 and time_noise\.maximum=15\.0 both put noise on the first frame"):
        load_config(path)
