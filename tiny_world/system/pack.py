"""Writes the trained networks, fp16, into the packages: a folder in diffusers' layout, and two judges."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from exvideo_blocks.files.weights import write_safetensors

from tiny_world.small_base import build_scheduler
from tiny_world.system import system
from tiny_world.system.encoders import build_tokenizer
from tiny_world.system.judges import PROPERTIES, WORDS
from tiny_world.system.preview import write_preview
from tiny_world.system.training_loop import draw_loss_curves
from tiny_world.world.spec import FPS, FRAME_SIZE

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "packages"
LOSS_CURVES = ROOT / "docs/embedded/loss_curves.png"
RUNS = ("vae", "encoders", "decoder", "video", "image", "classifier", "matcher")
SYSTEM_FOLDER = PACKAGES / "exvideo-infer/src/exvideo_infer/embedded"
JUDGES_FOLDER = PACKAGES / "exvideo-eval/src/exvideo_eval/tiny_world"
SIGMA_MIN, SIGMA_MAX = 0.01, 100.0  # what so small a latent needs of Stable Video Diffusion's 0.002 to 700
# What the pipeline is called with where a caller leaves it open.
SAMPLING = {
    "fps": FPS,
    "motion_bucket_id": 127,
    "noise_aug_strength": 0.0,
    "num_inference_steps": 12,
    "min_guidance_scale": 2.0,
    "max_guidance_scale": 2.0,
    "height": FRAME_SIZE,
    "width": FRAME_SIZE,
    "text_to_image": {"num_inference_steps": 25, "guidance_scale": 3.0},
}


def pack(root: Path) -> None:
    """Packs the averages of all runs under `root`; finished runs are read, others trained on first."""
    pack_system(root, SYSTEM_FOLDER)
    pack_judges(root, JUDGES_FOLDER)
    LOSS_CURVES.parent.mkdir(parents=True, exist_ok=True)
    draw_loss_curves([root / name for name in RUNS], LOSS_CURVES)


def pack_system(root: Path, folder: Path) -> None:
    """The base as a Stable Video Diffusion folder, and beside it what turns words into its conditions."""
    from diffusers import StableVideoDiffusionPipeline
    from transformers import CLIPImageProcessor

    encoders = system.encoders(root)
    base = StableVideoDiffusionPipeline(
        vae=system.vae(root).half(),
        image_encoder=encoders.image.half(),
        unet=system.video_unet(root).half(),
        scheduler=build_scheduler(SIGMA_MIN, SIGMA_MAX),
        feature_extractor=CLIPImageProcessor(),
    )
    base.save_pretrained(folder)
    encoders.text.half().save_pretrained(folder / "text_encoder")
    build_tokenizer().save_pretrained(folder / "tokenizer")
    system.image_unet(root).half().save_pretrained(folder / "text_to_image" / "unet")
    build_scheduler(SIGMA_MIN, SIGMA_MAX).save_pretrained(folder / "text_to_image" / "scheduler")
    _write_json(folder / "sampling.json", SAMPLING)
    write_preview(base.vae.float(), folder)


def pack_judges(root: Path, folder: Path) -> None:
    """Both judges and a JSON file that says what their outputs mean."""
    networks = {"classifier": system.classifier(root), "matcher": system.matcher(root)}
    digests = {}
    for name, network in networks.items():
        path = folder / f"{name}.safetensors"
        write_safetensors(path, {key: tensor.half() for key, tensor in network.state_dict().items()}, {})
        digests[f"{name}_sha256"] = sha256(path.read_bytes()).hexdigest()
    properties = {name: list(classes) for name, classes in PROPERTIES.items()}
    _write_json(
        folder / "judges.json",
        {"format": "exvideo.judges/1", "properties": properties, "words": list(WORDS), **digests},
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)
