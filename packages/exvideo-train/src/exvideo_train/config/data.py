"""The clips of a run, as a person writes them."""

from itertools import combinations
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from exvideo_train.config.keys import Here, Mark, Positive, PositiveInt, Section


class DataSection(Section):
    """The clips that are trained on. Sizes in pixels, (height, width); lengths and strides in frames.

    Of several `sizes`, a file's clips have the one of the nearest aspect ratio; with neither, clips have the size that
    the base was made for. Of several `lengths`, those of a stretch have the longest that it can hold; without, all have
    the extension's. At `fps`, frames are chosen by their times; of those, each `frame_stride`th is taken. More than
    `max_bad` files and clips that cannot be read stop the run; None for any number. Batches are made `prefetch` steps
    ahead, in threads.
    """

    videos: Annotated[Here, Mark.FREE]  # the clips' own bytes are compared
    size: tuple[PositiveInt, PositiveInt] | None = None
    sizes: Annotated[list[tuple[PositiveInt, PositiveInt]], Field(min_length=1)] | None = None
    lengths: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)] | None = None
    clip_stride: PositiveInt = 16
    fps: Positive | None = None
    frame_stride: PositiveInt = 1
    cache: Annotated[Here | None, Mark.FREE] = None
    max_bad: Annotated[Annotated[int, Field(ge=0)] | None, Mark.FREE] = None
    prefetch: Annotated[Annotated[int, Field(ge=0)], Mark.FREE] = 2

    @property
    def all_sizes(self) -> list[tuple[int, int]]:
        """The sizes of clips; for a configuration that the base has completed, where it leaves them open."""
        if self.sizes is not None:
            return self.sizes
        assert self.size is not None
        return [self.size]

    @field_validator("lengths")
    @classmethod
    def _from_the_longest(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("a length stands twice in it: leave one out")
        return None if value is None else sorted(value, reverse=True)

    @model_validator(mode="after")
    def _tells_files_apart(self) -> Self:
        if self.size is not None and self.sizes is not None:
            raise ValueError("both size and sizes are given: leave one of the two out, or set it to null")
        for one, other in combinations(self.sizes or [], 2):
            if one[0] * other[1] == one[1] * other[0]:
                raise ValueError(
                    f"sizes has {list(one)} and {list(other)}, which are of one aspect ratio, by which files are told "
                    "apart: leave one out"
                )
        return self
