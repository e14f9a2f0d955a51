"""L-BFGS with steps that are bounded and searched for."""

from __future__ import annotations

import itertools

import pytest
import torch
from small_network import noise, small_network

from ml4a.synthesis import LBFGS, Pixels, QuasiNewton, Stage, Synthesis, content, style
from ml4a.synthesis.kept import Kept
from ml4a.synthesis.objectives import PICTURE, Objective, Term

LAYERS = {"relu1_1": 1.0, "relu2_1": 1.0}


class Bowl(Term):
    """A long valley: the squares of the distances to grey, some of which count a hundred times as much."""

    name = "bowl"
    layers = (PICTURE,)

    def begin(self, scene):
        weights = torch.linspace(0, 2, 3 * 18 * 24).pow(2).pow(3).view(1, 3, 18, 24) + 1
        return lambda seen: (weights * (seen[PICTURE] - 0.5).square()).sum()


class Waves(Term):
    """Many valleys, from whose slopes the curvature cannot be told."""

    name = "waves"
    layers = (PICTURE,)

    def begin(self, scene):
        return lambda seen: (1 - (40 * seen[PICTURE]).cos()).sum()


BOWL = Objective.of(Bowl())
STYLE = style(noise("style"), layers=LAYERS, statistic="gram") + 0.1 * content(noise("x"), ["relu2_1"])


def run(wanted, optimiser, iterations=20, **options):
    start = Pixels(noise("x", 18, 24), clamp=False, **options)
    return Synthesis(start, wanted, small_network(), [Stage((24, 18), iterations)], optimiser)


def totals(synthesis):
    return [sum(step.losses.values()) for step in synthesis]


@pytest.mark.parametrize(("wanted", "share"), [(BOWL, 0.05), (STYLE, 0.4)])
def test_the_loss_falls_from_step_to_step(wanted, share):
    found = totals(run(wanted, QuasiNewton()))
    assert all(after < before for before, after in itertools.pairwise(found))
    assert found[-1] < share * found[0]


def test_it_finds_the_bottom():
    made = run(BOWL, QuasiNewton(longest=1), 60).run("x")
    assert (made - 0.5).abs().max() < 1e-3


def test_it_never_climbs_where_it_would_without_a_search():
    def climbs(optimiser):
        found = totals(run(Objective.of(Waves()), optimiser))
        return any(after > before for before, after in itertools.pairwise(found))

    assert climbs(LBFGS(20))
    assert not climbs(QuasiNewton())


def test_steps_are_as_long_as_is_said():
    synthesis = run(BOWL, QuasiNewton(first=0.01, longest=0.02))
    places = [noise("x", 18, 24), *(step.picture for step in synthesis)]
    lengths = [(after - before).square().mean().sqrt().item() for before, after in itertools.pairwise(places)]
    assert lengths[0] == pytest.approx(0.01, rel=1e-3)
    assert max(lengths) < 0.02 * 1.001
    assert max(lengths) > 0.015


def test_the_unit_of_the_parameters_is_that_of_the_steps():
    one = run(BOWL, QuasiNewton(first=0.01, longest=0.02), 3).run("x")
    other = run(BOWL, QuasiNewton(first=2.55, longest=5.1), 3, white=255).run("x")
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


def test_the_history_matters():
    short, long = (run(BOWL, QuasiNewton(history, longest=1), 30) for history in (1, 20))
    assert totals(long)[-1] < 0.5 * totals(short)[-1]


def test_at_the_bottom_it_stays_and_does_not_look_again():
    looks = []

    class Counted(Bowl):
        def begin(self, scene):
            loss = super().begin(scene)
            return lambda seen: looks.append(1) or loss(seen)

    grey = torch.full((1, 3, 18, 24), 0.5)
    stages = [Stage((24, 18), 9)]
    wanted = Objective.of(Counted())
    run = Synthesis(Pixels(grey, clamp=False), wanted, small_network(), stages, QuasiNewton())
    assert torch.equal(run.run("x"), grey)
    assert len(looks) == 1


def test_what_was_stopped_is_gone_on_with_exactly(tmp_path):
    whole = run(STYLE, QuasiNewton(5), 12).run("x")
    first, rest = run(STYLE, QuasiNewton(5), 7), run(STYLE, QuasiNewton(5), 12)
    with Kept(tmp_path / "state", first, {}, 1e9):
        first.run("x")
    with Kept(tmp_path / "state", rest, {}, 1e9):
        steps = list(rest)
    assert [step.number for step in steps] == [8, 9, 10, 11, 12]
    assert torch.equal(rest.picture, whole)


def test_pixels_that_are_clamped_meanwhile_are_looked_at_again():
    start = Pixels(noise("x", 18, 24), clamp=True)
    synthesis = Synthesis(start, STYLE, small_network(), [Stage((24, 18), 10)], QuasiNewton())
    found = totals(synthesis)
    assert found[-1] < found[0]
    assert 0 <= synthesis.picture.min() <= synthesis.picture.max() <= 1
