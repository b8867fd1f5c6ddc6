"""Memory of an evaluation: 2,000 clips of 128 frames a set need little more than 200 do, some KiB a clip.

`python packages/exvideo-eval/tests/test_memory.py 2000` prints the peak of a process that judges as many, MiB.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from exvideo_eval import Execution, Settings, evaluate
from torch import Tensor
from torch.nn.functional import interpolate

FRAMES, SIDE, SOURCES = 128, 32, 8
KIB_A_CLIP = 40  # frame curves, features on the axes, names, how often a clip is drawn: 33 when it was last measured


class Thumbnails:
    """768 numbers a window: its mean frame at 16x16. Cheap, and as many as features of networks are."""

    name, dimension, input_description, weights_sha256 = "thumbnails", 768, "mean frame at 16x16", "0" * 64

    def __call__(self, clips: Tensor) -> Tensor:
        return interpolate(clips.float().mean(dim=1), size=(16, 16), mode="area").flatten(1).double()


def write_clips(folder: Path, count: int, seed: int) -> None:
    """Files of different bytes: videos of some sources, each followed by a box that players pass over."""
    folder.mkdir()
    contents = [_video(seed + source) for source in range(SOURCES)]
    for number in range(count):
        box = (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")
        (folder / f"{number:05}.mp4").write_bytes(contents[number % SOURCES] + box)


def _video(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE + FRAMES, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=8, options={"preset": "ultrafast"})
            stream.height, stream.width, stream.pix_fmt = SIDE, SIDE, "yuv420p"
            for t in range(FRAMES):
                picture = np.ascontiguousarray(noise[:, t : t + SIDE])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        return path.read_bytes()


def peak_mib(count: int) -> dict[str, float]:
    """Peak resident memory of this process before and after it has judged as many clips, in MiB."""
    torch.set_num_threads(1)

    def now() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    with tempfile.TemporaryDirectory() as folder:
        for seed, name in enumerate(("real", "generated")):
            write_clips(Path(folder) / name, count, 100 * seed)
        before = now()
        settings = Settings(window=16, window_stride=16, resamples=100)
        execution = Execution(workers=2)
        result = evaluate(
            Path(folder) / "real", Path(folder) / "generated", settings=settings,
            extractor=Thumbnails(), execution=execution,
        ).generated  # fmt: skip
        assert [data.count for data in result.data] == [count, count]
        return {"before": before, "after": now()}


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ten_times_the_clips_need_little_more_memory() -> None:
    """1,800 more clips of each set are 1.4 GB as pixels, 180 MB as features, and 100 MB as kernels of their pairs."""
    peaks = {}
    for count in (200, 2000):
        done = subprocess.run(
            [sys.executable, __file__, str(count)], capture_output=True, text=True, check=False, timeout=3000
        )
        assert done.returncode == 0, done.stderr
        peaks[count] = json.loads(done.stdout)["after"]
    assert 1024 * (peaks[2000] - peaks[200]) / (2 * 1800) < KIB_A_CLIP, peaks


if __name__ == "__main__":
    print(json.dumps(peak_mib(int(sys.argv[1]))))
