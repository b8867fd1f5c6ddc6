"""LoRAs in diffusers' format: what a stock pipeline loads is what was trained, or the file says that it is not."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import (
    Extension,
    ExtensionConfig,
    export_lora,
    extend,
    extension_of,
    family_of,
    import_lora,
    read_safetensors,
    restore,
    write_safetensors,
)
from torch import Tensor

peft = pytest.importorskip("peft")

Make = Callable[..., Any]
KINDS = ("wan", "hunyuan_video", "ltx", "cogvideox", "cogvideox-2b")
KNOWN, LONG = 3, 5  # latent frames


def config_for(model: Any, positions: str = "continued", level: str = "lora") -> ExtensionConfig:
    stride = family_of(model).LATENT_STRIDE
    return ExtensionConfig((LONG - 1) * stride + 1, level, positions, 2, (KNOWN - 1) * stride + 1)


def disturb(extension: Extension, only: str = ".lora_") -> None:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in extension.named_parameters().items():
            if only in name:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))


def stock_pipeline(kind: str, transformer: Any) -> Any:
    import diffusers

    cls = {
        "wan": diffusers.WanPipeline, "hunyuan_video": diffusers.HunyuanVideoPipeline, "ltx": diffusers.LTXPipeline,
    }.get(kind, diffusers.CogVideoXPipeline)  # fmt: skip
    parts = dict.fromkeys(("vae", "scheduler", "text_encoder", "tokenizer"))
    if kind == "hunyuan_video":
        parts |= dict.fromkeys(("text_encoder_2", "tokenizer_2"))
    return cls(transformer=transformer, **parts)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_stock_pipeline_computes_what_was_exported(
    make_transformer: Make, call_transformer: Make, tmp_path: Path, kind: str
) -> None:
    model, stock, again = (make_transformer(kind) for _ in range(3))
    base = call_transformer(model, LONG, [1])
    extension = extend(model, config_for(model))
    disturb(extension)
    expected = call_transformer(model, LONG, [1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file = export_lora(extension, tmp_path, base_model="somebody/something")
    stock_pipeline(kind, stock).load_lora_weights(tmp_path)
    found: Tensor = call_transformer(stock, LONG, [1])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert (found - base).abs().max() > 1e-3
    imported = import_lora(again, tmp_path)
    assert torch.equal(call_transformer(again, LONG, [1]), expected)
    assert imported.config == config_for(model)
    card = (tmp_path / "README.md").read_text()
    assert "A stock pipeline gives these positions by itself." in card
    assert "Positions: continued" in card
    assert json.loads(read_safetensors(file)[1]["exvideo_positions"])["stock"] is True


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_positions_that_stock_diffusers_cannot_give_are_named_and_come_back(
    make_transformer: Make, call_transformer: Make, tmp_path: Path, kind: str
) -> None:
    reasons = {("reflected", ".lora_"): "reflected", ("continued", ""): "what they learned"}
    for (positions, only), why in reasons.items():
        model, again = make_transformer(kind), make_transformer(kind)
        extension = extend(model, config_for(model, positions))
        disturb(extension, only)
        with pytest.warns(UserWarning, match=rf"cannot give the positions of this extension \({why}\)"):
            file = export_lora(extension, tmp_path)
        said = json.loads(read_safetensors(file)[1]["exvideo_positions"])
        assert (said["stock"], said["why"]) == (False, why)
        assert f"**Stock diffusers cannot give these positions ({why})**" in (tmp_path / "README.md").read_text()
        import_lora(again, file)
        assert torch.equal(call_transformer(again, LONG, [1]), call_transformer(model, LONG, [1]))


@torch.no_grad()
def test_a_lora_of_somebody_else_s_becomes_an_extension(
    make_transformer: Make, call_transformer: Make, tmp_path: Path
) -> None:
    stock, model = make_transformer("wan"), make_transformer("wan")
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=r".*attn1\.(to_q|to_k|to_v|to_out\.0)")
    stock.add_adapter(config, "theirs")
    tensors = {}
    for name, parameter in stock.named_parameters():
        if ".theirs." in name:
            parameter.normal_(generator=torch.Generator().manual_seed(len(name)))
            tensors["transformer." + name.replace(".theirs", "")] = parameter.detach().clone()
            tensors["transformer." + name.partition(".lora_")[0] + ".alpha"] = torch.tensor(8.0)
    file = tmp_path / "theirs.safetensors"
    write_safetensors(file, tensors, {})
    with pytest.raises(ValueError, match="does not say how many frames it is for: give config=ExtensionConfig"):
        import_lora(model, file)
    extension = import_lora(model, file, config_for(model))
    assert extension.config.lora_rank == 4
    torch.testing.assert_close(
        call_transformer(model, LONG, [1]), call_transformer(stock, LONG, [1]), rtol=0, atol=1e-5
    )
    # To the next file and back, at a scale of 1.
    export_lora(extension, tmp_path)
    restore(model)
    with pytest.raises(ValueError, match="says by itself how it was made"):
        import_lora(model, tmp_path, config_for(model))


@pytest.mark.parametrize(
    "options",
    [{"lora_alpha": 2}, {"lora_alpha": 8, "use_rslora": True}, {"lora_alpha": 4, "alpha_pattern": {"to_q": 16}}],
    ids=str,
)
@torch.no_grad()
def test_the_scale_that_diffusers_writes_beside_the_tensors_is_read(
    make_transformer: Make, call_transformer: Make, tmp_path: Path, options: dict[str, Any]
) -> None:
    trained, stock, model = (make_transformer("wan") for _ in range(3))
    config = peft.LoraConfig(r=4, target_modules=r".*attn1\.(to_q|to_k|to_v|to_out\.0)", **options)
    trained.add_adapter(config, "theirs")
    generator = torch.Generator().manual_seed(6)
    for name, parameter in trained.named_parameters():
        if ".lora_" in name:
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    pipeline = stock_pipeline("wan", stock)
    pipeline.save_lora_weights(
        tmp_path,
        transformer_lora_layers=peft.get_peft_model_state_dict(trained, adapter_name="theirs"),
        transformer_lora_adapter_metadata=trained.peft_config["theirs"].to_dict(),
    )
    pipeline.load_lora_weights(tmp_path)
    expected = call_transformer(trained, LONG, [1])
    torch.testing.assert_close(call_transformer(stock, LONG, [1]), expected, rtol=0, atol=1e-6)
    import_lora(model, tmp_path, config_for(model))
    torch.testing.assert_close(call_transformer(model, LONG, [1]), expected, rtol=0, atol=1e-5)


DAMAGED: dict[str, dict[str, Any]] = {
    "Expecting property name": {"exvideo_positions": "{"},
    "no 'config'": {"exvideo_positions": "{}"},
    "must be JSON objects": {"exvideo_positions": "[]"},
    "unexpected keyword argument 'later'": {"exvideo_positions": {"config": {"num_frames": 17, "later": 1}}},
    "num_frames='a' must be a whole number": {"exvideo_positions": {"config": {"num_frames": "a"}}},
    "must be JSON objects ": {"exvideo_tables": "[]"},
    "expected sequence of length 2": {"exvideo_tables": {"rope.angle_offsets.weight": [[1, 2], [1]]}},
    "invalid data type 'str'": {"exvideo_tables": {"rope.angle_offsets.weight": "x"}},
    "Expecting value": {"exvideo_tables": "nothing"},
    "could not convert string to float": {"lora_adapter_metadata": {"transformer.lora_alpha": "much"}},
    "training must be a JSON object": {"exvideo_positions": {"config": {"num_frames": 17}, "training": 3}},
    "unterminated": {"lora_adapter_metadata": {"transformer.alpha_pattern": {"(": 3}}},
    "lora_alpha must be above 0": {"lora_adapter_metadata": {"transformer.lora_alpha": 0}},
    "must be JSON objects  ": {"lora_adapter_metadata": "3"},
}


@pytest.mark.parametrize("reason", DAMAGED)
def test_damaged_metadata_is_one_sentence_and_leaves_the_model_as_it_was(
    make_transformer: Make, tmp_path: Path, reason: str
) -> None:
    model = make_transformer("wan")
    tensors, metadata = read_safetensors(export_lora(extend(model, config_for(model)), tmp_path))
    restore(model)
    damaged = {key: value if isinstance(value, str) else json.dumps(value) for key, value in DAMAGED[reason].items()}
    write_safetensors(tmp_path / "e.safetensors", tensors, metadata | damaged)
    with pytest.raises(
        ValueError, match=rf"e\.safetensors has damaged metadata \(.*{reason.strip()}.*\): copy or save"
    ):
        import_lora(model, tmp_path / "e.safetensors")
    assert extension_of(model) is None
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_expert_that_it_was_trained_on_is_in_the_card_and_comes_back(
    make_transformer: Make, tmp_path: Path
) -> None:
    model = make_transformer("wan")
    extension = extend(model, config_for(model))
    export_lora(extension, tmp_path / "plain")
    assert "expert" not in (tmp_path / "plain" / "README.md").read_text()
    extension.training = {"expert": "low_noise", "sampling": {"fps": 16.0}}
    export_lora(extension, tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert "Of the expert low_noise of a mixture: load it into that network alone" in card
    assert "load_into_transformer_2=True" in card
    assert import_lora(make_transformer("wan"), tmp_path).training == extension.training


def test_a_file_of_another_family_or_another_base_is_refused_by_name(make_transformer: Make, tmp_path: Path) -> None:
    model = make_transformer("wan")
    file = export_lora(extend(model, config_for(model)), tmp_path)
    for kind in ("hunyuan_video", "ltx", "cogvideox"):
        with pytest.raises(
            ValueError, match=f"extends a model of family 'wan', this one is '{kind}': load its own base"
        ):
            import_lora(make_transformer(kind), file)


@torch.no_grad()
def test_files_that_do_not_fit_leave_the_model_as_it_was(
    make_transformer: Make, call_transformer: Make, tmp_path: Path
) -> None:
    model = make_transformer("wan")
    before = call_transformer(model, LONG, [1])
    fits = {
        f"transformer.blocks.{block}.attn1.{part}.lora_{factor}.weight": torch.ones(shape)
        for block in range(2) for part in ("to_q", "to_k", "to_v", "to_out.0")
        for factor, shape in (("A", (2, 48)), ("B", (48, 2)))
    }  # fmt: skip
    lacking = dict(list(fits.items())[1:])
    more = fits | {"transformer.blocks.0.ffn.net.2.lora_A.weight": torch.ones(2, 32)}
    strange = fits | {"lora_unet_blocks_0.lora_down.weight": torch.ones(2, 32)}
    bare = fits | {"transformer.blocks.0.attn1.to_q.diff": torch.ones(48, 48)}
    faults = {"lacks 1 tensor": lacking, "has 1 tensor that": more, "lora_unet_blocks_0": strange, "to_q.diff": bare}
    for message, tensors in faults.items():
        write_safetensors(tmp_path / "e.safetensors", tensors, {})
        with pytest.raises(ValueError, match=message):
            import_lora(model, tmp_path / "e.safetensors", config_for(model))
        assert extension_of(model) is None
        assert torch.equal(call_transformer(model, LONG, [1]), before)
    write_safetensors(tmp_path / "e.safetensors", fits, {})
    import_lora(model, tmp_path / "e.safetensors", config_for(model))


def test_what_is_no_lora_is_not_exported(
    make_transformer: Make, make_base: Callable[[str, torch.dtype], Any], tmp_path: Path
) -> None:
    for level in ("position", "attention", "full"):
        model = make_transformer("wan")
        with pytest.raises(ValueError, match=f"level='{level}' of a wan model is no LoRA of diffusers"):
            export_lora(extend(model, config_for(model, level=level)), tmp_path)
    unet = make_base("svd", torch.float32)
    with pytest.raises(ValueError, match="level='lora' of a svd model is no LoRA"):
        export_lora(extend(unet, ExtensionConfig(num_frames=7, level="lora")), tmp_path)
    assert not list(tmp_path.iterdir())
