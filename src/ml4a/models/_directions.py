"""Directions in which a generator's pictures change in one respect: found in its weights, in its styles, or from files.

In the weights: Shen & Zhou, Closed-Form Factorization of Latent Semantics in GANs (SeFa), CVPR 2021, arXiv:2007.06600.
In the styles: Härkönen et al., GANSpace, NeurIPS 2020, arXiv:2004.02546.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue, BadWeights

from . import _mapping

if TYPE_CHECKING:
    import torch

    from ml4a.media.latents import Latents

Array: TypeAlias = np.ndarray[Any, Any]

_SUFFIX = ".safetensors"
_MOST = 1 << 24
"""Numbers in one value."""


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """Ways to go in the space of styles, the most telling first.

    Args:
        kind: How they were found: `"sefa"`, `"pca"`, `"difference"`, `"file"`.
        vectors: count×w_dim, or count×num_ws×w_dim where they differ from layer to layer. Kept as float32.
        scales: count numbers: how far an amount of 1 goes along each.
        layers: The layers that they are meant for; None is all.

    Raises:
        BadValue: they are of another shape, or not finite.
    """

    kind: str
    vectors: Array
    scales: Array
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        vectors, scales = (np.array(each, np.float32) for each in (self.vectors, self.scales))
        if vectors.ndim not in (2, 3) or 0 in vectors.shape or scales.shape != vectors.shape[:1]:
            raise BadValue(f"directions are n×d or n×layers×d numbers with n scales, not {_times(vectors.shape)}")
        if not (np.isfinite(vectors).all() and np.isfinite(scales).all()):
            raise BadValue("directions are finite numbers; these have NaN or infinity among them")
        for name, array in (("vectors", vectors), ("scales", scales)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, which: int | slice) -> Directions:
        """One of them, or some.

        Raises:
            BadValue: there is none of that number.
        """
        if isinstance(which, int) and not 0 <= which < len(self):
            raise BadValue(f"there are {len(self)} directions, numbered from 0; there is no {which}")
        part = slice(which, which + 1) if isinstance(which, int) else which
        return Directions(self.kind, self.vectors[part], self.scales[part], self.layers)


def sefa(network: Any, count: int | None = None, layers: Sequence[int] | None = None) -> Directions:
    """The directions that change the layers' styles the most, in closed form from the weights alone.

    Args:
        network: A StyleGAN.
        count: How many; by default all w_dim.
        layers: Of which layers, by the number of their w: early ones have shapes, late ones colours. By default all.

    Returns:
        Orthonormal directions; an amount of 1 is the standard deviation of styles along each.

    Raises:
        BadValue: there are no such layers, or not so many directions.
    """
    chosen = _chosen(layers, network.num_ws)
    matrices = [matrix.double().cpu().numpy() for number, matrix in network.styles() if number in chosen]
    if not matrices:
        raise BadValue(f"no layer of the network takes its style from w number {', '.join(map(str, chosen))}")
    rows = np.concatenate(matrices)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    _, vectors = np.linalg.eigh(rows.T @ rows)  # the smallest eigenvalue first
    vectors = _signed(vectors.T[::-1][: _checked_count(count, network.w_dim)])
    scales = (_styles(network, _mapping.MANY, 0, chosen) @ vectors.T).std(axis=0)
    return Directions("sefa", vectors, scales, None if layers is None else chosen)


def pca(
    network: Any,
    count: int | None = None,
    layers: Sequence[int] | None = None,
    *,
    samples: int = _mapping.MANY,
    seed: int = 0,
) -> Directions:
    """The directions in which styles spread the most.

    Args:
        network: A StyleGAN.
        count: How many; by default all w_dim, or one less than there are samples.
        layers: For which layers they are meant; of the few networks that give each layer another style, the mean over
            these is looked at. By default all.
        samples: Styles that are drawn, at least 2.
        seed: Of these.

    Returns:
        Orthonormal directions; an amount of 1 is the standard deviation of styles along each.

    Raises:
        BadValue: there are no such layers, or not so many directions.
    """
    chosen = _chosen(layers, network.num_ws)
    if samples < 2:
        raise BadValue(f"how styles spread is seen in 2 samples or more, not in {samples}")
    styles = _styles(network, samples, seed, chosen)
    _, lengths, vectors = np.linalg.svd(styles - styles.mean(axis=0), full_matrices=False)
    count = _checked_count(count, min(samples - 1, network.w_dim))
    scales = lengths[:count] / np.sqrt(samples - 1)
    return Directions("pca", _signed(vectors[:count]), scales, None if layers is None else chosen)


def own(network: Any, along: Latents) -> Directions:
    """A direction that somebody brings along: an amount of 1 is all of it.

    Args:
        network: A StyleGAN.
        along: One of w or w+; what is called z because nothing else is known of it is w.

    Raises:
        BadValue: it is more than one, or does not fit the network.
    """
    shape, due = along.values.shape, (network.num_ws, network.w_dim)
    if shape[0] != 1 or shape[1:] not in (due, due[1:]):
        raise BadValue(
            f"a direction of one's own is one of {due[1]} or {_times(due)} numbers here; this is {_times(shape)}"
        )
    return Directions("file", along.values, np.ones(1))


def load(path: str | os.PathLike[str]) -> Directions:
    """Directions from a file: one array, d, n×d or n×layers×d; or a boundary of IDInvert.

    Raises:
        NotFound: there is no such file.
        BadWeights: it holds something else, or is broken or unsafe.
    """
    from ml4a import weights

    archive = weights.formats.read(path)
    arrays = archive.arrays()
    try:
        if len(arrays) != 1:
            raise BadValue(f"it has {len(arrays)} arrays, where one is due")
        (vectors,) = arrays.values()
        if vectors.dtype.kind not in "fiu" or vectors.size > _MOST:
            raise BadValue(f"directions are at most {_MOST} real numbers, not {vectors.size} of {vectors.dtype}")
        vectors = vectors[None] if vectors.ndim == 1 else vectors
        about = archive.metadata.get("meta_data")
        layers = _layers_in(about.get("manipulate_layers") if isinstance(about, dict) else None)
        return Directions("file", vectors, np.ones(len(vectors)), layers)
    except BadValue as error:
        raise BadWeights(f"{path} holds no directions: {error}") from None


def moved(ws: torch.Tensor, direction: Directions, amount: float, layers: Sequence[int] | None = None) -> torch.Tensor:
    """Styles moved along a direction.

    Args:
        ws: N×num_ws×w_dim.
        direction: One.
        amount: How far, in the direction's own measure.
        layers: In which layers; by default in those that it is meant for. The others stay.

    Returns:
        N×num_ws×w_dim.

    Raises:
        BadValue: it is not one direction or does not fit, or there are no such layers.
    """
    import torch

    shape = direction.vectors.shape
    if shape[0] != 1 or shape[1:] not in (tuple(ws.shape[1:]), tuple(ws.shape[2:])):
        raise BadValue(f"{_times(shape)} numbers are no direction for styles of {_times(tuple(ws.shape[1:]))}")
    chosen = list(_chosen(direction.layers if layers is None else layers, ws.shape[1]))
    way = torch.from_numpy(direction.vectors[0] * direction.scales[0]).to(ws).expand(ws.shape[1:])
    result = ws.clone()
    result[:, chosen] += amount * way[chosen]
    return result


def _styles(network: Any, samples: int, seed: int, layers: tuple[int, ...]) -> Array:
    """N×w_dim float64; where layers have different styles, their mean."""
    drawn = _mapping.drawn(network, samples, seed)
    return np.concatenate([ws[:, list(layers)].cpu().double().mean(dim=1).numpy() for ws in drawn])


def _chosen(layers: Sequence[int] | None, count: int) -> tuple[int, ...]:
    """The numbers of the layers that are meant, in order, each once."""
    if layers is None:
        return tuple(range(count))
    if not layers or not all(0 <= number < count for number in layers):
        raise BadValue(f"layers are numbers from 0 to {count - 1}, at least one, not {list(layers)}")
    return tuple(sorted(set(layers)))


def _layers_in(value: Any) -> tuple[int, ...] | None:
    """What a file says of layers: their numbers in a list."""
    if isinstance(value, list) and value and all(type(each) is int and each >= 0 for each in value):
        return tuple(value)
    if value is None:
        return None
    raise BadValue("what it says of layers is no list of their numbers")


def _signed(vectors: Array) -> Array:
    """Each turned so that its largest number is above 0: which way a direction points is chance otherwise."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return np.where(largest < 0, -vectors, vectors)


def _checked_count(count: int | None, most: int) -> int:
    if count is not None and not 1 <= count <= most:
        raise BadValue(f"there are 1 to {most} directions, not {count}")
    return most if count is None else count


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "no"
