"""A short piece of music, synthesised: plucked strings over drums and a bass, with beats and bands to be found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

BEATS_PER_MINUTE = 112
_BEATS_PER_BAR = 4
_CHORDS = ((57, 60, 64, 69), (53, 57, 60, 65), (48, 55, 60, 64), (55, 59, 62, 67))
"""A minor, F, C and G as MIDI notes; a bar each."""
_LOUDNESS = 0.84
_TAIL = 1.5
"""Seconds in which the last notes ring out."""


def compose(rate: int, bars: int, seed: int) -> np.ndarray[Any, Any]:
    """N×2 float32: `bars` bars of music at `rate` Hz. The first beat is at time 0, and then every 60/112 s."""
    random = np.random.default_rng(seed)
    beat = 60 / BEATS_PER_MINUTE
    track = np.zeros((round((bars * _BEATS_PER_BAR * beat + _TAIL) * rate), 2), np.float32)
    for time, pan, note in _score(bars, beat, rate, random):
        start = round(time * rate)
        note = note[: len(track) - start]
        sides = np.sqrt(np.array([1 - pan, 1 + pan], np.float32))
        track[start : start + len(note)] += note[:, None] * sides
    ending = round(_TAIL / 2 * rate)
    track[-ending:] *= np.linspace(1, 0, ending, dtype=np.float32)[:, None] ** 2
    return track * (_LOUDNESS / np.abs(track).max())


def _score(
    bars: int, beat: float, rate: int, random: np.random.Generator
) -> Iterator[tuple[float, float, np.ndarray[Any, Any]]]:
    """The notes: when, from left (-1) to right (1), and how they sound."""
    kick, snare, hat = _kick(rate), _snare(rate, random), _hat(rate, random)
    for bar in range(bars):
        chord = _CHORDS[bar % len(_CHORDS)]
        start = bar * _BEATS_PER_BAR * beat
        for number in range(_BEATS_PER_BAR):
            time = start + number * beat
            yield time, 0, kick if number % 2 == 0 else snare
            yield time, 0, 0.5 * _bass(chord[0] - 12 if chord[0] > 50 else chord[0], 0.9 * beat, rate)
            for half in range(2):
                yield time + half * beat / 2, 0.4, (0.10 + 0.04 * half) * hat
                key = chord[int(random.integers(len(chord)))] + 12
                loudness = 0.20 + 0.12 * random.random()
                yield time + half * beat / 2, -0.3, loudness * _pluck(key, 1.2, rate, random)


def _frequency(key: float) -> float:
    """Hz of a MIDI note."""
    return 440 * 2 ** ((key - 69) / 12)


def _times(seconds: float, rate: int) -> np.ndarray[Any, Any]:
    return np.arange(round(seconds * rate)) / rate


def _pluck(key: int, seconds: float, rate: int, random: np.random.Generator) -> np.ndarray[Any, Any]:
    """A plucked string (Karplus & Strong, 1983): noise that runs round a delay line and is smoothed at each turn."""
    period = round(rate / _frequency(key))
    turn = random.uniform(-1, 1, period)
    turns = []
    for _ in range(int(seconds * rate / period)):
        turns.append(turn)
        turn = 0.996 * (0.5 * turn + 0.5 * np.roll(turn, 1))
    return np.concatenate(turns).astype(np.float32)


def _bass(key: int, seconds: float, rate: int) -> np.ndarray[Any, Any]:
    """A soft triangle: three odd harmonics, each fading faster than the one below."""
    time = _times(seconds, rate)
    phase = 2 * np.pi * _frequency(key - 12) * time
    tone = sum(np.sin(n * phase) / n**2 * np.exp(-1.2 * n * time) for n in (1, 3, 5))
    edge = np.minimum(1, np.minimum(time / 0.004, (seconds - time) / 0.03))
    return (tone * np.maximum(0, edge)).astype(np.float32)


def _kick(rate: int) -> np.ndarray[Any, Any]:
    """A sine that falls from 160 to 48 Hz within a few hundredths of a second."""
    time = _times(0.35, rate)
    phase = 2 * np.pi * (48 * time + (160 - 48) * 0.03 * (1 - np.exp(-time / 0.03)))
    return (0.95 * np.sin(phase) * np.exp(-time / 0.11) * np.minimum(1, time / 0.001)).astype(np.float32)


def _snare(rate: int, random: np.random.Generator) -> np.ndarray[Any, Any]:
    """A drum skin at 190 Hz under the noise of its wires."""
    time = _times(0.25, rate)
    wires = np.diff(random.uniform(-1, 1, len(time)), prepend=0)
    skin = np.sin(2 * np.pi * 190 * time)
    return (0.35 * wires * np.exp(-time / 0.07) + 0.30 * skin * np.exp(-time / 0.05)).astype(np.float32)


def _hat(rate: int, random: np.random.Generator) -> np.ndarray[Any, Any]:
    """Noise of which only the sharpest is left."""
    time = _times(0.08, rate)
    noise = np.diff(random.uniform(-1, 1, len(time)), n=2, prepend=[0, 0])
    return (noise * np.exp(-time / 0.018)).astype(np.float32)
