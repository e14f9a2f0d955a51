"""Sounds can be seen: waveforms, spectrograms, and a player in notebooks."""

from __future__ import annotations

import base64
import io
import re
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import audio
from ml4a.media.audio import Sound


def ink(picture: Image.Image) -> np.ndarray:
    """H×W: how much darker than white each pixel is, in [0, 1]."""
    return 1 - np.asarray(picture.convert("L"), np.float32) / 255


def test_a_waveform_is_as_high_as_the_sound_is_loud():
    time = np.arange(8000) / 8000
    samples = np.sin(2 * np.pi * 1000 * time) * np.repeat([0.0, 0.5, 1.0, 0.25], 2000)
    picture = Sound(samples, 8000).waveform((400, 50), "black")  # too low for an axis
    assert (picture.mode, picture.size) == ("RGB", (400, 50))
    heights = (ink(picture) > 0.2).sum(axis=0)
    assert heights[50] == pytest.approx(1, abs=1)
    assert heights[150] == pytest.approx(24, abs=2)
    assert heights[250] == pytest.approx(48, abs=2)
    assert heights[350] == pytest.approx(12, abs=2)


def test_power_is_darker_than_peaks():
    samples = np.zeros(8000)
    samples[::100] = 1  # much peak, little power
    column = ink(Sound(samples, 8000).waveform((100, 50), "black"))[:25, 50]
    assert 0.3 < column[10] < 0.6
    assert column[24] > 0.9


def test_each_channel_has_its_lane_and_the_axis_its_room():
    samples = np.stack([np.ones(8000), np.zeros(8000)], axis=1)
    lanes = ink(Sound(samples, 8000).waveform((300, 118), "black"))
    assert lanes[:50].sum() > 10 * lanes[50:100].sum() > 0
    assert lanes[103:].sum() > 50  # marks and figures


def test_colours_and_sizes_are_taken_or_refused():
    sound = Sound(0.5 * np.ones(100), 8000)
    picture = sound.waveform((20, 20), "#ff0000", "navy")
    assert picture.getpixel((0, 0)) == (0, 0, 128)
    assert picture.getpixel((10, 9))[0] == 255
    for size in ((0, 5), (5,), 7, (5, 10**6), (2.5, 5)):
        with pytest.raises(BadValue, match="size"):
            sound.waveform(size)
        with pytest.raises(BadValue, match="size"):
            sound.spectrogram(size)
    with pytest.raises(BadValue, match="background"):
        sound.waveform(background="no colour")


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 400),
    channels=st.integers(1, 4),
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    level=st.sampled_from([0, 0.3, 1, 40]),
)
def test_pictures_of_any_sound_in_any_size(count, channels, width, height, level):
    sound = Sound(level * np.random.default_rng(count).uniform(-1, 1, (count, channels)), 1000)
    assert sound.waveform((width, height)).size == (width, height)
    assert sound.spectrogram((width, height)).size == (width, height)


def test_a_spectrogram_shows_when_and_how_high():
    time = np.arange(44_100) / 44_100
    samples = np.sin(2 * np.pi * np.where(time < 0.5, 200, 5000) * time)
    levels = np.asarray(Sound(samples, 44_100).spectrogram((100, 200)).convert("L"), np.float32)
    octaves = np.log2(22_050 / 30)
    for column, hertz in ((25, 200), (75, 5000)):
        row = round(199 * np.log2(22_050 / hertz) / octaves)
        assert levels[:, column].argmax() == pytest.approx(row, abs=3)
    silence = np.asarray(Sound(np.zeros(1000), 8000).spectrogram((10, 10)))
    assert (silence == silence[0, 0]).all()


def test_notebooks_get_a_waveform_and_a_player():
    song = audio.sample(1)
    page = song._repr_html_()
    kinds = dict(re.findall(r'src="data:(image/png|audio/mpeg);base64,([^"]+)"', page))
    png = Image.open(io.BytesIO(base64.b64decode(kinds["image/png"])))
    assert ink(png).sum() > 1000
    heard = audio.load(base64.b64decode(kinds["audio/mpeg"]))
    assert heard.duration == pytest.approx(song.duration, abs=0.05)
    assert "stereo" in page
    assert "autoplay" not in page


def test_a_page_holds_no_more_than_half_a_minute():
    long = Sound(np.random.default_rng(0).uniform(-0.1, 0.1, (100 * 8000, 6)), 8000)
    page = long._repr_html_()
    assert "100.00 s" in page
    assert "first 30 s" in page
    assert len(page) < 2_000_000
    data = re.search(r'audio/mpeg;base64,([^"]+)"', page)
    assert audio.load(base64.b64decode(data[1])).duration == pytest.approx(30, abs=0.1)


def test_outside_a_notebook_a_hint_is_printed(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    audio.display(Sound(np.zeros(8000), 8000))
    assert (
        capsys.readouterr().out
        == "<Sound: 1.000 s, 8000 Hz, 1 channel>; notebooks play it, elsewhere use sound.save(…)\n"
    )


def test_playing_starts_by_itself(monkeypatch):
    """A stand-in for the notebook, since IPython is no dependency."""
    seen: list[str] = []
    notebook, front = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    notebook.get_ipython, front.HTML, front.display = object, str, seen.append
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", front)
    audio.play(Sound(np.zeros(8000), 8000))
    audio.display(Sound(np.zeros(8000), 8000))
    assert ["autoplay" in page for page in seen] == [True, False]
