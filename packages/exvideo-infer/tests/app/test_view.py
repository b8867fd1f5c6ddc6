import io
import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from exvideo_infer.app.view import HISTORY, animation, error, history, progress
from exvideo_infer.jobs.job import Job
from exvideo_infer.jobs.limits import Limits
from exvideo_infer.jobs.queue import JobQueue
from PIL import Image

from ..jobs.sketch_maker import FRAMES, SketchMaker


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    queue = JobQueue(SketchMaker(), tmp_path, Limits())
    yield queue
    queue.close()


def test_a_done_clip_is_told_and_in_the_history(queue: JobQueue) -> None:
    ticket = queue.submit(Job("<b>" + "x" * 500, seed=5))
    while not ticket.status.is_final:
        queue.wait(ticket, 0.1)
    told = progress(queue, ticket)
    assert re.search(r"Done in [\d.]+ s, seed 5", told)
    assert f'value="{FRAMES}" max="{FRAMES}"' in told
    row = dict(zip(HISTORY, history(queue)[0], strict=True))
    assert row["seed"] == "5"
    assert row["clip"] == ticket.name
    assert len(row["prompt"]) < 130


def test_what_people_wrote_is_escaped() -> None:
    assert "<img" not in error("There is no <img src=x onerror=alert(1)>.")


def test_a_preview_is_an_image_that_moves_for_as_long_as_the_clip() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (3, 16, 20, 3), dtype=np.uint8)
    found = re.search(r'src="data:image/webp;base64,([^"]+)"', animation(pictures, 1.5))
    assert found is not None
    image = Image.open(io.BytesIO(b64decode(found[1])))
    assert (image.size, getattr(image, "n_frames", 1)) == ((20, 16), 3)
    image.load()
    assert image.info["duration"] == 500
    assert animation(None, 1.5) == ""
