"""The samples of a configuration, made ready while the base's encoders are at hand."""

from collections.abc import Callable

from exvideo_blocks import Family
from exvideo_infer import Base

from exvideo_train.config import TrainConfig
from exvideo_train.data import Data
from exvideo_train.errors import UserError
from exvideo_train.processes import Processes
from exvideo_train.samples.real import write_real
from exvideo_train.samples.samples import Samples
from exvideo_train.samples.show import REAL, Show
from exvideo_train.samples.wanted import held_out_clips, want_samples
from exvideo_train.stop import Requests


def check_pictures(config: TrainConfig) -> None:
    """Raises UserError if a first frame of the samples is no file: before anything slow is done."""
    given = None if config.samples is None else config.samples.first_frames
    for path in given if isinstance(given, list) else []:
        if not path.is_file():
            raise UserError(f"samples.first_frames: there is no picture {path}: give the path of a file.")


def prepare_samples(
    config: TrainConfig,
    family: Family,
    base: Base,
    data: Data,
    processes: Processes,
    requests: Requests,
    note: Callable[[str], None],
) -> Samples | None:
    """The samples that are wanted, ready to be made; None for none. Every process must call.

    Args:
        base: its encoders are on the device.
        data: encoded.
        note: told what a person should know of the scores.

    Raises:
        UserError: the base cannot make such clips, a picture cannot be read, or nothing is held out.
    """
    section = config.samples
    if section is None:
        return None
    wanted = want_samples(section, base, data, config.data.all_sizes, family.rows(config.extension.num_frames))
    folder = config.output / "samples"
    clips = held_out_clips(section, data)
    if section.begins_held_out:  # under the names of the clips that begin as they do
        names = [one.name for one in wanted[:: len(section.seeds)]]
    else:
        names = [f"{index:02}-{clip.path.stem}" for index, clip in enumerate(clips)]
    real = dict(zip(names, clips, strict=True))
    if real:
        processes.together(lambda: write_real(folder / REAL, real, data, section.size))
    return Samples(section, family, base, wanted, processes, requests, folder, Show(section.metrics, note))
