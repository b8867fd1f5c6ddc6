"""The demo on somebody's own footage, which the embedded model knows nothing of: a small base is trained on it first.

footage             cuts videos into clips, to train on and held out
small base          tiny_world/small_base.py builds it, train_vae and train_unet train it
prepare             does both, and says how the shared stages go on
"""
