"""Notebooks show pictures; elsewhere a hint is printed."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from picture_files import scene
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import image


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
