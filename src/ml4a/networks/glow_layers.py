"""What Glow is made of: steps that mix and shift channels, and what is expected of the channels that are let go.

Everything here is channels × pictures × height × width, so that each layer is one product of matrices for all pixels of
all pictures. Only what passes from step to step exists as a whole; hidden channels are computed for some pixels at a
time, so that they stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadValue, BadWeights

_TAPS = [(row, column) for row in range(3) for column in range(3)]
_AT_ONCE = 512
"""Pixels whose hidden channels are computed together on a processor."""
_LOG_SCALE = 3
"""The original's logarithms of scales are a third of what they stand for, so that they are learnt faster."""


class Patches:
    """The 3×3 neighbourhoods of a level's pixels, as columns of a matrix; kept from step to step.

    Beyond the border everything is 0, and one more channel, 1 there and 0 inside, tells the network so: it is the same
    for all, and its rows are written once, like the last row, all 1, by which biases are multiplied.

    Args:
        channels: That networks of this level see, half of what there are.
        size: (pictures, height, width).
        like: A tensor of the wanted type and device.
    """

    def __init__(self, channels: int, size: tuple[int, ...], like: torch.Tensor) -> None:
        number, height, width = size
        self.size = (number, height, width)
        self.pixels = number * height * width
        self.at_once = _AT_ONCE if like.device.type == "cpu" else self.pixels
        self.columns = like.new_ones(9 * (channels + 1) + 1, self.pixels)
        self._padded = like.new_zeros(channels, number, height + 2, width + 2)
        ring = like.new_ones(number, height + 2, width + 2)
        ring[:, 1:-1, 1:-1] = 0
        for tap, (row, column) in enumerate(_TAPS):
            seen = ring[:, row : row + height, column : column + width]
            self.columns[9 * channels + tap] = seen.reshape(-1)
        self._channels = channels

    def look(self, x: torch.Tensor) -> torch.Tensor:
        """The columns of C×N×H×W: (9·(C+1)+1)×(N·H·W), overwritten by the next."""
        _, height, width = self.size
        self._padded[:, :, 1:-1, 1:-1] = x
        for tap, (row, column) in enumerate(_TAPS):
            part = self.columns[tap * self._channels : (tap + 1) * self._channels].view(x.shape)
            part.copy_(self._padded[:, :, row : row + height, column : column + width])
        return self.columns


class Step(nn.Module):
    """Normalises and mixes all channels, then shifts half of them by what a network makes of the other half.

    Args:
        size: Channels.
        width: Of the network, hidden.
        affine: Whether it scales, too.
        permutation: `"mixing"`, `"shuffle"` or `"reversal"`.
    """

    mix: torch.Tensor
    """C×C, the normalisation included."""
    offset: torch.Tensor
    """C×1."""
    unmix: torch.Tensor
    unoffset: torch.Tensor
    log_volume: torch.Tensor
    """By what mixing changes the logarithm of a pixel's volume."""
    first: torch.Tensor
    """Rows of `Patches` × width."""
    second: torch.Tensor
    """(width + 1) × width, the last row a bias."""
    last: torch.Tensor
    """(width + 1) × (9·outputs): what each pixel gives to its neighbours."""
    ring: torch.Tensor
    """3×3×outputs: what `last` gives for each neighbour beyond the border."""

    def __init__(self, size: int, width: int, affine: bool, permutation: str) -> None:
        super().__init__()
        self.affine = affine
        half, out = size // 2, size if affine else size // 2
        shapes: dict[str, tuple[int, ...]] = {
            "actnorm_center.b": (1, 1, 1, size),
            "actnorm_scale.logs": (1, 1, 1, size),
        }
        if permutation == "mixing":
            shapes["invconv.W"] = (size, size)
        for name, kernel in (("l_1", (3, 3, half + 1, width)), ("l_2", (1, 1, width, width))):
            shapes[f"f1.{name}.W"] = kernel
            shapes[f"f1.{name}.actnorm_center.b"] = shapes[f"f1.{name}.actnorm_scale.logs"] = (1, 1, 1, width)
        _declare(self, shapes | _zeros_shapes("f1.l_last", width + 1, out))
        if permutation == "shuffle":
            _declare(self, dict.fromkeys(("shuffle.indices", "shuffle.indices_inverse"), (size,)), torch.int32)

    def encode(self, z: torch.Tensor, patches: Patches) -> tuple[torch.Tensor, torch.Tensor]:
        """C×N×H×W to the same, and by what the logarithm of each picture's volume changes: N."""
        pixels = z[0, 0].numel()
        z = torch.addmm(self.offset, self.mix, z.flatten(1)).view(z.shape)
        still, moved = z.chunk(2)
        change = (self.log_volume * pixels).expand(z.shape[1])
        if not self.affine:
            moved += self._network(still, patches)
            return z, change
        said = self._network(still, patches)
        logs = F.logsigmoid(said[1::2] + 2)
        moved.add_(said[::2]).mul_(logs.exp())
        return z, change + logs.sum(dim=(0, 2, 3))

    def decode(self, z: torch.Tensor, patches: Patches) -> torch.Tensor:
        """What `encode` was given; `z` is overwritten."""
        still, moved = z.chunk(2)
        said = self._network(still, patches)
        if self.affine:
            moved.div_(torch.sigmoid(said[1::2] + 2)).sub_(said[::2])
        else:
            moved -= said
        return torch.addmm(self.unoffset, self.unmix, z.flatten(1)).view(z.shape)

    def prepare(self, name: str) -> None:
        """Replace the original's variables by what is computed with.

        Args:
            name: What the variables' names begin with.

        Raises:
            BadWeights: channels are mixed in a way that cannot be undone.
        """
        weights = _take(self)
        scale, shift = _scale(weights["actnorm_scale.logs"]), weights["actnorm_center.b"].flatten().double()
        matrix = _permutation(weights, shift, name)
        mix = matrix * scale.double()
        try:
            unmix = torch.linalg.inv(mix)
        except RuntimeError:  # torch.linalg.LinAlgError is one
            raise BadWeights(f"these weights have {name}/invconv/W without an inverse; the file is broken") from None
        _register(self, mix=mix, offset=(mix @ shift)[:, None], unmix=unmix, unoffset=-shift[:, None])
        _register(self, log_volume=torch.linalg.slogdet(mix)[1])
        kernel, shift = _normalised(weights, "f1.l_1")
        _register(self, first=_rows(kernel, shift))
        kernel, shift = _normalised(weights, "f1.l_2")
        _register(self, second=torch.cat((kernel[0, 0], shift[None])))
        kernel, shift = _scaled(weights, "f1.l_last")
        out = kernel.shape[3]
        centre = shift.new_zeros(9, out)
        centre[4] = shift
        inner = kernel[:, :, :-1].permute(2, 0, 1, 3).reshape(-1, 9 * out)
        _register(self, last=torch.cat((inner, centre.view(1, -1))), ring=kernel[:, :, -1].clone())

    def _network(self, x: torch.Tensor, patches: Patches) -> torch.Tensor:
        """C/2×N×H×W to outputs×N×H×W."""
        columns = patches.look(x)
        width, out = self.second.shape[1], self.ring.shape[2]
        at_once = min(patches.at_once, patches.pixels)
        one, two = (x.new_ones(width + 1, at_once) for _ in range(2))
        given = x.new_empty(9 * out, patches.pixels)
        for begin in range(0, patches.pixels, at_once):
            end = min(begin + at_once, patches.pixels)
            a, b = one[:, : end - begin], two[:, : end - begin]
            torch.mm(self.first.t(), columns[:, begin:end], out=a[:-1]).relu_()
            torch.mm(self.second.t(), a, out=b[:-1]).relu_()
            torch.mm(self.last.t(), b, out=given[:, begin:end])
        number, height, width = patches.size
        total = x.new_zeros(out, number, height + 2, width + 2)
        for (row, column), part in zip(_TAPS, given.view(9, out, number, height, width), strict=True):
            total[:, :, 2 - row : 2 - row + height, 2 - column : 2 - column + width] += part
        return add_ring(total[:, :, 1:-1, 1:-1], self.ring)


class Split(nn.Module):
    """Expects something of the channels that are let go, from those that stay.

    Args:
        size: Channels that stay, and that go.
    """

    kernel: torch.Tensor
    """Rows of `Patches` × 2C."""

    def __init__(self, size: int) -> None:
        super().__init__()
        _declare(self, _zeros_shapes("conv", size + 1, 2 * size))

    def expected(self, x: torch.Tensor, patches: Patches) -> tuple[torch.Tensor, torch.Tensor]:
        """C×N×H×W to the mean and the logarithm of the deviation of the others, of the same shape."""
        said = torch.mm(self.kernel.t(), patches.look(x)).view(-1, *x.shape[1:])
        return said[::2], said[1::2]

    def prepare(self, name: str) -> None:
        """Replace the original's variables by what is computed with."""
        _register(self, kernel=_rows(*_scaled(_take(self), "conv")))


class Prior(nn.Module):
    """Expects something of the channels that are left at the end.

    Args:
        size: Channels.
        learned: Whether it depends on the place: at the border, something else is expected.
        classes: Whether, and on how many of them, it depends.
    """

    bias: torch.Tensor
    """2C."""
    ring: torch.Tensor
    """3×3×2C."""
    table: torch.Tensor
    """Classes×2C."""

    def __init__(self, size: int, learned: bool, classes: int) -> None:
        super().__init__()
        self.size, self.learned, self.classes = size, learned, classes
        if learned:
            _declare(self, _zeros_shapes("p", 2 * size + 1, 2 * size))
        if classes:
            _declare(self, {"y_emb.W": (classes, 2 * size), "y_emb.b": (1, 2 * size), "y_emb.logs": (1, 2 * size)})

    def expected(self, size: tuple[int, ...], labels: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean and the logarithm of the deviation, each C×N×H×W.

        Args:
            size: (pictures, height, width).
            labels: N classes; all 0 if left out.

        Raises:
            BadValue: labels of a network without classes, not one a picture, or that are none of the classes.
        """
        said = self.bias[:, None, None, None].repeat(1, *size)
        if self.learned:
            add_ring(said, self.ring)
        if labels is not None and (
            not self.classes or labels.shape != size[:1] or not ((labels >= 0) & (labels < self.classes)).all()
        ):
            raise BadValue(f"labels are {size[0]} whole numbers below {self.classes}, not {labels.tolist()}")
        if self.classes:
            chosen = torch.zeros(size[0], dtype=torch.int64) if labels is None else labels.long()
            said += self.table[chosen.to(said.device)].t()[:, :, None, None]
        mean, logs = said.chunk(2)
        return mean, logs

    def prepare(self, name: str) -> None:
        """Replace the original's variables by what is computed with.

        What `p` sees is a picture of zeros: of its kernel, only what it makes of the border matters.
        """
        weights = _take(self)
        if self.learned:
            kernel, bias = _scaled(weights, "p")
            _register(self, bias=bias, ring=kernel[:, :, -1].clone())
        else:
            _register(self, bias=torch.zeros(2 * self.size))
        if self.classes:
            table = (weights["y_emb.W"] + weights["y_emb.b"]) * _scale(weights["y_emb.logs"])
            _register(self, table=table)


def add_ring(x: torch.Tensor, ring: torch.Tensor) -> torch.Tensor:
    """Add what a 3×3 convolution makes of a channel that is 1 around the picture and 0 inside, in place.

    Args:
        x: C×N×H×W.
        ring: 3×3×C, the kernel.
    """
    kernel = ring[..., None]
    for row, place in ((0, 0), (2, -1)):
        x[:, :, place] += kernel[row].sum(dim=0)[..., None]
    for column, place in ((0, 0), (2, -1)):
        x[:, :, :, place] += kernel[:, column].sum(dim=0)[..., None]
    for row, top in ((0, 0), (2, -1)):
        for column, left in ((0, 0), (2, -1)):
            x[:, :, top, left] -= kernel[row, column]  # which was added twice
    return x


def _permutation(weights: Mapping[str, torch.Tensor], like: torch.Tensor, name: str) -> torch.Tensor:
    """C×C float64: what of each channel comes to each; `like` is C float64."""
    if "invconv.W" in weights:
        return weights["invconv.W"].double().t()
    size = len(like)
    order = torch.arange(size, device=like.device).flip(0)
    if "shuffle.indices" in weights:
        order, back = (weights[f"shuffle.{each}"].long() for each in ("indices", "indices_inverse"))
        if not (like.is_meta or (_is_order(order) and _is_order(back) and _is_order(order[back], turned=False))):
            raise BadWeights(f"these weights have {name}/shuffle/indices that are no order of {size} channels")
    return torch.eye(size, dtype=like.dtype, device=like.device)[order]


def _is_order(indices: torch.Tensor, turned: bool = True) -> bool:
    """Whether each number from 0 on is there once; if not `turned`, also in its place."""
    found = indices.sort().values if turned else indices
    return found.tolist() == list(range(len(indices)))


def _normalised(weights: Mapping[str, torch.Tensor], name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel and bias of a convolution with the normalisation behind it."""
    scale = _scale(weights[f"{name}.actnorm_scale.logs"])
    return weights[f"{name}.W"] * scale, weights[f"{name}.actnorm_center.b"].flatten() * scale


def _scaled(weights: Mapping[str, torch.Tensor], name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel and bias of a convolution that training began with zeros."""
    scale = _scale(weights[f"{name}.logs"])
    return weights[f"{name}.W"] * scale, weights[f"{name}.b"].flatten() * scale


def _scale(logs: torch.Tensor) -> torch.Tensor:
    return torch.exp(_LOG_SCALE * logs.flatten())


def _rows(kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """3×3×(C+1)×F and F in the order of the rows of `Patches`."""
    filters = kernel.shape[3]
    inner, ring = kernel[:, :, :-1].reshape(-1, filters), kernel[:, :, -1].reshape(9, filters)
    return torch.cat((inner, ring, bias[None]))


def _zeros_shapes(name: str, channels: int, filters: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.W": (3, 3, channels, filters), f"{name}.b": (1, 1, 1, filters), f"{name}.logs": (1, filters)}


def _declare(module: nn.Module, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype = torch.float32) -> None:
    """Give a module parameters by their official names."""
    for path, size in shapes.items():
        *parents, name = path.split(".")
        place = module
        for parent in parents:
            if parent not in dict(place.named_children()):
                place.add_module(parent, nn.Module())
            place = place.get_submodule(parent)
        place.register_parameter(name, nn.Parameter(torch.empty(size, dtype=dtype), requires_grad=False))


def _take(module: nn.Module) -> dict[str, torch.Tensor]:
    """Take all parameters out of a module: what is made of them replaces them, and no weight is in memory twice."""
    weights = {name: parameter.detach() for name, parameter in module.named_parameters()}
    for name, _ in list(module.named_children()):
        delattr(module, name)
    return weights


def _register(module: nn.Module, **tensors: torch.Tensor) -> None:
    for name, tensor in tensors.items():
        module.register_parameter(name, nn.Parameter(tensor.float().contiguous(), requires_grad=False))
