"""The engine on a network of three layers: what each setting does to a step, and that its state is written and read."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_train.checkpoints import CheckpointWriter, Export, newest_checkpoint
from exvideo_train.config import load_config
from exvideo_train.engine import STATE_KINDS, Engine
from exvideo_train.moments import QuantizedMoment, in_fp32
from exvideo_train.processes import Processes
from exvideo_train.state import TrainState
from torch import Tensor, nn

MakeConfig = Callable[..., Path]
STAGES = [0, 2, *(pytest.param(stage, marks=pytest.mark.long) for stage in (1, 3))]
PRECISIONS = ["fp32", "bf16"]


class Network(nn.Module):
    """Large weights, small ones, and one that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first = nn.Linear(48, 100)
            self.norm = nn.LayerNorm(100)
            self.last = nn.Linear(100, 8)
            self.last.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x).relu()))


@pytest.fixture
def make_engine(make_config: MakeConfig) -> Iterator[Callable[..., Engine]]:
    """make_engine(**changes) is an engine on a new `Network`, with four micro-batches a step."""
    made: list[Engine] = []

    def make(**changes: Any) -> Engine:
        changes = {"optimizer.weight_decay": 0.1, "optimizer.batch_size": 4, "engine.zero_stage": 0} | changes
        config = load_config(make_config(**changes))
        network = Network()
        parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        made.append(Engine(network, parameters, config, Processes()))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def train(engine: Engine, steps: range) -> None:
    for step in steps:
        engine.set_learning_rate(1e-2 / (1 + step))
        for turn in range(engine.micro_batches):
            generator = torch.Generator().manual_seed(10 * step + turn)
            x, y = torch.randn(16, 48, generator=generator), torch.randn(16, 8, generator=generator)
            engine.backward((engine(x.to(engine.dtype)).float() - y).square().mean(), turn)
        engine.update(engine.gradient_square() ** 0.5)
        engine.update_ema(0.5)


def state(engine: Engine) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for kind in STATE_KINDS:
        for name, value in engine.read_state(kind):
            parts = value.parts() if isinstance(value, QuantizedMoment) else {"": value}
            found |= {f"{kind}.{part}/{name}": tensor.clone() for part, tensor in parts.items()}
    return found


def assert_same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys() != set()
    assert [name for name, value in one.items() if not torch.equal(value, other[name])] == []


def saved_and_restored(folder: Path, engine: Engine, other: Engine) -> None:
    """Writes a checkpoint of one engine, and reads it into another."""
    export, options = Export(set(), {}, {}), {"keep": 2, "keep_every": None, "asynchronous": False}
    writer = CheckpointWriter(folder, engine, export, {}, {}, **options)
    writer.save(TrainState(engine.optimizer_step))
    checkpoint = newest_checkpoint(folder, print)
    assert checkpoint is not None
    stored = sum(path.stat().st_size for path in checkpoint.folder.glob("part-*"))
    assert 0 <= stored - engine.state_bytes < 20_000  # a header, and a table for each moment in 8 bits
    checkpoint.restore(other)


SETTINGS = [
    {},
    {"engine.offload_optimizer": True},
    {"optimizer.kind": "adamw_fused"},
    {"optimizer.kind": "adamw_fused", "engine.offload_optimizer": True},
]
IN_8_BITS = [{"optimizer.kind": "adamw_8bit"}, {"optimizer.kind": "adamw_8bit", "engine.offload_optimizer": True}]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("settings", [*SETTINGS, *IN_8_BITS], ids=lambda changes: "-".join(map(str, changes.values())))
@pytest.mark.parametrize("stage", STAGES)
def test_a_resumed_engine_goes_on_in_the_same_bits(
    make_engine: Callable[..., Engine], tmp_path: Path, settings: dict[str, Any], precision: str, stage: int
) -> None:
    if settings in IN_8_BITS and stage > 0:
        pytest.skip("refused by the configuration")
    settings = settings | {"engine.zero_stage": stage}
    unbroken, broken, resumed = (make_engine(**{"engine.precision": precision}, **settings) for _ in range(3))
    train(unbroken, range(5))
    train(broken, range(3))
    saved_and_restored(tmp_path / "checkpoints", broken, resumed)
    assert resumed.optimizer_step == 3
    assert_same_bits(state(resumed), state(broken))
    train(resumed, range(3, 5))
    assert_same_bits(state(resumed), state(unbroken))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", ["adamw", "adamw_fused", "adamw_8bit"])
@pytest.mark.parametrize("stage", STAGES)
def test_state_in_main_memory_gives_the_same_bits(
    make_engine: Callable[..., Engine], stage: int, kind: str, precision: str
) -> None:
    if kind == "adamw_8bit" and stage > 0:
        pytest.skip("refused by the configuration")
    settings = {"engine.zero_stage": stage, "optimizer.kind": kind, "engine.precision": precision}
    if stage > 0:  # DeepSpeed adds the norm that it clips by up in another order
        settings["optimizer.max_grad_norm"] = 1e9
    plain, offloaded = (make_engine(**settings, **{"engine.offload_optimizer": offload}) for offload in (False, True))
    for engine in (plain, offloaded):
        train(engine, range(3))
    assert_same_bits(state(plain), state(offloaded))


@pytest.mark.parametrize("kind", ["adamw", "adamw_fused", "adamw_8bit"])
def test_each_kind_is_its_optimizer_in_a_loop_written_by_hand(make_engine: Callable[..., Engine], kind: str) -> None:
    engine = make_engine(**{"optimizer.kind": kind, "optimizer.max_grad_norm": 1e9, "engine.precision": "fp32"})
    train(engine, range(4))
    network = Network()
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    optimizer: torch.optim.Optimizer
    if kind == "adamw_8bit":
        optimizer = pytest.importorskip("bitsandbytes").optim.AdamW8bit(parameters.values(), weight_decay=0.1)
    else:
        optimizer = torch.optim.AdamW(parameters.values(), weight_decay=0.1, fused=kind == "adamw_fused")
    for step in range(4):
        optimizer.param_groups[0]["lr"] = 1e-2 / (1 + step)
        for turn in range(4):
            generator = torch.Generator().manual_seed(10 * step + turn)
            x, y = torch.randn(16, 48, generator=generator), torch.randn(16, 8, generator=generator)
            ((network(x) - y).square().mean() * 0.25).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert engine.optimizer_step == 4
    assert all(torch.equal(value, parameters[name]) for name, value in engine.read_state("master"))


def test_a_run_may_change_the_kind_of_its_optimizer(make_engine: Callable[..., Engine], tmp_path: Path) -> None:
    whole, packed = make_engine(), make_engine(**{"optimizer.kind": "adamw_8bit"})
    train(packed, range(3))
    saved_and_restored(tmp_path / "1", packed, whole)  # the numbers that the 8 bits stood for
    moments = dict(packed.read_state("exp_avg"))
    for name, value in whole.read_state("exp_avg"):
        torch.testing.assert_close(value, in_fp32(moments[name]), rtol=0, atol=0)
    again = make_engine(**{"optimizer.kind": "adamw_8bit"})
    saved_and_restored(tmp_path / "2", whole, again)  # rounded to 8 bits once more
    for name, value in again.read_state("exp_avg_sq"):
        largest = in_fp32(value).abs().max().item()
        expected = dict(whole.read_state("exp_avg_sq"))[name]
        torch.testing.assert_close(in_fp32(value), expected, rtol=0, atol=0.01 * largest)
    train(again, range(3, 5))
    assert again.optimizer_step == 5


def test_moments_in_8_bits_take_a_quarter(make_engine: Callable[..., Engine]) -> None:
    whole, packed = make_engine(), make_engine(**{"optimizer.kind": "adamw_8bit"})
    small = 100 + 100 + 100 + 800  # too small to be rounded
    moments = 2 * (4800 + 4 * -(-4800 // 256)) + 8 * small
    assert packed.state_bytes == whole.state_bytes - 8 * (4800 + small) + moments
