"""Colours in a browser: what Chromium draws of a file on a canvas."""

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from exvideo_infer import write_video

FLAT = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (224, 172, 105))
SIDE = 32
PAGE = """<!doctype html><pre></pre><script>
const video = document.createElement("video");
const say = text => document.querySelector("pre").textContent = text;
video.muted = true;
video.onerror = () => say(JSON.stringify(video.error.message));
video.onloadeddata = () => { video.currentTime = 0.5; };
video.onseeked = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const middle = number => context.getImageData(number * SIDE + SIDE / 2, SIDE / 2, 1, 1).data;
  say(JSON.stringify([...Array(COUNT).keys()].map(number => [...middle(number)].slice(0, 3))));
};
video.src = "data:KIND;base64,CONTENT";
</script>"""
# On the graphics path, in software: Chromium's other way to convert BT.709 has coefficients of 8 bits, which are too
# short for blue: 243 where the file has 255.
FLAGS = ("--headless=new", "--no-sandbox", "--ignore-gpu-blocklist", "--use-angle=swiftshader",
         "--enable-unsafe-swiftshader", "--virtual-time-budget=10000", "--dump-dom")  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("name", "kind"), [("clip.mp4", "video/mp4"), ("clip.webm", "video/webm")])
def test_six_flat_colours_come_back_in_chromium(tmp_path: Path, name: str, kind: str) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    strip = np.concatenate([np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in FLAT], axis=1)
    write_video(tmp_path / name, [strip] * 8, fps=8)
    content = base64.b64encode((tmp_path / name).read_bytes()).decode()
    page = tmp_path / "page.html"
    for word, value in {"SIDE": SIDE, "COUNT": len(FLAT), "KIND": kind, "CONTENT": content}.items():
        page.write_text((page.read_text() if page.exists() else PAGE).replace(word, str(value)))
    command = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    shown = re.search(r"<pre>(.*?)</pre>", done.stdout)
    assert shown is not None, done.stderr
    assert np.abs(np.array(json.loads(html.unescape(shown[1]))) - FLAT).max() <= 2
