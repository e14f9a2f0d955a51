"""Channels take turns: they sum to one, run at the speed and in the direction that is said, and close."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml4a.media import mask, signals

SIZE = (90, 60)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 6),
    blend=st.floats(0, 1),
    time=st.floats(-1000, 1000),
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    reverse=st.booleans(),
)
def test_the_channels_sum_to_one_everywhere_and_always(n, blend, time, size, reverse):
    options = {"period": 2.5, "blend": blend, "reverse": reverse}
    for made in (
        mask.arcs(n, 0.15, **options),
        mask.arcs(n, 0.15, inwards=True, **options),
        mask.stripes(n, 0.1, 0.3, **options),
        mask.rays(n, 3, **options),
        mask.interpolation(n, **options),
    ):
        np.testing.assert_allclose(made(size, time).sum(axis=2), 1, atol=1e-5)


def test_rings_run_outwards_by_one_ring_in_a_period():
    rings = mask.arcs(3, 0.1, period=2, blend=0.2)
    row = lambda time: rings((200, 200), time)[100, 100:]  # noqa: E731
    np.testing.assert_allclose(row(2)[40:], row(0)[20:-20], atol=0.02)
    assert np.abs(row(1)[40:] - row(0)[20:-20]).max() > 0.5
    np.testing.assert_allclose(row(1)[40:], row(0)[30:-10], atol=0.02)


def test_rings_run_inwards_by_one_ring_in_a_period():
    rings = mask.arcs(3, 0.1, period=2, blend=0.2, inwards=True)
    np.testing.assert_allclose(rings((200, 200), 2)[100, 120:-20], rings((200, 200), 0)[100, 140:], atol=0.02)


@pytest.mark.parametrize("inwards", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_channels_follow_each_other_in_time(inwards, reverse):
    rings = mask.arcs(3, 0.2, period=1, inwards=inwards, reverse=reverse)
    shown = [int(rings((40, 40), time)[20, 24].argmax()) for time in range(4)]  # in the middle of the first ring
    assert shown == ([2, 1, 0, 2] if reverse else [0, 1, 2, 0])


@pytest.mark.parametrize(
    "moving",
    [
        mask.arcs(3, period=2, blend=0.3),
        mask.rects(3, period=2),
        mask.stripes(3, period=2),
        mask.rays(3, period=2),
        mask.interpolation(3, period=2),
    ],
    ids=repr,
)
def test_after_a_period_for_each_channel_all_begins_anew(moving):
    assert moving.moving
    np.testing.assert_allclose(moving(SIZE, 6.5), moving(SIZE, 0.5), atol=1e-3)
    assert np.abs(moving(SIZE, 2.5) - moving(SIZE, 0.5)).max() > 0.7
    half = type(moving)(3, period=2, phase=0.5, **({"blend": 0.3} if moving.kind == "arcs" else {}))
    np.testing.assert_allclose(half(SIZE, 0.5), moving(SIZE, 1.5), atol=1e-3)


def test_without_a_period_nothing_moves_unless_the_phase_does():
    still = mask.arcs(3)
    assert not still.moving
    np.testing.assert_array_equal(still(SIZE, 0), still(SIZE, 7.7))
    beat = mask.arcs(3, phase=signals.keys({0: 0, 1: 1}))
    assert beat.moving
    np.testing.assert_allclose(beat(SIZE, 1), mask.arcs(3, phase=1)(SIZE), atol=1e-6)


def test_bands_run_from_start_to_end_within_the_strip():
    bands = mask.rects(3, (-0.6, 0), (0.6, 0), width=0.5, period=1)
    values = bands((160, 100), 0)
    assert values[:, :19].max() == 0
    assert values[:24].max() == 0
    assert values[:, 141:].max() == 0
    np.testing.assert_allclose(values[26:-26, 21:-21].sum(axis=2), 1, atol=1e-5)
    assert [int(values[50, x].argmax()) for x in (40, 80, 120)] == [2, 1, 0]
    later = bands((160, 100), 1)
    assert [int(later[50, x].argmax()) for x in (40, 80, 120)] == [0, 2, 1]


def test_stripes_move_in_their_direction():
    stripes = mask.stripes(2, 0.1, angle=np.pi / 2, period=1)
    first, later = (stripes((100, 100), time)[:, 50, 0] for time in (0, 0.5))
    np.testing.assert_allclose(later[10:-10], first[15:-5], atol=1e-3)  # up by half a stripe, 5 px


def test_rays_turn_counter_clockwise():
    rays = mask.rays(2, 2, period=1, blend=0.5)
    turned = np.rot90(rays((80, 80), 0)).copy()  # by a quarter of the circle, which is one of four sectors
    np.testing.assert_allclose(rays((80, 80), 1), turned, atol=0.01)
    assert np.abs(rays((80, 80), 0) - turned).max() > 0.9
    early, late = (mask.rays(2, 2, period=1)((400, 400), time)[150, 399, 0] for time in (0, 0.4))
    assert early == 0
    assert late == 1  # above the right, where the second channel was, the first has come up


def test_interpolation_fades_in_the_last_part_of_a_turn():
    fade = mask.interpolation(3, period=4, blend=0.5)
    due = {0: (1, 0, 0), 2: (1, 0, 0), 3: (0.5, 0.5, 0), 4: (0, 1, 0), 7: (0, 0.5, 0.5), 11: (0.5, 0, 0.5)}
    for time, shares in due.items():
        np.testing.assert_allclose(fade((2, 2), time)[0, 0], shares, atol=1e-5)
    cut = mask.interpolation(2, period=1, blend=0)
    assert [float(cut((1, 1), time)[0, 0, 1]) for time in (0.01, 0.99, 1.01, 1.99)] == [0, 0, 1, 1]


def test_edges_are_as_wide_as_the_blend_says():
    def slope(blend: float) -> int:
        values = mask.arcs(2, 0.4, blend=blend)((400, 400))[200, 240:, 0]
        return int(((values > 0.01) & (values < 0.99)).sum())

    assert slope(0) <= 2
    assert slope(0.25) == pytest.approx(0.25 * 160, abs=4)
