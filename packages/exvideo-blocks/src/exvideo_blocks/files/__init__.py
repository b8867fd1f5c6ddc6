"""An extension outside of a model: files, model cards, LoRAs of diffusers, the hub."""
