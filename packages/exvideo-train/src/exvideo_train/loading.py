"""The base, the clips and what is made of both while the base's encoders are at hand."""

from dataclasses import dataclass
from typing import Any

from exvideo_train.bases import completed, open_base, task_of
from exvideo_train.config import TrainConfig
from exvideo_train.data import Data
from exvideo_train.encoding import encode_for_run
from exvideo_train.how_trained import how_trained
from exvideo_train.samples import Samples, prepare_samples
from exvideo_train.session import Session
from exvideo_train.step import Task


@dataclass(frozen=True)
class Loaded:
    """All that a run begins with.

    Args:
        config: complete, with what base and clips decide where it leaves something open.
        network: the base's, on this process's device.
        task: its own.
        data: the clips, encoded.
        samples: makes those that are wanted; it keeps the base's encoders on the CPU, which else are let go.
        how_trained: for the extension's file.
    """

    config: TrainConfig
    network: Any
    task: Task
    data: Data
    samples: Samples | None
    how_trained: dict[str, Any]


def load(config: TrainConfig, session: Session) -> Loaded:
    """Loads the base and encodes the clips; every process must call.

    Raises:
        UserError: the base, the clips or the samples are not as they must be.
        TrainingStoppedError: it was asked to stop.
    """
    processes, requests = session.processes, session.requests
    base = open_base(config)
    task, config = task_of(config, base), completed(config, base)
    requests.check()
    data = encode_for_run(config, base, session)
    samples = prepare_samples(config, task.family, base, data, processes, requests, session.display.note)
    for network in base.encoders:
        network.to("cpu")
    config = config.model_copy(update={"optimizer": config.optimizer.for_clips(len(data.training))})
    network = base.network.to(processes.device)
    return Loaded(config, network, task, data, samples, how_trained(config, base, data))
