"""The UNet off its device while frames are decoded."""

from typing import Any

import pytest
import torch
from exvideo_infer import ExVideoPipeline
from exvideo_infer.unloading import unloaded
from PIL import Image
from torch import nn

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 3, "num_inference_steps": 2}


class Elsewhere(nn.Module):
    """A network that believes to be on a GPU, and notes where it is sent."""

    def __init__(self, device: str = "cuda:0") -> None:
        super().__init__()
        self.device, self.sent = torch.device(device), list[str]()

    def to(self, device: Any) -> Any:
        self.sent.append(str(device))
        return self


def test_a_network_rests_in_main_memory_within_the_block_and_comes_back_after_an_error() -> None:
    network = Elsewhere()
    sent = list[str]()

    def decode() -> None:
        with unloaded(network):
            sent.extend(network.sent)
            raise RuntimeError("decoding")

    with pytest.raises(RuntimeError, match="decoding"):
        decode()
    assert sent == ["cpu"]
    assert network.sent == ["cpu", "cuda:0"]


def test_one_that_rests_there_or_is_offloaded_stays() -> None:
    resting, offloaded = Elsewhere("cpu"), Elsewhere()
    offloaded._hf_hook = object()
    for network in (resting, offloaded):
        with unloaded(network):
            assert network.sent == []


def test_a_call_and_a_stream_unload_the_unet_for_their_decoding(
    pipe: ExVideoPipeline, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import contextmanager

    inside, decoded, stepped = [False], [], []

    @contextmanager
    def noted(network: Any) -> Any:
        assert network is pipe.network
        inside[0] = True
        yield
        inside[0] = False

    decode, forward = pipe.vae.decode, pipe.unet.forward
    monkeypatch.setattr("exvideo_infer.pipeline.unloaded", noted)
    monkeypatch.setattr(pipe.vae, "decode", lambda *args, **more: (decoded.append(inside[0]), decode(*args, **more))[1])
    monkeypatch.setattr(
        pipe.unet, "forward", lambda *args, **more: (stepped.append(inside[0]), forward(*args, **more))[1]
    )
    pipe(images[0], **SMALL)
    assert set(decoded) == {False}
    monkeypatch.setattr(pipe, "unload_unet", True)
    decoded.clear()
    expected = pipe(images[0], **SMALL, generator=torch.manual_seed(0), output_type="np").frames
    streamed = list(pipe.stream(images[0], **SMALL, generator=torch.manual_seed(0)))
    assert set(decoded) == {True}
    assert set(stepped) == {False}
    assert not inside[0]
    assert abs(streamed[0] / 255 - expected[0, 0]).max() <= 0.51 / 255
