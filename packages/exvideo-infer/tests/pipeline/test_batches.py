"""`batch_size`, which bounds all that a call does at a time, and changes no clip."""

from typing import Any

import pytest
import torch
from exvideo_infer import ExVideoPipeline
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 3, "num_inference_steps": 2, "output_type": "pt"}


class Sizes:
    """The number of rows that networks were called with."""

    def __init__(self) -> None:
        self.largest: dict[str, int] = {}

    def watch(self, name: str, network: Any) -> Any:
        def note(_module: Any, args: Any, kwargs: Any) -> None:
            rows = len(args[0] if args else next(iter(kwargs.values())))
            self.largest[name] = max(self.largest.get(name, 0), rows)

        return network.register_forward_pre_hook(note, with_kwargs=True)


@pytest.mark.parametrize("seeds", ["one generator", "a generator each"])
def test_a_batch_bounds_first_frames_and_their_encoding(text_pipe: ExVideoPipeline, seeds: str) -> None:
    prompts = ["a red circle", "a blue square", "a circle", "red", "a square moves left"]

    def frames(**more: Any) -> torch.Tensor:
        one = torch.Generator().manual_seed(0)
        each = [torch.Generator().manual_seed(seed) for seed in range(5)]
        generator = one if seeds == "one generator" else each
        made: torch.Tensor = text_pipe(prompt=prompts, **SMALL, **more, generator=generator).frames
        return made

    expected, sizes = frames(max_guidance_scale=1.0), Sizes()
    parts = {
        "image_unet": text_pipe.image_unet,
        "encoder": text_pipe.vae.encoder,
        "image_encoder": text_pipe.image_encoder,
        "text_encoder": text_pipe.text_encoder,
        "unet": text_pipe.unet,
    }
    hooks = [sizes.watch(name, part) for name, part in parts.items()]
    try:
        made = frames(max_guidance_scale=1.0, batch_size=2)
    finally:
        for hook in hooks:
            hook.remove()
    torch.testing.assert_close(made, expected, atol=2e-3, rtol=0)
    # First frames are guided: both halves of two prompts.
    assert sizes.largest == {"image_unet": 4, "encoder": 2, "image_encoder": 2, "text_encoder": 2, "unet": 2}


def test_pictures_of_one_tensor_are_encoded_by_batches(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    given = torch.rand(5, 3, 16, 24, generator=torch.Generator().manual_seed(3))
    expected, sizes = pipe(given, **SMALL, generator=torch.manual_seed(0)).frames, Sizes()
    hooks = [sizes.watch("encoder", pipe.vae.encoder), sizes.watch("image_encoder", pipe.image_encoder)]
    try:
        made = pipe(given, **SMALL, generator=torch.manual_seed(0), batch_size=2).frames
    finally:
        for hook in hooks:
            hook.remove()
    torch.testing.assert_close(made, expected, atol=2e-3, rtol=0)
    assert sizes.largest == {"encoder": 2, "image_encoder": 2}
