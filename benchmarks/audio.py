"""Listening to ten minutes of music, against librosa; and the memory that each takes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from ml4a.media import audio, listen

from .race import race

SECONDS, RATE = 600, 22_050


def main() -> None:
    import librosa  # pyright: ignore[reportMissingImports]

    song = music()
    samples = np.array(song.samples[:, 0])
    race(
        f"onset strength of {SECONDS // 60} minutes",
        {
            "ml4a": lambda: listen.onsets(song),
            "librosa": lambda: librosa.onset.onset_strength(y=samples, sr=RATE),
        },
        rounds=3,
    )
    race(
        f"beats of {SECONDS // 60} minutes",
        {"ml4a": lambda: listen.beats(song), "librosa": lambda: librosa.beat.beat_track(y=samples, sr=RATE)},
        rounds=3,
    )
    bass = race(f"three bands of {SECONDS // 60} minutes", {"ml4a": lambda: listen.bands(song)}, rounds=3)
    print(f"  {SECONDS / bass['ml4a']:.0f} times as fast as it is played")
    expected = np.arange(32) * 60 / 112
    for name, found in (
        ("ml4a", listen.beats(audio.sample(rate=RATE))),
        ("librosa", librosa.beat.beat_track(y=audio.sample(rate=RATE).mono().samples[:, 0], sr=RATE, units="time")[1]),
    ):
        late = found - expected[np.abs(found[:, None] - expected).argmin(axis=1)]
        print(f"  {name}: {len(found)} of 32 beats, off by {1000 * np.abs(late).mean():.1f} ms on average")
    for name in ("onsets", "bands", "beats"):
        print(f"  {name}: {peak_memory(name)} MB beyond the sound")


def music() -> audio.Sound:
    """Ten minutes of our own sample, in one channel."""
    part = audio.sample(rate=RATE).mono()
    return audio.concat([part] * (1 + int(SECONDS / part.duration))).trimmed(0, SECONDS)


def peak_memory(feature: str) -> int:
    """Peak resident memory of a process of its own, less what it had before it listened, in MB."""
    code = (
        "import sys; from benchmarks import audio; from ml4a.media import listen;"
        "peak = lambda: next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmHWM')) // 1024;"
        "song = audio.music(); before = peak(); getattr(listen, sys.argv[1])(song); print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, feature], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
