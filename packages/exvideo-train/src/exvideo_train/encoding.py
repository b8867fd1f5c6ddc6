"""The clips of a run without the run: encoded ahead of it, or removed from a cache where they are not its own."""

from exvideo_infer import Base

from exvideo_train.bases import completed, open_base, task_of
from exvideo_train.clip_sheet import show_clips
from exvideo_train.config import TrainConfig
from exvideo_train.data import Data, encode_data, find_data
from exvideo_train.data.prune import prune
from exvideo_train.memory import peak_gib, start_phase
from exvideo_train.session import Session, in_session


def encode_for_run(config: TrainConfig, base: Base, session: Session) -> Data:
    """Encodes what the clips of a configuration lack, on this process's device; every process must call.

    Raises:
        UserError: as `encode_data`.
        TrainingStoppedError: it was asked to stop.
    """
    for network in base.encoders:
        network.to(session.processes.device)

    def progress(done: int, total: int) -> None:
        session.requests.check()
        session.display.encoding(done, total)

    start_phase(session.processes.device)
    data = encode_data(config, base, session.processes, progress)
    peak = max(session.processes.gather(peak_gib(session.processes.device)))
    session.display.note(f"Encoding took at most {peak:.1f} GiB of memory.")
    return data


def encode_only(config: TrainConfig, show: int = 0) -> str:
    """Encodes what the clips of a configuration lack, and trains nothing; returns what was done.

    Several processes, also of different outputs, may do so at once in one `data.cache`: they share the work.

    Args:
        config: of the clips.
        show: so many of them are left in the output folder as `show_clips` does.

    Raises:
        UserError, TrainingStoppedError: as `encode_for_run`.
    """

    def act(session: Session) -> str:
        base, complete = _opened(config)
        data = encode_for_run(complete, base, session)
        held_out = f" and {len(data.held_out)} held-out ones" if data.held_out else ""
        told = f"{len(data.training)} clips{held_out} are encoded in {complete.cache}."
        if show and session.processes.is_main:
            sheet = show_clips(data, base, show, complete.output, session.processes.device)
            told += f" {sheet} shows {min(show, len(data.training))}."
        return told

    return in_session(config, act)


def prune_cache(config: TrainConfig) -> str:
    """Removes from the cache what the clips of a configuration do not use; returns what was removed, and what stays.

    Raises:
        UserError: as `encode_data`, but for what it says of encoding.
    """

    def act(session: Session) -> str:
        base, complete = _opened(config)
        found = find_data(complete, base, session.processes)
        done = session.processes.together(lambda: prune(found.cache, found.clips))
        busy = f" Left as they are, as another process encodes them just now: {done.busy} videos." if done.busy else ""
        return (
            f"Removed {done.removed.files} files of {done.removed.bytes:,} bytes from {complete.cache}; "
            f"{done.kept.files} of {done.kept.bytes:,} bytes are this configuration's and stay.{busy}"
        )

    return in_session(config, act)


def _opened(config: TrainConfig) -> tuple[Base, TrainConfig]:
    base = open_base(config)
    task_of(config, base)  # what cannot be trained is not encoded
    return base, completed(config, base)
