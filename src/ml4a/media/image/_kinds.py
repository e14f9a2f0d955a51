"""The three kinds of picture in memory – PIL image, NumPy array, torch tensor – and the ways between them.

torch is never imported: whoever holds a tensor has imported it already.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageFile

from ml4a._core.errors import BadValue

from . import _icc, _orientation

if TYPE_CHECKING:
    import torch

Loaded: TypeAlias = "Image.Image | np.ndarray[Any, Any] | torch.Tensor"
KindName: TypeAlias = Literal["pil", "array", "tensor"]

_SLACK = 0.5
"""How far a float picture may leave [0, 1] (a sharpened edge does) before it must be a mistake (0–255, ±1)."""


def is_loaded(picture: Any) -> bool:
    """Whether `picture` is in memory, rather than named by a path or URL or still encoded."""
    return not isinstance(picture, str | bytes | os.PathLike)


def kind_of(picture: Any) -> KindName:
    """The kind of picture that comes out when `picture` goes in: paths, URLs and label maps give PIL images.

    Raises:
        BadValue: no picture at all.
    """
    if not is_loaded(picture) or isinstance(picture, Image.Image) or hasattr(picture, "to_image"):
        return "pil"
    if isinstance(picture, np.ndarray):
        return "array"
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(picture, torch.Tensor):
        return "tensor"
    raise BadValue(
        f"a picture is a path, a URL, a PIL image, an array or a tensor, not {type(picture).__name__}",
    )


def to_array(picture: Loaded) -> np.ndarray[Any, Any]:
    """`picture` as H×W×C float32 in [0, 1], C = 3, or 4 with alpha.

    Raises:
        BadValue: its shape, type or range is no picture's.
    """
    array = as_float(picture)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if array.shape[2] == 2:
        return np.concatenate([np.repeat(array[:, :, :1], 3, axis=2), array[:, :, 1:]], axis=2)
    return array


def as_float(picture: Loaded) -> np.ndarray[Any, Any]:
    """Like `to_array`, but a grey array stays grey: H×W stays H×W, and C may be 1 to 4.

    Raises:
        BadValue: its shape, type or range is no picture's.
    """
    kind = kind_of(picture)
    if kind == "pil":
        return _unit(np.asarray(to_pil(picture)))
    if kind == "tensor":
        return np.ascontiguousarray(_unit(_tensor_as_array(picture)))
    return _unit(_checked(picture))


def to_pil(picture: Loaded) -> Image.Image:
    """`picture` as a PIL image in sRGB, mode RGB or RGBA. Values are rounded to 8 bits, not truncated.

    An image fresh from `Image.open` is turned upright, as `image.load` would have done.
    """
    shown = getattr(picture, "to_image", None)  # of what can be shown as a picture, such as a label map
    if shown is not None:
        return shown()
    if isinstance(picture, Image.Image):
        return _icc.to_srgb(_orientation.upright(picture) if isinstance(picture, ImageFile.ImageFile) else picture)
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8:
        array = _checked(picture)
    else:
        array = (to_array(picture) * 255 + 0.5).astype(np.uint8)
    image = Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)
    return image if image.mode in ("RGB", "RGBA") else image.convert("RGBA" if image.mode == "LA" else "RGB")


def as_kind(array: Any, kind: KindName) -> Any:
    """An H×W×C float32 array in [0, 1] as a PIL image, as itself, or as a C×H×W tensor on the CPU."""
    if kind == "array":
        return array
    if kind == "pil":
        return to_pil(array)
    planes = array[:, :, None] if array.ndim == 2 else array
    return sys.modules["torch"].from_numpy(np.ascontiguousarray(planes.transpose(2, 0, 1)))


def _checked(array: Any) -> np.ndarray[Any, Any]:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)) or array.size == 0:
        raise BadValue(f"a picture's array is H×W or H×W×C with 1 to 4 channels, not {_times(array.shape)}")
    return array


def _tensor_as_array(tensor: Any) -> np.ndarray[Any, Any]:
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 2, 3, 4) or tensor.numel() == 0:
        hint = "; give one picture of the batch, tensor[0]" if tensor.ndim == 4 else ""
        raise BadValue(f"a picture's tensor is C×H×W with 1 to 4 channels, not {_times(tensor.shape)}{hint}")
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()
    return tensor.numpy().transpose(1, 2, 0)


def _unit(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Values of any picture's type as float32 in [0, 1]."""
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if array.dtype == np.uint16:
        return array.astype(np.float32) / np.float32(65535)
    if array.dtype == np.bool_:
        return array.astype(np.float32)
    if array.dtype.kind != "f":
        raise BadValue(f"a picture's values are uint8, uint16, bool or floats in [0, 1], not {array.dtype}")
    array = array.astype(np.float32, copy=False)
    low, high = float(array.min()), float(array.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):  # also false for NaN
        raise BadValue(f"a float picture's values are in [0, 1]; these reach from {low:g} to {high:g}")
    return array if low >= 0 and high <= 1 else array.clip(0, 1)


def _times(shape: Any) -> str:
    return "×".join(str(side) for side in shape) or "a single value"
