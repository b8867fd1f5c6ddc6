"""Post-tunes an extended video diffusion model on long clips: `exvideo-train --config x.yaml`."""

__version__ = "0.1.0"
