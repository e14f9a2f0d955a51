"""Masks to data and back; data from anywhere."""

from __future__ import annotations

import base64
import json
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import ImageFont

from ml4a._core.errors import BadValue
from ml4a.media import mask, signals

MASKS = [
    mask.solid(0.3, n=2),
    mask.circle(signals.wave(2, 0.1, 0.3), center=(signals.keys({0: 0, 1: 0.2}), -0.1), soft=0.05),
    mask.rectangle(0.8, 0.3, angle=0.4, corner=0.05),
    mask.polygon([(0, -0.4), (0.4, signals.Samples([0.1, 0.4], 30)), (-0.4, 0.4)]),
    mask.gradient((0, 0), (0, 0.7), shape="radial"),
    mask.checker(),
    mask.noise(0.3, seed=7, period=4),
    mask.text("ml4a\n«two»", size=0.3),
    mask.arcs(4, 0.1, period=2, blend=0.3, inwards=True, reverse=True),
    mask.rects(3, (-0.4, 0.3), (0.4, -0.3), width=0.5),
    mask.stripes(2, 0.08, angle=signals.wave(3) * 2 - 1),
    mask.rays(3, 4, phase=0.5),
    mask.interpolation(3, period=2, blend=0.5),
    mask.from_array(np.random.default_rng(0).random((5, 7, 3))),
    (mask.circle(0.3) | ~mask.checker()).feathered(signals.keys({0: 0, 2: 0.1})).grown(-0.02),
    mask.stack(mask.arcs(3).channel(1), mask.circle() & mask.noise()).normalized(),
]


@pytest.mark.parametrize("made", MASKS, ids=lambda made: made.kind)
def test_every_mask_comes_back_equal_from_json(made):
    again = mask.from_data(json.loads(json.dumps(made.to_data())))
    assert again == made
    assert hash(again) == hash(made)
    assert again.channels == made.channels
    assert again.moving == made.moving
    np.testing.assert_array_equal(again((20, 13), 0.7), made((20, 13), 0.7))


def test_every_kind_is_among_them():
    kinds = {kind for made in MASKS for kind in names(made.to_data())}
    assert mask.Mask.kinds.keys() <= kinds


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"circel": {}}, "the mask: there is no mask named 'circel'; did you mean 'circle'"),
        ({"circle": {"radios": 1}}, "the mask.circle: there is no parameter named 'radios'; did you mean 'radius'"),
        ({"circle": {"radius": "big"}}, "the mask: mask.circle: radius must be a number, not 'big'"),
        ({"circle": {"radius": 1e99}}, "radius must be between 0 and 10"),
        ({"circle": {"radius": float("nan")}}, "radius must be a finite number"),
        ({"circle": {"radius": True}}, "radius must be a number"),
        ({"circle": {"radius": {"wave": {"period": 0}}}}, "the mask.circle.radius.wave: the period of a wave"),
        ({"circle": {"center": [{"sine": {}}, 0]}}, r"the mask.circle.center\[0\]: there is no signal"),
        ({"circle": {"center": [0, 1, 2]}}, "center must be a pair"),
        ({"circle": {"center": {"x": 1}}}, "center must be a pair"),
        ({"circle": []}, "the mask.circle must be a mapping"),
        ({"circle": {}, "solid": {}}, "the mask must be one name with its parameters"),
        ([], "the mask must be one name with its parameters"),
        ("circle", "the mask must be one name with its parameters"),
        (None, "the mask must be one name with its parameters"),
        ({1: {}}, "has a name that is no text"),
        ({"not": {}}, "the mask.not needs mask"),
        ({"not": {"mask": 3}}, "the mask.not.mask must be one name"),
        ({"not": {"mask": {"circle": {"radius": -1}}}}, "the mask.not.mask: mask.circle: radius"),
        ({"and": {"masks": {"circle": {}}}}, "masks must be a list"),
        ({"and": {"masks": [{"circle": {}}, {"cube": {}}]}}, r"the mask.and.masks\[1\]: there is no mask named 'cube'"),
        ({"and": {"masks": [{"arcs": {"n": 2}}, {"arcs": {"n": 3}}]}}, "2 and 3 channels cannot be joined"),
        ({"channel": {"mask": {"circle": {}}, "number": 5}}, "there is no channel 5"),
        ({"solid": {"n": 1e9}}, "n must be between 1 and 64"),
        ({"text": {"text": "a", "font": "../secret"}}, "name of an installed font"),
        ({"text": {"text": ["a"]}}, "text must be text"),
        ({"stored": {"shape": [9, 9, 1], "values": "AAAA"}}, "must be compressed numbers in base64"),
        ({"stored": {"shape": [10**6, 10**6, 1], "values": ""}}, "shape must be height, width and channels"),
        ({"stored": {"shape": [1, 1, True], "values": ""}}, "shape must be height"),
        ({"stored": {"shape": "big"}}, "shape must be"),
        ({"stored": {"__init__": 1}}, "there is no parameter"),
    ],
)
def test_hostile_data_is_refused_in_one_line_that_names_the_place(data, message):
    with pytest.raises(BadValue, match=message) as caught:
        mask.from_data(data)
    assert "\n" not in str(caught.value)


def test_depth_and_size_are_bounded():
    deep: dict = {"circle": {}}
    for _ in range(5000):
        deep = {"not": {"mask": deep}}
    with pytest.raises(BadValue, match="levels"):
        mask.from_data(deep)
    with pytest.raises(BadValue, match="masks must be 1 to 10000"):
        mask.from_data({"or": {"masks": [{"circle": {}}] * 10_001}})


def test_a_bomb_of_zeros_does_not_unfold():
    bomb = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
    tracemalloc.start()
    with pytest.raises(BadValue, match="must be 3×3×1 numbers"):
        mask.from_data({"stored": {"shape": [3, 3, 1], "values": bomb}})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    bad = base64.b64encode(zlib.compress(np.full(4, np.nan, "<f4").tobytes())).decode()
    with pytest.raises(BadValue, match="values are in"):
        mask.from_data({"stored": {"shape": [2, 2, 1], "values": bad}})


def test_fonts_from_files_do_not_go_into_data(tmp_path):
    file = tmp_path / "mine.ttf"
    file.write_bytes(ImageFont.load_default(10).font_bytes)
    made = mask.text("abc", font=file)
    assert made((60, 30)).max() > 0.5
    with pytest.raises(BadValue, match=r"mine\.ttf from a file; data can only name installed fonts"):
        made.to_data()


def names(data: object) -> set[str]:
    if isinstance(data, dict):
        return set(data) | {name for value in data.values() for name in names(value)}
    return {name for item in data for name in names(item)} if isinstance(data, list) else set()
