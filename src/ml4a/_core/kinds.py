"""The kinds of value that models take and give, as annotations that exist at run time without torch.

A signature says `picture: Picture`; type checkers see the union, the command line and the studio see the `Kind`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Kind:
    """Marks a parameter as a medium rather than a number, a choice or a text."""

    name: str


if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import PIL.Image
    import torch

    from ml4a.media.audio import Sound
    from ml4a.media.latents import Latents
    from ml4a.media.video import Clip

    Picture: TypeAlias = str | os.PathLike[str] | PIL.Image.Image | np.ndarray[Any, Any] | torch.Tensor
    Pictures: TypeAlias = Picture | Sequence[Picture]
    Style: TypeAlias = Picture | int | dict[int, float]
    Film: TypeAlias = Picture | Clip
    SoundLike: TypeAlias = str | os.PathLike[str] | bytes | Sound
    Text: TypeAlias = str | Path
    LatentsLike: TypeAlias = str | os.PathLike[str] | np.ndarray[Any, Any] | Latents
else:
    Picture = Annotated[Any, Kind("picture")]
    """A path, a URL, `sample:NAME`, a PIL image, an H×W[×C] uint8 or float array, a C×H×W float tensor in [0, 1]."""
    Pictures = Annotated[Any, Kind("pictures")]
    """A `Picture`, or a list or tuple of them; the operation gets a tuple."""
    Style = Annotated[Any, Kind("style")]
    """A `Picture`, or the number of a built-in style (`19`), or a blend of them (`"3:0.5,12:0.5"`)."""
    Film = Annotated[Any, Kind("film")]
    """A film, by path, URL or `Clip`; or a `Picture`. The operation gets a `Clip`, or the picture."""
    SoundLike = Annotated[Any, Kind("sound")]
    """A sound, by path, URL, the bytes of a file, or `Sound`; the operation gets a `Sound`."""
    Text = Annotated[Any, Kind("text")]
    """What is to be said, or the `pathlib.Path` of a text file; the operation gets the text."""
    LatentsLike = Annotated[Any, Kind("latents")]
    """`Latents`, the path of a file of them, or an array: N×D are z, N×L×D are w+. The operation gets `Latents`."""
