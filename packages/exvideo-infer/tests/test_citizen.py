"""The pipeline as one of diffusers': its tests of pipelines, written anew, for all that applies to this one."""

import copy
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder, StableVideoDiffusionPipeline
from exvideo_blocks import export_published, extend, save_extension
from exvideo_infer import BaseModelError, ExVideoPipeline, SamplingDefaults, embedded, load_base, unknown_words
from exvideo_infer.decode import decode_clips
from exvideo_infer.encoders import embed_text
from PIL import Image
from torch.autograd.profiler import profile

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 3, "num_inference_steps": 2, "output_type": "pt"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def fresh(tiny_base_dir: Path) -> Callable[..., ExVideoPipeline]:
    def load(folder: Path = tiny_base_dir, **kwargs: Any) -> ExVideoPipeline:
        pipeline = ExVideoPipeline.from_pretrained(folder, **kwargs)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return load


# --- the call ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"decode_chunk_size": None, "num_frames": 11},
        {"sigmas": [700.0, 20.0, 1.0, 0.01]},
        {"num_videos_per_prompt": 2},
        {"height": 72, "width": 40},
    ],
    ids=["defaults", "all_frames_at_once", "sigmas", "two_videos", "height_72"],
)
def test_what_is_not_given_is_the_stock_pipelines(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image], more: dict[str, Any]
) -> None:
    arguments = {"height": 16, "width": 24, "num_inference_steps": 2, "output_type": "pt"} | more
    ours, theirs = (one(images[0], **arguments, generator=seeded()).frames for one in (pipe, stock))
    assert torch.equal(ours, theirs)


def test_arguments_by_position_are_the_stock_pipelines(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image]
) -> None:
    ours, theirs = (one(images[0], 16, 24, 2, 2, generator=seeded(), output_type="pt") for one in (pipe, stock))
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours.frames, ours["frames"])
    taken = pipe(images[0], **SMALL, generator=seeded(), return_dict=False)
    assert torch.equal(taken, stock(images[0], **SMALL, generator=seeded(), return_dict=False))


def test_without_a_size_the_network_is_asked_at_the_stock_pipelines(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def forward(model_input: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor]:
        asked.append(model_input.shape)
        return (model_input[:, :, :4],)

    monkeypatch.setattr(pipe.unet, "forward", forward)
    for one in (pipe, stock):
        one(images[0], num_inference_steps=1, num_frames=2, output_type="latent")
    assert asked[0] == asked[1]
    assert asked[0][-2:] == (144, 256)


@pytest.mark.parametrize("more", [{"batch_size": 1}, {"batch_size": 2}, {"guidance_batched": False}])
def test_how_many_are_sampled_at_a_time_changes_rounding_alone(
    pipe: ExVideoPipeline, images: list[Image.Image], more: dict[str, Any]
) -> None:
    three = [*images, images[0].rotate(90)]
    whole, apart = (pipe(three, **SMALL, **one, generator=seeded()).frames for one in ({}, more))
    torch.testing.assert_close(apart, whole, rtol=0, atol=1e-4)


def test_clips_of_one_prompt_follow_each_other_and_differ(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    generators = [seeded(seed) for seed in range(4)]
    four = pipe(images, **SMALL, num_videos_per_prompt=2, generator=generators).frames
    second = pipe(images[1], **SMALL, generator=seeded(2)).frames
    torch.testing.assert_close(four[2], second[0], rtol=0, atol=1e-4)
    assert not torch.allclose(four[0], four[1], atol=1e-2)


def test_a_negative_prompt_is_led_away_from(text_pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    arguments = SMALL | {"prompt": "a red circle", "max_guidance_scale": 3.0}
    none, one, other = (
        text_pipe(images[0], **arguments, negative_prompt=text, generator=seeded()).frames
        for text in (None, "a blue square", "moves left")
    )
    assert not torch.allclose(none, one, atol=1e-4)
    assert not torch.allclose(one, other, atol=1e-4)
    unguided = arguments | {"min_guidance_scale": 1.0, "max_guidance_scale": 1.0}
    ours, theirs = (
        text_pipe(images[0], **unguided, negative_prompt=text, generator=seeded()).frames for text in (None, "a")
    )
    assert torch.equal(ours, theirs)
    with pytest.raises(ValueError, match="2 negative prompts were given for 1 clips"):
        text_pipe(images[0], **arguments, negative_prompt=["a", "b"])


def test_a_negative_prompt_needs_a_base_that_reads_text(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match="negative_prompt would change nothing"):
        pipe(images[0], **SMALL, negative_prompt="a blue square")


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ({"fps": float("nan")}, "fps is nan"),
        ({"fps": 1e9}, "fps is 1000000000.0: give a number from 1 to 1000"),
        ({"motion_bucket_id": 1e9}, "motion_bucket_id is 1000000000.0"),
        ({"noise_aug_strength": float("inf")}, "noise_aug_strength is inf"),
        ({"max_guidance_scale": float("inf")}, "guidance scale of inf"),
        ({"latents": torch.full((1, 3, 4, 4, 6), float("nan"))}, "latents hold values that are infinite or no numbers"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"num_videos_per_prompt": 0}, "num_videos_per_prompt is 0"),
    ],
)
def test_numbers_out_of_range_are_refused(
    pipe: ExVideoPipeline, images: list[Image.Image], argument: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        pipe(images[0], **(SMALL | argument))


def test_a_value_that_is_not_finite_stops_the_call_at_its_step(
    pipe: ExVideoPipeline, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    forward = pipe.unet.forward

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        (made,) = forward(*args, **kwargs)
        return (made * (float("inf") if len(calls) == 2 else 1),)

    monkeypatch.setattr(pipe.unet, "forward", failing)
    with pytest.raises(ValueError, match="not finite at step 2 of 4, in float32"):
        pipe(images[0], **(SMALL | {"num_inference_steps": 4}))
    assert len(calls) == 2
    monkeypatch.setattr(pipe.unet, "forward", forward)
    decode = pipe.vae.decode
    monkeypatch.setattr(pipe.vae, "decode", lambda *args, **kw: decode(args[0] * float("nan"), **kw))
    with pytest.raises(ValueError, match="not finite at a decoded frame"):
        pipe(images[0], **SMALL)


# --- interruption, threads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["interrupt", "_interrupt"])
def test_an_interruption_gives_the_clip_that_is_predicted_at_that_step(
    pipe: ExVideoPipeline, images: list[Image.Image], name: str
) -> None:
    seen: list[torch.Tensor] = []

    def callback(one: ExVideoPipeline, step: int, timestep: Any, tensors: dict[str, torch.Tensor]) -> None:
        seen.append(tensors["pred_original_sample"])
        setattr(one, name, step == 1)
        assert one.interrupt is (step == 1)

    arguments = SMALL | {"num_inference_steps": 5, "output_type": "latent", "callback_on_step_end": callback}
    made = pipe(images[0], **arguments, callback_on_step_end_tensor_inputs=["pred_original_sample"]).frames
    assert len(seen) == 2
    assert torch.equal(made, seen[-1])
    assert pipe.interrupt is False
    assert pipe(images[0], **SMALL).frames.isfinite().all()


def test_calls_in_other_threads_can_be_interrupted(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    begun, done = threading.Event(), []

    def callback(*_: Any) -> None:
        done.append(1)
        begun.set()

    arguments = SMALL | {"num_inference_steps": 500, "output_type": "latent", "callback_on_step_end": callback}
    thread = threading.Thread(target=lambda: pipe(images[0], **arguments))
    thread.start()
    assert begun.wait(30)
    pipe.interrupt = True
    thread.join(30)
    assert not thread.is_alive()
    assert len(done) < 400


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["fp32", "fp16"])
@pytest.mark.parametrize("is_extended", [False, True], ids=["base", "extended"])
def test_two_threads_make_what_each_makes_alone(
    pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Path, dtype: torch.dtype, is_extended: bool
) -> None:
    if is_extended:
        pipe.load_extension(extension_file)
    pipe.to(dtype)
    pipe.vae.register_to_config(force_upcast=True)
    before = copy.deepcopy(pipe.scheduler.timesteps)

    def sample(seed: int) -> torch.Tensor:
        arguments = SMALL | {"num_inference_steps": 3 + 4 * seed}
        made: torch.Tensor = pipe(images[seed], **arguments, generator=seeded(seed)).frames
        return made

    alone = [sample(seed) for seed in (0, 1)]
    together: dict[int, torch.Tensor] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: together.update({seed: sample(seed)}))  # type: ignore[misc]
        for seed in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(together[seed], alone[seed]) for seed in (0, 1))
    assert torch.equal(pipe.scheduler.timesteps, before)
    assert pipe.vae.dtype == dtype


# --- offloading, hooks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_extended", [False, True], ids=["base", "extended"])
@pytest.mark.parametrize("kind", ["leaf_level", "block_level", "model"])
def test_offloading_changes_no_bit(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], extension_file: Path, kind: str, is_extended: bool
) -> None:
    pipeline = fresh()
    if is_extended:
        pipeline.load_extension(extension_file)
    expected = pipeline(images[0], **SMALL, generator=seeded()).frames
    if kind == "model":
        pipeline.enable_model_cpu_offload(device="cpu")
    else:
        cpu, blocks = torch.device("cpu"), {"num_blocks_per_group": 1} if kind == "block_level" else {}
        pipeline.enable_group_offload(onload_device=cpu, offload_device=cpu, offload_type=kind, **blocks)
    for _ in range(2):
        assert torch.equal(pipeline(images[0], **SMALL, generator=seeded()).frames, expected)


def test_a_base_that_reads_text_is_offloaded_whole(fresh: Callable[..., ExVideoPipeline], text_base_dir: Path) -> None:
    pipeline = fresh(text_base_dir)
    expected = pipeline(prompt="a red circle", **SMALL, generator=seeded()).frames
    cpu = torch.device("cpu")
    pipeline.enable_group_offload(onload_device=cpu, offload_device=cpu, offload_type="leaf_level")
    assert torch.equal(pipeline(prompt="a red circle", **SMALL, generator=seeded()).frames, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="accelerate fails from a CPU to a CPU, in diffusers' own too")
@pytest.mark.parametrize("is_extended", [False, True], ids=["base", "extended"])
def test_sequential_offloading_changes_nothing(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], extension_file: Path, is_extended: bool
) -> None:
    pipeline = fresh()
    if is_extended:
        pipeline.load_extension(extension_file)
    expected = pipeline.to("cuda")(images[0], **SMALL, generator=seeded()).frames
    pipeline.to("cpu")
    pipeline.enable_sequential_cpu_offload()
    assert torch.equal(pipeline(images[0], **SMALL, generator=seeded()).frames, expected)


def test_noise_is_drawn_where_the_network_computes(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import cpu_offload_with_hook

    pipeline = fresh()
    expected = pipeline(images[0], **SMALL, generator=seeded()).frames
    cpu_offload_with_hook(pipeline.unet, execution_device="cpu")
    assert torch.equal(pipeline(images[0], **SMALL, generator=seeded()).frames, expected)
    devices = []

    def denoise(_network: Any, _scheduler: Any, noise: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        devices.append(noise.device)
        return torch.zeros(noise.shape)

    pipeline.unet._hf_hook.execution_device = "meta"
    monkeypatch.setattr("exvideo_infer.generation.denoise", denoise)
    pipeline(images[0], **SMALL, generator=seeded())
    assert devices == [torch.device("meta")]


# --- saving and loading --------------------------------------------------------------------------------------------


def test_a_saved_pipeline_is_the_same_pipeline(
    fresh: Callable[..., ExVideoPipeline], text_base_dir: Path, extension_file: Path, tmp_path: Path
) -> None:
    pipeline = fresh(text_base_dir)
    assert set(pipeline.components) == {
        "vae", "image_encoder", "unet", "scheduler", "feature_extractor", "text_encoder", "tokenizer", "image_unet",
        "image_scheduler",
    }  # fmt: skip
    for is_extended in (False, True):
        if is_extended:
            pipeline.load_extension(extension_file)
        expected = pipeline(prompt="a red circle", **SMALL, generator=seeded()).frames
        pipeline.save_pretrained(tmp_path / "saved")
        loaded = fresh(tmp_path / "saved")
        assert torch.equal(loaded(prompt="a red circle", **SMALL, generator=seeded()).frames, expected)
        assert (loaded.extension is not None) is is_extended
        assert pipeline.extension is None or pipeline.extension.is_enabled
        assert loaded.sampling_defaults == pipeline.sampling_defaults
    base = load_base(tmp_path / "saved")
    assert torch.equal(base.network.conv_in.weight, load_base(text_base_dir).network.conv_in.weight)
    stock = StableVideoDiffusionPipeline.from_pretrained(tmp_path / "saved")
    assert len(stock.unet.state_dict()) == len(load_base(text_base_dir).network.state_dict())
    pipeline.unload_extension()
    pipeline.save_pretrained(tmp_path / "saved")
    assert fresh(tmp_path / "saved").extension is None


def test_parts_can_be_given_and_shared(
    fresh: Callable[..., ExVideoPipeline], pipe: ExVideoPipeline, images: list[Image.Image], text_base_dir: Path
) -> None:
    assert fresh(unet=pipe.unet).unet is pipe.unet
    none = dict.fromkeys(("text_encoder", "tokenizer", "image_unet", "image_scheduler"))
    assert fresh(text_base_dir, **none).reads_text is False
    shared = ExVideoPipeline(**pipe.components)
    shared.set_progress_bar_config(disable=True)
    of_stock = ExVideoPipeline.from_pipe(
        StableVideoDiffusionPipeline(pipe.vae, pipe.image_encoder, pipe.unet, pipe.scheduler, pipe.feature_extractor)
    )
    of_stock.set_progress_bar_config(disable=True)
    expected = pipe(images[0], **SMALL, generator=seeded()).frames
    for other in (shared, of_stock):
        assert torch.equal(other(images[0], **SMALL, generator=seeded()).frames, expected)


def test_the_dtype_has_two_names(fresh: Callable[..., ExVideoPipeline], tiny_base_dir: Path) -> None:
    for name in ("dtype", "torch_dtype"):
        pipeline = fresh(**{name: torch.bfloat16})
        assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.image_encoder.dtype} == {torch.bfloat16}
    assert load_base(tiny_base_dir, dtype=torch.bfloat16).network.dtype == torch.bfloat16


def test_what_fails_in_loading_is_named(
    fresh: Callable[..., ExVideoPipeline], tiny_base_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: Any, **__: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(AutoencoderKLTemporalDecoder, "from_pretrained", out_of_memory)
    with pytest.raises(MemoryError, match="does not fit in memory"):
        fresh()
    monkeypatch.undo()
    with pytest.raises(BaseModelError, match="holds no weights of the variant 'fp8'") as caught:
        fresh(variant="fp8")
    assert "damaged" not in str(caught.value)


# --- extensions ----------------------------------------------------------------------------------------------------


def test_a_disabled_extension_neither_sets_nor_limits_the_length(
    pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Path
) -> None:
    extension = pipe.load_extension(extension_file)
    extension.training = {"sizes": [[32, 48]], "sampling": {"fps": 30.0}}
    assert (pipe.default_num_frames, pipe.default_size(), pipe.sampling_defaults.fps) == (12, (32, 48), 30.0)
    with extension.disabled():
        assert (pipe.default_num_frames, pipe.default_size(), pipe.sampling_defaults.fps) == (8, (576, 1024), 7)
        assert pipe(images[0], **(SMALL | {"num_frames": 14})).frames.shape[1] == 14


def test_an_extension_is_found_in_what_training_leaves(
    pipe: ExVideoPipeline, extension_file: Path, tmp_path: Path
) -> None:
    def put(folder: str, whole: bool = True) -> Path:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "extension.safetensors").write_bytes(extension_file.read_bytes())
        if whole:
            (tmp_path / folder / "state.json").write_text("{}")
        return tmp_path / folder

    step = put("run/checkpoints/step-00000100")
    put("run/checkpoints/step-00000200", whole=False)
    for place in (step, tmp_path / "run", tmp_path / "run" / "checkpoints", step / "extension.safetensors"):
        assert pipe.load_extension(place).config.num_frames == 12
        pipe.unload_extension()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"is a folder without extension\.safetensors"):
        pipe.load_extension(tmp_path / "empty")


def test_the_authors_checkpoint_is_mounted_by_its_content(
    pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Path, tmp_path: Path
) -> None:
    extension = pipe.load_extension(extension_file)
    expected = pipe(images[0], **SMALL, generator=seeded()).frames
    export_published(extension, tmp_path / "model.fp16.safetensors")
    pipe.unload_extension()
    assert pipe.load_extension(tmp_path / "model.fp16.safetensors").config.num_frames == 12
    assert torch.equal(pipe(images[0], **SMALL, generator=seeded()).frames, expected)
    pipe.unload_extension()
    with pytest.raises(ValueError, match=r"is a pickle, which can run any code.*load_published"):
        pipe.load_extension(tmp_path / "model.pth")
    assert pipe.extension is None


def test_the_shipped_extension_makes_a_long_clip_of_the_shipped_model() -> None:
    pipeline = ExVideoPipeline.from_pretrained("embedded")
    pipeline.set_progress_bar_config(disable=True)
    assert embedded.extension().stat().st_size <= 4_000_000
    assert pipeline.load_extension("embedded").config.num_frames == pipeline.default_num_frames == 40
    few = {"num_frames": 12, "num_inference_steps": 1, "output_type": "latent", "prompt": "a red circle"}
    assert pipeline(**few).frames.isfinite().all()


def test_a_compiled_unet_samples_and_takes_no_extension_any_more(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], extension_file: Path
) -> None:
    pipeline = fresh()
    pipeline.load_extension(extension_file)
    expected = pipeline(images[0], **SMALL, generator=seeded()).frames
    pipeline.unet = torch.compile(pipeline.unet, backend="eager")
    assert pipeline.extension is not None
    torch.testing.assert_close(pipeline(images[0], **SMALL, generator=seeded()).frames, expected, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="The UNet is compiled"):
        pipeline.load_extension(extension_file)


def test_layerwise_casting_goes_with_an_extension(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], extension_file: Path
) -> None:
    pipeline = fresh()
    pipeline.load_extension(extension_file)
    expected = pipeline(images[0], **SMALL, generator=seeded()).frames
    pipeline.unet.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    made = pipeline(images[0], **SMALL, generator=seeded()).frames
    assert made.isfinite().all()
    assert 0 < (made - expected).abs().mean() < 0.1


def test_one_clip_is_streamed(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    expected = pipe(images[0], **(SMALL | {"output_type": "pil"}), generator=seeded(), decode_chunk_size=2).frames[0]
    frames = list(pipe.stream(images[0], **SMALL, generator=seeded(), decode_chunk_size=2))
    assert all(np.array_equal(frame, np.asarray(one)) for frame, one in zip(frames, expected, strict=True))
    with pytest.raises(ValueError, match="2 clips were asked for"):
        next(pipe.stream(images, **SMALL))


def test_a_base_on_a_hub_is_read_with_its_text_parts(
    text_base_dir: Path, fresh: Callable[..., ExVideoPipeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's cache as its client lays it out, read without a network."""
    fresh(text_base_dir).save_pretrained(tmp_path / "saved")
    snapshot = tmp_path / "cache" / "models--anna--reads" / "snapshots" / ("0" * 40)
    snapshot.parent.mkdir(parents=True)
    (tmp_path / "saved").rename(snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    pipeline = fresh("anna/reads", cache_dir=tmp_path / "cache", local_files_only=True)
    assert pipeline.reads_text
    assert pipeline.sampling_defaults.fps == 5
    assert pipeline(prompt="a red circle", **SMALL).frames.isfinite().all()


def test_the_extension_is_saved_apart_from_an_extended_unet(pipe: ExVideoPipeline, tmp_path: Path) -> None:
    from exvideo_blocks import ExtensionConfig

    extension = extend(pipe.unet, ExtensionConfig(num_frames=10))
    save_extension(extension, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="save_pretrained on an extended model"):
        pipe.unet.save_pretrained(tmp_path / "unet")


@pytest.mark.parametrize(("num_frames", "height", "width"), [(8, 32, 32), (12, 64, 48), (40, 64, 64)])
def test_memory_is_told_before_a_call(
    pipe: ExVideoPipeline, images: list[Image.Image], num_frames: int, height: int, width: int
) -> None:
    report = pipe.memory_report(height, width, num_frames, decode_chunk_size=8)
    arguments: dict[str, Any] = {"height": height, "width": width, "num_frames": num_frames, "num_inference_steps": 1}
    with profile(profile_memory=True) as profiler:
        pipe(images[0], **arguments, output_type="latent")
    assert report.denoising == pytest.approx(_peak_of(profiler), rel=0.15)
    latents = torch.randn(1, num_frames, 4, height // 4, width // 4)
    with profile(profile_memory=True) as profiler:
        decode_clips(pipe.vae, latents, 8, "pt")
    assert report.decoding + report.frames == pytest.approx(_peak_of(profiler), rel=0.15)
    assert sum(report.weights.values()) == sum(
        parameter.nbytes for part in (pipe.unet, pipe.vae, pipe.image_encoder) for parameter in part.parameters()
    ) + sum(buffer.nbytes for part in (pipe.unet, pipe.vae, pipe.image_encoder) for buffer in part.buffers())
    assert report.peak_offloaded < report.peak
    assert "GiB at most" in str(report)


def _peak_of(profiler: Any) -> int:
    events = [event for event in profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


def test_threads_do_not_share_the_padding_of_a_tokenizer(text_pipe: ExVideoPipeline) -> None:
    lengths: set[int] = set()
    done = threading.Event()

    def disturb() -> None:
        while not done.is_set():
            unknown_words(text_pipe.tokenizer, ["a red circle"])

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(400):
            lengths.add(embed_text(text_pipe.text_encoder, text_pipe.tokenizer, ["a"]).shape[1])
    finally:
        done.set()
        thread.join()
    assert lengths == {7}


def test_a_variant_is_of_the_parts_that_read_text_too(text_base_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(text_base_dir, folder)
    for weights in sorted(folder.rglob("*.safetensors")):
        weights.rename(weights.with_name(f"{weights.stem}.fp16.safetensors"))
    assert load_base(folder, variant="fp16").tokenizer is not None
    assert ExVideoPipeline.from_pretrained(folder, variant="fp16").image_unet is not None


def test_the_recommendations_of_an_earlier_saving_do_not_stay(
    fresh: Callable[..., ExVideoPipeline], text_base_dir: Path, tmp_path: Path
) -> None:
    pipeline = fresh(text_base_dir)
    pipeline.save_pretrained(tmp_path)
    pipeline.sampling_defaults = SamplingDefaults()
    pipeline.save_pretrained(tmp_path)
    assert fresh(tmp_path).sampling_defaults == SamplingDefaults()


def test_the_number_of_steps_is_told_as_the_stock_pipeline_tells_it(
    pipe: ExVideoPipeline, images: list[Image.Image]
) -> None:
    seen = []
    pipe(images[0], **SMALL, callback_on_step_end=lambda one, *_: seen.append(one.num_timesteps))
    assert seen == [2, 2]
