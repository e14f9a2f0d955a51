"""Sound files are written block by block: as all at once, whole or not at all, in little memory."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import peak_memory
import pytest
from film_files import RECORD

from ml4a._core.errors import BadValue, Cancelled, CannotWrite, NotFound, OutputExists
from ml4a._core.progress import Cancel, listening
from ml4a.jobs import read_record
from ml4a.media import audio
from ml4a.media.audio import Sound

RATE = 22_050
MUSIC = Sound(np.random.default_rng(0).normal(0, 0.1, (RATE * 2, 2)).cumsum(axis=0) * 0.02, RATE)


@pytest.mark.parametrize("suffix", audio.SUFFIXES)
@pytest.mark.parametrize("size", [997, 70_000])
def test_blocks_make_the_same_file_as_the_whole(tmp_path, suffix, size):
    with audio.writer(tmp_path / f"blocks{suffix}", RATE, 2) as file:
        for start in range(0, len(MUSIC.samples), size):
            file.write(MUSIC.samples[start : start + size])
    assert file.duration == MUSIC.duration
    whole = audio.load(MUSIC.save(tmp_path / f"whole{suffix}"))
    blocks = audio.load(tmp_path / f"blocks{suffix}")
    assert (blocks.rate, blocks.samples.shape) == (whole.rate, whole.samples.shape)
    np.testing.assert_allclose(blocks.samples, whole.samples, atol=1e-4 if suffix in (".wav", ".flac") else 0.02)


def test_a_rate_that_the_format_does_not_know_is_converted_without_seams(tmp_path):
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    with audio.writer(tmp_path / "sound.opus", 44_100) as file:  # Opus has 48 000 Hz
        for start in range(0, 44_100, 441):
            file.write(Sound(wave[start : start + 441], 44_100))
    heard = audio.load(tmp_path / "sound.opus")
    assert (heard.rate, heard.duration) == (48_000, pytest.approx(1, abs=0.03))
    due = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    middle = slice(5000, 43_000)
    assert np.sqrt(np.square(heard.samples[middle, 0] - due[middle]).mean()) < 0.02


def test_bits_and_records_are_written(tmp_path):
    with audio.writer(tmp_path / "loud.wav", 8000, bits=32, record=RECORD) as file:
        file.write(np.full(100, 3.0))
        file.write(np.full(100, -2.0, np.float32))
    assert np.array_equal(audio.load(tmp_path / "loud.wav").samples[:, 0], np.repeat([3, -2], 100))
    assert read_record(tmp_path / "loud.wav") == RECORD


def test_a_file_is_whole_or_not_there(tmp_path):
    for wrong in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(wrong), audio.writer(tmp_path / "sound.flac", 8000) as file:
            file.write(np.zeros(9000))
            raise wrong
    with pytest.raises(BadValue, match="nothing was written"), audio.writer(tmp_path / "sound.flac", 8000):
        pass
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(Cancelled), listening(None, cancel), audio.writer(tmp_path / "sound.mp3", 8000) as file:
        file.write(np.zeros(9000))
    assert not list(tmp_path.iterdir())
    (tmp_path / "there.wav").write_bytes(b"mine")
    with pytest.raises(OutputExists), audio.writer(tmp_path / "there.wav", 8000) as file:
        pass
    assert (tmp_path / "there.wav").read_bytes() == b"mine"
    with audio.writer(tmp_path / "there.wav", 8000, overwrite=True) as file:
        file.write(np.zeros(10))
    assert audio.load(tmp_path / "there.wav").duration == 10 / 8000


def test_what_does_not_fit_the_file_is_refused(tmp_path):
    with audio.writer(tmp_path / "sound.wav", 8000, 2) as file:
        file.write(np.zeros((10, 2)))
        for block, says in (
            (Sound(np.zeros((10, 2)), 16_000), "8000 Hz"),
            (np.zeros((10, 1)), "2 channels"),
            (np.full((10, 2), math.nan), "NaN"),
            (np.zeros((0, 2)), "at least one"),
        ):
            with pytest.raises(BadValue, match=says):
                file.write(block)
    assert len(audio.load(tmp_path / "sound.wav").samples) == 10
    for arguments, says in (
        (("sound.txt", 8000), "must end in"),
        (("sound.mp3", 8000, 3), "at most 2 channels"),
        (("sound.wav", 8000, 65), "channels"),
        (("sound.wav", 8000, 0), "channels"),
        (("sound.wav", 8.5), "rate"),
    ):
        with pytest.raises(BadValue, match=says), audio.writer(*arguments):
            pass
    with pytest.raises((CannotWrite, NotFound)), audio.writer("/proc/nothing/sound.wav", 8000):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path, suffix):
    def peak(minutes: int) -> int:
        code = f"""
import numpy as np
from ml4a.media import audio
second = np.random.default_rng(0).normal(0, 0.1, (16_000, 1)).astype(np.float32)
with audio.writer({str(tmp_path / f"{minutes}{suffix}")!r}, 16_000) as file:
    for _ in range({minutes} * 60):
        file.write(second)
print({peak_memory.EXPRESSION})
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert peak(60) < 1.2 * peak(1)
    seconds = sum(block.duration for block in audio.blocks(tmp_path / f"60{suffix}", 60))
    assert seconds == pytest.approx(3600, abs=0.2)
