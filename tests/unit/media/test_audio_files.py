"""Sounds are read from every container and written to files that others read; what is broken or no sound is named."""

from __future__ import annotations

import struct
import tracemalloc
import wave
from fractions import Fraction

import av
import numpy as np
import pytest
from film_files import SAMPLE_RATE, numbered, pan, read_sound, tones, write_film

from ml4a._core.errors import BadMedia, BadValue, Cancelled, NotFound, OutputExists, TooLarge
from ml4a._core.progress import Cancel
from ml4a.media import audio
from ml4a.media.audio import Sound


def chord(rate: int, channels: int = 1, seconds: float = 0.7) -> Sound:
    """A tone of its own in every channel."""
    time = np.arange(round(rate * seconds)) / rate
    return Sound(np.stack([0.4 * np.sin(2 * np.pi * (300 + 70 * c) * time + c) for c in range(channels)], axis=1), rate)


def likeness(heard: np.ndarray, expected: np.ndarray) -> float:
    """Signal to noise in decibels, edges left out."""
    count = min(len(heard), len(expected))
    middle = slice(count // 10, count - count // 10)
    heard, expected = heard[middle].astype(np.float64), expected[middle].astype(np.float64)
    return 10 * np.log10(np.square(expected).mean() / max(1e-20, np.square(heard - expected).mean()))


def wav(data: bytes, *, rate: int, channels: int, bits: int, kind: int = 1, claims: int | None = None) -> bytes:
    """A WAV file, byte by byte; its header may lie about how much data it has."""
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, min(2**32 - 1, rate * frame), frame, bits)
    size = len(data) if claims is None else claims
    whole = min(2**32 - 1, 36 + size)
    return (
        b"RIFF"
        + struct.pack("<I", whole)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + (struct.pack("<I", size) + data)
    )


EXACT = [(".wav", 16, 2**-16), (".wav", 24, 2**-23), (".wav", 32, 0), (".flac", 16, 2**-16), (".flac", 24, 2**-23)]


@pytest.mark.parametrize(("suffix", "bits", "error"), EXACT)
@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (48_000, 2), (22_050, 3), (96_000, 2), (192_000, 8)])
def test_lossless_files_give_back_every_sample(tmp_path, suffix, bits, error, rate, channels):
    sound = chord(rate, channels, 0.2)
    heard = audio.load(sound.save(tmp_path / f"sound{suffix}", bits=bits))
    assert (heard.rate, heard.samples.shape) == (rate, sound.samples.shape)
    np.testing.assert_allclose(heard.samples, sound.samples, atol=error * 1.01)


@pytest.mark.parametrize(("suffix", "least"), [(".mp3", 45), (".ogg", 30), (".opus", 30), (".m4a", 25)])
@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (48_000, 2), (22_050, 2), (11_000, 1), (96_000, 1)])
def test_lossy_files_sound_alike_at_the_same_time(tmp_path, suffix, least, rate, channels):
    sound = chord(rate, channels)
    heard = audio.load(sound.save(tmp_path / f"sound{suffix}"))
    assert heard.channels == channels
    assert heard.duration == pytest.approx(sound.duration, abs=1024 / heard.rate + 0.001)  # whole packets in MP4
    assert likeness(heard.samples, sound.resampled(heard.rate).samples) > least


def test_saved_files_are_what_others_read(tmp_path):
    sound = chord(44_100, 2)
    with wave.open(str(sound.save(tmp_path / "sound.wav"))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (44_100, 2, 2)
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    np.testing.assert_allclose(heard / 2**15, sound.samples, atol=2**-15)
    for suffix, codec in ((".flac", "flac"), (".mp3", "mp3"), (".opus", "opus"), (".m4a", "aac")):
        with av.open(str(sound.save(tmp_path / f"sound{suffix}"))) as file:
            assert file.streams.audio[0].codec_context.codec.canonical_name == codec


def test_floats_are_kept_and_whole_numbers_clip(tmp_path):
    loud = chord(8000).gain(20)
    np.testing.assert_array_equal(audio.load(loud.save(tmp_path / "float.wav", bits=32)).samples, loud.samples)
    clipped = audio.load(loud.save(tmp_path / "whole.wav")).samples
    np.testing.assert_allclose(clipped, np.clip(loud.samples, -1, 1 - 2**-15), atol=2**-15)


def test_many_channels_go_where_there_is_room(tmp_path):
    many = chord(8000, 32)
    assert audio.load(many.save(tmp_path / "many.wav")).channels == 32
    for suffix, most in ((".flac", 8), (".mp3", 2), (".ogg", 2), (".m4a", 2)):
        with pytest.raises(BadValue, match=f"at most {most} channels.*stereo"):
            many.save(tmp_path / f"many{suffix}")


def test_what_cannot_be_saved_is_refused_before_work(tmp_path):
    sound = chord(8000)
    with pytest.raises(BadValue, match=r"\.wav, \.flac, \.mp3"):
        sound.save(tmp_path / "sound.xyz")
    with pytest.raises(BadValue, match="16 or 24 or 32"):
        sound.save(tmp_path / "sound.wav", bits=8)
    with pytest.raises(BadValue, match="left out"):
        sound.save(tmp_path / "sound.mp3", bits=16)
    path = sound.save(tmp_path / "sound.wav")
    before = path.read_bytes()
    with pytest.raises(OutputExists):
        sound.gain(-6).save(path)
    assert path.read_bytes() == before
    sound.gain(-6).save(path, overwrite=True)
    assert path.read_bytes() != before


def test_saving_tells_where_it_is_and_can_be_stopped(tmp_path):
    told = []
    sound = chord(48_000, seconds=4)
    sound.save(tmp_path / "sound.wav", on_progress=told.append)
    assert [step.done for step in told] == sorted(step.done for step in told)
    assert told[-1].done == told[-1].total == 4
    cancel = Cancel()
    with pytest.raises(Cancelled):
        sound.save(tmp_path / "stopped.wav", on_progress=lambda step: cancel.cancel(), cancel=cancel)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sound.wav"]


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "avi", "ts"])
def test_films_are_heard(tmp_path, container):
    source = write_film(tmp_path / f"film.{container}", numbered(30), sound=tones(1))
    heard = audio.load(source)
    assert (heard.rate, heard.channels) == (SAMPLE_RATE, 2)
    assert heard.duration == pytest.approx(1, abs=0.05)
    if container in ("mp4", "mov"):  # the others do not say what the encoder put in front
        assert likeness(heard.samples, read_sound(source).T) > 100
        assert likeness(heard.samples, tones(1).T) > 15


OTHERS = {
    "aiff": "pcm_s16be",
    "au": "pcm_s16be",
    "caf": "alac",
    "aac": "aac",
    "wv": "wavpack",
    "w64": "pcm_s24le",
    "webm": "libopus",
    "mka": "flac",
}


@pytest.mark.parametrize(("suffix", "codec"), OTHERS.items())
def test_other_containers_are_read(tmp_path, suffix, codec):
    path = tmp_path / f"sound.{suffix}"
    sound = chord(48_000)
    with av.open(str(path), "w") as output:
        track = output.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.samples.T), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        output.mux(track.encode(frame))
        output.mux(track.encode(None))
    hidden = path.rename(tmp_path / "without a suffix")
    heard = audio.load(hidden)
    assert heard.rate == 48_000
    delay = 1024 if suffix == "aac" else 0  # bare AAC does not say what its encoder put in front
    assert likeness(heard.samples[delay:], sound.samples) > 15
    assert audio.load(hidden.read_bytes()).duration == heard.duration


def test_names_are_not_believed(tmp_path):
    source = chord(44_100).save(tmp_path / "sound.mp3")
    for name in ("song.wav", "song.flac", "song.txt"):
        renamed = tmp_path / name
        renamed.write_bytes(source.read_bytes())
        assert audio.load(renamed).duration == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize("late", [0, 500])
def test_sound_that_sets_in_late_does_so_after_silence(tmp_path, late):
    source = write_film(tmp_path / "film.mkv", numbered(30), sound=tones(1), sound_codec="flac", options={"bf": "0"})
    with av.open(str(source)) as film, av.open(str(tmp_path / "late.mkv"), "w") as output:
        tracks = {stream.index: output.add_stream_from_template(stream) for stream in film.streams}
        for packet in film.demux():
            if packet.dts is not None:
                if packet.stream.type == "audio":
                    packet.pts, packet.dts = packet.pts + late, packet.dts + late
                packet.stream = tracks[packet.stream_index]
                output.mux(packet)
    heard = audio.load(tmp_path / "late.mkv").samples
    silent = late * SAMPLE_RATE // 1000
    assert len(heard) == SAMPLE_RATE + silent
    assert not heard[:silent].any()
    np.testing.assert_allclose(heard[silent:], tones(1).T, atol=1e-4)


def test_gaps_are_silent_and_what_follows_is_on_time(tmp_path):
    path = tmp_path / "gap.mkv"
    samples = tones(2, 1)
    with av.open(str(path), "w") as output:
        track = output.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        for start in range(0, samples.shape[1], 4800):
            if 24_000 <= start < 48_000:
                continue
            frame = av.AudioFrame.from_ndarray(samples[:, start : start + 4800], format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    expected = samples.T.copy()
    expected[24_000:48_000] = 0
    np.testing.assert_allclose(audio.load(path).samples, expected, atol=1e-3)


def test_a_recording_that_changes_its_form_is_heard_to_its_end(tmp_path):
    first, second = chord(44_100, 2, 1.5), chord(22_050, 1, 1.5)
    files = [sound.save(tmp_path / f"{sound.rate}.mp3").read_bytes() for sound in (first, second)]
    heard = audio.load(b"".join(files))
    assert (heard.rate, heard.channels) == (44_100, 2)
    assert heard.duration == pytest.approx(3, abs=0.15)
    late = heard.trimmed(2.2, 2.7).mono()
    spectrum = np.abs(np.fft.rfft(late.samples[:, 0] * np.hanning(len(late.samples))))
    assert spectrum.argmax() * late.rate / len(late.samples) == pytest.approx(300, abs=2)


def test_parts_are_those_of_the_whole(tmp_path):
    path = chord(44_100, 2, 2).save(tmp_path / "sound.flac")
    whole = audio.load(path)
    part = audio.load(path, start=0.5, seconds=0.75)
    np.testing.assert_array_equal(part.samples, whole.trimmed(0.5, 1.25).samples)
    np.testing.assert_array_equal(audio.load(path, start=1.5, seconds=99).samples, whole.trimmed(1.5).samples)
    np.testing.assert_array_equal(audio.load(path, channels=1).samples, whole.mono().samples)
    assert audio.load(path, 22_050, 1).samples.shape == (44_100, 1)
    with pytest.raises(BadValue, match="nothing is left"):
        audio.load(path, start=9)
    for wrong in ({"start": -1}, {"start": 1e308}, {"seconds": np.nan}, {"seconds": 0}, {"channels": 3}, {"rate": 3}):
        with pytest.raises(BadValue, match=next(iter(wrong))):
            audio.load(path, **wrong)


@pytest.mark.parametrize("seconds", [0.01, 0.25, 1.0, 5.0])
def test_blocks_are_the_whole_in_parts(tmp_path, seconds):
    path = chord(44_100, 2, 1.1).save(tmp_path / "sound.flac")
    blocks = list(audio.blocks(path, seconds, start=0.1))
    assert {len(block.samples) for block in blocks[:-1]} <= {round(seconds * 44_100)}
    np.testing.assert_array_equal(
        np.concatenate([block.samples for block in blocks]), audio.load(path, start=0.1).samples
    )
    assert {block.channels for block in audio.blocks(path, seconds, channels=1)} == {1}


def test_blocks_need_no_more_memory_for_longer_sounds(tmp_path):
    path = Sound(np.zeros((60 * 48_000, 2)), 48_000).save(tmp_path / "long.wav")  # 23 MB as floats
    next(audio.blocks(path))  # what is imported on the way is not counted
    tracemalloc.start()
    try:
        assert sum(block.duration for block in audio.blocks(path)) == pytest.approx(60)
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()
    for wrong in (0, -1, 1e-9, np.nan):
        with pytest.raises(BadValue, match="seconds"):
            audio.blocks(path, wrong)


def test_eight_bits_and_thirty_two_channels_and_high_rates(tmp_path):
    ramp = np.arange(256, dtype=np.uint8)
    low = audio.load(wav(ramp.tobytes(), rate=8000, channels=1, bits=8))
    np.testing.assert_array_equal(low.samples[:, 0], (ramp.astype(np.float32) - 128) / 128)
    levels = np.tile(np.arange(32, dtype="<i2") * 1000, (50, 1))
    many = audio.load(wav(levels.tobytes(), rate=192_000, channels=32, bits=16))
    assert many.rate == 192_000
    np.testing.assert_array_equal(many.samples, levels / np.float32(2**15))
    doubles = np.linspace(-1, 1, 99)
    np.testing.assert_array_equal(
        audio.load(wav(doubles.astype("<f8").tobytes(), rate=8000, channels=1, bits=64, kind=3)).samples[:, 0],
        doubles.astype(np.float32),
    )


@pytest.mark.parametrize("claims", [0xFFFFFFF0, 2**31, 10])
def test_a_header_that_lies_about_its_length_is_not_believed(claims):
    heard = audio.load(wav(b"\0\x40" * 1000, rate=8000, channels=1, bits=16, claims=claims))
    assert len(heard.samples) == (1000 if claims > 10 else 5)
    assert (heard.samples == 0.5).all()


def test_what_cannot_be_heard_is_named(tmp_path):
    nan = np.array([0, np.nan, 1], "<f4").tobytes()
    silent = write_film(tmp_path / "silent.mp4", pan(3, 64, 48))
    whole = chord(8000).save(tmp_path / "whole.flac").read_bytes()
    cases = {
        wav(b"", rate=8000, channels=1, bits=16): "0 samples",
        wav(nan, rate=8000, channels=1, bits=32, kind=3): "NaN",
        wav(b"\0" * 400, rate=8000, channels=100, bits=16): "64",
        wav(b"\0" * 400, rate=2_000_000, channels=1, bits=16): "768000",
        whole[:60]: "broken|0 samples",
        b"RIFF\0\0\0\0WAVE": "broken",
        b"fLaC" + bytes(100): "broken|0 samples",
        b"ID3\3\0\0\0\0\0\0" + bytes(64): "broken|0 samples",
        b"OggS" + bytes(200): "broken",
        b"just some words": "text",
        b"#EXTM3U\nhttp://localhost/a.mp3": "playlist",
        b"MThd\0\0\0\6": "MIDI",
        b"\x89PNG\r\n\x1a\n" + bytes(50): "picture",
        silent.read_bytes(): "no sound track",
    }
    for data, says in cases.items():
        with pytest.raises(BadMedia, match=says) as caught:
            audio.load(data)
        assert "\n" not in str(caught.value)
    with pytest.raises(NotFound, match="does not exist"):
        audio.load(tmp_path / "nowhere.wav")
    with pytest.raises(BadMedia, match="folder"):
        audio.load(tmp_path)


def test_a_broken_middle_is_silent_and_a_broken_end_is_cut(tmp_path, caplog):
    path = chord(48_000, seconds=3).save(tmp_path / "sound.flac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    heard, whole = audio.load(path).samples, chord(48_000, seconds=3).samples
    assert len(heard) == pytest.approx(len(whole), abs=9000)
    np.testing.assert_allclose(heard[:40_000], whole[:40_000], atol=1e-4)
    source = write_film(tmp_path / "film.mkv", numbered(90), sound=tones(3))
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    assert 0.5 < audio.load(source).duration < 2.5
    assert "cut short" in caplog.text


def test_there_is_a_limit_to_what_is_kept_in_memory(tmp_path, monkeypatch):
    path = chord(8000, seconds=2).save(tmp_path / "sound.wav")
    monkeypatch.setattr(audio, "MOST_BYTES", 40_000)
    with pytest.raises(TooLarge, match=r"audio\.blocks"):
        audio.load(path)
    assert audio.load(path, seconds=1).duration == 1
