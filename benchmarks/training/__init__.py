"""The trainer, against a bare PyTorch loop."""
