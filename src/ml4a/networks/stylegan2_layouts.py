"""StyleGAN2's weights under other names than StyleGAN2-ADA's: TensorFlow's variables, and rosinality's PyTorch modules.

Both are told in the names of StyleGAN2-ADA, whose builders do the rest. What a file lacks or has too much is named as
in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch

from ml4a._core.errors import BadWeights
from ml4a.ops.upfirdn import setup_filter

from . import stylegan2, stylegan2_discriminator
from .state_dict import StateDict, count, listing, shape
from .stylegan2 import StyleGAN2, resolutions
from .stylegan2_discriminator import StyleGAN2Discriminator

_TAPS = (1.0, 3.0, 3.0, 1.0)
_AVERAGED = 10_000
"""Latents, of whose styles the mean is taken where a file does not tell it."""
_SEED = 123


def build_tensorflow(state: StateDict) -> StyleGAN2:
    """From the variables of the TensorFlow program's `Gs`: `synthesis/8x8/Conv0_up/weight`.

    Raises:
        BadWeights: also of StyleGAN 1, which is another network.
    """
    table = _Table(state)
    for key in state:
        if "/StyleMod/" in key:
            raise BadWeights(f"these weights are StyleGAN 1's ({key!r}), another network; take those of StyleGAN2")
    found = {"mapping.w_avg": table.take("dlatent_avg")}
    if "mapping/LabelConcat/weight" in state:
        found["mapping.embed.weight"] = table.take("mapping/LabelConcat/weight")
    elif "mapping/LabelEmbed/weight" in state:
        found |= table.dense("mapping/LabelEmbed", "mapping.embed")
    for number in range(count(state, r"mapping/Dense(\d+)/")):
        found |= table.dense(f"mapping/Dense{number}", f"mapping.fc{number}")
    found["synthesis.b4.const"] = shaped(table.take("synthesis/4x4/Const/const"), 1, -1, 4, 4)[0]
    sides = resolutions(state, r"synthesis/(\d{1,6})x\1/")
    noise = 0
    for side in sides:
        there, here = f"synthesis/{side}x{side}", f"synthesis.b{side}"
        layers = {"Conv": "conv1"} if side == 4 else {"Conv0_up": "conv0", "Conv1": "conv1"}
        for their, our in layers.items():
            found |= table.styled(f"{there}/{their}", f"{here}.{our}", turned=our == "conv0")
            if "synthesis/noise0" in state:
                found[f"{here}.{our}.noise_strength"] = table.take(f"{there}/{their}/noise_strength")
                found[f"{here}.{our}.noise_const"] = shaped(table.take(f"synthesis/noise{noise}"), side, side)
            noise += 1
        if f"{there}/ToRGB/weight" in state:
            found |= table.styled(f"{there}/ToRGB", f"{here}.torgb")
        if f"{there}/Skip/weight" in state:
            found[f"{here}.skip.weight"] = kernel(table.take(f"{there}/Skip/weight")).flip(2, 3)
    if "synthesis/ToRGB_lod0/weight" in state:  # of networks that grew: only the last resolution's is in use
        found |= table.styled("synthesis/ToRGB_lod0", f"synthesis.b{sides[-1]}.torgb")
    table.close(r"(synthesis/)?lod|synthesis/ToRGB_lod\d+/.*")
    return stylegan2.build(with_filters(found))


def build_discriminator_tensorflow(state: StateDict) -> StyleGAN2Discriminator:
    """From the variables of the TensorFlow program's `D`: `8x8/Conv1_down/weight`."""
    table, found = _Table(state), {}
    sides = resolutions(state, r"(\d{1,6})x\1/")
    for side in sides:
        there, here = f"{side}x{side}", f"b{side}"
        for their, our in {"FromRGB": "fromrgb", "Conv0": "conv0", "Conv1_down": "conv1", "Conv": "conv"}.items():
            due = our == "conv" if side == 4 else our in ("conv0", "conv1")
            if due or f"{there}/{their}/weight" in state:
                found |= table.convolution(f"{there}/{their}", f"{here}.{our}")
        if f"{there}/Skip/weight" in state:
            found[f"{here}.skip.weight"] = kernel(table.take(f"{there}/Skip/weight"))
    if "FromRGB_lod0/weight" in state:
        found |= table.convolution("FromRGB_lod0", f"b{sides[-1]}.fromrgb")
    found |= table.dense("4x4/Dense0", "b4.fc") | table.dense("Output", "b4.out")
    if "LabelEmbed/weight" in state:
        found |= table.dense("LabelEmbed", "mapping.embed")
        for number in range(count(state, r"Mapping(\d+)/")):
            found |= table.dense(f"Mapping{number}", f"mapping.fc{number}")
    table.close(r"lod|FromRGB_lod\d+/.*")
    return stylegan2_discriminator.build(with_filters(found), rate=0.1)


def build_rosinality(state: StateDict) -> StyleGAN2:
    """From rosinality's `g_ema`, and `latent_avg` beside it; where that is missing, the mean of styles is computed."""
    table, found = _Table(state), {}
    for number in range(1, count(state, r"style\.(\d+)\.")):
        for kind in ("weight", "bias"):
            found[f"mapping.fc{number - 1}.{kind}"] = table.take(f"style.{number}.{kind}")
    w_dim = shape(state, "style.1.weight", 2)[0]
    found["mapping.w_avg"] = table.take("latent_avg").flatten() if "latent_avg" in state else torch.zeros(w_dim)
    found["synthesis.b4.const"] = shaped(table.take("input.input"), 1, -1, 4, 4)[0]
    doublings = count(state, r"to_rgbs\.(\d+)\.")
    noise = 0
    for number in range(doublings + 1):
        side, last = 4 << number, number - 1
        here = f"synthesis.b{side}"
        layers = {"conv0": f"convs.{2 * last}", "conv1": f"convs.{2 * last + 1}"} if number else {"conv1": "conv1"}
        for our, their in layers.items():
            found |= table.modulated(their, f"{here}.{our}", f"{their}.activate.bias")
            found[f"{here}.{our}.noise_strength"] = shaped(table.take(f"{their}.noise.weight"))
            noises = f"noises.noise_{noise}"
            given = shaped(table.take(noises), side, side) if noises in state else drawn_noise(noise, side)
            found[f"{here}.{our}.noise_const"] = given
            noise += 1
        their = f"to_rgbs.{last}" if number else "to_rgb1"
        found |= table.modulated(their, f"{here}.torgb", f"{their}.bias")
    table.close(r".*\.kernel")
    network = stylegan2.build(with_filters(found))
    if "latent_avg" not in state:
        network.mapping.w_avg = mean_style(network)
    return network


def build_discriminator_rosinality(state: StateDict) -> StyleGAN2Discriminator:
    """From rosinality's `d`."""
    table, found = _Table(state), {}
    halvings = count(state, r"convs\.(\d+)\.") - 1
    top = 4 << max(halvings, 0)
    found |= table.renamed({"convs.0.0.weight": f"b{top}.fromrgb.weight", "convs.0.1.bias": f"b{top}.fromrgb.bias"})
    for number in range(1, halvings + 1):
        there, here = f"convs.{number}", f"b{top >> (number - 1)}"
        found |= table.renamed(
            {
                f"{there}.conv1.0.weight": f"{here}.conv0.weight",
                f"{there}.conv1.1.bias": f"{here}.conv0.bias",
                f"{there}.conv2.1.weight": f"{here}.conv1.weight",
                f"{there}.conv2.2.bias": f"{here}.conv1.bias",
                f"{there}.skip.1.weight": f"{here}.skip.weight",
            }
        )
    found |= table.renamed(
        {
            "final_conv.0.weight": "b4.conv.weight",
            "final_conv.1.bias": "b4.conv.bias",
            "final_linear.0.weight": "b4.fc.weight",
            "final_linear.0.bias": "b4.fc.bias",
            "final_linear.1.weight": "b4.out.weight",
            "final_linear.1.bias": "b4.out.bias",
        }
    )
    table.close(r".*\.kernel")
    return stylegan2_discriminator.build(with_filters(found))


class _Table:
    """A file's tensors, of which one after the other is taken out; nothing may be left."""

    def __init__(self, state: StateDict) -> None:
        self._left = dict(state)

    def take(self, key: str) -> torch.Tensor:
        if key not in self._left:
            raise BadWeights(f"these weights lack {key!r}")
        return self._left.pop(key)

    def renamed(self, names: Mapping[str, str]) -> StateDict:
        return {our: self.take(their) for their, our in names.items()}

    def dense(self, their: str, our: str) -> StateDict:
        """Of TensorFlow, whose matrices lie the other way."""
        matrix = self.take(f"{their}/weight")
        if matrix.ndim != 2:
            raise BadWeights(f"these weights have {f'{their}/weight'!r} of {matrix.ndim} dimensions, where 2 are due")
        return {f"{our}.weight": matrix.T, f"{our}.bias": self.take(f"{their}/bias")}

    def convolution(self, their: str, our: str) -> StateDict:
        """Of TensorFlow, without a style."""
        return {f"{our}.weight": kernel(self.take(f"{their}/weight")), f"{our}.bias": self.take(f"{their}/bias")}

    def styled(self, their: str, our: str, *, turned: bool = False) -> StateDict:
        """Of TensorFlow, with a style, to whose bias one is added there; kernels that double lie turned by half."""
        found = self.convolution(their, our)
        matrix = self.take(f"{their}/mod_weight")
        if matrix.ndim != 2:
            raise BadWeights(f"these weights have {f'{their}/mod_weight'!r} of {matrix.ndim} dimensions, not 2")
        if turned:
            found[f"{our}.weight"] = found[f"{our}.weight"].flip(2, 3)
        return found | {f"{our}.affine.weight": matrix.T, f"{our}.affine.bias": self.take(f"{their}/mod_bias") + 1}

    def modulated(self, their: str, our: str, bias: str) -> StateDict:
        """Of rosinality, with a style."""
        weight = self.take(f"{their}.conv.weight")
        if weight.ndim != 5 or len(weight) != 1:
            raise BadWeights(f"these weights have {f'{their}.conv.weight'!r} of shape {tuple(weight.shape)}")
        return {
            f"{our}.weight": weight[0],
            f"{our}.bias": self.take(bias).flatten(),
            f"{our}.affine.weight": self.take(f"{their}.conv.modulation.weight"),
            f"{our}.affine.bias": self.take(f"{their}.conv.modulation.bias"),
        }

    def close(self, ignored: str) -> None:
        unknown = [key for key in self._left if not re.fullmatch(ignored, key)]
        if unknown:
            raise BadWeights(f"these weights do not fit StyleGAN2: {listing(unknown)} unknown")


def kernel(weight: torch.Tensor) -> torch.Tensor:
    """H×W×I×O, as TensorFlow has kernels, to O×I×H×W."""
    if weight.ndim != 4:
        raise BadWeights(f"these weights have a kernel of {weight.ndim} dimensions, where 4 are due")
    return weight.permute(3, 2, 0, 1)


def shaped(tensor: torch.Tensor, *size: int) -> torch.Tensor:
    """A view of another shape, without axes of length 1 or with more of them."""
    try:
        return tensor.reshape(size)
    except RuntimeError:
        due = "×".join(map(str, size)) or "one number"
        raise BadWeights(f"these weights have a tensor of shape {tuple(tensor.shape)}, where {due} is due") from None


def with_filters(state: StateDict) -> StateDict:
    """With the filters that StyleGAN2-ADA's files have in every block, and in convolutions that may halve or double."""
    blocks = {match[0] for key in state if (match := re.match(r"(synthesis\.)?b\d+", key))}
    layers = {
        match[0] for key in state if (match := re.match(r"(synthesis\.)?b\d+\.(conv\d?|fromrgb|skip)(?=\.)", key))
    }
    blocks -= {"b4"}  # a discriminator's last, which halves nothing
    return state | {f"{name}.resample_filter": setup_filter(_TAPS) for name in sorted(blocks | layers)}


def drawn_noise(number: int, side: int) -> torch.Tensor:
    """Noise for files that have none of their own: always the same."""
    return torch.randn(side, side, generator=torch.Generator().manual_seed(number))


def mean_style(network: StyleGAN2) -> torch.Tensor:
    """The mean of many styles, always of the same latents: w_dim."""
    z = np.random.RandomState(_SEED).randn(_AVERAGED, network.z_dim).astype(np.float32)
    return network.mapping(torch.from_numpy(z).to(network.synthesis.blocks[0].const.device)).mean(0)
