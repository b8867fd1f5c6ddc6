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
    words: Sequence[str], seed: int = 0, *, experts: int = 1, expand_timesteps: bool = False, tokens: int = 12
) -> dict[str, Any]:
    """Builds the parts of a Wan, random, in fp32 and in evaluation mode; latents are 4x8x8 pixels.

    Args:
        words: all that its tokenizer knows.
        seed: the same seed gives the same weights; the global random state is left as it was.
        experts: 2 for a mixture, as Wan 2.2 A14B.
        expand_timesteps: a time for each token, as TI2V-5B.
        tokens: of a prompt that the tokenizer reads, a start and an end among them.

    Returns:
        The keyword arguments of `diffusers.WanPipeline`.
    """
    import torch
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel

    tokenizer = build_tokenizer(words, tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformers = [
            WanTransformer3DModel(
                **_HEADS, attention_head_dim=24, in_channels=16, out_channels=16, text_dim=TEXT_WIDTH, freq_dim=32,
                ffn_dim=32, rope_max_seq_len=32,
            ).eval()
            for _ in range(experts)
        ]  # fmt: skip
        vae = AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1).eval()
        text_encoder = _build_t5("UMT5", len(tokenizer))
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    return {
        "transformer": transformers[0],
        "transformer_2": transformers[1] if experts > 1 else None,
        "boundary_ratio": 0.875 if experts > 1 else None,
        "expand_timesteps": expand_timesteps,
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "scheduler": scheduler,
    }


def _build_t5(kind: str, vocabulary: int) -> Any:
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=vocabulary, d_model=TEXT_WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=0,
        eos_token_id=3, is_gated_act=True, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return getattr(transformers, f"{kind}EncoderModel")(config).eval()


PIPELINES: dict[str, tuple[str, Callable[..., dict[str, Any]]]] = {"wan": ("WanPipeline", build_wan)}
