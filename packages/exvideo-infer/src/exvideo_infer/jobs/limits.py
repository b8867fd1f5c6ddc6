"""The largest clip of a server, and what it holds."""

from dataclasses import dataclass

from exvideo_infer.jobs.job import Clip


@dataclass(frozen=True)
class Limits:
    """The largest clip that a server makes, and requests that it holds.

    Args:
        pixels: height times width.
        frames, steps: of a clip.
        queue: clips that wait.
        body_bytes: of a request.
    """

    pixels: int = 1024 * 1024
    frames: int = 256
    steps: int = 100
    queue: int = 16
    body_bytes: int = 32 * 2**20

    def check(self, clip: Clip) -> None:
        """Raises ValueError for a clip that is larger, or whose pieces are more work than the largest clip's steps."""
        settings = clip.settings
        for name, value, most in (
            ("height x width", settings["height"] * settings["width"], self.pixels),
            ("num_frames", settings["num_frames"], self.frames),
            ("steps", settings["num_inference_steps"], self.steps),
        ):
            if value > most:
                raise ValueError(f"{name} is {value}, and this server makes clips of up to {most}: ask for less.")
        if (clip.evaluations or 0) * (clip.longest or 0) > self.steps * self.frames:
            raise ValueError(
                f"The clip takes {clip.evaluations} evaluations of {clip.longest} frames, and this server makes up to "
                f"{self.steps} of {self.frames}: ask for less overlap, or for fewer frames."
            )
