"""The base of films: eight frames of 64x64, trained on the scenes of a film, which own footage begins with.

base                draws squares of scenes, and trains the VAE and the UNet on them
run                 from clips of exvideo-prepare to a base in diffusers' layout
weights/            the base itself, in fp16, of Big Buck Bunny (credits in its README)

    exvideo-prepare film.mp4 --output out/film/clips --cut --size 64 112 --min-frames 40 --held-out 0.15
    python -m demo.film out/film/clips --output out/film

Started again, it goes on where it was.
"""

from pathlib import Path

WEIGHTS = Path(__file__).with_name("weights")
