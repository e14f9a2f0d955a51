"""Colour profiles: whatever a picture's colours are described in, they become sRGB.

8-bit pictures go through Little CMS (`to_srgb`). It offers Pillow no 16-bit RGB, so deep pictures are converted here
in floats (`array_to_srgb`), which is exact for the profiles that such files carry: matrix and tone curves, ICC.1:2010.
"""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from ml4a._core.devices import say_once
from ml4a._core.errors import BadValue

_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_UNUSABLE = "a picture's colour profile cannot be used; its colours are taken as sRGB"
_D50_TO_SRGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)
"""XYZ of the profile connection space to linear sRGB: Bradford-adapted, from IEC 61966-2-1's primaries."""

Curve = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def to_srgb(picture: Image.Image) -> Image.Image:
    """Any PIL image as RGB or RGBA in sRGB; one that is so already is returned as it is.

    Raises:
        BadValue: a mode without an agreed range of values (`I`, `F`).
    """
    profile = picture.info.get("icc_profile")
    if picture.mode in ("RGB", "RGBA") and not profile and "transparency" not in picture.info:
        return picture
    if picture.mode in ("I", "F"):
        raise BadValue(f"a PIL image of mode {picture.mode} has no agreed range; give an array of floats in [0, 1]")
    if picture.mode.startswith("I;16"):
        high = (np.asarray(picture).astype(np.uint32) * 255 + 32767) // 65535
        picture = Image.fromarray(high.astype(np.uint8))
    elif picture.mode == "La":
        picture = picture.convert("LA")
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    colour = _without_alpha(picture)
    colour = (_convert(colour, profile) if profile else None) or _plain_rgb(colour)
    if alpha is not None:
        colour.putalpha(alpha)
    colour.info = {}
    return colour


def array_to_srgb(array: np.ndarray[Any, Any], profile: bytes | None) -> np.ndarray[Any, Any]:
    """The colours of an H×W×C float32 array in [0, 1] (C = 1 to 4, alpha last if even) as sRGB; alpha is kept.

    A profile that is no matrix profile, or none for this number of channels, is said to be unusable and left out.
    """
    if not profile:
        return array
    colours = array.shape[2] - (array.shape[2] % 2 == 0)
    try:
        if colours == 3 and _changes_nothing(_transform(ImageCms.ImageCmsProfile(io.BytesIO(profile)), "RGB")):
            return array
        linear = _linear_srgb(array[:, :, :colours].astype(np.float64), _tags(profile))
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError, IndexError, struct.error):
        say_once(_UNUSABLE)
        return array
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.concatenate([encoded.astype(np.float32), array[:, :, colours:]], axis=2)


def _without_alpha(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGB", "L", "CMYK", "LAB"):
        colour = picture.copy()
    elif picture.mode in ("1", "LA"):
        colour = picture.convert("L")
    else:
        colour = (picture.convert("RGBA") if picture.mode in ("P", "PA", "RGBa") else picture).convert("RGB")
    colour.info = {}
    return colour


def _plain_rgb(colour: Image.Image) -> Image.Image:
    if colour.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _transform(lab, "LAB").apply(colour)
    return colour.convert("RGB")


def _convert(colour: Image.Image, data: bytes) -> Image.Image | None:
    """`colour` through its profile as RGB; None if the profile cannot be used."""
    try:
        profile: Any = ImageCms.ImageCmsProfile(io.BytesIO(data))
        mode = _SPACES[profile.profile.xcolor_space.strip()]
        if (mode, colour.mode) == ("RGB", "L"):  # cameras' black-and-white pictures
            colour = colour.convert("RGB")
        transform = _transform(profile, mode)
        return colour if mode == "RGB" and _changes_nothing(transform) else transform.apply(colour)
    except (ImageCms.PyCMSError, OSError, KeyError, TypeError, ValueError):
        say_once(_UNUSABLE)
        return None


def _transform(profile: Any, mode: str) -> ImageCms.ImageCmsTransform:
    # What Photoshop does by default; for matrix profiles all intents are the same.
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.buildTransform(profile, _srgb_profile(), mode, "RGB", intent, flags)


@functools.cache
def _srgb_profile() -> Any:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a profile is sRGB under whatever name, so that not even rounding should touch the pixels."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(27, 27, 3)
    moved = np.asarray(transform.apply(Image.fromarray(lattice)))
    return int(np.abs(moved.astype(int) - lattice).max()) <= 1


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """An ICC profile's tagged elements, by signature."""
    (count,) = struct.unpack_from(">I", profile, 128)
    if count > 100:
        raise ValueError("more tags than a profile has")
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(count)]
    return {signature: profile[offset : offset + size] for signature, offset, size in entries}


def _linear_srgb(colours: np.ndarray[Any, Any], tags: dict[bytes, bytes]) -> np.ndarray[Any, Any]:
    if colours.shape[2] == 1:
        if b"kTRC" not in tags:  # a grey picture with an RGB profile: its tone curve is what counts
            return _curve(tags[b"gTRC"])(colours)
        return _curve(tags[b"kTRC"])(colours)
    if b"A2B0" in tags and b"rXYZ" not in tags:
        raise ValueError("a table profile")
    channels = [_curve(tags[name])(colours[:, :, index]) for index, name in enumerate((b"rTRC", b"gTRC", b"bTRC"))]
    to_xyz = np.array([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]).T
    return np.stack(channels, axis=-1) @ (_D50_TO_SRGB @ to_xyz).T


def _xyz(tag: bytes) -> list[float]:
    return [value / 65536 for value in struct.unpack_from(">3i", tag, 8)]


def _curve(tag: bytes) -> Curve:
    """A tone curve, encoded to linear: `curv` (a gamma or a table) or `para` (ICC.1:2010, 10.5 and 10.15)."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return lambda x: x
        if count == 1:
            (gamma,) = struct.unpack_from(">H", tag, 12)
            return lambda x: x ** (gamma / 256)
        table = np.frombuffer(tag, ">u2", count, 12) / 65535
        return lambda x: np.interp(x, np.linspace(0, 1, count), table)
    if tag[:4] != b"para":
        raise ValueError("an unknown curve")
    (kind,) = struct.unpack_from(">H", tag, 8)
    lengths = (1, 3, 4, 5, 7)
    g, *rest = (value / 65536 for value in struct.unpack_from(f">{lengths[kind]}i", tag, 12))
    a, b, c, d, e, f = _parametric(kind, rest)
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _parametric(kind: int, values: list[float]) -> tuple[float, float, float, float, float, float]:
    """The five parametric types as one: (a·x + b)^g + e from d on, c·x + f below."""
    if kind == 0:
        return 1, 0, 0, 0, 0, 0
    a, b, *rest = values
    if kind == 1:
        return a, b, 0, -b / a, 0, 0
    if kind == 2:
        return a, b, 0, -b / a, rest[0], rest[0]
    if kind == 3:
        return a, b, rest[0], rest[1], 0, 0
    c, d, e, f = rest
    return a, b, c, d, e, f
