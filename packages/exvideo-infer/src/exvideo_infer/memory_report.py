"""The memory that a call will take, told before it: weights, and the most that its tensors take at once."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from exvideo_blocks import extension_of, family_of
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

from exvideo_infer.conditions import Conditions
from exvideo_infer.live_bytes import LiveBytes, fused_attention
from exvideo_infer.tiled_decoder import decode_tiled, keep_in_main_memory

GIB = 2**30


@dataclass(frozen=True)
class MemoryReport:
    """Bytes of a call, predicted. What an operator needs inside itself, and the allocator's slack, is not in it.

    Args:
        weights: of each part.
        denoising: the most that tensors take in a step, beside the weights.
        decoding: the most that they take in a chunk, beside the weights.
        frames: of all decoded frames, which a call returns; `stream` holds a few.
    """

    weights: dict[str, int]
    denoising: int
    decoding: int
    frames: int

    @property
    def peak(self) -> int:
        """The most at once, with all parts on one device."""
        return sum(self.weights.values()) + max(self.denoising, self.decoding + self.frames)

    @property
    def peak_unloaded(self) -> int:
        """The most at once with all parts on one device, but for the UNet while frames are decoded (`unload_unet`)."""
        decoding = self.decoding + self.frames - self.weights["unet"]
        return sum(self.weights.values()) + max(self.denoising, decoding)

    @property
    def peak_offloaded(self) -> int:
        """The most at once on the device with `enable_model_cpu_offload`: one part's weights at a time."""
        decoding = self.weights["vae"] + self.decoding + self.frames
        return max(*self.weights.values(), self.weights["unet"] + self.denoising, decoding)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {size / GIB:.2f}" for name, size in self.weights.items())
        return (
            f"{self.peak / GIB:.2f} GiB at most, {self.peak_unloaded / GIB:.2f} with the UNet unloaded while frames "
            f"are decoded, {self.peak_offloaded / GIB:.2f} with model offloading: weights "
            f"({parts}), a step {self.denoising / GIB:.2f}, a chunk of the decoder {self.decoding / GIB:.2f}, "
            f"all frames {self.frames / GIB:.2f}."
        )


def report_memory(
    pipe: Any,
    num_frames: int,
    height: int,
    width: int,
    batch: int,
    passes: int,
    chunk: int,
    tile_size: int | None = None,
) -> MemoryReport:
    """Runs the operators of a step and of a chunk on tensors without memory, and counts what they would take.

    Args:
        pipe: an `ExVideoPipeline`, not offloaded.
        num_frames, height, width: of a clip, in frames and pixels.
        batch: clips that are sampled at a time.
        passes: 2 where guidance asks for both halves at once, else 1.
        chunk: frames decoded at a time.
        tile_size: pixels along the side of tiles; None decodes whole pictures. What rests in main memory counts on a
            CPU alone.
    """
    networks = {name: part for name, part in pipe.components.items() if isinstance(part, nn.Module)}
    weights = {name: _bytes([*part.parameters(), *part.buffers()]) for name, part in networks.items()}
    scale, dtype = pipe.vae_scale_factor, pipe.unet.dtype
    latent = (pipe.vae.config.latent_channels, height // scale, width // scale)
    latents = torch.empty(batch, num_frames, *latent, dtype=dtype, device="meta")
    rows, context = batch * passes, pipe.network.config.cross_attention_dim
    tokens = 1 + (pipe.tokenizer.model_max_length if pipe.tokenizer is not None else 0)
    conditions = Conditions(
        torch.empty(rows, tokens, context, dtype=dtype, device="meta"),
        torch.empty(rows, *latent, dtype=dtype, device="meta"),
        torch.empty(rows, 3, dtype=dtype, device="meta"),
    )
    family = family_of(pipe.network)
    given = latents.repeat(passes, 1, 1, 1, 1)

    def step(unet: nn.Module, noisy: Tensor, timestep: Tensor, *parts: Tensor) -> Any:
        return family.call(unet, noisy, timestep, Conditions(*parts))

    live = LiveBytes()

    def keep(shape: Sequence[int], like: Tensor) -> Tensor:
        if pipe.vae.device.type == "cpu":
            return keep_in_main_memory(shape, like)
        with live.aside():
            return like.new_empty(shape)

    def decode(vae: Any, chunk_of: Tensor) -> Any:
        if tile_size is None:
            decoded = vae.decode(chunk_of, num_frames=len(chunk_of)).sample
        else:
            decoded = decode_tiled(vae, chunk_of, tile_size, keep)
        return decoded.float() * 0.5 + 0.5

    of_clip = (conditions.tokens, conditions.first_frame, conditions.time_ids)
    timestep = torch.empty((), device="meta")
    in_step = _peak(pipe.network, step, given, timestep, *of_clip)
    held = 2 * _bytes([latents]) + _bytes([given, *(part for part in of_clip if part is not None)])
    part_of = torch.empty(min(chunk, num_frames), *latent, dtype=pipe.vae.dtype, device="meta")
    in_chunk = _bytes([latents]) + _peak(pipe.vae, decode, part_of, live=live)
    frames = batch * num_frames * height * width * 3 * 4
    return MemoryReport(weights, held + in_step, in_chunk, frames)


def _peak(network: nn.Module, run: Any, *given: Any, live: LiveBytes | None = None) -> int:
    """The most bytes that tensors take at once while a function runs, beside the weights and what it is given."""
    on_cpu = next(network.parameters()).device.type == "cpu"
    mode = FakeTensorMode() if on_cpu else None

    def stand_in(tensor: Tensor) -> Tensor:
        if mode is None:
            return tensor.detach().to("meta")
        with mode:
            return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")

    memo: dict[int, Any] = {}
    extension = extension_of(network)
    sites = [] if extension is None else [*extension.originals.values(), *extension.sites().values()]
    parts = [network, *sites]  # the sites that wait are copied with the network, and need no memory either
    for parameter in (one for part in parts for one in part.parameters()):
        memo[id(parameter)] = nn.Parameter(stand_in(parameter), requires_grad=False)
    for buffer in (one for part in parts for one in part.buffers()):
        memo[id(buffer)] = stand_in(buffer)
    fake = copy.deepcopy(network, memo)
    arguments = [stand_in(one) for one in given]
    live = LiveBytes() if live is None else live
    live.ignore([*fake.parameters(), *fake.buffers(), *arguments])
    with torch.no_grad(), mode or fused_attention(), live:
        run(fake, *arguments)
    return live.peak


def _bytes(tensors: list[Any]) -> int:
    return sum({one.data_ptr() or id(one): one.numel() * one.element_size() for one in tensors}.values())
