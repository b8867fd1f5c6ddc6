"""The clips of a run, as a person writes them."""

from typing import Annotated

from pydantic import Field

from exvideo_train.config.keys import Here, Mark, Positive, PositiveInt, Section


class DataSection(Section):
    """The clips that are trained on. Sizes in pixels, (height, width); strides in frames.

    At `fps`, frames are chosen by their times; of those, each `frame_stride`th is taken. Without a `size`, clips have
    the one that the base was made for. More than `max_bad` files and clips that cannot be read stop the run; None for
    any number. Batches are made `prefetch` steps ahead, in threads.
    """

    videos: Annotated[Here, Mark.FREE]  # the clips' own bytes are compared
    size: tuple[PositiveInt, PositiveInt] | None = None
    clip_stride: PositiveInt = 16
    fps: Positive | None = None
    frame_stride: PositiveInt = 1
    cache: Annotated[Here | None, Mark.FREE] = None
    max_bad: Annotated[Annotated[int, Field(ge=0)] | None, Mark.FREE] = None
    prefetch: Annotated[Annotated[int, Field(ge=0)], Mark.FREE] = 2
