"""The whole of ExVideo in minutes, before and after: `python -m demo`."""
