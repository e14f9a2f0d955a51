"""Files of tokens: grey PNG pictures of 16 bits, a pixel for each token. Other programs open them, too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4a._core.errors import BadMedia, BadValue

if TYPE_CHECKING:
    import numpy as np

_MOST = 65_535


def save(tokens: np.ndarray[Any, Any], path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """Write h×w tokens, 0 to 65535.

    Args:
        tokens: Whole numbers.
        path: Ends in .png.
        overwrite: Whether a file of that name may be replaced.

    Returns:
        Where it is.

    Raises:
        BadValue: another ending; no tokens.
        OutputExists, CannotWrite: as `image.save`.
    """
    import numpy as np
    from PIL import Image

    from ml4a._core import files

    target = check_name(path)
    values = checked(tokens, _MOST + 1)
    with files.atomic(target, overwrite=overwrite) as temporary:
        Image.fromarray(values.astype(np.uint16)).save(temporary, "PNG")
    return target


def check_name(path: str | os.PathLike[str]) -> Path:
    """The path, if tokens can be saved under that name.

    Raises:
        BadValue: another ending than .png.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise BadValue(f"tokens are saved as .png, which keeps their values, not as {target.name!r}")
    return target


def load(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """Read what `save` wrote: h×w int64.

    Raises:
        NotFound, BadMedia, TooLarge: as `image.load`; also BadMedia if the file has not 16 bits, or has colours.
    """
    import numpy as np

    from ml4a.media import image, sources

    pixels, bits = image.load_deep(path)
    if bits != 16 or pixels.shape[2] != 3 or (pixels != pixels[:, :, :1]).any():
        raise BadMedia(f"{sources.shown(path)} holds no tokens: these are grey pictures of 16 bits")
    return np.rint(pixels[:, :, 0].astype(np.float64) * _MOST).astype(np.int64)


def checked(tokens: Any, below: int) -> np.ndarray[Any, Any]:
    """h×w whole numbers from 0 up and `below` something, int64.

    Raises:
        BadValue: they are anything else.
    """
    import numpy as np

    values = np.asarray(tokens)
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "iu":
        shape = "×".join(map(str, values.shape)) or "a single value"
        raise BadValue(
            f"tokens are an array of whole numbers, height by width, not {shape} of {values.dtype}; "
            "taming_transformers.load_tokens reads them from a file"
        )
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= below:
        raise BadValue(f"tokens are 0 to {below - 1} here; these reach from {low} to {high}")
    return values.astype(np.int64)
