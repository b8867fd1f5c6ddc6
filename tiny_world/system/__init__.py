"""Trains every network of a small text-to-video system on the tiny world, and packs them for shipping.

    python -m tiny_world.system vae      one network: vae, encoders, video, image, classifier, matcher
    python -m tiny_world.system all      one after the other, as they need each other
    python -m tiny_world.system pack     into exvideo-infer and exvideo-eval, in fp16
    python -m tiny_world.system unpack   runs that stand where what ships was packed, to train on

Each run is seeded, writes a checkpoint now and then, and goes on where it was cut off; what a step trains on depends on
(seed, step) alone. `train_on_pictures` and `train_on_windows` take batches of any source: demo/film has one.
"""
