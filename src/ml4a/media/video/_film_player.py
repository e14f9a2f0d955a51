"""A clip in a notebook: a small film inside the page."""

from __future__ import annotations

import base64
import html as escaping
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._clip import Clip

_SECONDS = 10
_HEIGHT = 480
_QUALITY = 70


def html(clip: Clip) -> str:
    """The first seconds of a clip as a `<video>` element, at most 480 pixels high."""
    shown = clip
    said = escaping.escape(repr(clip)[1:-1])
    if clip.duration is None or clip.duration > _SECONDS:
        shown = clip.trim(0, _SECONDS)
        said += f"; here are its first {_SECONDS} s"
    if clip.size[1] > _HEIGHT:
        shown = shown.resize(_HEIGHT)
    with tempfile.TemporaryDirectory() as folder:
        film = shown.save(Path(folder) / "clip.mp4", quality=_QUALITY)
        data = base64.b64encode(film.read_bytes()).decode()
    source = f"data:video/mp4;base64,{data}"
    return f'<div><video controls loop playsinline src="{source}"></video><br><small>{said}</small></div>'
