"""What happens in a sound is found, in the frame in which it happens, however long the sound is."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import quick

from ml4a._core.errors import BadValue, NotFound, UnknownName
from ml4a.media import audio, listen
from ml4a.media.audio import Sound
from ml4a.media.listen import _power

RATES = [24, 25, 30, Fraction(30_000, 1001)]
CLICKS = [
    *((22_050, rate) for rate in RATES),
    (44_100, Fraction(30_000, 1001)),
    (48_000, 25),
]


def tone(hertz: float, rate: int = 22_050, seconds: float = 2.0, level: float = 0.5) -> np.ndarray:
    """N float32."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def clicks(rate: int, seconds: float, noise: float = 0.002) -> tuple[Sound, np.ndarray]:
    """Clicks at irregular times over faint noise, and the samples at which they begin."""
    random = np.random.default_rng(rate)
    times = np.cumsum(random.uniform(0.25, 1.75, round(seconds)))
    places = np.round(times[times < seconds - 0.1] * rate).astype(int)
    samples = (noise * random.standard_normal(round(seconds * rate))).astype(np.float32)
    samples[: rate // 5] *= np.linspace(0, 1, rate // 5)  # so that the noise itself does not begin at once
    fading = np.exp(-np.arange(rate // 50) / (rate / 500))
    for place in places:
        samples[place : place + len(fading)] += 0.8 * fading * random.uniform(-1, 1, len(fading))
    return Sound(samples, rate), places


def drums(times: np.ndarray, seconds: float, rate: int = 22_050) -> Sound:
    """A drum at each time."""
    random = np.random.default_rng(0)
    drum = 0.5 * np.exp(-np.arange(2000) / 300) * random.uniform(-1, 1, 2000)
    samples = 0.001 * random.standard_normal(round(seconds * rate) + 2000)
    for time in times:
        samples[round(time * rate) :][:2000] += drum
    return Sound(samples[:-2000], rate)


def frame_of(place: int, sound_rate: int, rate: Fraction | float) -> int:
    """The frame in which a sample is heard."""
    return int(Fraction(int(place), sound_rate) * Fraction(rate))


@pytest.mark.parametrize(("sound_rate", "rate"), quick(CLICKS, 2, rows=True))
def test_a_click_track_of_ten_minutes_lands_in_its_frames(sound_rate, rate):
    sound, places = clicks(sound_rate, 600)
    signal = listen.onsets(sound, rate, decay=0)
    flashes = np.flatnonzero(signal.values)
    clicked = np.array([frame_of(place, sound_rate, rate) for place in places])
    assert len(flashes) == len(clicked) > 550
    late = flashes - clicked
    assert np.abs(late).max() <= 1
    assert (late == 0).mean() > 0.85  # clicks at the very edge of a frame may fall into its neighbour
    assert abs(late[:50].mean() - late[-50:].mean()) < 0.2  # nothing drifts
    for frame in flashes[:: len(flashes) // 10]:  # the signal has its value at the frame's time
        assert signal.at(float(frame / Fraction(rate))) == pytest.approx(signal.values[frame], abs=1e-6)


def test_loudness_and_bands_are_in_their_frames_after_ten_minutes():
    rate, frame_rate = 22_050, Fraction(30_000, 1001)
    random = np.random.default_rng(0)
    frames = np.sort(random.choice(np.arange(10, 17_900, 5), 300, replace=False))
    samples = np.zeros(600 * rate, np.float32)
    for frame in frames:  # a beep that fills its frame, and no more
        start, stop = (round(float((frame + end) / frame_rate) * rate) for end in (0.05, 0.95))
        samples[start:stop] = tone(1000, rate, 1)[: stop - start] * np.hanning(stop - start)
    sound = Sound(samples, rate)
    for signal in (listen.loudness(sound, frame_rate, decay=0), listen.bands(sound, frame_rate, decay=0)["mid"]):
        np.testing.assert_array_equal(np.flatnonzero(np.array(signal.values) > 0.5), frames)


@given(
    count=st.integers(1, 5000),
    rate=st.sampled_from([1000, 8000, 22_050, 44_100]),
    frame_rate=st.sampled_from([0.5, 24, 23.976, 29.97, 30_000 / 1001, 60, 1000]),
    level=st.sampled_from([0.0, 1e-6, 0.3, 5.0]),
)
@settings(max_examples=40, deadline=None)
def test_any_sound_gives_a_value_for_each_of_its_frames(count, rate, frame_rate, level):
    sound = Sound(level * np.random.default_rng(count).uniform(-1, 1, count), rate)
    signals = [listen.onsets(sound, frame_rate), listen.loudness(sound, frame_rate), listen.pulse(sound, frame_rate)]
    for signal in [*signals, *listen.bands(sound, frame_rate).values()]:
        frames = Fraction(count, rate) * Fraction(frame_rate).limit_denominator(1001)
        assert len(signal.values) == -(-frames.numerator // frames.denominator)
        assert 0 <= min(signal.values) <= max(signal.values) <= 1


@given(
    count=st.integers(1, 10**6), rate=st.integers(1000, 192_000), over=st.integers(1, 120), under=st.integers(1, 1001)
)
def test_frames_begin_at_their_own_time(count, rate, over, under):
    frame_rate = Fraction(over, under)
    edges = _power.frame_edges(count, rate, frame_rate)
    assert edges[0] == 0
    assert edges[-1] == count
    for number in (1, len(edges) // 2, len(edges) - 2):
        if 0 < number < len(edges) - 1:
            assert edges[number] - 1 < number * rate / frame_rate <= edges[number]


def test_onsets_do_not_depend_on_the_volume_and_follow_the_strength():
    times = np.arange(0.51, 9.5, 0.75)
    sound = drums(times, 10)
    loud = np.array(listen.onsets(sound, decay=0).values)
    quiet = np.array(listen.onsets(sound.gain(-30), decay=0).values)
    np.testing.assert_allclose(quiet, loud, atol=0.02)
    faint = np.array(listen.onsets(audio.mix([sound, drums(times + 0.375, 10).gain(-34)]), decay=0).values)
    frames = (times * 30).astype(int)
    between = ((times + 0.375) * 30).astype(int)
    near = np.array([faint[frame - 1 : frame + 2].max() for frame in between])
    assert (faint[frames] > 0.8).mean() > 0.8
    assert (near > 0.05).all()
    assert (near < 0.8).all()


def test_nothing_begins_in_what_goes_on():
    time = np.arange(22_050 * 6) / 22_050
    vibrato = 0.3 * np.sin(2 * np.pi * (440 * time + 3 * np.sin(2 * np.pi * 5 * time)))
    for samples in (tone(440, seconds=6), vibrato, np.random.default_rng(0).uniform(-0.3, 0.3, len(time))):
        flashes = np.flatnonzero(listen.onsets(Sound(samples, 22_050), decay=0).values)
        assert flashes.tolist() in ([0], [0, 1])  # where the sound itself begins


def test_silence_is_silent():
    silence = Sound(np.zeros(44_100), 22_050)
    for signal in (
        listen.onsets(silence),
        listen.loudness(silence),
        listen.pulse(silence),
        *listen.bands(silence).values(),
    ):
        assert set(signal.values) == {0}
    assert len(listen.beats(silence)) == listen.tempo(silence) == 0


def test_bands_hear_their_own_pitch():
    parts = [tone(60), tone(700), tone(6000)]
    found = listen.bands(Sound(np.concatenate(parts), 22_050), decay=0)
    assert list(found) == ["bass", "mid", "treble"]
    for number, name in enumerate(found):
        values = np.array(found[name].values)
        own = np.zeros(len(values), bool)
        own[60 * number + 2 : 60 * number + 58] = True
        assert values[own].min() > 0.95
        others = ~own
        others[[i for n in range(1, 3) for i in range(60 * n - 2, 60 * n + 2)] + [0, 1, 178, 179]] = False
        assert values[others].max() < 0.1


def test_bands_are_those_that_one_asks_for():
    sound = Sound(tone(440), 22_050)
    found = listen.bands(sound, 10, {"a": (400, 500), "nothing": (15_000, 16_000), "all": (0, 11_025)}, decay=0)
    assert max(found["nothing"].values) < 1e-3
    np.testing.assert_allclose(found["a"].values, found["all"].values, atol=0.05)
    for wrong in ({}, [1, 2], {"a": 5}, {"a": (5, 1)}, {"a": (-1, 5)}, {"a": (1, np.nan)}):
        with pytest.raises(BadValue, match="band"):
            listen.bands(sound, 10, wrong)


def test_a_band_begins_and_ends_at_half_power():
    response = _power.band(100, 1000, np.array([10, 100, 300, 1000, 10_000.0]))
    np.testing.assert_allclose(np.square(response), [0, 0.5, 1, 0.5, 0], atol=1e-6)


def test_loudness_is_as_the_ear_hears_it():
    """BS.1770 weighs 997 Hz with +0.691 dB and takes that off again; ten decibels are twice as loud."""
    gain = 20 * np.log10(_power.ear(np.array([997.0, 20.0, 10_000.0])))
    assert gain[0] == pytest.approx(0.691, abs=0.01)
    assert gain[1] < -10
    assert gain[2] == pytest.approx(4, abs=0.1)
    steps = np.repeat([1, 10 ** (-10 / 20), 10 ** (-20 / 20)], 22_050)
    values = listen.loudness(Sound(tone(997, seconds=3) * steps, 22_050), decay=0).values
    assert values[15] == pytest.approx(1, abs=0.01)
    assert values[45] == pytest.approx(0.5, abs=0.01)
    assert values[75] == pytest.approx(0.25, abs=0.01)


def test_values_rise_at_once_and_halve_in_the_time_given():
    samples = np.zeros(22_050 * 2)
    samples[22_050 // 2 :][:735] = tone(1000)[:735]
    values = listen.loudness(Sound(samples, 22_050), 30, decay=0.2).values
    assert values[14] < 0.1
    assert values[15] == 1
    assert values[21] == pytest.approx(0.5, abs=1e-6)
    assert values[27] == pytest.approx(0.25, abs=1e-6)
    for wrong in (-1, np.inf, "long"):
        with pytest.raises(BadValue, match="decay"):
            listen.onsets(Sound(samples, 22_050), decay=wrong)


@pytest.mark.parametrize("pause", [0, 0.37])
def test_beats_are_where_the_music_has_them(pause):
    song = audio.sample()
    song = audio.concat([Sound(np.zeros(1), song.rate), song], gap=pause)
    expected = pause + np.arange(32) * 60 / 112
    found = listen.beats(song)
    assert len(found) == 32
    assert np.abs(found - expected).max() < 0.012
    assert listen.tempo(song) == pytest.approx(112, rel=0.003)
    pulse = listen.pulse(song, 50, decay=0.1)
    assert [pulse.values[round(time * 50 - 0.5)] for time in found] == [1] * 32
    assert min(pulse.at(time + 0.3) for time in found) < 0.3


@pytest.mark.parametrize(("beats", "around", "heard"), [(75, 120, 75), (75, 160, 75), (184, 180, 184), (184, 90, 92)])
def test_the_tempo_is_what_is_expected_where_several_would_do(beats, around, heard):
    sound = drums(np.arange(0.2, 19.5, 60 / beats), 20)
    assert listen.tempo(sound, around=around) == pytest.approx(heard, rel=0.005)
    assert len(listen.beats(sound, around=around)) == pytest.approx(19.3 * heard / 60, abs=2)


def test_beats_follow_a_tempo_that_drifts():
    random = np.random.default_rng(1)
    times = [0.2]
    while times[-1] < 29:
        times.append(times[-1] + 60 / (100 + 20 * times[-1] / 30) + random.normal(0, 0.005))
    found = listen.beats(drums(np.array(times), 30))
    nearest = np.abs(found[:, None] - times).min(axis=0)
    assert (nearest < 0.03).mean() > 0.95
    assert len(found) == pytest.approx(len(times), abs=2)


def test_there_are_no_beats_where_there_is_no_rhythm():
    random = np.random.default_rng(0)
    for samples in (random.uniform(-0.3, 0.3, 22_050 * 15), tone(440, seconds=15), random.uniform(-1, 1, 3000)):
        sound = Sound(samples, 22_050)
        assert len(listen.beats(sound)) == listen.tempo(sound) == max(listen.pulse(sound).values) == 0
    for wrong in (0, 1000, np.nan):
        with pytest.raises(BadValue, match="around"):
            listen.beats(sound, around=wrong)


@pytest.mark.slow
def test_listening_takes_no_more_memory_for_longer_sounds():
    def peak(feature, seconds):
        sound = Sound(np.tile(drums(np.arange(0.1, 9.5, 0.5), 10).samples, (seconds // 10, 1)), 22_050)
        feature(sound)  # what is imported on the way is not counted
        tracemalloc.start()
        try:
            feature(sound)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    for feature in (listen.onsets, listen.loudness, listen.bands):
        assert peak(feature, 240) < 1.2 * peak(feature, 60) + 2e6  # four times the length is 16 MB more


def test_signals_drive_parameters():
    song = audio.sample(1)
    onsets = listen.onsets(song)
    push = 1 + 0.1 * onsets
    assert push.at(0.5) == pytest.approx(1 + 0.1 * onsets.at(0.5))
    assert max(push.at(frame / 30) for frame in range(60)) > 1.05
    assert onsets.rate == 30
    assert listen.onsets(song, Fraction(30_000, 1001)).rate == pytest.approx(29.97003)


@pytest.mark.parametrize("rate", [0, -5, 1e9, np.nan, True, "30"])
def test_a_frame_rate_that_is_none_is_refused(rate):
    for feature in (listen.onsets, listen.loudness, listen.bands, listen.pulse):
        with pytest.raises(BadValue, match="rate"):
            feature(Sound(np.zeros(5), 8000), rate)


def test_signals_are_read_from_a_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    song = audio.sample(1)
    song.save(tmp_path / "song.wav", bits=32)
    song.save(tmp_path / "me@home-1..2.wav", bits=32)
    bass = listen.bands(song)["bass"]
    assert listen.parse("song.wav:bass") == bass
    assert listen.parse("song.wav") == listen.parse("me@home-1..2.wav") == listen.onsets(song)
    assert listen.parse("song.wav:pulse", 25) == listen.pulse(song, 25)
    assert listen.parse("song.wav:60-90") == listen.bands(song, 30, {"it": (60, 90)})["it"]
    zoom = listen.parse("1..1.1@song.wav:bass")
    turn = listen.parse(f"-.02...02@{tmp_path}/song.wav:loudness")
    for time in (0, 0.3, 1.234):
        assert zoom.at(time) == pytest.approx(1 + 0.1 * bass.at(time))
        assert -0.02 <= turn.at(time) <= 0.02


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", BadValue, "LOW..HIGH@FILE:FEATURE"),
        ("1..2@", BadValue, "LOW..HIGH@FILE:FEATURE"),
        ("a..b@song.wav", BadValue, "LOW..HIGH@FILE:FEATURE"),
        ("1..@song.wav", BadValue, "LOW..HIGH@FILE:FEATURE"),
        ("song.wav:bas", UnknownName, "did you mean 'bass'"),
        ("song.wav:90-60", BadValue, "must rise"),
        ("nowhere.wav:bass", NotFound, "does not exist"),
    ],
)
def test_a_line_that_is_no_signal_is_refused(tmp_path, monkeypatch, text, error, says):
    monkeypatch.chdir(tmp_path)
    audio.sample(1).save(tmp_path / "song.wav")
    with pytest.raises(error, match=says):
        listen.parse(text)
