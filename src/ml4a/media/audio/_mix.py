"""Arithmetic of samples: channels mixed down, rates converted, ends faded and joined. N×C float32 in and out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ._filters import CHUNK, Filters

_SPEAKERS = {3: "LR.", 4: "LRCc", 5: "LRClr", 6: "LRC.lr", 7: "LRC.clr", 8: "LRC.lrlr"}
"""By number of channels, FFmpeg's usual order: Left, Right, Centre; small letters stand behind; . is the subwoofer."""
_HALF_POWER = np.sqrt(0.5)
_FILTER_SIZE = 128
_FILTER = f"filter_size={_FILTER_SIZE}:cutoff=0.95:filter_type=kaiser:kaiser_beta=12"
"""Flat to 0.9 of the highest frequency, and 120 dB down where it would alias."""


def mono(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """N×C → N×1."""
    if samples.shape[1] == 1:
        return samples
    pair = stereo(samples)
    return (pair[:, :1] + pair[:, 1:]) * np.float32(0.5)


def stereo(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """N×C → N×2. Beyond eight channels, even ones are left and odd ones right."""
    channels = samples.shape[1]
    if channels == 2:
        return samples
    if channels == 1:
        return np.repeat(samples, 2, axis=1)
    speakers = _SPEAKERS[channels] if channels in _SPEAKERS else ("LR" * channels)[:channels]
    weights = np.array([[_weight(speaker, side) for side in "LR"] for speaker in speakers])
    return samples @ (weights / weights.sum(axis=0).max()).astype(np.float32)


def _weight(speaker: str, side: str) -> float:
    if speaker == ".":
        return 0
    if speaker.upper() == side:
        return 1 if speaker == side else _HALF_POWER
    return {"C": _HALF_POWER, "c": 0.5}.get(speaker, 0)


def join(parts: Sequence[np.ndarray[Any, Any]], overlap: int) -> np.ndarray[Any, Any]:
    """N×C parts, one after the other, so many samples of each turning into the next at equal power."""
    total = np.zeros((sum(map(len, parts)) - overlap * (len(parts) - 1), parts[0].shape[1]), np.float32)
    place, last = 0, len(parts) - 1
    for number, part in enumerate(parts):
        total[place : place + len(part)] += fade(part, overlap * (number > 0), overlap * (number < last))
        place += len(part) - overlap
    return total


def fade(samples: np.ndarray[Any, Any], rising: int, falling: int) -> np.ndarray[Any, Any]:
    """Quarter sines over the first and last so many samples; where the two overlap they are multiplied."""
    result = samples.copy()
    for length, ordered in ((rising, result), (falling, result[::-1])):
        places = np.arange(min(length, len(result)))
        ordered[: len(places)] *= np.sin((places + 0.5) / max(length, 1) * (np.pi / 2))[:, None].astype(np.float32)
    return result


def resample(samples: np.ndarray[Any, Any], rate: int, target: int) -> np.ndarray[Any, Any]:
    """N×C at `rate` → round(N·target/rate)×C; the first samples of both are at the same time."""
    resampler = Resampler(rate, target, samples.shape[1])
    result = np.zeros((max(1, round(len(samples) * target / rate)), samples.shape[1]), np.float32)
    done = 0
    for part in resampler.whole(samples):
        result[done : done + len(part)] = part
        done += len(part)
    return result


class Resampler:
    """Blocks at one rate in, blocks at another out: together round(N·target/rate) samples, at least one."""

    def __init__(self, rate: int, target: int, channels: int) -> None:
        self._rate, self._target, self._channels = rate, target, channels
        self._taken = self._given = 0
        self._filters = Filters(rate, f"{channels} channels", ("aresample", f"{target}:{_FILTER}"))

    def whole(self, samples: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
        """All of a sound, part by part."""
        for start in range(0, len(samples), CHUNK):
            yield from self.push(samples[start : start + CHUNK])
        yield from self.finish()

    def push(self, samples: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
        """Take N×C float32; give what is ready."""
        self._taken += len(samples)
        yield from self._given_of(self._filters.push(samples))

    def finish(self) -> Iterator[np.ndarray[Any, Any]]:
        """Give the rest: the filter runs on into silence, which is cut off."""
        silence = np.zeros((round(_FILTER_SIZE * max(1.0, self._rate / self._target)), self._channels), np.float32)
        yield from self._given_of(self._filters.push(silence))
        yield from self._given_of(self._filters.finish())

    def _given_of(self, frames: Iterator[Any]) -> Iterator[np.ndarray[Any, Any]]:
        for frame in frames:
            left = max(1, round(self._taken * self._target / self._rate)) - self._given
            part = frame.to_ndarray().reshape(-1, self._channels)[: max(0, left)]
            self._given += len(part)
            yield part
