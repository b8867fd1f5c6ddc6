"""One reading of a video: each frame that some clip lacks is decoded once, in order, and encoded once."""

from bisect import bisect_left
from collections.abc import Sequence

from exvideo_infer import Base

from exvideo_train.config import NoiseAugmentationSection
from exvideo_train.data.clip_records import ClipRecords
from exvideo_train.data.dataset import Clip
from exvideo_train.data.encoded_file import EncodedFile
from exvideo_train.data.frame_latents import FrameLatents, Picture
from exvideo_train.data.noisy_images import NoisyImages


class FilePass:
    """Takes the frames of a video that its clips lack, and writes what they are encoded to.

    Args:
        file: where to.
        clips: of one video, at one size.
        base: what encodes.
        augmentation: noise on first frames.
    """

    def __init__(
        self, file: EncodedFile, clips: Sequence[Clip], base: Base, augmentation: NoiseAugmentationSection
    ) -> None:
        self._clips = clips
        wanted = {place for clip in clips for place in clip.places} if base.encodes_frames_apart else set()
        self._latents = FrameLatents(file, wanted, base)
        self._records = ClipRecords(file, clips, base)
        self._noisy = NoisyImages(file, {clip.places[0] for clip in clips}, base, augmentation)
        record_places = {place for clip in self._records.lacking for place in clip.places}
        self.places = sorted(self._latents.lacking | record_places | self._noisy.lacking)
        self._ends = sorted(clip.places[-1] for clip in clips)
        self._taken = 0

    def add(self, picture: Picture) -> None:
        """Takes the picture of the next of `places`; raises UserError if the cache cannot be written to."""
        place = self.places[self._taken]
        self._latents.add(place, picture)
        self._records.add(place, picture)
        self._noisy.add(place, picture)
        self._taken += 1

    def finish(self) -> None:
        """Writes what was taken and is not written yet; raises as `add`."""
        self._latents.finish()

    @property
    def done(self) -> int:
        """Clips that the reading is beyond."""
        if self._taken == len(self.places):
            return len(self._clips)
        return bisect_left(self._ends, self.places[self._taken])

    def stuck(self) -> list[Clip]:
        """Clips that lack the frame that was to be taken next."""
        place = self.places[self._taken]
        by_latents, by_noisy = (place in part.lacking for part in (self._latents, self._noisy))
        return [
            clip
            for clip in self._clips
            if (place in clip.places and (by_latents or clip in self._records.lacking))
            or (by_noisy and clip.places[0] == place)
        ]
