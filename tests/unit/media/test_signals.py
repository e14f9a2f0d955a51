"""Numbers over time: what they are when, how they add up, and text that is none."""

from __future__ import annotations

import io
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ml4a._core.errors import BadValue, UnknownName
from ml4a.media import signals
from ml4a.media.signals import Samples, keys, value_at, wave

NUMBER = st.floats(-1e6, 1e6)


def test_keys_go_from_value_to_value_and_are_held_outside():
    signal = keys({1: 10, 3: 20})
    assert [signal.at(time) for time in (-5, 1, 1.5, 2, 3, 9)] == [10, 10, 12.5, 15, 20, 20]


@pytest.mark.parametrize(
    ("ease", "quarter", "middle"),
    [("linear", 0.25, 0.5), ("in", 0.0625, 0.25), ("out", 0.4375, 0.75), ("in_out", 0.15625, 0.5), ("step", 0, 0)],
)
def test_easing(ease, quarter, middle):
    signal = keys({0: 0, 4: 1}, ease=ease)
    assert signal.at(1) == pytest.approx(quarter)
    assert signal.at(2) == pytest.approx(middle)
    assert (signal.at(0), signal.at(4)) == (0, 1)


def test_looping_keys_begin_again():
    signal = keys({1: 0, 3: 8, 5: 0}, loop=True)
    for time in (0.2, 1.7, 2.5, 4.9):
        assert signal.at(time + 4) == pytest.approx(signal.at(time))
        assert signal.at(time - 8) == pytest.approx(signal.at(time))


def test_the_order_of_keys_does_not_matter():
    assert keys({2: 1.1, 0: 1.0}) == keys({0: 1.0, 2: 1.1})


@pytest.mark.parametrize(
    ("shape", "quarter", "half", "last"),
    [("sine", 0, 1, 0), ("triangle", 0, 1, -1), ("saw", -0.5, 0, 1), ("square", -1, 1, 1)],
)
def test_waves_begin_low_and_come_back(shape, quarter, half, last):
    signal = wave(2, low=-1, high=1, shape=shape)
    assert signal.at(0) == -1
    assert signal.at(0.5) == pytest.approx(quarter)
    assert signal.at(1) == pytest.approx(half)
    assert signal.at(2 - 1e-9) == pytest.approx(last if shape != "sine" else -1, abs=1e-6)
    assert signal.at(7.3) == pytest.approx(signal.at(1.3))


def test_the_phase_of_a_wave_is_how_far_it_is_already():
    assert wave(4, phase=0.5).at(0) == pytest.approx(1)
    assert wave(4, phase=0.25).at(1) == pytest.approx(wave(4).at(2))


def test_samples_are_linear_between_and_held_at_the_ends():
    signal = Samples(np.array([1, 3, 2], np.float32), rate=10)
    assert [signal.at(time) for time in (-1, 0, 0.05, 0.1, 0.15, 0.2, 3)] == pytest.approx([1, 1, 2, 3, 2.5, 2, 2])
    assert Samples([7], 30).at(1) == 7


@given(NUMBER, NUMBER, st.floats(0, 20))
def test_arithmetic_is_that_of_the_values(a, b, time):
    x, y = keys({0: a, 10: b}), wave(3, low=1, high=2)
    at_x, at_y = x.at(time), y.at(time)
    assert (x + y).at(time) == at_x + at_y
    assert (2 - x).at(time) == 2 - at_x
    assert (x * y - 1).at(time) == at_x * at_y - 1
    assert (x / y).at(time) == at_x / at_y
    assert (1 / y).at(time) == 1 / at_y
    assert (-x).at(time) == -at_x


def test_numbers_have_a_value_at_any_time():
    assert value_at(3.5, 100) == 3.5
    assert value_at(keys({0: 1}), 100) == 1


def signals_of_all_kinds():
    values = Samples([0.5, 1, 0.25], 30)
    return [
        keys({0: 1, 2.5: -1}, ease="in_out", loop=True),
        wave(2, -1, 3, "saw", 0.25),
        values,
        2 * values + wave(1) / keys({0: 3, 1: 4}) - 1,
        -(values - (values - values)),
    ]


@pytest.mark.parametrize("signal", signals_of_all_kinds(), ids=["keys", "wave", "samples", "sum", "difference"])
def test_data_and_repr_make_the_same_signal_again(signal):
    assert signals.from_data(json.loads(json.dumps(signal.to_data()))) == signal
    again = eval(repr(signal), vars(signals))
    assert again == signal
    assert hash(again) == hash(signal)
    assert again.at(0.7) == signal.at(0.7)


def test_a_signal_draws_its_curve():
    picture = np.asarray(Image.open(io.BytesIO(keys({0: 0, 1: 1})._repr_png_())).convert("L"))
    rows = [column.argmin() for column in picture[:, 100:230:10].T]
    assert all(a > b for a, b in itertools.pairwise(rows))  # it rises


@pytest.mark.parametrize(
    "make",
    [
        lambda: keys({}),
        lambda: keys({0: math.nan}),
        lambda: keys({0: 10**400}),
        lambda: keys({0: 1, "1": 2}),
        lambda: keys({0: True}),
        lambda: keys({0: 1}, ease="fast"),
        lambda: keys({0: 1}, loop="yes"),
        lambda: wave(0),
        lambda: wave(-1),
        lambda: wave(1, high=math.inf),
        lambda: wave(1, shape="round"),
        lambda: Samples([], 30),
        lambda: Samples([1, math.nan], 30),
        lambda: Samples("123", 30),
        lambda: Samples([[1, 2]], 30),
        lambda: Samples([1, 2], 0),
        lambda: wave(1) + "1",
        lambda: wave(1) * math.nan,
        lambda: wave(1) / 0,
        lambda: (1 / wave(1)).at(0),
    ],
)
def test_what_is_no_signal_is_refused_in_one_line(make):
    with pytest.raises(BadValue) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"wave": {"perod": 2}}, r"the signal\.wave: .*perod"),
        ({"wave": {}}, r"the signal\.wave: .*period"),
        ({"wav": {"period": 2}}, "did you mean 'wave'"),
        ({"wave": {"period": "2"}}, r"the signal\.wave: the period of a wave must be a finite number"),
        ({"wave": {"period": 1, "low": math.nan}}, "low of a wave must be a finite number"),
        ({"wave": [2]}, r"the signal\.wave must be a mapping"),
        ({"keys": {"points": {"0": 1}}}, r"a list of \[seconds, value\]"),
        ({"keys": {"points": [[0, 1], [0, 2]]}}, "one time twice"),
        ({"samples": {"values": "abc", "rate": 3}}, "list of numbers"),
        ({"samples": {"values": [[1], [2, 3]], "rate": 3}}, "list of numbers"),
        ({"+": [1, {"wave": {"period": 0}}]}, r"the signal\.\+\[1\]\.wave: .*above 0"),
        ({"+": [1]}, "a list of two"),
        ({"a": 1, "b": 2}, "one name with its parameters"),
        ([], "one name with its parameters"),
        ("wave", "one name with its parameters"),
        (math.inf, "finite number"),
    ],
)
def test_data_that_is_no_signal_is_refused_with_its_place(data, message):
    with pytest.raises(BadValue, match=message) as caught:
        signals.from_data(data)
    assert "\n" not in str(caught.value)


def test_data_without_an_end_is_refused():
    deep: object = 1.0
    for _ in range(5000):
        deep = {"+": [deep, 1.0]}
    with pytest.raises(BadValue, match="levels"):
        signals.from_data(deep)


def test_an_unknown_easing_suggests_the_nearest():
    with pytest.raises(UnknownName, match="'in_out'"):
        keys({0: 1}, ease="inout")
