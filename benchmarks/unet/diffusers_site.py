"""The peer of our temporal site: the same mathematics in diffusers' own modules and layout, as one writes it first."""

from typing import Any

import torch
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from torch import Tensor, nn


class DiffusersExtendedSite(TransformerSpatioTemporalModel):
    """A table in place of the positions, a 3D convolution before diffusers' temporal block (ExVideo, section 3)."""

    frame_table: nn.Embedding
    identity_convs: nn.ModuleList

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        image_only_indicator: Tensor,
        return_dict: bool = True,
    ) -> Any:
        """Shapes as in diffusers: (batch * frames, channels, height, width) in and out."""
        batch, num_frames = image_only_indicator.shape
        _, channels, height, width = hidden_states.shape
        clip_context = encoder_hidden_states.unflatten(0, (batch, num_frames))[:, 0]
        context = clip_context.repeat_interleave(height * width, dim=0)
        frames = torch.arange(num_frames, device=hidden_states.device).repeat(batch)
        embedding = self.time_pos_embed(self.frame_table(frames))[:, None]

        tokens = self.proj_in(self.norm(hidden_states).flatten(2).transpose(1, 2))
        blocks = zip(self.transformer_blocks, self.identity_convs, self.temporal_transformer_blocks, strict=True)
        for spatial, conv, temporal in blocks:
            tokens = spatial(tokens, encoder_hidden_states=encoder_hidden_states)
            video = (tokens + embedding).reshape(batch, num_frames, height, width, channels).permute(0, 4, 1, 2, 3)
            mixed = conv(video).permute(0, 2, 3, 4, 1).reshape(tokens.shape)
            mixed = temporal(mixed, num_frames=num_frames, encoder_hidden_states=context)
            tokens = self.time_mixer(x_spatial=tokens, x_temporal=mixed, image_only_indicator=image_only_indicator)
        output = self.proj_out(tokens).transpose(1, 2).reshape(hidden_states.shape) + hidden_states
        return (output,)


def extend_with_diffusers(unet: Any, num_frames: int) -> None:
    """Turns every temporal site of a base UNet into the peer; its parameters have the names that ours have."""
    for site in list(unet.modules()):
        if isinstance(site, TransformerSpatioTemporalModel):
            channels = site.in_channels
            site.frame_table = nn.Embedding(num_frames, channels)
            site.identity_convs = nn.ModuleList(
                nn.Conv3d(channels, channels, 3, padding=1, padding_mode="reflect")
                for _ in site.temporal_transformer_blocks
            )
            site.__class__ = DiffusersExtendedSite
