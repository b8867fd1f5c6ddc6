"""Whole clips, against diffusers' own pipeline."""
