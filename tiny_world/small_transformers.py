"""Small video transformers with random weights, in the layout of diffusers' own pipelines: for tests.

Same classes and compression as the published ones, only narrower and shallower; each is trained at nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tiny_world.small_base import build_tokenizer

TEXT_WIDTH = 16
_HEADS: dict[str, Any] = {"num_attention_heads": 2, "num_layers": 2}


def build_pipeline(kind: str, words: Sequence[str], **options: Any) -> Any:
    """Builds a pipeline of diffusers on small random parts.

    Args:
        kind: a name of `PIPELINES`.
        words: all that its tokenizer knows.
        options: of the function that builds the parts.
    """
    import diffusers

    name, build = PIPELINES[kind]
    return getattr(diffusers, name)(**build(words, **options))


def build_wan(
    words: Sequence[str],
    seed: int = 0,
    *,
    experts: int = 1,
    expand_timesteps: bool = False,
    of_5b: bool = False,
    tokens: int = 12,
) -> dict[str, Any]:
    """Builds the parts of a Wan, random, in fp32 and in evaluation mode; latents are 4x8x8 pixels.

    Args:
        words: all that its tokenizer knows.
        seed: the same seed gives the same weights; the global random state is left as it was.
        experts: 2 for a mixture, as Wan 2.2 A14B.
        expand_timesteps: a time for each token, as TI2V-5B.
        of_5b: its autoencoder, too, whose latents are 48 channels of 4x16x16 pixels.
        tokens: of a prompt that the tokenizer reads, a start and an end among them.

    Returns:
        The keyword arguments of `diffusers.WanPipeline`.
    """
    import torch
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel

    tokenizer, channels = build_tokenizer(words, tokens), 48 if of_5b else 16
    patched = {
        "is_residual": True, "patch_size": 2, "in_channels": 12, "out_channels": 12, "scale_factor_spatial": 16,
        "latents_mean": [0.1] * channels, "latents_std": [1.5] * channels,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformers = [
            WanTransformer3DModel(
                **_HEADS, attention_head_dim=24, in_channels=channels, out_channels=channels, text_dim=TEXT_WIDTH,
                freq_dim=32, ffn_dim=32, rope_max_seq_len=32,
            ).eval()
            for _ in range(experts)
        ]  # fmt: skip
        vae = AutoencoderKLWan(
            base_dim=4 if of_5b else 3, z_dim=channels, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
            **(patched if of_5b else {}),
        ).eval()  # fmt: skip
        text_encoder = _build_t5("UMT5", len(tokenizer))
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    return {
        "transformer": transformers[0],
        "transformer_2": transformers[1] if experts > 1 else None,
        "boundary_ratio": 0.875 if experts > 1 else None,
        "expand_timesteps": expand_timesteps or of_5b,
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "scheduler": scheduler,
    }


def build_ltx(words: Sequence[str], seed: int = 0, *, tokens: int = 12) -> dict[str, Any]:
    """Builds the parts of an LTX-Video, as `build_wan`, of `diffusers.LTXPipeline`; latents are 8x32x32 pixels."""
    import torch
    from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXVideoTransformer3DModel

    tokenizer = build_tokenizer(words, tokens)
    ones, narrow = (1, 1, 1, 1, 1), (8, 8, 8, 8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = LTXVideoTransformer3DModel(
            **_HEADS, attention_head_dim=16, in_channels=4, out_channels=4, cross_attention_dim=32,
            caption_channels=TEXT_WIDTH,
        ).eval()  # fmt: skip
        vae = AutoencoderKLLTXVideo(
            latent_channels=4, layers_per_block=ones, decoder_layers_per_block=ones, block_out_channels=narrow,
            decoder_block_out_channels=narrow,
        ).eval()  # fmt: skip
        vae.latents_mean.normal_(std=0.1)
        vae.latents_std.uniform_(0.5, 1.5)
        text_encoder = _build_t5("T5", len(tokenizer))
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_image_seq_len=4, max_image_seq_len=64)
    return {
        "transformer": transformer, "vae": vae, "text_encoder": text_encoder, "tokenizer": tokenizer,
        "scheduler": scheduler,
    }  # fmt: skip


def build_hunyuan_video(words: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """Builds the parts of a HunyuanVideo, as `build_wan`, of `diffusers.HunyuanVideoPipeline`.

    Its first tokenizer knows the words of the pipeline's template, too, which a prompt is put into.
    """
    import torch
    from diffusers import (
        AutoencoderKLHunyuanVideo,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideoTransformer3DModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaModel

    tokenizer, short = _build_splitting_tokenizer(words), build_tokenizer(words, 77)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = HunyuanVideoTransformer3DModel(
            num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4, num_layers=1,
            num_single_layers=1, num_refiner_layers=1, text_embed_dim=TEXT_WIDTH, pooled_projection_dim=8,
            rope_axes_dim=(4, 6, 6), patch_size=2, guidance_embeds=True,
        ).eval()  # fmt: skip
        vae = AutoencoderKLHunyuanVideo(
            latent_channels=4, layers_per_block=1, norm_num_groups=4, mid_block_add_attention=False,
            block_out_channels=(8, 8, 8, 8),
        ).eval()  # fmt: skip
        shape = {"num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
        llama = LlamaConfig(vocab_size=len(tokenizer), hidden_size=TEXT_WIDTH, pad_token_id=0, **shape)
        clip = CLIPTextConfig(
            vocab_size=len(short), hidden_size=8, pad_token_id=0, bos_token_id=2, eos_token_id=3, **shape
        )
        text_encoder, text_encoder_2 = LlamaModel(llama).eval(), CLIPTextModel(clip).eval()
    return {
        "transformer": transformer, "vae": vae, "text_encoder": text_encoder, "tokenizer": tokenizer,
        "text_encoder_2": text_encoder_2, "tokenizer_2": short, "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
    }  # fmt: skip


def build_cogvideox(words: Sequence[str], seed: int = 0, *, rotary: bool = True, tokens: int = 12) -> dict[str, Any]:
    """Builds the parts of a CogVideoX, as `build_wan`, of `diffusers.CogVideoXPipeline`.

    Args:
        rotary: False for positions that are added, as in 2b.
    """
    import torch
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXTransformer3DModel

    tokenizer = build_tokenizer(words, tokens)
    down, up = ("CogVideoXDownBlock3D",) * 4, ("CogVideoXUpBlock3D",) * 4
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = CogVideoXTransformer3DModel(
            **_HEADS, attention_head_dim=16, in_channels=4, out_channels=4, time_embed_dim=16,
            text_embed_dim=TEXT_WIDTH, sample_width=4, sample_height=4, sample_frames=9, max_text_seq_length=226,
            use_rotary_positional_embeddings=rotary,
        ).eval()  # fmt: skip
        vae = AutoencoderKLCogVideoX(
            latent_channels=4, layers_per_block=1, norm_num_groups=2, block_out_channels=(8, 8, 8, 8),
            down_block_types=down, up_block_types=up,
        ).eval()  # fmt: skip
        text_encoder = _build_t5("T5", len(tokenizer))
    scheduler = CogVideoXDDIMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True)
    return {
        "transformer": transformer, "vae": vae, "text_encoder": text_encoder, "tokenizer": tokenizer,
        "scheduler": scheduler,
    }  # fmt: skip


def _build_splitting_tokenizer(words: Sequence[str]) -> Any:
    """A tokenizer of words and signs, as many of them as prompts have; those that it does not know are one token."""
    from tokenizers import pre_tokenizers

    tokenizer = build_tokenizer(words, 1024)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _build_t5(kind: str, vocabulary: int) -> Any:
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=vocabulary, d_model=TEXT_WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=0,
        eos_token_id=3, is_gated_act=True, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return getattr(transformers, f"{kind}EncoderModel")(config).eval()


PIPELINES: dict[str, tuple[str, Callable[..., dict[str, Any]]]] = {
    "wan": ("WanPipeline", build_wan),
    "ltx": ("LTXPipeline", build_ltx),
    "hunyuan_video": ("HunyuanVideoPipeline", build_hunyuan_video),
    "cogvideox": ("CogVideoXPipeline", build_cogvideox),
}
