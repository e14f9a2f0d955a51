"""Film files made with PyAV, and what is heard and seen in them, read without the code under test."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import av.filter
import numpy as np

from ml4a._core.record import Record

SAMPLE_RATE = 48_000

COLOURS = np.array([(255, 255, 255), (0, 0, 0), (200, 40, 30), (30, 180, 60), (40, 60, 200), (240, 230, 90)], np.uint8)
"""Flat colours that every codec keeps."""


RECORD = Record(
    model="toy",
    operation="__call__",
    weights="none",
    digests={},
    parameters={"text": "naïve 夜 <&> \x7f"},
    seed=3,
    device="cpu",
    dtype="float32",
    inputs=(),
    versions={"ml4a": "1"},
    source_type="algorithmicallyEnhanced",
)
"""A record with everything that a text may hold."""


def pan(count: int, width: int, height: int, *, step: int = 2, seed: int = 0) -> np.ndarray:
    """N×H×W×3 uint8: a smooth coloured texture that moves `step` pixels to the left in each frame."""
    y, x = np.mgrid[0:height, 0 : width + step * count].astype(np.float32)
    phases = np.random.default_rng(seed).uniform(0, 6, 3)
    planes = [np.sin(x / (9 + 4 * c) + phases[c]) * np.cos(y / (13 - 2 * c)) for c in range(3)]
    wide = (127 + 100 * np.stack(planes, axis=-1)).astype(np.uint8)
    return np.stack([wide[:, step * i : step * i + width] for i in range(count)])


def numbered(count: int, width: int = 64, height: int = 48) -> np.ndarray:
    """N×H×W×3 uint8 greys that tell the frames apart: frame i is 10 + 6·i."""
    greys = (10 + 6 * np.arange(count)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(greys[:, None, None, None], (count, height, width, 3)))


def numbers(frames: Iterable[np.ndarray]) -> list[int]:
    """Which frames of `numbered` these are."""
    return [round((float(frame[..., :3].mean()) * 255 - 10) / 6) for frame in frames]


def colour_bars(width: int, height: int) -> np.ndarray:
    """H×W×3 uint8: six upright bars in `COLOURS`."""
    return np.ascontiguousarray(np.broadcast_to(COLOURS[np.arange(width) * 6 // width], (height, width, 3)))


def tones(seconds: float, channels: int = 2) -> np.ndarray:
    """C×N float32: a rising tone on the left, a falling one on the right."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    left, right = np.sin(2 * np.pi * (200 + 80 * t) * t), np.sin(2 * np.pi * (900 - 40 * t) * t)
    return (0.4 * np.stack([left, right])[:channels]).astype(np.float32)


def write_film(
    path: Path,
    pictures: np.ndarray,
    *,
    rate: Fraction | int = 30,
    times: Iterable[Fraction] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    sound: np.ndarray | None = None,
    sound_codec: str = "aac",
    options: dict[str, str] | None = None,
    tags: dict[str, int] | None = None,
    container: str | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Encode N×H×W×3 uint8 pictures, and C×N float32 sound."""
    tick = Fraction(1) / rate if codec == "mpeg2video" or path.suffix == ".avi" else Fraction(1, 90_000)
    times = [Fraction(i) / rate for i in range(len(pictures))] if times is None else list(times)
    with av.open(str(path), "w", format=container) as output:
        track = output.add_stream(codec, rate=rate, options=options or {"crf": "12", "preset": "veryfast"})
        track.height, track.width = pictures.shape[1:3]
        track.pix_fmt = pixels
        track.codec_context.time_base = tick
        for name, value in (tags or {}).items():
            setattr(track.codec_context, name, value)
        if aspect is not None:
            track.codec_context.sample_aspect_ratio = aspect
        heard = output.add_stream(sound_codec, rate=SAMPLE_RATE) if sound is not None else None
        if heard is not None:
            heard.layout = {1: "mono", 2: "stereo"}[len(sound)]
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if pixels.startswith("yuv"):
                frame = to_yuv(frame, pixels)
            frame.pts, frame.time_base = round(time / tick), tick
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
        if heard is not None:
            for start in range(0, sound.shape[1], 1024):
                part = np.ascontiguousarray(sound[:, start : start + 1024])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=heard.layout.name)
                frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
                output.mux(heard.encode(frame))
            output.mux(heard.encode(None))
    return path


def to_yuv(frame: av.VideoFrame, pixels: str = "yuv420p", matrix: str = "", full: bool = False) -> av.VideoFrame:
    """An RGB frame as H.264 expects it: colour samples at the left, BT.709 in HD and BT.601 below if not told else."""
    matrix = matrix or ("bt709" if frame.height >= 720 else "smpte170m")
    levels = "pc" if full or pixels.startswith("yuvj") else "tv"
    options = f"out_color_matrix={matrix}:out_range={levels}:out_chroma_loc=left:flags=bicubic+accurate_rnd"
    graph = av.filter.Graph()
    nodes = [graph.add_buffer(width=frame.width, height=frame.height, format="rgb24", time_base=Fraction(1, 25))]
    nodes += [graph.add("scale", options), graph.add("format", pixels), graph.add("buffersink")]
    graph.link_nodes(*nodes)
    graph.configure()
    graph.push(frame)
    return graph.pull()


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Write the matrix [[a, b], [c, d]] into the header of an MP4's first track, as a turned camera does."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    struct.pack_into(">9i", data, matrix, a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def read_sound(path: Path) -> np.ndarray:
    """C×N float32 of the first sound track, from 0 seconds on; what comes before is left out."""
    with av.open(str(path)) as film:
        track = film.streams.audio[0]
        resampler = av.AudioResampler("fltp", track.codec_context.layout.name, SAMPLE_RATE)
        parts = [part for frame in film.decode(track) for part in resampler.resample(frame)]
    heard = np.concatenate([part.to_ndarray() for part in parts], axis=1)
    start = round(parts[0].pts * parts[0].time_base * SAMPLE_RATE)
    return np.pad(heard, ((0, 0), (start, 0))) if start > 0 else heard[:, -start:]


def read_times(path: Path) -> list[Fraction]:
    """The frames' times, in seconds."""
    with av.open(str(path)) as film:
        return [frame.pts * frame.time_base for frame in film.decode(video=0)]


def clicks(times: Iterable[float], seconds: float, channels: int = 2, rate: int = SAMPLE_RATE) -> np.ndarray:
    """C×N float32 silence with a click of 2 ms at each of these times."""
    sound = np.zeros((channels, round(seconds * rate)), np.float32)
    for time in times:
        start = round(time * rate)
        sound[:, start : start + rate // 500] = 0.8
    return sound


def heard_clicks(samples: np.ndarray, rate: int = SAMPLE_RATE) -> list[float]:
    """When the clicks in N×C or N samples begin, in seconds."""
    loud = np.abs(samples if samples.ndim == 1 else samples[:, 0]) > 0.3
    starts = np.flatnonzero(loud)
    return [float(at) / rate for at in starts[np.diff(starts, prepend=-rate) > rate // 100]]


def film_threads() -> int:
    """How many threads decode or encode films now."""
    return sum(thread.name in ("ml4a-ahead", "ml4a-behind") for thread in threading.enumerate())
