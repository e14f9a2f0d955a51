"""Scores to text and back; and text that means harm."""

from __future__ import annotations

import json

import numpy as np
import pytest
from every_warp import PIXELS, every_warp

from ml4a._core.errors import BadValue, UnknownName
from ml4a.media import canvas, mask, motion, signals
from ml4a.media.canvas import curl, fan, identity, lens, mix, noise, polar, ripple, rotate, shift, swirl, twirl, zoom
from ml4a.media.signals import Samples, keys, wave

SCORES = [
    *(warp for warp in every_warp() if warp.kind not in PIXELS),
    identity(),
    rotate(1e-7, center=(0.25, -1)),
    ripple(0.1, phase=wave(2, shape="saw")),
    swirl(keys({0: 1, 2: 3.5}, ease="in_out", loop=True)),
    twirl(2 * wave(3) - 1),
    fan(0.2, center=(wave(1), 0.5)),
    noise(0.1, 0.5, octaves=3, seed=2**40, speed=0.5, period=4),
    curl(Samples([0.1, 0.2, 0.05], 30)),
    zoom(1.02) @ rotate(0.01) & noise(0.1),
    (zoom(2) & swirl(1)) @ (rotate(1) & shift(0.1)) & lens(1),
    mix(None, zoom(2), swirl(1), rotate(1)),
    mix(0.25, zoom(2), swirl(1)),
    mix(wave(3), zoom(2) @ swirl(1), polar()),
    mix(mask.circle(0.3) & ~mask.circle(wave(1, 0.1, 0.2)), zoom(2), mix(mask.solid(), zoom(3), zoom(4))),
]


@pytest.mark.parametrize("score", SCORES, ids=repr)
@pytest.mark.parametrize("format", ["yaml", "json"])
def test_text_gives_the_same_score(score, format):
    assert canvas.loads(canvas.dumps(score, format)) == score


@pytest.mark.parametrize("score", SCORES, ids=repr)
def test_repr_is_the_expression_that_makes_the_score(score):
    assert eval(repr(score), {"mask": mask, **vars(signals), **vars(canvas)}) == score


def test_the_text_is_meant_for_people():
    text = canvas.dumps(zoom(1.02) @ rotate(wave(2)) & noise(0.1))
    assert text.startswith("together:\n- compose:\n  - zoom: {factor: 1.02}\n")
    assert "seed" not in text  # what is as by default is left out


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("zoom: {factor: 2}", zoom(2)),
        ("zoom:\n  factor: 1e-1  # YAML 1.2\n", zoom(0.1)),
        ("compose: [{zoom: {factor: +1.5}}, {rotate: {angle: -.5}}]", zoom(1.5) @ rotate(-0.5)),
        ('{"zoom": {"factor": 2}}', zoom(2)),
        ('{zoom: {factor: 2}}  # with a "quote"', zoom(2)),
        ("{zoom: {factor: {wave: {period: 2}}}}", zoom(wave(2))),
        ("mix: {share: null, warps: [{identity: {}}, {polar: {}}]}", mix(None, identity(), polar())),
        ("noise: {amount: 0.1, period: null}", noise(0.1)),
    ],
)
def test_what_people_write_is_read(text, score):
    assert canvas.loads(text) == score


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "one name with its parameters"),
        ("zoom", "one name with its parameters"),
        ("[1, 2]", "one name with its parameters"),
        ("zoom: {factor: 2}\nrotate: {angle: 1}", "one name with its parameters"),
        ("zooom: {factor: 2}", "did you mean 'zoom'"),
        ("zoom: 2", "the score.zoom must be a mapping"),
        ("zoom: {}", "the score.zoom needs factor"),
        ("zoom: {factor: 2, centre: [0, 0]}", "did you mean 'center'"),
        ("zoom: {factor: two}", "factor must be a number, not 'two'"),
        ("zoom: {factor: 0}", "the score: zoom: factor must be between"),
        ("zoom: {factor: .inf}", "factor must be a number"),
        ("zoom: {factor: true}", "factor must be a number"),
        ("zoom: {factor: [1]}", "factor must be a number"),
        ("zoom: {factor: {wave: {period: 0}}}", r"the score\.zoom\.factor\.wave: .*above 0"),
        ("zoom: {factor: 2, center: [0]}", r"must be a pair \(x, y\)"),
        ("zoom: {factor: 2, center: [a, b]}", "center must be a finite number"),
        ("kaleidoscope: {n: {wave: {period: 2}}}", "cannot change with time"),
        ("compose: {zoom: {factor: 2}}", "the score.compose must be a list of warps"),
        ("compose: []", "warps must be 1 to 10000"),
        ("compose: [{zoom: {factor: 2}}, {zoom: {factor: -2}}]", r"the score\.compose\[1\]: zoom: .*between"),
        ("compose: [{zoom: {factor: 2}}, {mix: {share: .5}}]", r"the score\.compose\[1\]\.mix needs warps"),
        ("mix: {warps: [{polar: {}}]}", "either a mask or a share"),
        ("mix: {shares: 1, warps: [{polar: {}}]}", "the score.mix: .*did you mean 'share'"),
        ("mix: {share: 1, warps: {polar: {}}}", "the score: mix: warps must be a list"),
        ("mix: {share: 2, warps: [{polar: {}}, {polar: {}}]}", "the score: the share of a mix must be between"),
        ("mix: {mask: {circl: {}}, warps: [{polar: {}}, {polar: {}}]}", r"the score\.mix\.mask"),
        ("displace: {picture: /etc/passwd}", "displace holds pixels"),
        ("flow: {motion: [[[0, 0]]]}", "flow holds pixels"),
        ("zoom: {factor: 2, factor: 3}", "'factor' twice"),
        ('{"zoom": {"factor": 2, "factor": 3}}', "'factor' twice"),
        ('{"zoom": {"factor": NaN}}', "NaN, which is no number"),
        ('{"zoom": {"factor": 2}', "line 1"),
        ("zoom: {factor: 2", "line 1"),
        ("zoom: {factor: 2}\n---\nzoom: {factor: 2}", "no YAML"),
        ("zoom: &a {factor: 2}", "anchor or alias in line 1"),
        ("compose:\n- &a {zoom: {factor: 2}}\n- *a", "anchor or alias in line 2"),
        ("zoom: !!python/object/apply:os.system [ls]", "tag, .*in line 1"),
        ("zoom: {factor: !!float 2}", "tag"),
        ("zoom: {factor: 2024-01-01}", "factor must be a number, not '2024-01-01'"),
        ("zoom: {factor: 1:30}", "factor must be a number, not '1:30'"),
        ("zoom: {<<: {factor: 2}}", "'<<'"),
        ("{1: 2}: 3", "no YAML|no name|warp named"),
        ("? [a, b]\n: 1", "no YAML|warp named"),
        ("zoom: {factor: " + "9" * 5000 + "}", "factor must be|too many"),
        ('{"zoom": {"factor": ' + "9" * 5000 + "}}", "too many"),
        ('{"zoom": {"factor": ' + "9" * 400 + "}}", "factor|number"),
        ("\x00", "no YAML"),
        ("compose: " + "[" * 300 + "]" * 300, "levels"),
        ('{"compose": ' + "[" * 100_000, "levels|no JSON"),
        ("compose:" + "".join(f"\n{'  ' * n}- compose:" for n in range(90)) + " []", "levels|list of warps|30 times"),
    ],
)
def test_hostile_text_is_refused_in_one_line_that_names_the_place(text, message):
    with pytest.raises(BadValue, match=message) as caught:
        canvas.loads(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_ten_thousand_aliases_are_refused_at_the_first():
    bomb = "a0: &a0 [x, x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30))
    with pytest.raises(BadValue, match="anchor"):
        canvas.loads(bomb)


@pytest.mark.parametrize(
    "data", [None, 3, [], {"zoom": {"factor": np.zeros(3)}}, {"zoom": {"factor": object()}}, {3: {}}]
)
def test_data_that_is_no_score_is_refused(data):
    with pytest.raises(BadValue):
        canvas.from_data(data)


def test_pixels_do_not_fit_into_text():
    for score in (
        canvas.displace(np.zeros((2, 2, 3))),
        canvas.flow(motion.Flow(np.zeros((2, 2, 2), np.float32))),
        mix(np.ones((2, 2)), zoom(2), zoom(3)),
        mix(lambda size, time: np.ones(size[::-1]), zoom(2), zoom(3)),
    ):
        with pytest.raises(BadValue, match="which text cannot hold"):
            canvas.dumps(score)


def test_only_scores_have_text_and_only_in_two_formats():
    with pytest.raises(BadValue, match="a score is a warp"):
        canvas.dumps("zoom")
    with pytest.raises(UnknownName, match="format"):
        canvas.dumps(zoom(2), "xml")
    with pytest.raises(BadValue, match="characters"):
        canvas.loads(b"zoom: {factor: 2}")
    assert json.loads(canvas.dumps(zoom(2), "json")) == {"zoom": {"factor": 2.0}}
