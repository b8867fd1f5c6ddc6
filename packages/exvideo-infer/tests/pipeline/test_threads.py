"""Calls in several threads, and calls that are told to end."""

import copy
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.configuration_utils import FrozenDict
from exvideo_infer import ExVideoPipeline, unknown_words
from exvideo_infer.encoders import embed_text
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 3, "num_inference_steps": 2, "output_type": "pt"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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
    pipe: ExVideoPipeline,
    images: list[Image.Image],
    extension_file: Path,
    dtype: torch.dtype,
    is_extended: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_extended:
        pipe.load_extension(extension_file)
    pipe.to(dtype)
    monkeypatch.setitem(vars(pipe.vae), "_internal_dict", FrozenDict(pipe.vae.config | {"force_upcast": True}))
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
