"""Wav2Lip: a mouth that says what is heard.

Prajwal et al., A Lip Sync Expert Is All You Need for Speech to Lip Generation in the Wild, ACM Multimedia 2020,
arXiv:2008.10010. Attributes carry the names that Rudrabha/Wav2Lip gave them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ml4a._core.errors import BadWeights

from .batch_norm import folded, without_counters
from .lip_layers import Conv, Transposed, audio_encoder, audio_sizes, residuals
from .state_dict import StateDict, count, load, shape

_FACES = 6
"""Channels: a face whose lower half is black, and a face of the same person."""
_LEAST_LEVELS = 3


class Wav2Lip(nn.Module):
    """Encodes a face and a moment of speech, and from both paints the face with the mouth that belongs to the speech.

    The face is halved until it is 3×3, and then one vector, as the speech is. The decoder begins with the speech alone
    and meets what the encoder saw of the face at each size on the way back.

    Args:
        widths: Channels of the face's encoder, from the largest size to the smallest; as many as there are levels.
        repeats: Residual convolutions at all levels but the last.
        decoded: Channels of the decoder, from the smallest size to the largest.
        decoded_repeats: Residual convolutions there.
        audio: Channels of the four stages of the speech's encoder, and of its result.
        audio_repeats: Residual convolutions in the four.
        painted: Channels before the colours.
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 128, 256, 512, 512),
        repeats: Sequence[int] = (0, 2, 3, 2, 2, 1),
        decoded: Sequence[int] = (512, 512, 512, 384, 256, 128, 64),
        decoded_repeats: Sequence[int] = (0, 1, 2, 2, 2, 2, 2),
        audio: Sequence[int] = (32, 64, 128, 256, 512),
        audio_repeats: Sequence[int] = (2, 2, 2, 1),
        painted: int = 32,
    ) -> None:
        super().__init__()
        self.size = 3 << (len(widths) - 2)
        """Height and width of the faces."""
        self.face_encoder_blocks = _face_encoder(widths, repeats)
        self.audio_encoder = audio_encoder(audio, audio_repeats)
        self.face_decoder_blocks = _face_decoder(audio[-1], widths, decoded, decoded_repeats)
        self.output_block = nn.Sequential(
            Conv(decoded[-1] + widths[0], painted), nn.Conv2d(painted, 3, kernel_size=1), nn.Sigmoid()
        )

    def forward(self, audio: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        """Paint faces that say what is heard.

        Args:
            audio: N×1×80×16: a mel spectrogram in [-4, 4] for each face; or N×T×1×80×16 of T frames in a row.
            faces: N×6×S×S, where S is `size`: BGR in [0, 1] of the face, its lower half black, and BGR of a face of the
                same person; or N×6×T×S×S.

        Returns:
            N×3×S×S or N×3×T×S×S: BGR in [0, 1].
        """
        if faces.ndim == 5:
            number, _, frames = faces.shape[:3]
            in_a_row = self(audio.transpose(0, 1).flatten(0, 1), faces.movedim(2, 0).flatten(0, 1))
            return in_a_row.unflatten(0, (frames, number)).movedim(0, 2)
        seen = []
        x = faces
        for block in self.face_encoder_blocks:
            x = block(x)
            seen.append(x)
        x = self.audio_encoder(audio)
        for block in self.face_decoder_blocks:
            x = torch.cat((block(x), seen.pop()), dim=1)
        return self.output_block(x)


def build(state: StateDict) -> Wav2Lip:
    """From the original's keys, such as `face_decoder_blocks.3.0.conv_block.0.weight`.

    Raises:
        BadWeights: keys are missing or unknown, or the levels of encoder and decoder are not as many.
    """
    levels = count(state, r"face_encoder_blocks\.(\d+)\.")
    if levels < _LEAST_LEVELS or count(state, r"face_decoder_blocks\.(\d+)\.") != levels:
        raise BadWeights(f"these weights have {levels} levels of the face's encoder, and not as many of its decoder")
    audio, audio_repeats = audio_sizes(state)
    with torch.device("meta"):
        network = Wav2Lip(
            [shape(state, f"face_encoder_blocks.{level}.0.conv_block.0.weight")[0] for level in range(levels)],
            [_repeats(state, f"face_encoder_blocks.{level}") for level in range(levels - 1)],
            [_decoded(state, level) for level in range(levels)],
            [_repeats(state, f"face_decoder_blocks.{level}") for level in range(levels)],
            audio,
            audio_repeats,
            shape(state, "output_block.1.weight")[1],
        )
    return folded(load(network, without_counters(state), layout=torch.channels_last))


def _face_encoder(widths: Sequence[int], repeats: Sequence[int]) -> nn.ModuleList:
    blocks = [nn.Sequential(Conv(_FACES, widths[0], 7, padding=3), *residuals(widths[0], repeats[0]))]
    for level in range(1, len(widths) - 1):
        halved = Conv(widths[level - 1], widths[level], stride=2)
        blocks.append(nn.Sequential(halved, *residuals(widths[level], repeats[level])))
    last = widths[-1]
    return nn.ModuleList([*blocks, nn.Sequential(Conv(widths[-2], last, padding=0), Conv(last, last, 1, padding=0))])


def _face_decoder(heard: int, widths: Sequence[int], decoded: Sequence[int], repeats: Sequence[int]) -> nn.ModuleList:
    blocks = [nn.Sequential(Conv(heard, decoded[0], 1, padding=0), *residuals(decoded[0], repeats[0]))]
    for level in range(1, len(decoded)):
        given = decoded[level - 1] + widths[-level]
        larger = Transposed(given, decoded[level], doubling=level > 1)
        blocks.append(nn.Sequential(larger, *residuals(decoded[level], repeats[level])))
    return nn.ModuleList(blocks)


def _repeats(state: StateDict, block: str) -> int:
    return count(state, rf"{block}\.(\d+)\.") - 1


def _decoded(state: StateDict, level: int) -> int:
    """Transposed convolutions have their filters second."""
    return shape(state, f"face_decoder_blocks.{level}.0.conv_block.0.weight")[min(level, 1)]
