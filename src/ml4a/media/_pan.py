"""The sample film: three seconds of a camera that drifts over a photograph, with a soft chord."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (640, 360)
RATE = 25
SECONDS = 3
SOUND_RATE = 48000

_VIEWS = ((0.52, 0.60, 0.94), (0.44, 0.42, 0.70))
"""First and last view: the middle (x, y) and the width, as parts of the photograph's sides."""
_CHORD = (110.0, 164.81, 220.0, 277.18, 329.63)
"""Hertz."""


def render(photograph: Path, target: Path) -> None:
    """Write the film over `photograph` to `target`, an MP4 file."""
    import av
    from av.codec.context import Flags

    # Bit-exact and on one thread, so that the same machine always makes the same file.
    with av.open(str(target), "w", format="mp4", options={"fflags": "+bitexact", "movflags": "+faststart"}) as film:
        pictures: Any = film.add_stream("libx264", RATE, width=SIZE[0], height=SIZE[1], pix_fmt="yuv420p")
        pictures.options = {"crf": "18", "preset": "medium"}
        pictures.codec_context.thread_count = 1
        pictures.codec_context.flags |= Flags.bitexact
        sound: Any = film.add_stream("aac", SOUND_RATE, layout="stereo")
        sound.codec_context.flags |= Flags.bitexact
        for view in frames(photograph):
            film.mux(pictures.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        film.mux(pictures.encode())
        samples = av.AudioFrame.from_ndarray(chord(), format="fltp", layout="stereo")
        samples.sample_rate = SOUND_RATE
        film.mux(sound.encode(samples))
        film.mux(sound.encode())


def frames(photograph: Path) -> list[np.ndarray[Any, Any]]:
    """H×W×3 uint8 frames: each is one view of the photograph, resampled once."""
    with Image.open(photograph) as opened:
        photo = opened.convert("RGB")
    first, last = (np.array(view) for view in _VIEWS)
    views = []
    for t in np.linspace(0, 1, RATE * SECONDS):
        x, y, width = first + (last - first) * t * t * (3 - 2 * t)
        middle = np.array([x * photo.width, y * photo.height])
        half = width * photo.width / 2 * np.array([1, SIZE[1] / SIZE[0]])
        left, top, right, bottom = (*(middle - half), *(middle + half))
        views.append(np.asarray(photo.resize(SIZE, Image.Resampling.BICUBIC, box=(left, top, right, bottom))))
    return views


def chord() -> np.ndarray[Any, Any]:
    """2×N float32 samples: sines that swell and fade, a little apart left and right."""
    t = np.arange(SOUND_RATE * SECONDS) / SOUND_RATE
    swell = np.sin(np.pi * t / SECONDS) ** 0.7
    sides = [
        sum(np.sin(2 * np.pi * pitch * (1 + drift) * t) / (2 + number) for number, pitch in enumerate(_CHORD))
        for drift in (-0.0008, 0.0008)
    ]
    return (0.12 * swell * np.stack(sides)).astype(np.float32)
