"""FlowNetS: how everything moves from one picture to the next.

Fischer et al., FlowNet: Learning Optical Flow with Convolutional Networks, ICCV 2015. Attributes carry the names that
ClementPinard/FlowNetPytorch gave them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights

from .batch_norm import BatchNorm, folded, without_counters
from .state_dict import StateDict, load, shape

_LEVELS = (5, 4, 3, 2)
"""Of the decoder, from coarse to fine: level n is 2ⁿ times smaller than the pictures."""
_OF_FLOWNETC = "conv_redir.0.weight"


class FlowNetS(nn.Module):
    """Halves a pair of pictures six times, and from there on refines a first guess of the flow four times.

    At each level of the decoder a flow is predicted from all that is known there, doubled in size, and handed on with
    the features. Maps of odd sides lose a row or column when they come back; no size is too odd.

    Args:
        widths: Channels after each of the six halvings.
        refined: Channels that the decoder hands on to the levels 5, 4, 3 and 2.
        normalised: Whether the encoder has batch normalisation in place of biases.
    """

    scale = 1
    in_multiple = 1
    overlap = None
    """What is in one tile may have come from another."""
    tile_multiple = 1

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256, 512, 512, 1024),
        refined: Sequence[int] = (512, 256, 128, 64),
        normalised: bool = False,
    ) -> None:
        super().__init__()
        sides = (7, 5, 5, 3, 3, 3)
        given = 6
        for level, (width, side) in enumerate(zip(widths, sides, strict=True), start=1):
            self.add_module(f"conv{level}", _conv(given, width, side, 2, normalised))
            if level > 2:
                self.add_module(f"conv{level}_1", _conv(width, width, 3, 1, normalised))
            given = width
        self.predict_flow6 = _predict_flow(given)
        for level, width in zip(_LEVELS, refined, strict=True):
            self.add_module(f"deconv{level}", nn.Sequential(_doubling(given, width), _leaky()))
            self.add_module(f"upsampled_flow{level + 1}_to_{level}", _doubling(2, 2))
            given = widths[level - 1] + width + 2
            self.add_module(f"predict_flow{level}", _predict_flow(given))
        self.bytes_per_pixel = 4 * (6 + widths[0] / 4 + (widths[1] + given) / 16)

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        """Find the flow from the first picture to the second.

        Args:
            pair: N×6×H×W: the first picture's RGB and then the second's, in [0, 1] less the mean colour.

        Returns:
            N×2×⌈H/4⌉×⌈W/4⌉: how far each pixel goes, right and down, in `div_flow` pixels of the pictures.
        """
        x = pair
        seen = []
        for level in (1, 2, 3, 4, 5, 6):
            x = self.get_submodule(f"conv{level}")(x)
            if level > 2:
                x = self.get_submodule(f"conv{level}_1")(x)
            if 1 < level < 6:
                seen.append(x)
        flow = self.predict_flow6(x)
        for level in _LEVELS:
            features = seen.pop()
            height, width = features.shape[-2:]
            known = self.get_submodule(f"deconv{level}")(x)
            flow = self.get_submodule(f"upsampled_flow{level + 1}_to_{level}")(flow)
            x = torch.cat((features, known[..., :height, :width], flow[..., :height, :width]), dim=1)
            flow = self.get_submodule(f"predict_flow{level}")(x)
        return flow


def build(state: StateDict) -> FlowNetS:
    """From the original's keys, such as `conv3_1.0.weight`, with batch normalisation or without.

    Raises:
        BadWeights: also of FlowNetC, which looks at the two pictures one by one.
    """
    if _OF_FLOWNETC in state:
        raise BadWeights(f"these weights are FlowNetC's ({_OF_FLOWNETC!r}), another network; take those of FlowNetS")
    widths = [shape(state, f"conv{level}.0.weight")[0] for level in (1, 2, 3, 4, 5, 6)]
    refined = [shape(state, f"deconv{level}.0.weight")[1] for level in _LEVELS]
    with torch.device("meta"):
        network = FlowNetS(widths, refined, any(key.endswith("running_var") for key in state))
    return folded(load(network, without_counters(state), layout=torch.channels_last))


def at_size(flow: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A flow for every pixel: N×2×h×w to N×2×H×W, its lengths as they were."""
    return F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)


def _conv(channels: int, filters: int, side: int, stride: int, normalised: bool) -> nn.Sequential:
    conv = nn.Conv2d(channels, filters, side, stride, side // 2, bias=not normalised)
    norm = [BatchNorm(filters)] if normalised else []
    return nn.Sequential(conv, *norm, _leaky())


def _doubling(channels: int, filters: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, filters, 4, stride=2, padding=1, bias=False)


def _predict_flow(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, 2, 3, padding=1, bias=False)


def _leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.1, inplace=True)
