"""Videos of a run encoded: decoded several at a time, ahead of the base, and shared with other processes by leases."""

import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from exvideo_infer import Base, VideoError, iter_frames_at

from exvideo_train.data.cache_file import unwritable
from exvideo_train.data.dataset import Clip
from exvideo_train.data.encoded_file import EncodedFile
from exvideo_train.data.file_pass import FilePass
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.data.leases import Leases
from exvideo_train.data.readers import Readers
from exvideo_train.data.second_try import reason_of

AT_A_TIME = 4  # videos that are decoded
_LOOK_SECONDS = 0.5  # after which a video that another process encodes is looked at again
_TELL_SECONDS = 10.0

Progress = Callable[[int, int], None]


@dataclass(eq=False)
class _Video:
    """Clips of one file, of one size, and the reading of it that is under way; the reasons for those that failed."""

    clips: list[Clip]
    file: EncodedFile
    failed: dict[Clip, str] = field(default_factory=dict)
    work: FilePass | None = None

    @property
    def done(self) -> int:
        """Clips that the reading is beyond."""
        return 0 if self.work is None else self.work.done


class VideoEncoder:
    """Encodes what the clips of videos lack.

    Args:
        cache: where to.
        base: what encodes.
        damaged: places of frames that cannot be decoded and that no clip holds, by file.
        progress: called before each frame with (clips done, clips in all), those that other processes have done too.
        run: a name that the processes of a run share. A video in which clips fail is tried by one of them alone.
    """

    def __init__(
        self,
        cache: LatentCache,
        base: Base,
        damaged: Mapping[Path, Collection[int]],
        progress: Progress = lambda done, total: None,
        run: str = "alone",
    ) -> None:
        self._cache, self._base, self._damaged, self._progress = cache, base, damaged, progress
        self._note = f".failed-{run}.tmp"  # swept up if the run is killed
        self._mine: set[Path] = set()
        self._done = self._total = 0

    def encode(self, clips: list[Clip]) -> dict[Clip, str]:
        """The reason for each clip that this process could not read, twice; the others are encoded when it returns.

        Raises:
            UserError: the cache cannot be written to.
        """
        failed = list(self._encode(clips))
        return self._encode(failed) if failed else {}  # a disk may be well again by now

    def forget(self) -> None:
        """Removes what the processes of a run have told each other; to be called when all are done."""
        for note in self._mine:
            note.unlink(missing_ok=True)

    def _encode(self, clips: list[Clip]) -> dict[Clip, str]:
        self._done, self._total = 0, len(clips)
        fresh = deque(_Video(video, self._cache.file_of(video[0])) for video in by_video(clips))
        leased: list[_Video] = []
        active: list[_Video] = []
        failed: dict[Clip, str] = {}
        idle_since = looked = time.monotonic()
        with closing(Readers[_Video](AT_A_TIME)) as readers, closing(Leases()) as leases:
            while fresh or leased or active:
                self._progress(self._done + sum(video.done for video in active), self._total)
                if not fresh and leased and time.monotonic() > looked + _LOOK_SECONDS:
                    fresh, leased, looked = deque(leased), [], time.monotonic()
                if fresh and len(active) < AT_A_TIME:
                    video = fresh.popleft()
                    if not self._is_settled(video):
                        (active if self._begin(video, readers, leases) else leased).append(video)
                elif active:
                    idle_since = time.monotonic()
                    video = self._take(readers)
                    if video.work is None:
                        self._end(video, leases)
                        active.remove(video)
                        failed |= video.failed
                else:
                    time.sleep(_LOOK_SECONDS / 5)
                    idle_since = _tell_of_waiting(idle_since, leased)
        return failed

    def _is_settled(self, video: _Video) -> bool:
        """True if a video lacks nothing, or another process of the run has tried in vain."""
        settled = self._is_failed_elsewhere(video) or not self._pass_of(video).places
        self._done += len(video.clips) * settled
        return settled

    def _is_failed_elsewhere(self, video: _Video) -> bool:
        note = video.file.folder / self._note
        return note not in self._mine and note.exists()

    def _begin(self, video: _Video, readers: Readers[_Video], leases: Leases) -> bool:
        """Begins to read a video; False if another process encodes it, or has tried in vain meanwhile."""
        try:
            if not leases.take(video.file.folder):
                return False
        except OSError as error:
            raise unwritable(video.file.folder, 0, error) from error
        if self._is_failed_elsewhere(video):  # between the look at it and the lease
            leases.release(video.file.folder)
            return False
        self._read(video, readers)
        return True

    def _read(self, video: _Video, readers: Readers[_Video]) -> None:
        video.work = self._pass_of(video)  # now that no other process writes
        path, size, places = video.clips[0].path, video.clips[0].size, video.work.places
        readers.start(video, iter_frames_at(path, places, size, self._damaged.get(path, ())))

    def _pass_of(self, video: _Video) -> FilePass:
        left = [clip for clip in video.clips if clip not in video.failed]
        return FilePass(video.file, left, self._base, self._cache.augmentation)

    def _take(self, readers: Readers[_Video]) -> _Video:
        """Takes a frame of some video, which is left without work when it is at its end."""
        video, picture, error = readers.take()
        assert video.work is not None
        if picture is not None:
            video.work.add(picture)
            return video
        video.work.finish()
        if error is None:
            video.work = None
        elif isinstance(error, VideoError | OSError):
            video.failed |= dict.fromkeys(video.work.stuck(), reason_of(error))
            self._read(video, readers)  # the other clips
        else:
            raise error
        return video

    def _end(self, video: _Video, leases: Leases) -> None:
        self._done += len(video.clips)
        if video.failed:
            note = video.file.folder / self._note
            note.touch()
            self._mine.add(note)
        leases.release(video.file.folder)


def by_video(clips: list[Clip]) -> list[list[Clip]]:
    """The clips of each video, in the order in which the videos come up."""
    videos: dict[Path, list[Clip]] = {}
    for clip in clips:
        videos.setdefault(clip.path, []).append(clip)
    return list(videos.values())


def _tell_of_waiting(since: float, leased: list[_Video]) -> float:
    """Says, once, that other processes are waited for; returns since when nothing was said."""
    if time.monotonic() < since + _TELL_SECONDS:
        return since
    print(f"Waiting for {len(leased)} videos that other processes encode.", file=sys.stderr)
    return float("inf")
