"""Parameters at the sizes of the published transformers, on the meta device, and the README's table of them."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, family_of, restore, summarize
from exvideo_blocks.frequencies import intrinsic_component, rotary_frequencies

README = (Path(__file__).parents[2] / "README.md").read_text()
WAN_1_3B = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
COG_5B = {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "Wan 2.1 1.3B": ("WanTransformer3DModel", WAN_1_3B),
    "Wan 2.1 14B": ("WanTransformer3DModel", {}),
    "HunyuanVideo": ("HunyuanVideoTransformer3DModel", {}),
    "LTX-Video 2B": ("LTXVideoTransformer3DModel", {}),
    "CogVideoX-5b": ("CogVideoXTransformer3DModel", COG_5B),
    "CogVideoX-2b": ("CogVideoXTransformer3DModel", {}),
}


def on_meta(name: str) -> Any:
    import diffusers

    cls, options = MODELS[name]
    with torch.device("meta"):
        return getattr(diffusers, cls)(**options)


def test_the_numbers_of_wan_1_3b_at_161_frames() -> None:
    model = on_meta("Wan 2.1 1.3B")
    summary = summarize(extend(model, ExtensionConfig(num_frames=161, level="lora", lora_rank=32)))
    trained = {group.name: group.trained for group in summary.groups if group.trained}
    assert trained == {"angle offsets": 902, "LoRA": 11_796_480}
    assert (summary.base, summary.total) == (1_418_996_800, 1_418_996_800 + 902 + 11_796_480)
    assert summary.kept_base == 0
    assert "11,797,382 trained, 0.8%" in str(summary)


def test_rows_and_period_of_ti2v_5b() -> None:
    import diffusers

    with torch.device("meta"):
        model = diffusers.WanTransformer3DModel(num_attention_heads=2, num_layers=1, in_channels=48, out_channels=48)
    rows = family_of(model).rows(family_of(model).base_frames(model))
    component, period = intrinsic_component(rotary_frequencies(1e4, model.rope.t_dim), rows)
    assert (rows, component, round(period)) == (31, 5, 34)


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_the_table_of_transformers_says_the_numbers(name: str) -> None:
    model = on_meta(name)
    family, base = family_of(model), family_of(model).base_frames(model)
    twice, period = 2 * (base - 1) + 1, "-"
    counts = []
    for level in ("position", "lora"):
        extension = extend(model, ExtensionConfig(num_frames=twice, level=level, lora_rank=32))
        counts.append(summarize(extension).trained)
        offsets = getattr(next(iter(extension.sites().values())), "angle_offsets", None)
        if offsets is not None:
            component, rows = intrinsic_component(offsets.frequencies, family.rows(base))
            period = f"{component}, {rows:.0f}"
        restore(model)
    (row,) = re.findall(rf"^\| {re.escape(name)} \|.*$", README, flags=re.MULTILINE)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == [
        f"`{family.NAME}`", f"{base}, {family.rows(base)}", f"{twice}, {family.rows(twice)}", period,
        f"{counts[0]:,}", f"{counts[1] - counts[0]:,}",
    ]  # fmt: skip
