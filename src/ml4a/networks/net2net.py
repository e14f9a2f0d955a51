"""Net2Net: pictures of conditions, by three networks: tokens of pictures, tokens of conditions, and what follows what.

Esser et al., Taming Transformers for High-Resolution Image Synthesis, CVPR 2021, arXiv:2012.09841. Attributes carry the
names of CompVis/taming-transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights

from . import gpt, vqgan
from .gpt import GPT
from .state_dict import StateDict, load
from .vqgan import GumbelVQ, VQModel, VQSegmentationModel

PARTS = ("first_stage_model", "cond_stage_model", "transformer")


class Net2Net(nn.Module):
    """A transformer that goes on from the tokens of a condition to those of a picture.

    Args:
        pictures: What the network for pictures is made with, and as `"kind"` its class.
        conditions: The same of that for labels or depths; empty if the condition is where in a picture a place is.
        transformer: What `GPT` is made with. Its sequences are the tokens of the condition and then those of the
            picture, row by row.
    """

    def __init__(
        self, pictures: Mapping[str, Any], conditions: Mapping[str, Any], transformer: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.transformer = GPT(**transformer)
        self.first_stage_model = _made(pictures)
        self.cond_stage_model = (
            _made(conditions)
            if conditions
            else CoordStage(self.transformer.vocabulary, self.first_stage_model.in_multiple)
        )

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """How likely each token of a picture is, after those before it.

        Args:
            x: N×3×H×W, RGB in [-1, 1].
            condition: N×C×H×W, what the condition's network takes.

        Returns:
            N×T×codes logits for the T tokens, row by row.
        """
        given = self.cond_stage_model.tokens(condition).flatten(1)
        tokens = self.first_stage_model.tokens(x).flatten(1)
        logits = self.transformer(torch.cat((given, tokens), dim=1)[:, :-1])
        return logits[:, given.shape[1] - 1 :]


class CoordStage(nn.Module):
    """Where in a picture a place is, as a token.

    Args:
        codes: How many tokens there are.
        factor: A token stands for so many pixels in a row.
    """

    def __init__(self, codes: int, factor: int = 16) -> None:
        super().__init__()
        self.codes, self.in_multiple = codes, factor
        self.channels = 1

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        """N×1×H×W coordinates in [0, 1] to tokens, N×h×w.

        (The original has one more token than its transformer knows, for coordinates next to 1; here it is the last.)
        """
        coarse = F.interpolate(x, scale_factor=1 / self.in_multiple, mode="area").clamp(0, 1)
        return (coarse * self.codes).round().long()[:, 0].clamp_(max=self.codes - 1)


def build(state: StateDict) -> Net2Net:
    """From the original's keys, which have a part's name in front; without a condition's network, it is coordinates.

    Raises:
        BadWeights: also if the parts do not fit each other.
    """
    pictures, conditions, transformer = (f"{part}." for part in PARTS)
    state = vqgan.without_training(vqgan.without_training(state, pictures), conditions)
    conditioned = any(key.startswith(conditions) for key in state)
    with torch.device("meta"):
        network = Net2Net(
            _sizes(state, pictures),
            _sizes(state, conditions) if conditioned else {},
            gpt.sizes(state, transformer),
        )
    known, needed = network.transformer.vocabulary, (network.first_stage_model.codes, network.cond_stage_model.codes)
    if max(needed) > known:
        raise BadWeights(
            f"the transformer of these weights knows {known} tokens, but pictures have {needed[0]} "
            f"and conditions {needed[1]}"
        )
    return load(network, gpt.without_masks(state), layout=torch.channels_last)


def _sizes(state: StateDict, prefix: str) -> dict[str, Any]:
    scored = (f"{prefix}quantize.proj.", f"{prefix}quantize.embed.")
    kind = VQSegmentationModel if f"{prefix}colorize" in state else VQModel
    kind = GumbelVQ if any(key.startswith(scored) for key in state) else kind
    return {"kind": kind.__name__, **vqgan.sizes(state, kind, prefix)}


def _made(sizes: Mapping[str, Any]) -> VQModel:
    kinds = {kind.__name__: kind for kind in (VQModel, GumbelVQ, VQSegmentationModel)}
    others = {name: value for name, value in sizes.items() if name != "kind"}
    return kinds[sizes["kind"]](**others)
