from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import Conditions

from tiny_world.system.batches import (
    caption_of,
    clips_of,
    part_of_batch,
    subject_latents,
    where_subjects_are,
)
from tiny_world.system.encoders import TOKENS, Encoders, build_tokenizer, tokens_of
from tiny_world.system.image import OBJECTIVE, build_image_unet, reworded, text_tokens, v_loss
from tiny_world.system.judges import PROPERTIES, WORDS, labels_of, numbers_of
from tiny_world.system.training_loop import Schedule
from tiny_world.system.vae import (
    Pictures,
    build_vae,
    reconstruction_loss,
    set_scaling_factor,
    set_temporal_layers,
    train_on_pictures,
)
from tiny_world.system.video import Windows, build_video_unet, video_loss
from tiny_world.world.captions import vocabulary
from tiny_world.world.sampler import sample_spec

MAX_BYTES = 15e6


def test_the_whole_system_fits_into_its_budget_in_half_precision() -> None:
    networks = [build_vae(), Encoders().text, Encoders().image, build_image_unet(), build_video_unet()]
    assert 2 * sum(p.numel() for network in networks for p in network.parameters()) < MAX_BYTES


def test_every_caption_fits_and_has_no_unknown_word() -> None:
    tokens = tokens_of(build_tokenizer(), [caption_of(sample_spec(0, index)) for index in range(500)])
    assert tokens.shape == (500, TOKENS)
    assert not (tokens == 1).any()
    assert (tokens == 3).sum() == 500  # each has its end: nothing was cut off


def test_a_word_of_another_world_is_unknown_and_marks_are_nothing() -> None:
    tokenizer = build_tokenizer()
    known, marked, unknown = tokens_of(tokenizer, ["a red circle", "A, red: circle!", "a zebra circle"])
    assert torch.equal(known, marked)
    assert (unknown == 1).sum() == 1


def test_temporal_layers_of_a_new_vae_change_nothing() -> None:
    vae = build_vae().eval()
    latents = torch.randn(4, 8, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        apart = [vae.decode(latents[index, None], num_frames=1).sample for index in range(4)]
        together = vae.decode(latents, num_frames=4).sample
        set_temporal_layers(vae, False)
        left_out = vae.decode(latents, num_frames=4).sample
    assert torch.allclose(together, torch.cat(apart), atol=1e-5)
    assert torch.allclose(together, left_out, atol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 2])
def test_stills_leave_the_temporal_layers_as_they_are_and_clips_train_them(tmp_path: Path, num_frames: int) -> None:
    vae = build_vae()
    before = vae.decoder.time_conv_out.weight.detach().clone(), vae.encoder.conv_in.weight.detach().clone()

    def pictures(step: int, part: int, parts: int, random: np.random.Generator) -> Pictures:
        pixels = torch.from_numpy(random.uniform(-1, 1, (4 // parts, 3, 16, 16))).float()
        return Pictures(pixels, torch.ones(len(pixels), 1, 1, 1), num_frames)

    train_on_pictures(vae, pictures, Schedule(steps=2, batch_size=4, learning_rate=1e-2), tmp_path, seed=0)
    assert torch.equal(vae.decoder.time_conv_out.weight, before[0]) == (num_frames == 1)
    assert not torch.equal(vae.encoder.conv_in.weight, before[1])


@torch.no_grad()
def test_the_scaling_factor_gives_latents_a_deviation_of_1() -> None:
    vae, pixels = build_vae(), torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    set_scaling_factor(vae, pixels)
    latents = vae.encode(pixels).latent_dist.mode()
    assert float((latents * vae.config.scaling_factor).std()) == pytest.approx(1, abs=1e-4)


def test_the_video_network_sees_noisy_latents_beside_the_clean_first_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(2, 3, 8, 4, 4, generator=generator) for _ in range(2))
    sigma = torch.tensor([0.5, 20.0]).view(2, 1, 1, 1, 1)
    batch = Windows(latents, Conditions(torch.zeros(2, 5, 6), latents[:, 0] / 2, torch.ones(2, 3)))

    class Oracle:
        device, dtype = torch.device("cpu"), torch.float32

        def __call__(self, given: torch.Tensor, times: torch.Tensor, **conditions: Any) -> Any:
            noisy, first = given.chunk(2, dim=2)
            assert torch.equal(first, (latents[:, :1] / 2).expand_as(latents))
            assert torch.equal(times, 0.25 * sigma.flatten().log())
            assert conditions["encoder_hidden_states"].shape == (2, 5, 6)
            assert conditions["added_time_ids"].shape == (2, 3)
            return ((noisy - latents * (sigma**2 + 1).sqrt()) / sigma,)

    assert float(video_loss(Oracle(), batch, noise, sigma)) == pytest.approx(0, abs=1e-8)


def test_v_loss_is_zero_for_the_true_v_which_the_sampler_turns_into_the_clean_latents() -> None:
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(3, 8, 4, 4, generator=generator) for _ in range(2))
    sigma = torch.tensor([0.1, 1.0, 30.0]).view(3, 1, 1, 1)
    v = (noise - sigma * latents) / (sigma**2 + 1).sqrt()
    assert v_loss(v, latents, noise, sigma) == 0
    given, _ = OBJECTIVE.precondition(latents, noise, sigma.flatten())
    assert torch.allclose(OBJECTIVE.original(v, given, sigma.flatten()), latents, atol=1e-4)


def test_a_clip_is_reworded_without_another_meaning() -> None:
    random = np.random.default_rng(0)
    told = {reworded(5, random, 0.0) for _ in range(20)}
    assert len(told) > 5
    assert reworded(5, random, 1.0) == ""
    colours = {word for text in told for word in text.split()} & {"red", "yellow", "green", "blue"}
    assert len(colours) <= 2  # its own, and for "recolours" the second


def test_text_tokens_have_no_gradient_and_one_a_word() -> None:
    encoders = Encoders()
    tokens = text_tokens(encoders, build_tokenizer(), ["a red circle bounces", ""])
    assert tokens.shape == (2, TOKENS, 64)
    assert not tokens.requires_grad


def test_labels_name_what_the_spec_says() -> None:
    spec = sample_spec(7, 11)
    shape, colour, place, motion = (
        classes[label] for classes, label in zip(PROPERTIES.values(), labels_of(spec), strict=True)
    )
    assert (shape, colour, place) == (spec.subjects[0].shape, spec.subjects[0].colour, spec.background.place)
    assert motion == f"{spec.motion.kind} {spec.motion.direction}"


def test_the_judges_know_every_word_of_the_world() -> None:
    assert set(vocabulary()) < set(WORDS)
    assert numbers_of(("a zebra",))[0, :3].tolist() == [WORDS.index("a"), 1, 0]


def test_subjects_are_where_the_picture_differs_from_its_background() -> None:
    masks = where_subjects_are([sample_spec(0, index) for index in range(7)], 3)
    assert masks.shape == (7, 3, 1, 64, 64)
    assert ((masks.mean(dim=(2, 3, 4)) > 0.01) & (masks.mean(dim=(2, 3, 4)) < 0.4)).all()


def test_a_stride_shows_every_so_manyth_frame_of_the_clips_whose_turn_it_is() -> None:
    strided, whole = clips_of(range(5, 9), 3, strides=(1, 2, 5)), clips_of(range(5, 9), 11)
    for clip, step in enumerate((5, 1, 2, 5)):
        assert torch.equal(strided.pixels[clip], whole.pixels[clip, : 3 * step : step])
    assert strided.captions == whole.captions
    subjects, of_all = subject_latents(9, 3, (1, 2, 5)), subject_latents(9, 11)
    for clip, step in enumerate((5, 1, 2, 5), start=5):
        assert torch.equal(subjects[clip], of_all[clip, : 3 * step : step])


def test_parts_of_a_batch_share_out_its_clips() -> None:
    assert [*part_of_batch(3, 0, 2, 8), *part_of_batch(3, 1, 2, 8)] == list(range(24, 32))


def test_latents_are_encoded_once_for_each_encoder_and_stride(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tiny_world.system import latents

    monkeypatch.setattr(latents, "PART", 2)
    vae, image = build_vae().eval().requires_grad_(False), Encoders().image.eval().requires_grad_(False)
    first = latents.encoded_clips(tmp_path, vae, image, 2, 2)
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = latents.encoded_clips(tmp_path, vae, image, 2, 2)
    assert torch.equal(first.latents, again.latents)
    assert files == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    vae.decoder.requires_grad_(True).conv_in.weight.data += 1  # another decoder is no reason to encode again
    again = latents.encoded_clips(tmp_path, vae, image, 2, 2)
    assert torch.equal(first.latents, again.latents)
    assert files == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    latents.encoded_clips(tmp_path, build_vae().eval().requires_grad_(False), image, 2, 2)
    strided = latents.encoded_clips(tmp_path, vae, image, 2, 2, strides=(3,))
    assert len(list(tmp_path.iterdir())) == 3 * len(files)
    assert torch.equal(strided.latents[:, 0], first.latents[:, 0])
    assert not torch.equal(strided.latents[:, 1], first.latents[:, 1])


@pytest.mark.long
def test_the_decoder_is_trained_on_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tiny_world.system import decoder, latents

    monkeypatch.setattr(latents, "PART", 4)
    monkeypatch.setattr(decoder, "CLIPS", 4)
    monkeypatch.setattr(decoder, "SCHEDULE", replace(decoder.SCHEDULE, steps=3, warmup_steps=1))
    vae, image = build_vae().eval().requires_grad_(False), Encoders().image.eval().requires_grad_(False)
    before = {name: parameter.clone() for name, parameter in vae.named_parameters()}
    decoder.train_decoder(tmp_path / "decoder", vae, image, 0, torch.device("cpu"))
    changed = {name.partition(".")[0] for name, old in before.items() if not torch.equal(vae.get_parameter(name), old)}
    assert changed == {"decoder"}
    assert {parameter.dtype for parameter in vae.parameters()} == {torch.float32}


def test_a_blurred_edge_costs_more_where_steps_count() -> None:
    weight = torch.ones(1, 1, 4, 4)
    even, blurred = torch.full((1, 3, 4, 4), 0.1), 0.1 * torch.tensor([1.0, -1.0, 1.0, -1.0]).expand(1, 3, 4, 4)
    assert reconstruction_loss(torch.zeros(1, 3, 4, 4), weight, 1.0) == 0
    assert reconstruction_loss(even, weight) == pytest.approx(0.1 + 0.01)  # no colour is wrong, and no step
    assert reconstruction_loss(even, weight, 1.0) == pytest.approx(0.1 + 0.01)
    assert reconstruction_loss(blurred, weight, 1.0) == pytest.approx(0.1 + 0.01 + 0.2)  # 0.2 a step, across alone
    assert reconstruction_loss(even, 3 * weight) == pytest.approx(0.33)
