"""dlib's face detector: a small network that looks at a picture in all sizes at once.

King, Max-Margin Object Detection, 2015, arXiv:1502.00046; the network is that of dlib's dnn_mmod_face_detection_ex.cpp.
Keys are those of `formats.dlib`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from ml4a._core.errors import BadWeights

from .dlib_layers import DlibNetwork, filled
from .state_dict import StateDict, shape

_HALVINGS = 3
_CONVOLUTIONS = 7
STRIDE, OFFSET = 2**_HALVINGS, 14
"""The score in row r and column c is about what has its middle at 8 c + 14 and 8 r + 14."""


class DlibDetector(DlibNetwork):
    """Three 5×5 convolutions that halve, three that do not, and a 9×9 one that gives the score.

    Args:
        widths: Channels of the first six convolutions.
    """

    shortest = 29
    """Pixels; of less nothing is left after halving."""

    def __init__(self, widths: Sequence[int] = (16, 32, 32, 45, 45, 45)) -> None:
        super().__init__()
        given = 3
        for index, width in enumerate(widths):
            self.append(given, width, 5, *((2, 0) if index < _HALVINGS else (1, 2)))
            given = width
        self.append(given, 1, 9, 1, 4, scaled=False)

    def forward(self, pyramid: torch.Tensor) -> torch.Tensor:
        """Look for faces of 80×80 pixels.

        Args:
            pyramid: N×3×H×W, `normalised`: a picture in several sizes beside each other, and 0 between them.

        Returns:
            N×1×h×w, scores: above 0 there is a face.
        """
        x = pyramid
        for index in range(len(self.affine)):
            x = F.relu(self.convolve(index, x))
        return self.con[-1](x)


def build(state: StateDict) -> DlibDetector:
    """From the keys of `formats.dlib`, such as `con.6.filters`."""
    widths = [shape(state, f"con.{index}.filters")[0] for index in range(_CONVOLUTIONS - 1)]
    if shape(state, f"con.{_CONVOLUTIONS - 1}.filters")[0] != 1:
        raise BadWeights("these weights give several scores for each place; detectors of one kind of thing are read")
    with torch.device("meta"):
        network = DlibDetector(widths)
    return filled(network, state)
