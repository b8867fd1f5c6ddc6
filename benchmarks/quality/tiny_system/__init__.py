"""Trains every network of a small text-to-video system on the tiny world, and packs them for the packages that ship them.

    python -m benchmarks.quality.tiny_system train vae            one network: vae, encoders, image, video, judges
    python -m benchmarks.quality.tiny_system train all            one after the other, as they need each other
    python -m benchmarks.quality.tiny_system pack                 into exvideo-infer and exvideo-eval, in fp16

Each run is seeded, writes a checkpoint now and then, and goes on where it was cut off; what a step trains on depends on
(seed, step) alone.
"""
