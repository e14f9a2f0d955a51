"""Masks combine as sets do, and are feathered, grown and shrunk by what is said."""

from __future__ import annotations

import numpy as np
import pytest

from ml4a._core.errors import BadValue
from ml4a.media import mask, signals

SIZE = (120, 80)
A, B, C = mask.circle(0.3, soft=0.2), mask.rectangle(0.7, 0.3, angle=0.5), mask.noise(0.3, seed=2)


def same(a: mask.Mask, b: mask.Mask) -> None:
    np.testing.assert_allclose(a(SIZE), b(SIZE), atol=1e-6)


def test_they_obey_the_laws_of_sets():
    same(~(A | B), ~A & ~B)
    same(~(A & B), ~A | ~B)
    same(A & (B | C), (A & B) | (A & C))
    same(A | A, A)
    same(A & A, A)
    same(A - B, A & ~B)
    same(A & mask.solid(), A)
    same(A | mask.solid(0), A)
    same(~~A, A)
    assert ~~A == A
    assert (A | B | C) == (A | (B | C))


def test_they_mean_what_they_say():
    a, b = A(SIZE), B(SIZE)
    np.testing.assert_array_equal((A & B)(SIZE), np.minimum(a, b))
    np.testing.assert_array_equal((A | B)(SIZE), np.maximum(a, b))
    np.testing.assert_array_equal((~A)(SIZE), 1 - a)


def test_one_channel_counts_for_all_and_other_numbers_do_not_join():
    rings = mask.arcs(3, 0.1)
    for joined in (rings & A, A & rings):
        assert joined.channels == 3
        np.testing.assert_array_equal(joined(SIZE), np.minimum(rings(SIZE), A(SIZE)))
    with pytest.raises(BadValue, match="masks of 2 and 3 channels cannot be joined"):
        rings & mask.stripes(2)
    with pytest.raises(TypeError):
        A & 0.5  # type: ignore[operator]
    with pytest.raises(TypeError):
        A - np.ones((3, 3))  # type: ignore[operator]


def test_stacks_channels_and_normalizing():
    pile = mask.stack(A, mask.arcs(3), B)
    assert pile.channels == 5
    np.testing.assert_array_equal(pile(SIZE)[:, :, 1:4], mask.arcs(3)(SIZE))
    np.testing.assert_array_equal(pile.channel(4)(SIZE), B(SIZE))
    np.testing.assert_allclose(pile.normalized()(SIZE).sum(axis=2), 1, atol=1e-6)
    shares = mask.stack(mask.circle(0.3), mask.circle(0.1)).normalized()(SIZE)
    np.testing.assert_allclose(shares[0, 0], 0.5)  # nothing there: equal shares, not NaN
    np.testing.assert_allclose(shares[40, 60], 0.5)
    np.testing.assert_allclose(shares[40, 80], (1, 0))
    with pytest.raises(BadValue, match="no channel 5; the mask has 5"):
        pile.channel(5)
    with pytest.raises(BadValue, match="masks must be 1 to"):
        mask.stack()
    with pytest.raises(BadValue, match="masks must be a mask, not float"):
        mask.stack(A, 0.5)  # type: ignore[arg-type]


def test_stacks_of_every_kind_of_mask_are_drawn_in_place():
    parts = [A.feathered(0.1), B.grown(0.1), A | B, mask.polygon([(0, -0.4), (0.4, 0.4), (-0.4, 0.4)]), mask.text("m")]
    parts += [mask.from_array(np.eye(9)), mask.arcs(3).normalized(), mask.rays(2).channel(1), C, mask.gradient(), ~B]
    pile = mask.stack(*parts)(SIZE)
    np.testing.assert_array_equal(pile, np.concatenate([part(SIZE) for part in parts], axis=2))


def test_feathering_softens_monotonically_and_keeps_the_middle_of_the_edge():
    hard = mask.rectangle(4, 4, center=(-2, 0))  # its right edge is in the middle
    widths = []
    for radius in (0, 0.02, 0.05, 0.1, 0.2, 0.4):
        row = hard.feathered(radius)((400, 100))[50, 100:300, 0]
        assert np.all(np.diff(row) <= 1e-6)
        assert row[99] >= 0.5 >= row[100]
        widths.append(int(((row > 0.02) & (row < 0.98)).sum()))
    assert widths == sorted(set(widths))
    assert widths[3] == pytest.approx(2 * 0.1 * 100, rel=0.15)
    np.testing.assert_array_equal(A.feathered(0)(SIZE), A(SIZE))
    np.testing.assert_allclose(mask.solid(0.4).feathered(0.3)(SIZE), 0.4, atol=1e-6)  # borders do not darken


@pytest.mark.parametrize("radius", [0.01, 0.05, 0.15])
def test_growing_a_disc_gives_a_larger_disc_and_shrinking_a_smaller_one(radius):
    disc = mask.circle(0.25)
    for changed, due in ((disc.grown(radius), 0.25 + radius), (disc.shrunk(radius), 0.25 - radius)):
        assert np.abs(changed((400, 400)) - mask.circle(due)((400, 400))).mean() < 0.01
        assert (changed((400, 400)).sum() / 400**2 / np.pi) ** 0.5 == pytest.approx(due, abs=0.5 / 400)


def test_corners_grow_round_and_shrinking_undoes_growing():
    square = mask.rectangle(0.4, 0.4)
    grown = square.grown(0.1)
    round_square = mask.rectangle(0.6, 0.6, corner=0.1)
    assert np.abs(grown((200, 200)) - round_square((200, 200))).max() < 0.6
    assert np.abs(grown((200, 200)) - round_square((200, 200))).mean() < 0.002
    assert np.abs(grown.shrunk(0.1)((200, 200)) - square((200, 200))).mean() < 0.003
    assert np.all(square.shrunk(0.05)((200, 200)) <= square((200, 200)))
    assert np.all(grown((200, 200)) >= square((200, 200)))


def test_growing_nothing_and_everything_changes_nothing():
    for value in (0.0, 1.0):
        for changed in (mask.solid(value).grown(0.2), mask.solid(value).shrunk(0.2)):
            assert np.all(changed(SIZE) == value)
    assert mask.circle(0.1).shrunk(0.2)(SIZE).max() == 0
    assert mask.circle(0.1).grown(3)(SIZE).min() == 1


def test_radii_may_move():
    breathing = mask.circle(0.2).grown(signals.wave(2, -0.1, 0.1))
    areas = [breathing((200, 200), time).sum() for time in (0, 0.5, 1, 2)]
    assert areas[0] < areas[1] < areas[2]
    assert areas[3] == areas[0]
    assert mask.circle(0.2).shrunk(signals.keys({0: 0.1}))((200, 200)).sum() == pytest.approx(areas[0])


def test_hundreds_of_dots_are_one_flat_mask_and_too_deep_ones_are_refused():
    rng = np.random.default_rng(0)
    dots = mask.solid(0)
    for x, y in rng.uniform(-0.5, 0.5, (400, 2)):
        dots = dots | mask.circle(0.005, center=(x, y))
    assert mask.from_data(dots.to_data()) == dots
    assert 0 < dots((50, 50)).mean() < 0.1
    deep = mask.circle()
    with pytest.raises(BadValue, match="into each other 30 times"):
        for _ in range(40):
            deep = deep.feathered(0.1)


def test_masks_are_values():
    assert mask.circle(0.3) == mask.circle(np.float64(0.3))
    assert hash(A | B) == hash(A | B)
    assert len({mask.circle(0.3), mask.circle(0.3), mask.circle(0.4)}) == 2
    with pytest.raises(AttributeError):
        A.radius = 3  # type: ignore[attr-defined]
    shown = repr((mask.circle(0.3) | ~mask.text("a", 0.2)).feathered(0.1) - mask.arcs(2).channel(0))
    again = eval(shown, {"mask": mask})
    assert again == (mask.circle(0.3) | ~mask.text("a", 0.2)).feathered(0.1) - mask.arcs(2).channel(0)


def test_what_a_mask_gives_may_be_written_to():
    stored = mask.from_array(np.full((4, 6), 0.5))
    stored((6, 4))[:] = 0
    assert stored((6, 4)).min() == 0.5
    A(SIZE)[:] = 0
    assert A(SIZE).max() == 1
