"""Benchmarks: ours, the peers and the floor, measured side by side in one run. `python -m benchmarks` runs all."""
