"""The demo on somebody's own footage, which the embedded model knows nothing of: a small base is trained on it first.

footage             cuts videos into clips, to train on and held out
base                draws patches, frames and windows of them for the tiny system's trainers
prepare             does both with the base that tiny_world/small_base.py builds, and says how the shared stages go on
"""
