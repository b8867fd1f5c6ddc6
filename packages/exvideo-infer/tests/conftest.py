"""A tiny base loaded once, with and without an extension, beside diffusers' own pipeline on the same components."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, restore, save_extension
from exvideo_infer import ExVideoPipeline, SamplingDefaults
from PIL import Image

EXTENDED_FRAMES = 12
WORDS = ("a", "red", "blue", "circle", "square", "moves", "left", "right")
TOKENS = 7  # a start, five words, an end
SAMPLING = {
    "fps": 5,
    "max_guidance_scale": 1.0,
    "num_inference_steps": 3,
    "height": 64,
    "width": 64,
    "text_to_image": {"num_inference_steps": 2, "guidance_scale": 1.5},
}


@pytest.fixture(scope="session")
def loaded(tiny_base_dir: Path) -> ExVideoPipeline:
    pipeline = ExVideoPipeline.from_pretrained(tiny_base_dir)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def pipe(loaded: ExVideoPipeline) -> Iterator[ExVideoPipeline]:
    yield loaded
    if loaded.extension is not None:
        loaded.unload_extension()
    loaded.sampling_defaults = SamplingDefaults()
    loaded.to("cpu", torch.float32)


@pytest.fixture
def fresh(tiny_base_dir: Path) -> Callable[..., ExVideoPipeline]:
    def load(folder: Path = tiny_base_dir, **kwargs: Any) -> ExVideoPipeline:
        pipeline = ExVideoPipeline.from_pretrained(folder, **kwargs)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return load


@pytest.fixture(scope="session")
def text_base_dir(tiny_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with what lets it read text and make first frames: random weights, in fp16 as the shipped ones."""
    from transformers import CLIPVisionModelWithProjection

    directory = tmp_path_factory.mktemp("text_base") / "base"
    shutil.copytree(tiny_base_dir, directory)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        image_encoder = CLIPVisionModelWithProjection.from_pretrained(directory / "image_encoder")
        image_encoder.half().save_pretrained(directory / "image_encoder")
        build_tokenizer().save_pretrained(directory / "tokenizer")
        build_text_encoder().half().save_pretrained(directory / "text_encoder")
        build_image_unet().half().save_pretrained(directory / "text_to_image" / "unet")
    image_scheduler().save_pretrained(directory / "text_to_image" / "scheduler")
    (directory / "sampling.json").write_text(json.dumps(SAMPLING))
    return directory


def build_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    numbers = {word: number for number, word in enumerate(("<pad>", "<unk>", "<bos>", "<eos>", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 3)]
    )
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=TOKENS, **special)


def build_text_encoder(width: int = 32) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=4 + len(WORDS),
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        projection_dim=16,  # another width than the hidden states', which are the ones to be used
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )
    return CLIPTextModelWithProjection(config)


def build_image_unet() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(32, 32),
        layers_per_block=1,
        attention_head_dim=2,
        cross_attention_dim=32,
    )


def image_scheduler() -> Any:
    from diffusers import EulerDiscreteScheduler

    return EulerDiscreteScheduler(
        prediction_type="v_prediction",
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=80.0,
        timestep_type="continuous",
        steps_offset=1,
    )


@pytest.fixture(scope="session")
def loaded_text(text_base_dir: Path) -> ExVideoPipeline:
    pipeline = ExVideoPipeline.from_pretrained(text_base_dir)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def text_pipe(loaded_text: ExVideoPipeline) -> Iterator[ExVideoPipeline]:
    """A base that reads text and makes first frames."""
    yield loaded_text
    loaded_text.text_to_image = None
    loaded_text.to("cpu", torch.float32)


@pytest.fixture
def stock(pipe: ExVideoPipeline) -> Any:
    """diffusers' pipeline on the very same networks."""
    from diffusers import StableVideoDiffusionPipeline

    stock = StableVideoDiffusionPipeline(
        pipe.vae, pipe.image_encoder, pipe.unet, pipe.scheduler, pipe.feature_extractor
    )
    stock.set_progress_bar_config(disable=True)
    return stock


@pytest.fixture(scope="session")
def extension_file(loaded: ExVideoPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extension to 12 frames whose every parameter differs from what it starts as."""
    path = tmp_path_factory.mktemp("extension") / "extension.safetensors"
    extension = extend(loaded.unet, ExtensionConfig(num_frames=EXTENDED_FRAMES))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    save_extension(extension, path)
    restore(loaded.unet)
    return path


@pytest.fixture(scope="session")
def images() -> list[Image.Image]:
    """Two noise pictures of one size, larger than the clips made of them."""
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)) for _ in range(2)]
