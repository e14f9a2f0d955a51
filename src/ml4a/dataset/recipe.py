"""What becomes of one picture: whether it is kept, its copies, what the actions make of them, and the files' bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from ml4a._core.params import Parameter, Range, check
from ml4a.media import image

from . import actions, filters
from .augment import Augmentation
from .inputs import Content, Input, picture_of

Layout: TypeAlias = Literal["output_only", "split", "combined"]
"""The processed picture alone; it as A and the original crop as B; or both in one picture, the processed one left."""
Format: TypeAlias = Literal["png", "jpg"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pictures are good enough.

    Raises:
        BadValue: a number out of its range.
    """

    min_size: int = 0
    """Pixels that both sides of a picture have at least."""
    max_size: int | None = None
    """Pixels that both sides have at most."""
    min_sharpness: float = 0.0
    """What `filters.sharpness` is at least: 100 leaves out what is clearly out of focus."""
    duplicates: int | None = None
    """Of pictures whose hashes differ in at most so many of 64 bits, only the first is kept; None keeps all."""

    def __post_init__(self) -> None:
        for name, (kind, bounds) in _BOUNDS.items():
            object.__setattr__(
                self, name, check(Parameter(name, kind, None, bounds, "", None, True), getattr(self, name))
            )

    @property
    def looks(self) -> bool:
        """Whether pixels have to be looked at to decide."""
        return self.min_sharpness > 0 or self.duplicates is not None

    def refuses(self, width: int, height: int) -> str:
        """Why a picture of this size is not kept, or nothing."""
        if min(width, height) < self.min_size:
            return f"it has {width}x{height} px and the least is {self.min_size}"
        if self.max_size is not None and max(width, height) > self.max_size:
            return f"it has {width}x{height} px and the most is {self.max_size}"
        return ""


_BOUNDS: dict[str, tuple[Any, Range]] = {
    "min_size": (int, Range(0)),
    "max_size": (int | None, Range(1)),
    "min_sharpness": (float, Range(0)),
    "duplicates": (int | None, Range(0, 32)),
}


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """Which face pictures are cut out around, and how much; as of `faces.FaceCrop`."""

    target: str | None = None
    crop: float | None = None
    smooth: float = 1.0

    @property
    def missing(self) -> str:
        """Why a picture without the face is not kept."""
        return "no face was found in it" if self.target is None else "the target's face was not found in it"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How every picture of a data set is made."""

    actions: tuple[str | actions.Action, ...] = ()
    size: tuple[int, int] | None = None
    """(width, height) of what is made; None is that of each picture."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    selection: Selection = field(default_factory=Selection)
    face: FaceOptions | None = None
    layout: Layout = "output_only"
    format: Format = "png"
    quality: int = 97
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a picture is, by which it is kept or not."""

    width: int
    height: int
    sharpness: float | None = None
    hash: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One input, as workers get it."""

    input: Input
    content: Content
    digest: str = ""
    is_cut_out: bool = False
    """Whether the content is what has been cut out around a face already."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of one input."""

    width: int
    """Of the input, in pixels."""
    height: int
    refused: str = ""
    """Why nothing was made."""
    files: tuple[dict[str, bytes], ...] = ()
    """For each copy, what its files end in and their bytes."""


def look(content: Content, name: str) -> Facts:
    """Size, sharpness and perceptual hash of a picture.

    Raises:
        BadMedia, TooLarge: as `image.load`.
    """
    picture = picture_of(content, name)
    return Facts(picture.width, picture.height, filters.sharpness(picture), filters.perceptual_hash(picture))


def begin_looking() -> Callable[[Task], Facts]:
    """What workers begin with where pixels have to be looked at before anything is made."""
    return lambda task: look(task.content, task.input.key)


def begin_making(recipe: Recipe) -> Callable[[Task], Made]:
    """What workers begin with: models are loaded, and pictures are made."""
    target = None if recipe.face is None else recipe.face.target
    chain = actions.chain(recipe.actions, target_face=target)
    # One that follows must see all frames, one after the other, and so does not work here.
    face = None if recipe.face is None else face_crop(dataclasses.replace(recipe.face, smooth=1.0), recipe.size)
    return lambda task: make(recipe, chain, face, task)


def face_crop(options: FaceOptions, size: tuple[int, int] | None) -> Any:
    """What cuts pictures out around a face, in the shape of the result."""
    from .faces import FaceCrop

    shape = 1.0 if size is None else size[0] / size[1]
    return FaceCrop(target=options.target, crop=options.crop, smooth=options.smooth, ratio=shape)


def make(recipe: Recipe, chain: actions.Action, face: Any, task: Task) -> Made:
    """The files of one input.

    Args:
        recipe: How they are made.
        chain: Its actions, loaded.
        face: What cuts out around a face, or None.
        task: The input.

    Raises:
        BadMedia, TooLarge: the input cannot be read.
        Ml4aError: what the actions raise.
    """
    picture = picture_of(task.content, task.input.key)
    width, height = picture.size
    refused = "" if task.is_cut_out else recipe.selection.refuses(width, height)
    if refused:
        return Made(width, height, refused)
    if recipe.face is not None and not task.is_cut_out:
        found = face(picture)
        if found is None:
            return Made(width, height, recipe.face.missing)
        picture = image.to_picture(found).convert("RGB")
    copies = recipe.augmentation.copies(picture, recipe.size, recipe.seed, task.input.key)
    return Made(width, height, files=tuple(_files(recipe, chain, copy) for copy in copies))


def _files(recipe: Recipe, chain: actions.Action, original: Image.Image) -> dict[str, bytes]:
    """The files of one copy, by what they end in."""
    processed = _in_bytes(chain(np.asarray(original, np.float32) / 255)) if recipe.actions else original
    if recipe.layout == "split":
        return {f"A.{recipe.format}": _encoded(recipe, processed), f"B.{recipe.format}": _encoded(recipe, original)}
    if recipe.layout == "combined":
        processed = side_by_side(processed, original)
    return {recipe.format: _encoded(recipe, processed)}


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two pictures in one, the right one in the size of the left one."""
    if right.size != left.size:
        right = right.resize(left.size, Image.Resampling.BICUBIC)
    both = Image.new("RGB", (left.width * 2, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def _in_bytes(picture: np.ndarray[Any, Any]) -> Image.Image:
    return Image.fromarray(np.rint(picture * 255).astype(np.uint8))


def _encoded(recipe: Recipe, picture: Image.Image) -> bytes:
    return image.encode(picture, f".{recipe.format}", quality=recipe.quality)
