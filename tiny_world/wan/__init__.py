"""A small Wan of eight frames on the embedded model's latents, and ways of making it sample forty, side by side.

    python -m tiny_world.wan.train --ship          train it, and put it into `base/`
    python -m tiny_world.wan.compare               every way, three seeds, before the tiny world's truth

    network          diffusers' transformer in its size, and the family of it: a latent row a frame
    train            the base's own training
    base             what exvideo-train and the samplers need of it: encoders, conditions, decoder
    decayed_attention    attention beyond the trained window made weaker: UltraViCo's
    ways             the ways of sampling forty frames
    clips            clips of a way, in files
    post_tune        exvideo-train on it
    figures          means over clips and seeds, and ratios of two ways
    table            the same as tables
    compare          all of it

Image to video as in Wan 2.2 TI2V-5B: the first latent row is given clean, and time is one a token. It does not ship in
a package: nobody generates with it, and what it is for needs the world, which does not either.
"""
