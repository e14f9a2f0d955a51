"""Styles in regions: gradients, masks on their way through layers, and several styles."""

from __future__ import annotations

import pytest
import torch
from small_network import noise, small_network

from ml4a._core.errors import BadValue, UnknownName
from ml4a.synthesis import Pixels, QuasiNewton, Stage, Synthesis, content, regions
from ml4a.synthesis.objectives import Objective
from ml4a.synthesis.scene import Scene

SIZE = (24, 18)
LAYERS = {"relu1_1": 1.0, "relu2_1": 0.5}
STYLES = (noise("a", 16, 20), noise("b", 22, 14) ** 3)
LEFT = torch.cat([torch.ones(1, 1, 18, 12), torch.zeros(1, 1, 18, 12)], dim=3)
HALVES = torch.cat([LEFT, 1 - LEFT], dim=1)
OBJECTIVES = {
    "gram": lambda **more: regions.style(*STYLES, layers=LAYERS, **more),
    "covariance": lambda **more: regions.style(*STYLES, layers=LAYERS, statistic="covariance", **more),
    "means": lambda **more: regions.channel_means(*STYLES, layers=LAYERS, **more),
    "histogram": lambda **more: regions.histogram(*STYLES, layers=LAYERS, **more),
}


def scene(objective: Objective, network=None) -> Scene:
    found = Scene(network or small_network(), SIZE, torch.device("cpu"))
    found.begin(objective)
    return found


def value(objective: Objective, picture: torch.Tensor) -> torch.Tensor:
    return torch.stack(list(scene(objective).losses(picture).values())).sum()


def gradient(objective: Objective, picture: torch.Tensor) -> torch.Tensor:
    x = picture.clone().requires_grad_()
    return torch.autograd.grad(value(objective, x), x)[0]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_those_of_the_loss(name, masked):
    network = small_network().double()
    wanted = OBJECTIVES[name](regions=HALVES.double() if masked else None)
    (term,) = (part.term for part in wanted.parts)
    term.pictures = [each.double() for each in term.pictures]
    x, way = (noise(each, 18, 24).double() for each in ("x", "way"))
    begun = scene(wanted, network)

    def loss(share: float) -> torch.Tensor:
        return torch.stack(list(begun.losses(x + share * way).values())).sum()

    x.requires_grad_()
    slope = (torch.autograd.grad(loss(0), x)[0] * way).sum()
    found = (loss(1e-6) - loss(-1e-6)) / 2e-6
    assert abs(slope) > 0
    torch.testing.assert_close(slope, found.detach(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_picture_is_its_own_style(name):
    make = {"means": regions.channel_means, "histogram": regions.histogram}.get(name, regions.style)
    x = noise("x", 18, 24)
    assert value(make(x, layers=LAYERS), x) < 1e-9
    assert value(make(noise("y", 18, 24) ** 2, layers=LAYERS), x) > 1e-6
    assert value(make(x, x, layers=LAYERS, regions=HALVES), x) > 1e-9  # a half is not the whole


def test_covariances_leave_out_what_means_compare():
    network = small_network()
    features = network.features(noise("x", 18, 24), ["relu1_1"])["relu1_1"]
    shifted = features + 3
    term = regions.style(STYLES[0], statistic="covariance").parts[0].term
    gram = regions.style(STYLES[0]).parts[0].term
    torch.testing.assert_close(term._measured(features, None), term._measured(shifted, None), rtol=1e-3, atol=1e-4)
    assert (gram._measured(features, None) - gram._measured(shifted, None)).abs().max() > 0.1


def test_histograms_compare_more_than_means():
    """Of two pictures whose features have the same means."""
    flat = torch.full((1, 3, 18, 24), 0.5)
    checks = flat + 0.3 * (torch.arange(18)[:, None] + torch.arange(24)).remainder(2).mul(2).sub(1)
    term = regions.histogram(flat).parts[0].term
    found, due = (term._measured(each, None) for each in (checks, flat))
    assert torch.equal(found, found.sort(dim=1).values)
    assert term._distance(found, due).item() == pytest.approx(0.09, rel=1e-5)
    assert term._distance(found[:, ::2], found).item() == pytest.approx(0, abs=1e-3)  # whatever the sizes are


def test_a_region_s_style_moves_its_own_pixels_alone():
    both = gradient(regions.style(*STYLES, layers={"relu1_1": 1.0}, regions=HALVES), noise("x", 18, 24))
    other = regions.style(STYLES[0], STYLES[0], layers={"relu1_1": 1.0}, regions=HALVES)
    difference = (both - gradient(other, noise("x", 18, 24))).abs().amax(dim=(0, 1, 2))
    assert difference[:9].max() < 1e-9
    assert difference[15:].min() > 1e-6


def test_regions_and_styles_are_swapped_together():
    x = noise("x", 18, 24)
    straight = regions.style(*STYLES, layers=LAYERS, weights=(3, 1), regions=HALVES)
    swapped = regions.style(*STYLES[::-1], layers=LAYERS, weights=(1, 3), regions=HALVES.flip(1))
    crossed = regions.style(*STYLES[::-1], layers=LAYERS, weights=(3, 1), regions=HALVES)
    torch.testing.assert_close(value(straight, x), value(swapped, x))
    assert abs(value(crossed, x) / value(straight, x) - 1) > 0.01


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_empty_region_asks_for_nothing(name):
    x = noise("x", 18, 24)
    empty = torch.cat([torch.ones(1, 1, 18, 24), torch.zeros(1, 1, 18, 24)], dim=1)
    found = gradient(OBJECTIVES[name](regions=empty), x)
    assert found.isfinite().all()
    assert found.abs().max() > 0
    assert gradient(OBJECTIVES[name](regions=torch.zeros_like(empty)), x).abs().max() == 0


def test_weights_are_shares():
    x = noise("x", 18, 24)
    alone = regions.style(STYLES[0], layers=LAYERS)
    for blend in ("mean", "each"):
        heavy = [value(regions.style(*STYLES, layers=LAYERS, weights=w, blend=blend), x) for w in ((1, 1), (5, 5))]
        torch.testing.assert_close(*heavy)
    torch.testing.assert_close(value(regions.style(*STYLES, layers=LAYERS, weights=(1, 0)), x), value(alone, x))
    mean = value(regions.style(*STYLES, layers=LAYERS), x)
    each = value(regions.style(*STYLES, layers=LAYERS, blend="each"), x)
    assert abs(mean / each - 1) > 0.01


def test_layers_have_weights():
    x = noise("x", 18, 24)
    one, two = (value(regions.style(*STYLES, layers={layer: 1.0}), x) for layer in LAYERS)
    torch.testing.assert_close(value(regions.style(*STYLES, layers=LAYERS), x), one + 0.5 * two)


def test_steeper_terms_have_the_same_losses():
    x, wanted = noise("x", 18, 24), content(noise("y", 18, 24), ["relu2_1"])
    torch.testing.assert_close(value(regions.steeper(wanted, 7), x), value(wanted, x))
    torch.testing.assert_close(gradient(regions.steeper(wanted, 7), x), 7 * gradient(wanted, x))


def test_variation_is_a_sum_where_white_is_255():
    x = torch.zeros(1, 3, 4, 5)
    x[:, 1, 2, 3] = 1
    assert value(regions.variation(), x).item() == 4 * 255
    x[:, 1, 2, 3] = 0
    x[:, 1, 3, 4] = 1  # in a corner, beyond which there is nothing
    assert value(regions.variation(), x).item() == 2 * 255


def test_masks_fade_at_the_borders_and_shrink_with_the_picture():
    whole = torch.ones(1, 1, 18, 24)
    features, masks = regions.through_layers(small_network(), noise("x", 18, 24), whole, list(LAYERS))
    assert [masks[layer].shape[2:] == features[layer].shape[2:] for layer in LAYERS] == [True, True]
    assert masks["relu1_1"][0, 0, 0, 0].item() == pytest.approx(4 / 9)
    assert masks["relu1_1"][0, 0, 9, 12].item() == 1
    assert masks["relu2_1"][0, 0, 0, 0] < masks["relu2_1"][0, 0, 4, 6]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": (1,)}, "2 styles have as many weights, not 1"),
        ({"weights": (0, 0)}, "must not all be 0"),
        ({"regions": LEFT}, "2 styles have as many regions, not 1"),
    ],
)
def test_what_does_not_fit_the_styles_is_refused(options, words):
    with pytest.raises(BadValue, match=words):
        regions.style(*STYLES, **options)


def test_an_unknown_layer_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="relu2_l"):
        scene(regions.style(*STYLES, layers={"relu2_l": 1.0}, regions=HALVES))


def test_halves_come_nearer_to_their_styles():
    wanted = regions.style(*STYLES, layers=LAYERS, regions=HALVES)
    run = Synthesis(Pixels(noise("x", 18, 24)), wanted, small_network(), [Stage(SIZE, 12)], QuasiNewton())
    steps = list(run)
    assert steps[-1].losses["style"] < 0.3 * steps[0].losses["style"]
