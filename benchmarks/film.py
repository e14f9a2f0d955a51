"""Mapping, cutting and joining a 720p film, against moviepy 2; and the memory that mapping takes in each."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ml4a import video

from .race import race

SECONDS, RATE, SIZE = 4, 25, (1280, 720)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "film.mp4", Path(folder) / "out.mp4"
        make_film(source, SECONDS)
        race(
            f"inverting {SECONDS} s of 720p",
            {"ml4a": lambda: invert_here(source, target), "moviepy 2": lambda: invert_there(source, target)},
            rounds=3,
        )
        race(
            "two seconds from its middle, then its first two",
            {"ml4a": lambda: join_here(source, target), "moviepy 2": lambda: join_there(source, target)},
            rounds=3,
        )
        long = Path(folder) / "long.mp4"
        make_film(long, 6 * SECONDS)
        for name in ("here", "there"):
            short_peak, long_peak = (peak_memory(name, film, target) for film in (source, long))
            title = "ml4a" if name == "here" else "moviepy 2"
            print(f"  {title}: peak {short_peak} MB, {long_peak} MB for six times the length")


def make_film(path: Path, seconds: int) -> None:
    """A film of moving gradients."""
    import av

    width, height = SIZE
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * RATE):
            waves = [np.sin((x * a + y * b) / 40 + number / 7 * c) for a, b, c in ((1, 0, 1), (0, 1, 2), (1, 1, -1))]
            frame = (np.stack(waves, axis=2) * 127 + 128).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def invert_here(source: Path, target: Path) -> None:
    """With ml4a: frames as float arrays."""
    video.open(source).map(lambda frame: 1 - frame).save(target, overwrite=True)


def invert_there(source: Path, target: Path) -> None:
    """With moviepy: frames as bytes."""
    from moviepy import VideoFileClip  # pyright: ignore[reportMissingImports]

    with VideoFileClip(str(source)) as clip:
        clip.image_transform(lambda frame: 255 - frame).write_videofile(str(target), codec="libx264", logger=None)


def join_here(source: Path, target: Path) -> None:
    """With ml4a: parts are sought."""
    clip = video.open(source)
    (clip.trim(1, 3) + clip.trim(0, 2)).save(target, overwrite=True)


def join_there(source: Path, target: Path) -> None:
    """With moviepy: so they are."""
    from moviepy import VideoFileClip, concatenate_videoclips  # pyright: ignore[reportMissingImports]

    with VideoFileClip(str(source)) as clip, VideoFileClip(str(source)) as again:
        parts = [clip.subclipped(1, 3), again.subclipped(0, 2)]
        concatenate_videoclips(parts).write_videofile(str(target), codec="libx264", logger=None)


def peak_memory(name: str, source: Path, target: Path) -> int:
    """Peak resident memory of a process of its own, in MB."""
    code = (
        "import sys; from pathlib import Path; from benchmarks import film;"
        f"film.invert_{name}(Path(sys.argv[1]), Path(sys.argv[2]));"
        "print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(target)], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[-1])
