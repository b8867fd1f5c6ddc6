"""Protocols of the literature: frozen, hashed, and followed to the pixel."""
