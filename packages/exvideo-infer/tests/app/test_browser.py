"""The page of the embedded model in a real browser, as people use it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from exvideo_blocks import ExtensionConfig, extend, save_extension
from exvideo_infer import ExVideoPipeline

pytest.importorskip("gradio")  # of the extra `app`
playwright = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

PROMPT = "a large red ring bounces quickly from edge to edge starting left on a black background"
SECONDS = 120  # that a clip may take on a core that others use, too
Tab = Any


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("extension") / "extension.safetensors"
    save_extension(extend(ExVideoPipeline.from_pretrained("embedded").unet, ExtensionConfig(num_frames=16)), path)
    return path


@pytest.fixture(scope="module")
def url(extension: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = [sys.executable, "-c", "import sys; from exvideo_infer.app.cli import main; sys.exit(main())"]
    out = tmp_path_factory.mktemp("clips")
    options = ["--port", "0", "-o", str(out), "--extension", str(extension), "--device", "cpu", "--max-steps", "1000"]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore Ctrl-C
    environment = {name: value for name, value in os.environ.items() if name != "EXVIDEO_TOKEN"}
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, preexec_fn=heed, env=environment
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[4].rstrip(",")
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(60) == 130
        finally:
            process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Any, url: str) -> Iterator[Tab]:
    tab = open_tab(browser, url)
    yield tab
    tab.close()


def open_tab(browser: Any, url: str) -> Tab:
    tab = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
    tab.goto(url)
    tab.wait_for_selector("#prompt textarea")
    return tab


def order(tab: Tab, prompt: str, **fields: object) -> None:
    tab.fill("#prompt textarea", prompt)
    for name, value in fields.items():
        tab.fill(f"#{name} textarea, #{name} input", str(value))
    tab.click("#generate")


def watch(tab: Tab, until: str, seconds: float = SECONDS) -> list[tuple[str, bool]]:
    """All that the status says until it begins with a text, each time with True if there is a preview."""
    seen: list[tuple[str, bool]] = []
    end = time.monotonic() + seconds
    while not seen or not seen[-1][0].startswith(until):
        assert time.monotonic() < end, seen
        now = tab.inner_text("#status").strip(), tab.query_selector("#preview img") is not None
        if not seen or seen[-1] != now:
            seen.append(now)
        time.sleep(0.05)
    return seen


def size_of_playing(tab: Tab, which: str) -> list[int]:
    tab.wait_for_function(f"(document.querySelector('{which} video') ?? {{}}).currentTime > 0", timeout=20000)
    shown: list[int] = tab.evaluate(
        f"(() => {{ const video = document.querySelector('{which} video');"
        "return [video.videoWidth, video.videoHeight]; })()"
    )
    return shown


def test_a_prompt_becomes_a_clip_that_plays(tab: Tab, url: str) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    order(tab, PROMPT, seed=11)
    seen = watch(tab, "Done")
    steps = [(said, preview) for said, preview in seen if said.startswith("Step")]
    assert len(steps) >= 3
    assert any(preview for _, preview in steps)
    assert "seed 11" in seen[-1][0]
    assert size_of_playing(tab, "#clip") == [64, 64]
    assert PROMPT in tab.inner_text("#history")
    assert "11" in tab.inner_text("#history")
    with tab.expect_download() as download:
        tab.click("#clip a[download], #clip button[aria-label='Download']")
    assert Path(download.value.path()).stat().st_size > 1000
    assert all(one.startswith((url, "data:", "blob:")) for one in asked)  # no other site is asked


def test_with_and_without_the_extension(tab: Tab) -> None:
    tab.check("#compare input")
    order(tab, PROMPT, seed=12, steps=2)
    watch(tab, "Done")
    tab.wait_for_selector("#clip video")
    assert size_of_playing(tab, "#plain") == size_of_playing(tab, "#clip") == [64, 64]


def test_a_cancelled_clip_frees_the_model(tab: Tab) -> None:
    order(tab, PROMPT, seed=13, steps=900)
    watch(tab, "Step 2")
    start = time.monotonic()
    tab.click("#cancel")
    watch(tab, "Cancelled")
    assert time.monotonic() - start < 10  # of 900 steps, which take minutes
    order(tab, PROMPT, seed=14, steps=2)
    watch(tab, "Done")


def test_two_users_at_once(tab: Tab, browser: Any, url: str) -> None:
    other = open_tab(browser, url)
    order(tab, PROMPT, seed=15, steps=20)
    watch(tab, "Step")
    order(other, "a small cyan circle crosses", seed=16, steps=2)
    assert any(said.startswith("Waiting: 1 in line") for said, _ in watch(other, "Done"))
    assert "seed 16" in other.inner_text("#status")
    watch(tab, "Done")
    assert "seed 15" in tab.inner_text("#status")
    assert [size_of_playing(one, "#clip") for one in (tab, other)] == [[64, 64]] * 2
    other.close()


def test_prompts_of_every_kind(tab: Tab) -> None:
    order(tab, "   ")
    watch(tab, "There is neither a prompt nor a picture")
    order(tab, PROMPT, steps="x")
    watch(tab, "steps: 'x' is not a whole number")
    order(tab, "a red circle bounces " * 238, steps=2, seed=17)  # 4,998 characters
    assert "does not read the last" in watch(tab, "Done")[-1][0]
    order(tab, "a \U0001f534 zebra bounces", steps=2, seed=18)
    watch(tab, "Done")
    while "seed 18" not in tab.inner_text("#status"):
        time.sleep(0.1)
    assert "does not know: zebra" in tab.inner_text("#status")
    assert "\U0001f534" in tab.inner_text("#history")
    hostile = '<img src=x onerror="window.hacked=1"> ${window.hacked=2} {{7*7}} </script><b>bold</b>'
    order(tab, hostile, steps=2, seed=19)
    watch(tab, "Done")
    while "seed 19" not in tab.inner_text("#status"):
        time.sleep(0.1)
    assert "<b>bold</b>" in tab.inner_text("#history")
    assert tab.evaluate("window.hacked === undefined")
    assert tab.query_selector("#history b, #status b, img[src=x]") is None
