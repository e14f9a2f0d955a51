"""Sound goes along with every edit, in step with the pictures."""

from __future__ import annotations

import av
import numpy as np
import pytest
from film_files import SAMPLE_RATE, clicks, heard_clicks, numbered, read_sound, tones, write_film

from ml4a._core.errors import BadValue
from ml4a.media import video
from ml4a.media.audio import Sound

CLICKS = [0.24, 0.6, 1.0, 1.44, 1.88]
SAMPLE = 1.5 / SAMPLE_RATE


@pytest.fixture
def film(tmp_path):
    return write_film(
        tmp_path / "film.mkv", numbered(50), rate=25, sound=clicks(CLICKS, 2), sound_codec="flac", options={"g": "10"}
    )


def when(clip):
    """When its clicks are heard, in seconds."""
    return heard_clicks(clip.sound.samples, clip.sound.rate)


def test_the_sound_of_a_film_is_decoded_when_it_is_asked_for(film):
    sound = video.open(film).sound
    assert (sound.rate, sound.channels) == (SAMPLE_RATE, 2)
    assert np.abs(sound.samples - clicks(CLICKS, 2).T).max() < 1e-3
    assert video.open(write_film(film.with_name("mute.mp4"), numbered(3))).sound is None


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_what_is_saved_is_heard_when_it_was_seen(film, tmp_path, suffix):
    saved = video.open(film).trim(0.52, 1.72).save(tmp_path / f"out{suffix}")
    assert when(video.open(saved)) == pytest.approx([0.08, 0.48, 0.92], abs=0.003)
    assert read_sound(saved).shape[1] / SAMPLE_RATE == pytest.approx(1.2, abs=0.03)


def test_trimming_is_exact_to_the_sample(film):
    clip = video.open(film)
    assert when(clip.trim(0.52, 1.72)) == pytest.approx([0.08, 0.48, 0.92], abs=SAMPLE)
    assert when(clip.trim(0.52).trim(0.4, 0.6)) == pytest.approx([0.08], abs=SAMPLE)
    assert len(clip.trim(0.52, 1.72).sound.samples) == round(1.2 * SAMPLE_RATE)


def test_clips_in_a_row_are_heard_in_a_row(film, tmp_path):
    clip = video.open(film)
    mute = video.from_frames(numbered(10), rate=25)
    row = video.concat([clip.trim(0.5, 1), mute, clip.trim(1.4)])
    assert when(row) == pytest.approx([0.1, 0.94, 1.38], abs=SAMPLE)
    assert len(row.sound.samples) == round(row.duration * SAMPLE_RATE)
    assert when(mute + clip) == pytest.approx([0.4 + each for each in CLICKS], abs=SAMPLE)
    assert (mute + mute).sound is None
    saved = video.open(row.save(tmp_path / "out.mp4"))
    assert when(saved) == pytest.approx([0.1, 0.94, 1.38], abs=0.003)


def test_sounds_of_several_rates_and_channels_follow_each_other(film):
    mono = Sound(clicks([0.1], 0.4, channels=1, rate=22_050).T, 22_050)
    other = video.from_frames(numbered(10), rate=25, sound=mono)
    for row, times in ((video.open(film).trim(0, 0.4) + other, [0.24, 0.5]), (other + other, [0.1, 0.5])):
        assert when(row) == pytest.approx(times, abs=1e-3)
    assert (other + video.open(film)).sound.rate == 22_050
    assert (video.open(film) + other).sound.channels == 2


def test_backwards_is_exact_to_the_sample(film):
    back = video.open(film).reverse()
    assert when(back) == pytest.approx([2 - each - 0.002 for each in reversed(CLICKS)], abs=SAMPLE)
    whole = video.open(film).sound.samples
    assert np.array_equal(back.sound.samples, whole[: 2 * SAMPLE_RATE][::-1])


@pytest.mark.parametrize("factor", [0.5, 2, 1.25])
def test_faster_tapes_sound_higher(tmp_path, factor):
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    sound = Sound((0.5 * np.sin(2 * np.pi * 440 * t))[:, None].astype(np.float32), SAMPLE_RATE)
    clip = video.from_frames(numbered(40), rate=20, sound=sound).speed(factor)
    samples = video.open(clip.save(tmp_path / "out.mp4")).sound.samples[:, 0]
    assert len(samples) / SAMPLE_RATE == pytest.approx(2 / factor, abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert spectrum.argmax() * SAMPLE_RATE / len(samples) == pytest.approx(440 * factor, abs=2)


def test_the_pictures_stay_with_the_sound_at_any_speed(film):
    fast = video.open(film).speed(1.6)
    assert when(fast) == pytest.approx([each / 1.6 for each in CLICKS], abs=1e-3)
    assert fast.duration == pytest.approx(2 / 1.6)


def test_a_crossfade_keeps_the_loudness(tmp_path):
    rng = np.random.default_rng(0)
    noises = [Sound(rng.normal(0, 0.1, (SAMPLE_RATE, 2)).astype(np.float32), SAMPLE_RATE) for _ in range(2)]
    a, b = (video.from_frames(numbered(25), rate=25, sound=noise) for noise in noises)
    sound = video.crossfade(a, b, 0.5).sound.samples
    assert len(sound) == round(1.5 * SAMPLE_RATE)
    for start in range(0, len(sound), 7200):
        assert sound[start : start + 7200].std() == pytest.approx(0.1, rel=0.05)
    assert np.array_equal(sound[: SAMPLE_RATE // 2], noises[0].samples[: SAMPLE_RATE // 2])
    assert np.array_equal(sound[-SAMPLE_RATE // 2 :], noises[1].samples[-SAMPLE_RATE // 2 :])


def test_a_new_track_ends_with_the_pictures_and_none_is_silence(film, tmp_path):
    long = Sound(clicks([0.5, 1.5, 3.5], 5).T, SAMPLE_RATE)
    saved = video.open(video.open(film).with_sound(long).save(tmp_path / "out.mp4"))
    assert when(saved) == pytest.approx([0.5, 1.5], abs=0.003)
    assert read_sound(tmp_path / "out.mp4").shape[1] / SAMPLE_RATE == pytest.approx(2, abs=0.03)
    long.save(tmp_path / "song.wav")
    assert when(video.open(film).with_sound(tmp_path / "song.wav").trim(1)) == pytest.approx([0.5], abs=1e-3)
    silent = video.open(film).with_sound(None)
    assert not silent.has_sound
    assert not video.open(silent.save(tmp_path / "silent.mp4")).has_sound


def test_a_short_track_ends_before_the_pictures(film, tmp_path):
    short = Sound(clicks([0.5], 0.8).T, SAMPLE_RATE)
    saved = video.open(film).with_sound(short).save(tmp_path / "out.mkv")
    assert read_sound(saved).shape[1] / SAMPLE_RATE == pytest.approx(0.8, abs=0.05)
    assert video.open(saved).count == 50


@pytest.mark.parametrize(("rate", "channels"), [(96_000, 2), (8_000, 1), (44_100, 2), (48_000, 8), (37_800, 1)])
def test_every_kind_of_sound_can_be_edited_and_saved(tmp_path, rate, channels):
    import wave

    heard = clicks([0.3, 0.7], 1, channels, rate)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((heard.T * 32767).astype("<i2").tobytes())
    clip = video.from_frames(numbered(25), rate=25, sound=tmp_path / "a.wav")
    assert (clip.sound.rate, clip.sound.channels) == (rate, channels)
    for suffix in (".mp4", ".webm"):
        saved = video.open(clip.trim(0.2).save(tmp_path / f"out{suffix}"))
        assert when(saved) == pytest.approx([0.1, 0.5], abs=0.004)


def test_a_film_with_eight_channels_keeps_them_and_can_be_cut(tmp_path):
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as output:
        track = output.add_stream("libx264", rate=25)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        heard = output.add_stream("flac", rate=96_000, layout="7.1")
        for picture in numbered(25):
            output.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        samples = np.ascontiguousarray((clicks([0.3, 0.7], 1, 8, 96_000).T * 32767).astype("<i2").reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="7.1")
        frame.sample_rate, frame.pts = 96_000, 0
        for each in (heard.encode(frame), heard.encode(None), track.encode(None)):
            output.mux(each)
    clip = video.open(path)
    assert (clip.sound.rate, clip.sound.channels) == (96_000, 8)
    assert when(clip) == pytest.approx([0.3, 0.7], abs=0.001)
    with av.open(str(clip.save(tmp_path / "copied.mkv"))) as saved:
        assert saved.streams.audio[0].codec_context.layout.nb_channels == 8
    assert when(video.open(clip.trim(0.2).save(tmp_path / "cut.mp4"))) == pytest.approx([0.1, 0.5], abs=0.004)


def test_broken_sound_is_silence_and_what_follows_stays_in_its_place(tmp_path):
    path = write_film(tmp_path / "film.mp4", numbered(75), rate=25, sound=tones(3))
    with av.open(str(path)) as film:
        packets = [(packet.pos, packet.size) for packet in film.demux(audio=0) if packet.dts is not None]
    data = bytearray(path.read_bytes())
    for position, size in packets[50:70]:
        data[position : position + size] = b"\xff" * size
    path.write_bytes(data)
    sound = video.open(path).sound.samples
    clean = tones(3).T
    for at in (0.5, 2.6):
        part = slice(round(at * SAMPLE_RATE), round((at + 0.1) * SAMPLE_RATE))
        assert np.corrcoef(sound[part, 0], clean[part, 0])[0, 1] > 0.98


def test_what_is_no_sound_is_refused(film):
    with pytest.raises(BadValue, match="sound is a Sound, a path"):
        video.open(film).with_sound(np.zeros(100, np.float32))
