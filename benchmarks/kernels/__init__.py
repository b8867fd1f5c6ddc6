"""Kernels alone, against PyTorch's and against the floor that the device sets."""
