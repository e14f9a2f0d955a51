"""Arithmetic of samples: channels mixed down, rates converted, beginnings and ends faded. N×C float32 in and out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_SPEAKERS = {3: "LR.", 4: "LRCc", 5: "LRClr", 6: "LRC.lr", 7: "LRC.clr", 8: "LRC.lrlr"}
"""By number of channels, FFmpeg's usual order: Left, Right, Centre; small letters stand behind; . is the subwoofer."""
_HALF_POWER = np.sqrt(0.5)
_FILTER = "filter_size=128:cutoff=0.95:filter_type=kaiser:kaiser_beta=12"
"""Flat to 0.9 of the highest frequency, and 120 dB down where it would alias."""
_CHUNK = 1 << 16


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


def fade(samples: np.ndarray[Any, Any], rising: int, falling: int) -> np.ndarray[Any, Any]:
    """Quarter sines over the first and last so many samples; where the two overlap they are multiplied."""
    result = samples.copy()
    for length, ordered in ((rising, result), (falling, result[::-1])):
        places = np.arange(min(length, len(result)))
        ordered[: len(places)] *= np.sin((places + 0.5) / max(length, 1) * (np.pi / 2))[:, None].astype(np.float32)
    return result


def resample(samples: np.ndarray[Any, Any], rate: int, target: int) -> np.ndarray[Any, Any]:
    """N×C at `rate` → round(N·target/rate)×C; the first samples of both are at the same time."""
    result = np.zeros((max(1, round(len(samples) * target / rate)), samples.shape[1]), np.float32)
    done = 0
    for part in _resampled(samples, rate, target):
        part = part[: len(result) - done]
        result[done : done + len(part)] = part
        done += len(part)
    return result


def _resampled(samples: np.ndarray[Any, Any], rate: int, target: int) -> Iterator[np.ndarray[Any, Any]]:
    import av.error
    from av import AudioFrame
    from av.filter import Graph

    layout = f"{samples.shape[1]} channels"
    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout=layout)
    graph.link_nodes(source, graph.add("aresample", f"{target}:{_FILTER}"), graph.add("abuffersink"))
    graph.configure()

    def drained() -> Iterator[np.ndarray[Any, Any]]:
        while True:
            try:
                frame: Any = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield frame.to_ndarray().reshape(-1, samples.shape[1])

    for start in range(0, len(samples), _CHUNK):
        part = np.ascontiguousarray(samples[start : start + _CHUNK]).reshape(1, -1)
        frame: Any = AudioFrame.from_ndarray(part, format="flt", layout=layout)
        frame.sample_rate = rate
        graph.push(frame)
        yield from drained()
    graph.push(None)
    yield from drained()
