"""What a generator makes pictures of, as a value: numbers, the space that they are from, and what made them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

import numpy as np

from ml4a._core import files
from ml4a._core.errors import BadMedia, BadValue, BadWeights, NotFound, UnknownName
from ml4a._core.params import Range
from ml4a._core.record import Record
from ml4a._core.record import enabled as records_enabled
from ml4a.weights import formats
from ml4a.weights.formats import safetensors
from ml4a.weights.formats.archive import Tensor

from .._checked import checked

Space: TypeAlias = Literal["z", "w", "w+"]
Array: TypeAlias = np.ndarray[Any, Any]

_DIMENSIONS = {"z": (2,), "w": (2,), "w+": (3,)}
_MOST = 1 << 28
"""Numbers in one value: 1 GiB, which are 1300 of Glow's codes and 29,000 of StyleGAN's."""
_KEY = "latents"
_SUFFIX = ".safetensors"
_ARRAYS = (".npy", ".npz")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Latents:
    """N points of a generator's space.

        Latents(np.zeros((3, 512)))                       # three z, normally distributed where they are drawn
        Latents(w, "w+").save("portrait.safetensors")     # N×L×512: one w for each of L layers

    Args:
        values: N×D floats of the spaces `"z"` (what is drawn) and `"w"` (what StyleGANs make of it), N×L×D of `"w+"`.
            Copied unless read-only; kept as float32.
        space: Which space they are from.
        record: What made them, if a model did; of what is made of them by hand it does not tell.

    Raises:
        BadValue: none, a wrong shape, NaN or infinity, no such space.
    """

    values: Array
    space: Space = "z"
    record: Record | None = None

    def __post_init__(self) -> None:
        if self.space not in get_args(Space):
            raise UnknownName("space of latents", self.space, get_args(Space))
        object.__setattr__(self, "values", _checked_values(self.values, self.space))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, which: int | slice | list[int] | Array) -> Latents:
        """Some of them, still N×…: of one, N is 1."""
        try:
            chosen = self.values[[which]] if isinstance(which, int | np.integer) else self.values[which]
        except IndexError:
            raise BadValue(f"there are {len(self)} latents, counted from 0; {which!r} is none of them") from None
        return Latents(chosen, self.space)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.values, dtype, copy=True) if copy else np.asarray(self.values, dtype)

    def __repr__(self) -> str:
        return f"<Latents {_times(self.values.shape)} of {self.space}>"

    def with_record(self, record: Record | None) -> Latents:
        """The same, whose files tell what made them."""
        return Latents(self.values, self.space, record)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write them, their space and their record as safetensors, which `load` and every other program reads.

        Raises:
            BadValue: the name does not end in `.safetensors`.
            OutputExists: `path` is there already and `overwrite` is false.
            CannotWrite: the disk is full or read-only.
        """
        target = Path(path)
        if target.suffix.lower() != _SUFFIX:
            raise BadValue(f"latents are saved as {_SUFFIX}, not {target.suffix or 'without a suffix'}: {target.name}")
        metadata = {"space": self.space}
        if self.record is not None and records_enabled():
            metadata["record"] = self.record.to_json()
        with files.atomic(target, overwrite=overwrite) as temporary, temporary.open("wb") as file:
            safetensors.write({_KEY: Tensor.from_numpy(self.values)}, metadata, file.write)
        return target


def load(path: str | os.PathLike[str]) -> Latents:
    """The latents in a file: as `Latents.save` writes it, or `.npy` and `.npz` of one array.

    Of plain arrays, such as the `projected_w.npz` of StyleGAN2's own program, N×D are z and N×L×D are w+.

    Raises:
        NotFound: there is no such file.
        BadMedia: it holds something else, or is broken.
    """
    path = Path(path)
    if not path.exists():
        raise NotFound(f"there is no file of latents {path}; seeds are whole numbers")
    try:
        archive = formats.read(path, "numpy" if path.suffix.lower() in _ARRAYS else "safetensors")
        if len(archive.tensors) != 1:
            raise BadWeights(f"it has {len(archive.tensors)} arrays, where one is due")
        (values,) = archive.arrays().values()
        space = archive.metadata.get("space", "w+" if values.ndim == _DIMENSIONS["w+"][0] else "z")
        text = archive.metadata.get("record")
        return Latents(values, space, None if text is None else Record.from_json(text))
    except (BadWeights, BadValue) as error:
        raise BadMedia(f"{path} holds no latents: {error}") from None


def as_latents(value: Any) -> Latents:
    """`value` as latents: they themselves, an array (N×D are z, N×L×D are w+), or the path of a file of them.

    Raises:
        BadValue: it is nothing of that.
        NotFound, BadMedia: as `load`.
    """
    if isinstance(value, Latents):
        return value
    if isinstance(value, str | os.PathLike):
        return load(value)
    if not hasattr(value, "__array__"):
        raise BadValue(f"latents are Latents, an array or the path of a file of them, not {type(value).__name__}")
    array = np.asarray(value)
    return Latents(array, "w+" if array.ndim == _DIMENSIONS["w+"][0] else "z")


def mean(latents: Any) -> Latents:
    """The middle of several: one."""
    given = as_latents(latents)
    return Latents(given.values.mean(axis=0, keepdims=True, dtype=np.float64), given.space)


@checked
def nearest(latents: Any, to: Any, count: Annotated[int, Range(1, None)] = 1) -> Array:
    """Which of `latents` are the nearest to one other, the nearest first: their indices, to choose by.

        walls[latents.nearest(walls, mine, 3)]

    Args:
        latents: Among which to look.
        to: One of the same space.
        count: How many; more than there are is all.

    Raises:
        BadValue: `to` is not one, or of another shape.
    """
    among, one = as_latents(latents).values, as_latents(to).values
    if one.shape != (1, *among.shape[1:]):
        raise BadValue(f"the nearest is looked for to one of {_times(among.shape[1:])}, not {_times(one.shape)}")
    distances = ((among - one).astype(np.float64) ** 2).reshape(len(among), -1).sum(axis=1)
    return np.argsort(distances, kind="stable")[:count]


@checked
def truncated(
    latents: Any,
    center: Any,
    psi: Annotated[float, Range(-10, 10)] = 0.7,
    cutoff: Annotated[int | None, Range(0, None)] = None,
) -> Latents:
    """Latents moved towards a middle: less strange pictures, and less different ones.

    Args:
        latents: N of any space.
        center: One of that space, or of `"w"` for those of `"w+"`: a generator's mean.
        psi: The share of the way that is left: 1 changes nothing, 0 is `center` itself, below 0 is beyond it.
        cutoff: Of `"w+"`, how many layers, from the coarsest on, are moved; by default all.

    Raises:
        BadValue: `center` fits none of them.
    """
    given = as_latents(latents)
    middle = np.asarray(center.values if isinstance(center, Latents) else center, np.float32)
    try:
        moved = middle + psi * (given.values - np.broadcast_to(middle, given.values.shape))
    except ValueError:
        raise BadValue(
            f"a center of {_times(middle.shape)} does not fit latents of {_times(given.values.shape)}"
        ) from None
    if cutoff is not None and given.space == "w+":
        moved[:, cutoff:] = given.values[:, cutoff:]
    return Latents(moved, given.space)


def _checked_values(values: Any, space: Space) -> Array:
    try:
        array = np.asarray(values)
    except ValueError:
        raise BadValue("latents are an array; these are of several shapes") from None
    if array.ndim not in _DIMENSIONS[space] or 0 in array.shape:
        due = "N×L×D" if space == "w+" else "N×D"
        raise BadValue(f"latents of {space} are {due} numbers, not {_times(array.shape)}")
    if array.dtype.kind not in "fiu" or array.size > _MOST:
        raise BadValue(f"latents are at most {_MOST} real numbers, not {array.size} of {array.dtype}")
    if array.dtype != np.float32 or array.flags.writeable:
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise BadValue("latents are finite numbers; these have NaN or infinity among them")
    array.flags.writeable = False
    return array


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"
