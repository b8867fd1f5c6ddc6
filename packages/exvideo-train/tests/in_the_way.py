"""`exvideo-train` with something put in its way, as IN_THE_WAY says: for tests, which run it as a program.

IN_THE_WAY is JSON: {"nan_gradient": {"rank": 1, "step": 2}}, {"error": {"rank": 1, "step": 2}},
{"gone": {"rank": 1, "step": 2}}, {"version": {"rank": 1}} or {"no_space": {"rank": 0}}.
"""

import errno
import json
import os
import signal
import sys
from typing import Any

import torch
from exvideo_train import loop, run
from exvideo_train.checkpoints import writer
from exvideo_train.cli import main
from exvideo_train.engine import STATE_KINDS, Engine
from exvideo_train.errors import TrainingDivergedError

WAY = json.loads(os.environ["IN_THE_WAY"])
RANK = int(os.environ.get("RANK", "0"))
train_step = loop.train_step


def at(what: str, step: int) -> bool:
    return what in WAY and WAY[what]["rank"] == RANK and WAY[what]["step"] == step


def everything(engine: Engine) -> dict[str, torch.Tensor]:
    found = {f"{kind}/{name}": value.clone() for kind in STATE_KINDS for name, value in engine.read_state(kind)}
    with engine._backend.whole(engine.parameters.values()):
        return found | {name: parameter.detach().clone() for name, parameter in engine.parameters.items()}


def step_with_a_nan(config: Any, task: Any, engine: Engine, batches: Any, state: Any, *rest: Any) -> Any:
    if at("gone", state.step + 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if at("error", state.step + 1):
        raise RuntimeError("a disk of this machine has gone")
    if "nan_gradient" not in WAY or WAY["nan_gradient"]["step"] != state.step + 1:
        return train_step(config, task, engine, batches, state, *rest)
    before = everything(engine)
    if at("nan_gradient", state.step + 1):
        victim = next(iter(engine.parameters.values()))
        victim.register_hook(lambda gradient: gradient.flatten().index_fill(0, torch.tensor([0]), torch.nan).view(
            gradient.shape
        ))  # fmt: skip
    step = state.step
    try:
        return train_step(config, task, engine, batches, state, *rest)
    except TrainingDivergedError:
        after = everything(engine)
        same = all(torch.equal(value, after[name]) for name, value in before.items()) and state.step == step
        print(f"rank {RANK}: {'nothing was changed' if same else 'CHANGED'}", file=sys.stderr)
        raise


loop.train_step = step_with_a_nan
if "version" in WAY and WAY["version"]["rank"] == RANK:
    versions = run._versions()
    run._versions = lambda: versions | {"torch": "1.0"}
if "no_space" in WAY and WAY["no_space"]["rank"] == RANK:

    def full(path: Any, *rest: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    writer.write_safetensors = full

if __name__ == "__main__":
    sys.exit(main())
