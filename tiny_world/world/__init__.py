"""A procedural, captioned, deterministic world of 64x64 clips of any length, with the exact state of every frame.

Its rules (`spec.DIRECTIONS`) take longer than eight frames to unfold, so that a model of eight frames cannot have seen
them whole; a clip's first frame and its caption together say how it goes on.

    spec = sampler.sample_spec(seed=0, index=7, split="train")    the clip, as plain data
    captions.caption(spec), captions.brief_caption(spec)          its text
    render.render(spec, num_frames=40)                            its frames
    motion.state_of(spec, num_frames=40)                          the truth behind them
    event_sampler.sample_event(0, 7, "blink", duration=4)         a clip in which short events recur (events.py)

`python -m tiny_world.world --help` writes clips as MP4 files, each with its state in a JSON file beside it.
"""
