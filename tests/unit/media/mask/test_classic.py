"""The dictionaries of the library of 2021: what is checked, what is defined now, and what stays as it was.

Their values are held to the original's in `tests/parity/test_mask.py`.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml4a._core.errors import BadValue, TooLarge, UnknownName
from ml4a.media import image, mask

PICTURE = (np.random.default_rng(0).random((20, 30, 3)) * 255).astype(np.uint8)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.integers(1, 5),
    st.floats(-100, 100),
    st.floats(0, 2),
    st.booleans(),
    st.booleans(),
)
def test_every_size_is_defined_also_one_pixel_wide(width, height, n, t, blend, reverse, normalize):
    common = {"num_channels": n, "period": 7, "normalize": normalize}
    for kind in ("solid", "interpolation", "arcs", "rects"):
        own = {} if kind == "solid" else {"blend": blend, "reverse": reverse}
        values = mask.classic({"type": kind} | common | own, (width, height), t)
        assert values.shape == (height, width, n)
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() <= 1 + 1e-6
        if normalize:
            assert values.sum(axis=2).max() <= 1 + 1e-5


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_pictures_of_every_size_and_number_of_channels(width, height, channels, n, side):
    picture = np.random.default_rng(0).random((height, width, channels)).astype(np.float32)
    for method in ("kmeans", "auto"):
        values = mask.classic({"type": "image", "image": picture, "method": method, "num_channels": n, "blur_k": side})
        assert values.shape == (height, width, n)
        assert 0 <= values.min() <= values.max() <= 1


def test_a_picture_one_pixel_wide_lies_at_one_half():
    values = mask.classic({"type": "arcs", "num_channels": 2, "radius": 0.3, "center": (0.5, 0)}, (1, 5))
    np.testing.assert_array_equal(values[:, 0, 0], [1, 1, 0, 1, 0])


def test_sizes_come_from_the_argument_the_dictionary_the_picture_or_are_512():
    assert mask.classic({"type": "solid"}).shape == (512, 512, 1)
    assert mask.classic({"type": "solid", "size": (8, 6)}).shape == (6, 8, 1)
    assert mask.classic({"type": "solid", "size": (8, 6)}, (5, 4)).shape == (4, 5, 1)
    assert mask.classic({"type": "image", "image": PICTURE}).shape == (20, 30, 1)
    assert mask.classic({"type": "image", "image": PICTURE}, (10, 9)).shape == (9, 10, 1)
    with pytest.raises(TooLarge, match="more than the limit"):
        mask.classic({"type": "solid"}, (10**6, 10**6))


def test_the_dictionary_is_not_written_to():
    config = {"type": "image", "image": PICTURE, "num_channels": 3, "prev_mask": np.ones((20, 30, 3))}
    before = copy.deepcopy(config)
    mask.classic(config)
    assert config.keys() == before.keys()
    np.testing.assert_array_equal(config["image"], before["image"])
    np.testing.assert_array_equal(config["prev_mask"], before["prev_mask"])


def test_the_network_sees_red_green_and_blue_and_gives_two_channels():
    seen = []

    def network(picture):
        seen.append(np.asarray(picture))
        return image.to_array(picture)[:, :, 0]

    for method in ("foreground", "basnet"):
        values = mask.classic({"type": "image", "image": PICTURE, "method": method}, network=network)
        np.testing.assert_array_equal(seen[-1], PICTURE)
        np.testing.assert_allclose(values[:, :, 0], PICTURE[:, :, 0] / 255, atol=1e-6)
        np.testing.assert_allclose(values.sum(axis=2), 1, atol=1e-6)


def test_dilations_grow_downwards_as_they_did_and_grown_on_all_sides():
    dot = np.zeros((7, 7), np.uint8)
    dot[3, 3] = 255
    config = {"type": "image", "image": Image.fromarray(dot), "method": "threshold", "num_channels": 2}
    config |= {"thresholds": [100, 255], "n_dilations": 2}
    column = np.zeros((7, 7))
    column[3:6, 3] = 1
    np.testing.assert_array_equal(mask.classic(config)[:, :, 1], column)
    grown = mask.threshold(dot).channel(1).grown(1 / 7)((7, 7))[:, :, 0]
    np.testing.assert_allclose(grown[2:5, 2:5], [[0.6, 1, 0.6], [1, 1, 1], [0.6, 1, 0.6]], atol=0.02)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "arc"}, "there is no mask type named 'arc'; did you mean 'arcs'"),
        ({"type": "arcs", "raduis": 1}, "no parameter of arcs masks named 'raduis'; did you mean 'radius'"),
        ({"type": "solid", "blend": 1}, "no parameter of solid masks named 'blend'"),
        ({"num_channels": 3}, "names its type"),
        ("arcs", "names its type"),
        ({"type": "arcs", "num_channels": 0}, "num_channels must be a whole number between 1 and 64"),
        ({"type": "arcs", "num_channels": 2.5}, "num_channels must be a whole number"),
        ({"type": "arcs", "period": 0}, "period must be above 0"),
        ({"type": "arcs", "radius": -1}, "radius must be above 0"),
        ({"type": "arcs", "radius": float("nan")}, "radius must be a finite number"),
        ({"type": "arcs", "blend": -0.5}, "blend must be 0 or more"),
        ({"type": "arcs", "center": 0.5}, "center must be a pair of numbers"),
        ({"type": "rects", "p1": (0, 0, 0)}, "p1 must be a pair of numbers"),
        ({"type": "rects", "p1": (1, 1)}, "p1 and p2 must differ"),
        ({"type": "rects", "size": (0, 5)}, "size must be"),
        ({"type": "image"}, "needs its image"),
        ({"type": "image", "image": PICTURE, "method": "kmean"}, "no mask method named 'kmean'; did you mean 'kmeans'"),
        ({"type": "image", "image": PICTURE, "blur_k": 0}, "blur_k must be a whole number from 1 up"),
        ({"type": "image", "image": PICTURE, "n_dilations": -1}, "n_dilations must be a whole number from 0 up"),
        ({"type": "image", "image": PICTURE, "method": "threshold"}, "thresholds must be 1 numbers"),
        ({"type": "image", "image": PICTURE, "method": "foreground"}, "needs a network"),
        ({"type": "image", "image": np.zeros((0, 3, 3))}, "picture's array is"),
    ],
)
def test_bad_dictionaries_are_refused_in_one_line(config, message):
    with pytest.raises(BadValue, match=message) as caught:
        mask.classic(config)
    assert "\n" not in str(caught.value)


def test_times_that_are_none_are_refused():
    with pytest.raises(BadValue, match="t must be a finite number, not nan"):
        mask.classic({"type": "solid"}, (3, 3), float("nan"))
    with pytest.raises(UnknownName):
        mask.classic({"type": "images"})
