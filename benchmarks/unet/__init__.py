"""The extended network, one forward pass."""
