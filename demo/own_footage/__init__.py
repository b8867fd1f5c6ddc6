"""The demo on somebody's own footage, of which the embedded model knows nothing: the base of films is extended on it.

footage             cuts videos into clips, to train on and held out
prepare             says how the shared stages go on with them and with the base of demo/film/weights
"""
