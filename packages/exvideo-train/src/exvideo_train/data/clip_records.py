"""All of a clip but its frames' latents: what its first frame decides, and its motion, from one reading of a video.

Memory does not grow with the length of clips, but with the number of those that the reading is in the midst of: each
has two sums of its pixels. Of a base that encodes over time, the pictures of these clips are held.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from exvideo_infer import Base
from torch import Tensor

from exvideo_train.data.dataset import Clip
from exvideo_train.data.encoded_file import EncodedFile
from exvideo_train.data.frame_latents import Picture, as_frames
from exvideo_train.data.motion import MotionSums, Sums


@dataclass
class _Begun:
    """A clip that the reading is in the midst of: the sums at its beginning, and what its first frame has given."""

    clip: Clip
    mark: Sums | None
    image: dict[str, Tensor]


class ClipRecords:
    """Takes the frames of a video in their order, and writes the record of each clip when its last one has come.

    Args:
        file: where to.
        clips: that are wanted; those that are there already are lacking no more.
        base: what encodes.
    """

    def __init__(self, file: EncodedFile, clips: Sequence[Clip], base: Base) -> None:
        self._file, self._base = file, base
        self.lacking = {clip: None for clip in clips if not file.has_record(clip.places)}
        self._waiting = sorted(self.lacking, key=lambda clip: clip.places[0], reverse=True)
        self._begun: dict[Hashable, list[_Begun]] = {}
        self._sums: dict[Hashable, MotionSums] = {}
        self._pictures: dict[int, Picture] = {}

    def add(self, place: int, picture: Picture) -> None:
        """Takes the next frame; raises UserError if the cache cannot be written to."""
        self._begin(place, picture)
        if not self._base.encodes_frames_apart and self._begun:
            self._pictures[place] = picture
        for lattice, begun in list(self._begun.items()):
            times = begun[0].clip.places.count(place)
            if times:
                self._sums[lattice].add(picture, times)
            for one in begun:
                if one.clip.places[-1] == place:
                    self._write(one, self._sums[lattice])
            self._begun[lattice] = [one for one in begun if one.clip.places[-1] != place]
            if not self._begun[lattice]:
                del self._begun[lattice], self._sums[lattice]
        self._forget_pictures()

    def _begin(self, place: int, picture: Picture) -> None:
        image: dict[str, Tensor] | None = None
        while self._waiting and self._waiting[-1].places[0] == place:
            clip = self._waiting.pop()
            image = self._base.encode_image(as_frames([picture])[0]) if image is None else image
            lattice = _lattice(clip.places)
            sums = self._sums.setdefault(lattice, MotionSums())
            self._begun.setdefault(lattice, []).append(_Begun(clip, sums.mark(), image))

    def _write(self, one: _Begun, sums: MotionSums) -> None:
        places, tensors = one.clip.places, dict(one.image)
        if not self._base.encodes_frames_apart:
            frames = as_frames([self._pictures[place] for place in places])
            tensors["latents"] = self._base.encode_frames(frames)
        self._file.add_record(places, tensors, sums.score_since(one.mark, len(places)))
        del self.lacking[one.clip]

    def _forget_pictures(self) -> None:
        if self._pictures:
            first = min((one.clip.places[0] for begun in self._begun.values() for one in begun), default=None)
            self._pictures = {
                place: picture for place, picture in self._pictures.items() if first is not None and place >= first
            }


def _lattice(places: Sequence[int]) -> Hashable:
    """A name of the frames that a clip takes every so many of; clips of one share their sums."""
    return (places.step, places.start % places.step) if isinstance(places, range) else tuple(places)
