"""A small image-to-video base in the exact shape of Stable Video Diffusion, with random weights.

Same classes, same folder layout, same scheduler; only narrower and shallower. Benchmarks and tests use it untrained.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SPATIAL_DOWNSCALE = 4  # three levels in the VAE
ADDED_TIME_IDS = 3  # fps - 1, motion bucket, noise augmentation


def build_components(
    seed: int = 0,
    *,
    unet_channels: Sequence[int] = (32, 64, 64),
    vae_channels: Sequence[int] = (32, 64, 64),
    num_frames: int = 8,
    sample_size: int = 16,
    cross_attention_dim: int = 64,
    attention_head_dim: int = 16,
    addition_time_embed_dim: int = 32,
) -> dict[str, Any]:
    """Builds the five parts of a Stable Video Diffusion pipeline, random, in fp32 and in evaluation mode.

    Args:
        seed: the same seed gives the same weights; the global random state is left as it was.
        unet_channels: width of each level of the UNet, multiples of 32 (group norm).
        vae_channels: width of each of the three levels of the VAE, multiples of 32.
        num_frames: the clip length that the base is made for.
        sample_size: height and width of the latents; pixels are four times that.
        cross_attention_dim: width of the image embedding.
        attention_head_dim: width of an attention head; divides every UNet width.
        addition_time_embed_dim: width of the embedding of each added time id.

    Returns:
        `unet`, `vae`, `image_encoder`, `feature_extractor`, `scheduler`: the keyword arguments of
        `diffusers.StableVideoDiffusionPipeline`.

    Raises:
        ValueError: if a width is not a multiple of what it has to be, or the VAE has not three levels.
    """
    _check_widths(unet_channels, vae_channels, attention_head_dim)
    import torch
    from transformers import CLIPImageProcessor

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = {
            "unet": _build_unet(
                unet_channels, num_frames, sample_size, cross_attention_dim, attention_head_dim, addition_time_embed_dim
            ),
            "vae": _build_vae(vae_channels, sample_size * SPATIAL_DOWNSCALE),
            "image_encoder": _build_image_encoder(cross_attention_dim),
        }
    components: dict[str, Any] = {name: network.eval() for name, network in networks.items()}
    return components | {"feature_extractor": CLIPImageProcessor(), "scheduler": build_scheduler()}


def save(components: Mapping[str, Any], directory: str | Path) -> None:
    """Writes the components as a diffusers folder: model_index.json, unet/, vae/, image_encoder/, and so on."""
    from diffusers import StableVideoDiffusionPipeline

    StableVideoDiffusionPipeline(**components).save_pretrained(directory)


def build_animatediff(
    words: Sequence[str],
    seed: int = 0,
    *,
    unet_channels: Sequence[int] = (32, 64),
    sample_size: int = 8,
    rows: int = 32,
    tokens: int = 7,
) -> dict[str, Any]:
    """Builds the parts of an AnimateDiff, random, in fp32 and in evaluation mode.

    Args:
        words: all that its tokenizer knows.
        seed: the same seed gives the same weights; the global random state is left as it was.
        unet_channels: width of each level of the UNet, multiples of 32 (group norm).
        sample_size: height and width of the latents; pixels are four times that.
        rows: of the fixed position table.
        tokens: of a prompt, a start and an end among them.

    Returns:
        The keyword arguments of `diffusers.AnimateDiffPipeline`.
    """
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, MotionAdapter, UNet2DConditionModel, UNetMotionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = build_tokenizer(words, tokens)
    attentive = len(unet_channels) - 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        image = UNet2DConditionModel(
            sample_size=sample_size,
            down_block_types=("CrossAttnDownBlock2D",) * attentive + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * attentive,
            block_out_channels=tuple(unet_channels),
            layers_per_block=1,
            cross_attention_dim=32,
            attention_head_dim=2,
        )
        adapter = MotionAdapter(
            block_out_channels=tuple(unet_channels),
            motion_layers_per_block=1,
            motion_num_attention_heads=2,
            motion_max_seq_length=rows,
        )
        networks = {
            "unet": UNetMotionModel.from_unet2d(image, adapter),
            "motion_adapter": adapter,
            "vae": AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 3,
                up_block_types=("UpDecoderBlock2D",) * 3,
                block_out_channels=(32, 32, 32),
                layers_per_block=1,
            ),
            "text_encoder": CLIPTextModel(
                CLIPTextConfig(
                    vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                    num_attention_heads=2, max_position_embeddings=tokens, pad_token_id=0, bos_token_id=2,
                    eos_token_id=3,
                )
            ),
        }  # fmt: skip
    components: dict[str, Any] = {name: network.eval() for name, network in networks.items()}
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="linear", clip_sample=False, steps_offset=1
    )
    return components | {"tokenizer": tokenizer, "scheduler": scheduler}


def build_tokenizer(words: Sequence[str], tokens: int) -> Any:
    """A tokenizer of whole words, with one token for all others; prompts have `tokens`, with a start and an end."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>"}
    numbers = {word: number for number, word in enumerate((*special.values(), *words))}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 3)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=tokens, **special)


def _check_widths(unet_channels: Sequence[int], vae_channels: Sequence[int], attention_head_dim: int) -> None:
    if len(vae_channels) != 3:
        raise ValueError(
            f"vae_channels is {tuple(vae_channels)}: give three widths, for latents 4x smaller than pixels."
        )
    for width in (*unet_channels, *vae_channels):
        if width < 32 or width % 32:
            raise ValueError(f"A width of {width} does not suit group norm: give multiples of 32.")
    for width in unet_channels:
        if attention_head_dim < 1 or width % attention_head_dim:
            raise ValueError(
                f"attention_head_dim {attention_head_dim} does not divide the width {width}: give a divisor."
            )


def _build_unet(
    channels: Sequence[int],
    num_frames: int,
    sample_size: int,
    cross_attention_dim: int,
    attention_head_dim: int,
    addition_time_embed_dim: int,
) -> Any:
    from diffusers import UNetSpatioTemporalConditionModel

    # As in SVD: attention at every level but the deepest of the ladder (the middle block has it).
    attentive = len(channels) - 1
    return UNetSpatioTemporalConditionModel(
        sample_size=sample_size,
        down_block_types=("CrossAttnDownBlockSpatioTemporal",) * attentive + ("DownBlockSpatioTemporal",),
        up_block_types=("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * attentive,
        block_out_channels=tuple(channels),
        layers_per_block=1,
        addition_time_embed_dim=addition_time_embed_dim,
        projection_class_embeddings_input_dim=ADDED_TIME_IDS * addition_time_embed_dim,
        cross_attention_dim=cross_attention_dim,
        num_attention_heads=tuple(width // attention_head_dim for width in channels),
        num_frames=num_frames,
    )


def _build_vae(channels: Sequence[int], image_size: int) -> Any:
    from diffusers import AutoencoderKLTemporalDecoder

    return AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        block_out_channels=tuple(channels),
        layers_per_block=1,
        sample_size=image_size,
    )


def _build_image_encoder(projection_dim: int) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=224,  # what the SVD pipeline resizes every image to
            patch_size=56,
            projection_dim=projection_dim,
        )
    )


def build_scheduler(sigma_min: float = 0.002, sigma_max: float = 700.0) -> Any:
    """Stable Video Diffusion's; its own noise levels by default."""
    from diffusers import EulerDiscreteScheduler

    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        use_karras_sigmas=True,
        sigma_min=sigma_min,
        sigma_max=sigma_max,
        timestep_spacing="leading",
        timestep_type="continuous",
        steps_offset=1,
    )
