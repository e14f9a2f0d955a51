"""SyncNet as Wav2Lip's expert: whether a mouth and a sound belong together.

Prajwal et al., A Lip Sync Expert Is All You Need for Speech to Lip Generation in the Wild, ACM Multimedia 2020,
arXiv:2008.10010. Attributes carry the names that Rudrabha/Wav2Lip gave them (`SyncNet_color`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from .batch_norm import folded, without_counters
from .lip_layers import Conv, Sides, audio_encoder, audio_sizes, residuals, stages
from .state_dict import StateDict, load, shape

_FACE_STEPS: tuple[tuple[int, Sides, int], ...] = ((7, 1, 3), (5, (1, 2), 1), (3, 2, 1), (3, 2, 1), (3, 2, 1))
"""Side, stride and padding of the convolution that begins each stage."""


class SyncNet(nn.Module):
    """Turns a moment of speech and the mouths of that moment into directions, which are alike if they belong together.

    Args:
        frames: Pictures that are seen at once.
        widths: Channels of the five stages of the mouths' encoder, and of its result.
        repeats: Residual convolutions in each stage.
        audio: Channels of the four stages of the speech's encoder, and of its result: as many as of the mouths'.
        audio_repeats: Residual convolutions in the four.
    """

    size = (48, 96)
    """Height and width of the lower half of a face."""

    def __init__(
        self,
        frames: int = 5,
        widths: Sequence[int] = (32, 64, 128, 256, 512, 512),
        repeats: Sequence[int] = (0, 2, 3, 2, 2),
        audio: Sequence[int] = (32, 64, 128, 256, 512),
        audio_repeats: Sequence[int] = (2, 2, 2, 2),
    ) -> None:
        super().__init__()
        self.frames = frames
        layers: list[nn.Module] = []
        for (given, width), (side, stride, padding), number in zip(
            itertools.pairwise((3 * frames, *widths[:-1])), _FACE_STEPS, repeats, strict=True
        ):
            layers += [Conv(given, width, side, stride, padding), *residuals(width, number)]
        last = widths[-1]
        layers += [Conv(widths[-2], last, stride=2), Conv(last, last, padding=0), Conv(last, last, 1, padding=0)]
        self.face_encoder = nn.Sequential(*layers)
        self.audio_encoder = audio_encoder(audio, audio_repeats)

    def forward(self, audio: torch.Tensor, faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Two directions; their scalar product is 1 if sound and mouths belong together, and about 0 if not.

        Args:
            audio: N×1×80×16: a mel spectrogram in [-4, 4].
            faces: N×3F×48×96: the lower halves of the faces of F frames, BGR in [0, 1], one after the other.

        Returns:
            Of the sound and of the mouths, N×C each, of length 1.
        """
        return tuple(
            F.normalize(encoded.flatten(1)) for encoded in (self.audio_encoder(audio), self.face_encoder(faces))
        )  # type: ignore[return-value]


def build(state: StateDict) -> SyncNet:
    """From the original's keys, such as `face_encoder.4.conv_block.0.weight`."""
    frames = shape(state, "face_encoder.0.conv_block.0.weight")[1] // 3
    widths, repeats = stages(state, "face_encoder", len(_FACE_STEPS), behind=3)
    with torch.device("meta"):
        network = SyncNet(frames, widths, repeats, *audio_sizes(state))
    return folded(load(network, without_counters(state), layout=torch.channels_last))
