"""StyleGAN3: pictures whose detail sticks to what it belongs to, wherever it is moved to.

Karras et al., Alias-Free Generative Adversarial Networks, NeurIPS 2021, arXiv:2106.12423. Configuration T moves without
aliases, R turns, too. Attributes carry the names that NVlabs/stylegan3 gave them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from ml4a._core.errors import BadValue, BadWeights

from .state_dict import StateDict, count, load, shape
from .style_generator import StyleGenerator
from .stylegan2_layers import StyleMapping
from .stylegan3_filters import Geometry, geometries
from .stylegan3_layers import CLAMP, Layer, Panorama, Waves

_SCALE = 0.25
"""Of the picture: what the last layer makes is about four times as large."""
_LAYER = r"synthesis\.L(\d{1,6})_(\d{1,6})_(\d{1,6})\."
_SMALLEST, _FEWEST = 16, 4
"""Of resolutions, and of layers."""


class StyleGAN3(StyleGenerator):
    """A latent becomes a style, which paints waves and bends them into a picture.

    Args:
        resolution: The picture's side, a power of 2.
        widths: Channels that each layer gives; the last are the picture's.
        z_dim: Numbers of a latent.
        c_dim: Kinds of labels; 0 if there are none.
        hidden: How wide each layer of the mapping is; the last is w_dim.
        embedded: What labels become before they join the latent.
        kernel: The side of the convolutions' kernels: 3 in configuration T, 1 in R.
        radial: Whether filters that make smaller are the same in all directions, as in R.
        taps_per_sample: The length of the filters.
    """

    def __init__(
        self,
        resolution: int,
        widths: Sequence[int],
        z_dim: int = 512,
        c_dim: int = 0,
        hidden: Sequence[int] = (512, 512),
        embedded: int = 512,
        kernel: int = 3,
        radial: bool = False,
        taps_per_sample: int = 6,
    ) -> None:
        super().__init__()
        self.resolution, self.channels = resolution, widths[-1]
        layers = geometries(resolution, len(widths) - 1, kernel, taps_per_sample)
        self.num_ws = len(layers) + 1
        self.synthesis = Synthesis(layers, widths, hidden[-1], radial)
        self.mapping = StyleMapping(z_dim, c_dim, hidden, embedded)
        self.conv_clamp: float | None = None
        """Where features end, on both sides, if not at 256, as those of all published networks."""

    def forward(
        self,
        z: torch.Tensor,
        c: torch.Tensor | None = None,
        psi: float = 1,
        cutoff: int | None = None,
        *,
        transform: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Paint the pictures of latents.

        Args:
            z: N×`z_dim`, normally distributed.
            c: N×`c_dim`, how much there is of each label, if the network knows labels.
            psi: How far styles are from the mean, 1 being as far as they are.
            cutoff: Of how many layers; by default of all.
            transform: See `synthesize`.

        Returns:
            N×`channels`×`resolution`×`resolution`, about [-1, 1].
        """
        return self.synthesize(self.truncate(self.map(z, c), psi, cutoff), transform=transform)

    def synthesize(self, ws: torch.Tensor, *, transform: torch.Tensor | None = None) -> torch.Tensor:
        """The pictures of styles; gradients reach the styles.

        Args:
            ws: N×`num_ws`×`w_dim`.
            transform: How the picture is moved, from `make_transform`, or one for each, N×3×3; by default as the
                weights say, which is not at all.

        Returns:
            N×`channels`×`resolution`×`resolution`, about [-1, 1], not clamped.

        Raises:
            BadValue: styles are of another shape than this network's.
        """
        self.check_styles(ws)
        return self.synthesis(ws, self._clamp, transform)

    def synthesize_wide(self, ws: torch.Tensor, width: int) -> torch.Tensor:
        """One wide picture in which one style turns into the next.

        Each keeps its waves about its own place, and layers have in every column the style of there. What is near to
        the middle of a style's place is, but for what comes from its neighbours, what `synthesize` makes of it.

        Args:
            ws: K×`num_ws`×`w_dim`, from left to right.
            width: In pixels.

        Returns:
            1×`channels`×`resolution`×width.

        Raises:
            BadValue: styles are of another shape than this network's; the width is less than 1.
        """
        self.check_styles(ws)
        if width < 1:
            raise BadValue(f"width must be 1 or more, not {width}")
        unit = self.resolution // self.synthesis.input.signal.rate  # a whole number of samples in every layer
        whole = -(-width // unit) * unit
        wide = self.synthesis(ws, self._clamp, panorama=Panorama(len(ws), whole / self.resolution))
        first = (whole - width) // 2
        return wide[:, :, :, first : first + width]

    @property
    def _clamp(self) -> float:
        return CLAMP if self.conv_clamp is None else self.conv_clamp

    def styles(self) -> list[tuple[int, torch.Tensor]]:
        """For each layer the index of its w, and the matrix that makes its style of it.

        The first is where the picture is: cosine, sine and shift, 4×`w_dim`.
        """
        matrices = [self.synthesis.input.affine.matrix]
        matrices += [layer.affine.matrix * layer.style_gain for layer in self.synthesis.layers()]
        return list(enumerate(matrices))

    def noises(self) -> list[torch.Tensor]:
        """None: there is no noise."""
        return []

    @property
    def bytes_per_picture(self) -> int:
        """Memory that one synthesis takes, in float32: a layer's source, its source times its style, and its target."""
        sizes = [
            layer.conv.in_channels * layer.geometry.source.size**2 * 2
            + 2 * layer.conv.out_channels * (layer.geometry.source.size + layer.geometry.kernel - 1) ** 2
            for layer in self.synthesis.layers()
        ]
        return 4 * max(sizes)


class Synthesis(nn.Module):
    """Waves, and layers that bend them."""

    def __init__(self, geometries: Sequence[Geometry], widths: Sequence[int], w_dim: int, radial: bool) -> None:
        super().__init__()
        self.input = Waves(widths[0], geometries[0], w_dim)
        self.names = []
        for number, (geometry, (given, made)) in enumerate(
            zip(geometries, pairwise((widths[0], *widths)), strict=True)
        ):
            self.names.append(f"L{number}_{geometry.target.size}_{made}")
            self.add_module(self.names[-1], Layer(given, made, geometry, w_dim, radial))

    def forward(
        self,
        ws: torch.Tensor,
        clamp: float = CLAMP,
        transform: torch.Tensor | None = None,
        panorama: Panorama | None = None,
    ) -> torch.Tensor:
        """N×layers×w to N×C×H×W, or to a panorama."""
        first, *rest = ws.unbind(1)
        x = self.input(first, transform, panorama)
        for layer, w in zip(self.layers(), rest, strict=True):
            x = layer(x, w, clamp, panorama)
        return x * _SCALE

    def layers(self) -> list[Layer]:
        """In order."""
        return [layer for name in self.names if isinstance(layer := self.get_submodule(name), Layer)]


def make_transform(translate: Sequence[float] = (0, 0), rotate: float = 0, zoom: float = 1) -> torch.Tensor:
    """What `synthesize` takes to turn and enlarge its pictures and then to shift them.

    Args:
        translate: To the right and down, in sides of the picture.
        rotate: Degrees, against the clock.
        zoom: How many times as large things become.

    Returns:
        3×3, float32: where a place (x, y, 1) of the moved picture was, the origin in the middle.

    Raises:
        BadValue: a number is not finite, or nothing would be left of the picture.
    """
    if not all(map(math.isfinite, (*translate, rotate, zoom))) or zoom <= 0:
        raise BadValue(f"a picture cannot be shifted by {tuple(translate)}, turned by {rotate} and enlarged by {zoom}")
    right, down = translate
    cosine, sine = math.cos(math.radians(rotate)) / zoom, math.sin(math.radians(rotate)) / zoom
    rows = [
        [cosine, -sine, sine * down - cosine * right],
        [sine, cosine, -sine * right - cosine * down],
        [0, 0, 1],
    ]
    return torch.tensor(rows, dtype=torch.float32)


def build(state: StateDict) -> StyleGAN3:
    """From the original's keys: sizes from the names of the layers and from shapes.

    Raises:
        BadWeights: also where its layers are of other sizes than a network of this resolution has.
    """
    names = _names(state)
    prefixes = [f"synthesis.L{number}_{size}_{width}" for number, (size, width) in enumerate(names)]
    kernels = [shape(state, f"{prefix}.weight") for prefix in prefixes]
    resolution = names[-1][0]
    depth = max(1, count(state, r"mapping\.fc(\d+)\."))
    hidden = [shape(state, f"mapping.fc{number}.weight", 2) for number in range(depth)]
    conditional = "mapping.embed.weight" in state
    embedded, c_dim = shape(state, "mapping.embed.weight", 2) if conditional else (0, 0)
    z_dim = hidden[0][1] - embedded
    if z_dim < 1:
        raise BadWeights(f"these weights have 'mapping.embed.weight' for {embedded} numbers, more than are mapped")
    _check(resolution, names, kernels[0][2])
    (up_taps,) = shape(state, f"{prefixes[0]}.up_filter", 1)
    with torch.device("meta"):
        network = StyleGAN3(
            resolution,
            [width for _, width in names],
            z_dim,
            c_dim,
            [made for made, _ in hidden],
            embedded,
            kernels[0][2],
            state.get(f"{prefixes[0]}.down_filter", torch.empty(0)).ndim == 2,
            up_taps // geometries(resolution, len(names) - 1)[0].up,
        )
    return load(network, state, layout=torch.channels_last)


def _check(resolution: int, names: Sequence[tuple[int, int]], kernel: int) -> None:
    if resolution < _SMALLEST or resolution & (resolution - 1) or len(names) < _FEWEST:
        raise BadWeights(
            f"these weights make pictures of {resolution} pixels in {len(names)} layers, which StyleGAN3 cannot"
        )
    due = [geometry.target.size for geometry in geometries(resolution, len(names) - 1, kernel)]
    for number, ((size, width), other) in enumerate(zip(names, due, strict=True)):
        if size != other:
            name = f"synthesis.L{number}_{size}_{width}"
            raise BadWeights(f"these weights have {name!r}, where a network of {resolution} pixels has {other}")


def _names(state: StateDict) -> list[tuple[int, int]]:
    """The size and the channels of what each layer gives."""
    found = {int(match[1]): (int(match[2]), int(match[3])) for key in state if (match := re.match(_LAYER, key))}
    for number in range(max(1, len(found))):
        if number not in found:
            raise BadWeights(f"these weights lack the layer 'synthesis.L{number}_…'")
    return [found[number] for number in range(len(found))]
