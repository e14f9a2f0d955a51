"""Notebooks show pictures, films and sounds; elsewhere a hint is printed."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from picture_files import scene
from PIL import Image

from ml4a._core.errors import BadMedia, BadValue, NotFound
from ml4a.media import audio, color, image, video


@pytest.fixture
def shown(monkeypatch):
    """What a notebook's `display` is given; a stand-in, since IPython is no dependency."""
    seen: list[Image.Image] = []
    notebook, front = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    notebook.get_ipython = object
    front.display = seen.append
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", front)
    return seen


def test_outside_a_notebook_a_hint_is_printed(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    image.display(scene(20, 10))
    assert capsys.readouterr().out == "a picture of 20x10 px; notebooks show it, elsewhere use image.save(…)\n"


def test_a_notebook_shows_one_picture_as_it_is(shown, capsys):
    image.display(scene(20, 10), title="A scene")
    np.testing.assert_array_equal(np.asarray(shown[0]), scene(20, 10))
    assert capsys.readouterr().out == "A scene\n"


@pytest.mark.parametrize("stack", [[scene(20, 10)] * 3, np.stack([scene(20, 10)] * 3), iter([scene(20, 10)] * 3)])
def test_a_notebook_shows_several_pictures_as_a_sheet(shown, stack):
    image.display(stack, columns=2, margin=1)
    assert shown[0].size == (43, 23)


def test_nothing_to_show_is_an_error():
    with pytest.raises(BadValue, match="no pictures"):
        image.display([])


def test_titles_stand_below_the_pictures(shown):
    image.display([scene(60, 40)] * 2, columns=2, margin=0)
    image.display([scene(60, 40)] * 2, columns=2, margin=0, titles=["one", "two"])
    image.display(scene(60, 40), margin=0, titles=["one"])
    plain, titled, single = shown
    assert plain.size == (120, 40)
    assert titled.width == 120
    assert titled.height > 50
    assert single.size == (60, titled.height)
    with pytest.raises(BadValue, match="2 pictures and 1 labels"):
        image.display([scene(60, 40)] * 2, titles=["one"])


def test_pictures_can_follow_each_other_as_a_film(shown):
    frames = [Image.fromarray(scene(20, 10, seed=1)), scene(40, 20, seed=2), Image.fromarray(scene(20, 10, 4, seed=3))]
    image.display(frames, animate=True, rate=12)
    (clip,) = shown
    assert isinstance(clip, video.Clip)
    assert (clip.rate, clip.count, clip.size) == (12, 3, (20, 10))
    arrays = list(clip)
    assert {array.shape for array in arrays} == {(10, 20, 4)}
    np.testing.assert_array_equal(np.rint(arrays[0][:, :, :3] * 255), frames[0])


def test_files_are_shown_as_what_they_hold(shown, tmp_path):
    picture = image.save(scene(20, 10), tmp_path / "picture.png")
    film = video.from_frames([scene(20, 10, seed=seed) for seed in range(4)], rate=8).save(tmp_path / "film.gif")
    tone = np.sin(np.arange(8000) / 9, dtype=np.float32)[:, None] * np.float32(0.5)
    sound = audio.Sound(tone, 8000).save(tmp_path / "sound.wav")
    spoken = audio.Sound(tone, 8000).save(tmp_path / "sound.m4a")
    for path in (picture, film, sound, spoken):
        path.rename(path.with_suffix(".bin"))  # known by its content
        image.display(str(path.with_suffix(".bin")))
    assert [type(each) for each in shown] == [Image.Image, video.Clip, audio.Sound, audio.Sound]
    assert shown[1].count == 4


def test_values_that_show_themselves_are_handed_over(shown):
    palette = color.palette(scene(20, 10), 3)
    image.display(palette)
    assert shown == [palette]


def test_files_that_hold_nothing_to_show_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(BadMedia, match="text"):
        image.display(tmp_path / "notes.txt")
    with pytest.raises(NotFound, match="does not exist"):
        image.display(tmp_path / "missing.png")


def test_outside_a_notebook_a_film_is_told_of(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    image.display([scene(20, 10)] * 2, animate=True)
    assert "Clip 20x10" in capsys.readouterr().out
