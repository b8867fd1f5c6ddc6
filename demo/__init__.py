"""The whole of ExVideo on real footage in ten minutes: `python -m demo`."""
