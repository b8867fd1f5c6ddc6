"""The page: whole in one file, nothing of it fetched, and in a browser all clips in step."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exvideo_eval.page import Example, PageContent, Row, write_page
from exvideo_eval.result_parts import Curve
from exvideo_eval.video_reader import VideoReadError

FRAMES = 24


def content(folder: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> PageContent:
    """Clips that get brighter by as much a frame, so that a frame can be told from a screenshot."""
    rows = []
    for number in range(2):
        frames = moving_clip(number, FRAMES, 48) // 8 + (np.arange(FRAMES) * 8)[:, None, None, None].astype(np.uint8)
        path = write_video(folder / f"<{number}>.mp4", frames)
        clips = {"real": path, "baseline": None, "generated": path}
        rows.append(Row(Example(path.name, "best", 1.0), clips, is_paired=number == 0))
    x = tuple(range(FRAMES))
    curves = {"brightness": {"real": Curve("brightness", "mean luma", "frame index", x, x)}}
    return PageContent("Clips", "2 clips", "brightness", rows, FRAMES, (48, 48), 8, curves, "## Data\n\n- one")


@pytest.fixture
def page(tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> Path:
    write_page(tmp_path / "report.html", content(tmp_path / "clips", write_video, moving_clip))
    return tmp_path / "report.html"


def test_a_page_holds_all_it_needs_and_names_files_as_text(page: Path) -> None:
    text = page.read_text()
    assert text.count("data:video/mp4;base64,") == 2
    assert not re.search(r"https?:|src=\"(?!data:)|<link|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "&lt;0&gt;.mp4" in text
    assert "<0>" not in text
    assert text.count("another clip") == 1
    assert "<li>one</li>" in text
    assert not re.search(r"\$\w", text)
    assert [path.name for path in page.parent.iterdir() if path.is_file()] == ["report.html"]


def test_a_clip_that_is_gone_leaves_the_old_page(
    tmp_path: Path, page: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    before, shown = page.read_text(), content(tmp_path / "clips", write_video, moving_clip)
    (tmp_path / "clips" / "<1>.mp4").unlink()
    with pytest.raises(VideoReadError, match="<1>"):
        write_page(page, shown)
    assert page.read_text() == before


@pytest.fixture
def tab(page: Path) -> Any:
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.fetched, tab.complaints = [], []
        tab.on("request", lambda request: tab.fetched.append(request.url))
        tab.on("console", lambda message: tab.complaints.append(message.text))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.goto(page.as_uri())
        tab.wait_for_function("videos.every(video => video.readyState >= 2)", timeout=60_000)
        yield tab
        browser.close()


@pytest.mark.long
def test_one_button_plays_all_in_step_and_fetches_nothing(tab: Any, page: Path) -> None:
    tab.click("#play")
    apart, frames, heads = [], [], []
    for _ in range(10):
        tab.wait_for_timeout(150)
        times = tab.evaluate("videos.map(video => video.currentTime)")
        apart.append(max(times) - min(times))
        frames.append(int(tab.evaluate("slider.value")))
        heads.append(float(tab.evaluate("heads[0].getAttribute('x1')")))
    assert len(set(frames)) >= 4
    assert sorted(apart)[7] <= 1 / 8  # one frame, but for moments at which a clip begins anew
    assert np.corrcoef(frames, heads)[0, 1] > 0.99
    assert tab.inner_text("#play") == "Pause"
    tab.click("#play")
    assert tab.evaluate("videos.every(video => video.paused)")
    assert tab.fetched == [page.as_uri()]
    assert tab.complaints == []


@pytest.mark.long
def test_the_slider_and_keys_show_a_frame_of_every_clip(tab: Any) -> None:
    """Frame t of each clip is brighter than the one before by 8 levels."""
    light = """() => videos.map(video => {
        const canvas = document.createElement("canvas");
        canvas.width = video.videoWidth; canvas.height = video.videoHeight;
        const pen = canvas.getContext("2d");
        pen.drawImage(video, 0, 0);
        const mean = (left) => {
            const pixels = pen.getImageData(left, 0, 48, 48).data;
            let sum = 0;
            for (let i = 0; i < pixels.length; i += 4) sum += pixels[i];
            return sum / (pixels.length / 4);
        };
        return [mean(0), mean(video.videoWidth - 48)];
    }).flat()"""

    def settled() -> list[float]:
        tab.wait_for_timeout(100)
        tab.wait_for_function("videos.every(video => !video.seeking)", timeout=60_000)
        tab.wait_for_timeout(200)
        return list(tab.evaluate(light))

    tab.evaluate("slider.value = 10; slider.dispatchEvent(new Event('input'))")
    at_10 = settled()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    at_12 = settled()
    assert tab.inner_text("#number") == f"frame 12 of {FRAMES}"
    assert np.subtract(at_12, at_10) == pytest.approx([16] * 4, abs=4)
