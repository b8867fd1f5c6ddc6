"""The demo on a film, for an hour and not for ten minutes: clips as exvideo-prepare cuts them, whole scenes held out.

    exvideo-prepare film.mp4 --output out/film/clips --cut --size 64 64 --min-frames 40 --held-out 0.15
    python -m demo.film out/film/clips --output out/film

Started again, it goes on where it was.
"""
