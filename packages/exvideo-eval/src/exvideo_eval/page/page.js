"use strict";
// One clock for all rows: the first video is it, and the others are brought back to it when they drift.
const section = document.getElementById("clips");
const videos = [...section.querySelectorAll("video")];
const heads = [...section.querySelectorAll(".playhead")];
const play = document.getElementById("play");
const slider = document.getElementById("frame");
const number = document.getElementById("number");
const speed = document.getElementById("speed");
const frames = Number(section.dataset.frames);
const fps = Number(section.dataset.fps);
let playing = false;

// The middle of a frame, so that rounding of times shows no neighbour.
const timeOf = frame => (frame + 0.5) / fps;
const frameOf = time => Math.min(frames - 1, Math.max(0, Math.floor(time * fps)));

function show(frame) {
  slider.value = frame;
  number.textContent = `frame ${frame} of ${frames}`;
  for (const head of heads) {
    const { first, last, left, right } = head.dataset;
    const share = Math.min(1, Math.max(0, (frame - first) / ((last - first) || 1)));
    const x = Number(left) + share * (right - left);
    head.setAttribute("x1", x);
    head.setAttribute("x2", x);
  }
}

function seek(frame) {
  for (const video of videos) video.currentTime = timeOf(frame);
  show(frame);
}

function tick() {
  if (!playing) return;
  const clock = videos[0];
  if (clock.ended || clock.currentTime * fps >= frames - 0.01) {
    seek(0);
    for (const video of videos) video.play();
  } else {
    for (const video of videos.slice(1)) {
      if (Math.abs(video.currentTime - clock.currentTime) * fps > 1) video.currentTime = clock.currentTime;
    }
    show(frameOf(clock.currentTime));
  }
  requestAnimationFrame(tick);
}

function setPlaying(on) {
  playing = on && videos.length > 0;
  play.textContent = playing ? "Pause" : "Play";
  for (const video of videos) {
    video.playbackRate = Number(speed.value);
    if (playing) video.play(); else video.pause();
  }
  if (playing) requestAnimationFrame(tick);
}

function stopAt(frame) {
  setPlaying(false);
  seek(Math.min(frames - 1, Math.max(0, frame)));
}

play.addEventListener("click", () => playing ? stopAt(frameOf(videos[0].currentTime)) : setPlaying(true));
slider.addEventListener("input", () => stopAt(Number(slider.value)));
speed.addEventListener("change", () => { for (const video of videos) video.playbackRate = Number(speed.value); });
document.addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (event.target === slider || event.target === speed || event.target === play) return;
  if (event.key === " ") { event.preventDefault(); play.click(); }
  if (step) stopAt(Number(slider.value) + step);
});
seek(0);
