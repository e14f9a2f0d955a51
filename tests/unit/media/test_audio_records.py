"""Files of sound tell what made them."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from film_files import RECORD

from ml4a._core.errors import BadMedia
from ml4a._core.record import Record
from ml4a.jobs import read_record
from ml4a.media import audio, video
from ml4a.media.audio import Sound

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")
LONG = replace(RECORD, parameters={f"text.{number}": "夜 " * 110 for number in range(50)})
"""A record of 20 kB."""


def tone(seconds: float = 0.1) -> Sound:
    return Sound(0.3 * np.sin(np.arange(round(seconds * 24_000)) / 8), 24_000)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("record", [RECORD, LONG], ids=["short", "long"])
def test_the_record_is_in_the_file(tmp_path, suffix, record):
    path = tone().with_record(record).save(tmp_path / f"sound{suffix}")
    assert len(LONG.to_json().encode()) > 20_000
    assert Record.from_json(video.read_record_text(path) or "") == record
    assert read_record(path) == record
    assert read_record(path).source_type == "algorithmicallyEnhanced"
    assert audio.load(path).duration == pytest.approx(0.1, abs=0.05)


def test_a_record_given_to_save_comes_before_the_sounds_own(tmp_path):
    other = replace(RECORD, seed=4)
    path = tone().with_record(RECORD).save(tmp_path / "sound.flac", record=other)
    assert read_record(path) == other


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_record_no_tag(tmp_path, suffix, monkeypatch):
    assert video.read_record_text(tone().save(tmp_path / f"bare{suffix}")) is None
    monkeypatch.setenv("ML4A_RECORD", "0")
    assert video.read_record_text(tone().with_record(RECORD).save(tmp_path / f"off{suffix}")) is None


def test_the_record_goes_with_the_sound_and_not_with_what_edits_make_of_it():
    sound = tone().with_record(RECORD)
    assert sound.record is RECORD
    assert audio.load(sound).record is RECORD
    assert sound.with_record(None).record is None
    assert np.shares_memory(sound.samples, sound.with_record(None).samples)
    edits = (sound.gain(-3), sound.trimmed(0.05), sound.faded(0.01), sound.resampled(8000), sound.stereo())
    assert [each.record for each in edits] == [None] * 5
    assert tone().record is None


def test_records_larger_than_any_of_ours_are_refused():
    text = b"ml4a record " + b"x" * (300 << 10)
    comment = b"INFO" + b"ICMT" + struct.pack("<I", len(text)) + text
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16_000, 2, 16)
    chunks = form + b"LIST" + struct.pack("<I", len(comment)) + comment + b"data" + struct.pack("<I", 200) + bytes(200)
    with pytest.raises(BadMedia, match="a record of more than 256 KiB"):
        video.read_record_text(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks)


def test_other_peoples_comments_are_no_records():
    comment = b"INFO" + b"ICMT" + struct.pack("<I", 12) + b"Take two\xff\xfe\0\0"
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16_000, 2, 16)
    chunks = form + b"LIST" + struct.pack("<I", len(comment)) + comment + b"data" + struct.pack("<I", 200) + bytes(200)
    assert video.read_record_text(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks) is None
