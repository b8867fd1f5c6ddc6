"""Each network of the system by name: trained on, if its run is not at its end, and with its averaged weights."""

from pathlib import Path
from typing import Any

import torch
from exvideo_eval import Matcher, VideoClassifier

from tiny_world.system.decoder import train_decoder
from tiny_world.system.encoders import Encoders, train_encoders
from tiny_world.system.image import train_image
from tiny_world.system.judges import train_classifier, train_matcher
from tiny_world.system.vae import train_vae
from tiny_world.system.video import train_video

SEED = 0
CPU = torch.device("cpu")


def vae(root: Path, device: torch.device = CPU) -> Any:
    network = train_vae(root / "vae", SEED, device).requires_grad_(False)
    train_decoder(root / "decoder", network, encoders(root, device).image, SEED, device)
    return network.requires_grad_(False)


def encoders(root: Path, device: torch.device = CPU) -> Encoders:
    return train_encoders(root / "encoders", SEED, device).requires_grad_(False)


def video_unet(root: Path, device: torch.device = CPU) -> Any:
    return train_video(root / "video", vae(root, device), encoders(root, device), SEED, device)


def image_unet(root: Path, device: torch.device = CPU) -> Any:
    return train_image(root / "image", vae(root, device), encoders(root, device), SEED, device)


def classifier(root: Path, device: torch.device = CPU) -> VideoClassifier:
    return train_classifier(root / "classifier", SEED, device)


def matcher(root: Path, device: torch.device = CPU) -> Matcher:
    return train_matcher(root / "matcher", SEED, device)
