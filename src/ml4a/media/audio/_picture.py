"""Pictures of sound: its waveform, and its spectrum over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ml4a._core.errors import BadValue

from ..signals import number

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
"""Seconds between the marks of the time axis."""
_MARK_WIDTH = 90
"""Pixels from mark to mark, at least."""
_AXIS_HEIGHT = 18
_FONT_SIZE = 10
_TALL = 60
"""Pixels below which a picture has no axis."""

_WINDOW = 0.046
"""Seconds of sound behind each column of a spectrogram."""
LOWEST, FLOOR = 30.0, -80.0
"""Hz and decibels at the lower ends of its scales."""
_FIRE = np.array([(6, 5, 20), (44, 17, 84), (125, 31, 105), (212, 72, 66), (250, 155, 60), (252, 240, 175)], np.float32)
"""Colours from silence to loud, even in lightness."""


def waveform(
    samples: np.ndarray[Any, Any], rate: int, size: tuple[int, int], color: str, background: str
) -> Image.Image:
    """A lane a channel: pale from the lowest to the highest sample of each column, full within their mean power."""
    width, height = size
    axis = _AXIS_HEIGHT if height >= _TALL else 0
    picture = Image.new("RGB", size, background)
    ink, paper = (np.array(ImageColor.getrgb(each)[:3], np.float32) for each in (color, background))
    scale = max(1.0, float(np.abs(samples).max()))
    for channel in range(samples.shape[1]):
        top = (height - axis) * channel // samples.shape[1]
        bottom = (height - axis) * (channel + 1) // samples.shape[1]
        if bottom == top:
            continue
        low, high, power = _columns(samples[:, channel], width, scale)
        pale, full = _coverage(low, high, bottom - top), _coverage(-power, power, bottom - top)
        strength = np.maximum(0.45 * pale, full)[:, :, None]
        lane = paper + (ink - paper) * strength
        picture.paste(Image.fromarray(np.rint(lane).astype(np.uint8)), (0, top))
    if axis:
        _draw_axis(picture, len(samples) / rate, color)
    return picture


def check_band(low: float, high: float, rate: int) -> None:
    """Raise `BadValue` unless a sound at `rate` has pitches from `low` to `high` Hz."""
    if not 0 < number("low", low) < number("high", high) <= rate / 2:
        raise BadValue(f"low and high lie between 0 and {rate / 2:g} Hz, half the rate, not at {low!r} and {high!r}")


def spectrogram(
    samples: np.ndarray[Any, Any], rate: int, size: tuple[int, int], low: float, high: float
) -> Image.Image:
    """Time to the right, pitch upward in octaves, brightness in decibels below the loudest, down to -80."""
    width, height = size
    window = 1 << max(4, round(_WINDOW * rate)).bit_length()
    padded = np.pad(samples.mean(axis=1), window // 2)
    centres = ((np.arange(width) + 0.5) * len(samples) / width).astype(int)
    pitches = high * (low / high) ** (np.arange(height) / max(1, height - 1))
    bins = np.clip(pitches * window / rate, 0, window // 2)
    levels = np.empty((height, width), np.float32)
    for start in range(0, width, 256):  # a few columns at a time, so that memory does not grow with the picture
        cut = padded[centres[start : start + 256, None] + np.arange(window)] * np.hanning(window)
        magnitudes = np.abs(np.fft.rfft(cut, axis=1))
        below = np.minimum(bins.astype(int), window // 2 - 1)
        share = (bins - below)[:, None]
        levels[:, start : start + 256] = magnitudes.T[below] * (1 - share) + magnitudes.T[below + 1] * share
    loudest = float(levels.max()) or 1.0
    decibels = 20 * np.log10(np.maximum(levels / loudest, 1e-5))
    place = np.clip(1 - decibels / FLOOR, 0, 1) * (len(_FIRE) - 1)
    colours = [np.interp(place, np.arange(len(_FIRE)), _FIRE[:, channel]) for channel in range(3)]
    return Image.fromarray(np.stack(colours, axis=2).astype(np.uint8))


def _columns(samples: np.ndarray[Any, Any], width: int, scale: float) -> tuple[np.ndarray[Any, Any], ...]:
    """Lowest, highest and root of the mean square of the samples behind each column."""
    edges = np.linspace(0, len(samples), width + 1).astype(int)
    starts = np.minimum(edges[:-1], len(samples) - 1)
    counts = np.maximum(1, edges[1:] - edges[:-1])
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    power = np.sqrt(np.add.reduceat(np.square(samples), starts) / counts)
    return low / scale, high / scale, power / scale


def _coverage(low: np.ndarray[Any, Any], high: np.ndarray[Any, Any], height: int) -> np.ndarray[Any, Any]:
    """H×W: how much of each pixel lies between the two curves, which are never less than a pixel apart."""
    middle, room = height / 2, height / 2 - 1
    top, bottom = middle - high * room, middle - low * room
    missing = np.maximum(0, 1 - (bottom - top)) / 2
    rows = np.arange(height)[:, None]
    return np.clip(np.minimum(rows + 1, bottom + missing) - np.maximum(rows, top - missing), 0, 1)


def _draw_axis(picture: Image.Image, seconds: float, color: str) -> None:
    width, height = picture.size
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(_FONT_SIZE)
    step = next((step for step in _STEPS if step / seconds * width >= _MARK_WIDTH), _STEPS[-1])
    for mark in range(int(seconds / step) + 1):
        x = round(mark * step / seconds * width)
        label = _clock(mark * step, step)
        if x + 4 + draw.textlength(label, font) > width:
            break
        draw.line([(x, height - _AXIS_HEIGHT + 3), (x, height - 4)], fill=color)
        draw.text((x + 4, height - 4), label, fill=color, font=font, anchor="ls")


def _clock(seconds: float, step: float) -> str:
    """`1:05`, `1:00:05`; with decimals where the marks are closer than a second."""
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    last = f"{rest:05.2f}" if step < 0.1 else f"{rest:04.1f}" if step < 1 else f"{rest:02.0f}"
    return f"{hours}:{minutes:02d}:{last}" if hours else f"{minutes}:{last}"
