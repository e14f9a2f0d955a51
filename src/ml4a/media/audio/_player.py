"""Sounds in a notebook: the waveform, and a player that needs no file beside it."""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from . import _mix, _picture, _write

LONGEST = 30
"""Seconds that are put into a page: about a megabyte as MP3."""
_WIDTH, _LANE_HEIGHT, _MOST_LANES = 800, 80, 4


def page(samples: np.ndarray[Any, Any], rate: int, color: str, background: str, *, autoplay: bool = False) -> str:
    """HTML that shows all of the sound, and plays its first half minute."""
    shown = samples if samples.shape[1] <= _MOST_LANES else _mix.stereo(samples)
    size = (_WIDTH, _LANE_HEIGHT * shown.shape[1] + 20)
    png = io.BytesIO()
    _picture.waveform(shown, rate, size, color, background).save(png, "PNG")
    seconds = len(samples) / rate
    channels = {1: "mono", 2: "stereo"}.get(samples.shape[1], f"{samples.shape[1]} channels")
    words = f"{seconds:.2f} s, {rate} Hz, {channels}"
    if seconds > LONGEST:
        words += f"; the player holds the first {LONGEST} s"
    return (
        f'<figure style="margin: 0; max-width: {_WIDTH}px">'
        f'<img style="width: 100%" alt="waveform" src="{_inline("image/png", png.getvalue())}">'
        f'<audio controls{" autoplay" if autoplay else ""} style="width: 100%"'
        f' src="{_inline("audio/mpeg", _mp3(samples[: LONGEST * rate], rate))}"></audio>'
        f"<figcaption>{words}</figcaption></figure>"
    )


def _mp3(samples: np.ndarray[Any, Any], rate: int) -> bytes:
    pair = samples if samples.shape[1] <= 2 else _mix.stereo(samples)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.mp3"
        _write.write(path, pair, rate, bits=None, name="the player")
        return path.read_bytes()


def _inline(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
