"""Objectives: an algebra, and losses that fall as a picture comes nearer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_network import noise, small_network

from ml4a._core.errors import BadValue, UnknownName
from ml4a.synthesis import channel, content, direction, layer, neuron, smoothness, style
from ml4a.synthesis.scene import Scene


@pytest.fixture(scope="module")
def network():
    return small_network()


def total(objective, network, picture):
    scene = Scene(network, (picture.shape[3], picture.shape[2]), torch.device("cpu"))
    scene.begin(objective)
    return sum(loss.item() for loss in scene.losses(picture).values())


def test_sums_are_sums_of_losses(network):
    x = noise("x")
    a, b, c = channel("relu2_1", 3), layer("relu3_1"), style(noise("style"), layers={"relu1_1": 1, "relu2_1": 2})
    due = total(a, network, x) - 0.5 * total(b, network, x) + 0.1 * total(c, network, x)
    assert total(a - 0.5 * b + 0.1 * c, network, x) == pytest.approx(due, rel=1e-5)
    assert total(sum([a, b, c]), network, x) == pytest.approx(sum(total(each, network, x) for each in (a, b, c)))
    assert total(-(a + b) * 2, network, x) == pytest.approx(-2 * total(a + b, network, x))


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_weights_are_finite(factor):
    with pytest.raises(BadValue, match="weight"):
        channel("relu1_1", 0) * factor


@pytest.mark.parametrize("other", ["text", None, channel("relu1_1", 0)])
def test_objectives_are_multiplied_by_numbers_alone(other):
    with pytest.raises(TypeError):
        channel("relu1_1", 0) * other


def test_a_channel_is_its_mean(network):
    x = noise("x")
    features = network.features(x, ["relu2_1"])["relu2_1"]
    assert total(channel("relu2_1", 3), network, x) == pytest.approx(-features[:, 3].mean().item(), rel=1e-6)
    assert total(neuron("relu2_1", 3), network, x) == pytest.approx(-features[0, 3, 5, 6].item(), rel=1e-6)
    assert total(layer("relu2_1"), network, x) == pytest.approx(-features.square().mean().item() / 2, rel=1e-6)
    mixed = -(features[:, 3].mean() - 2 * features[:, 0].mean()).item()
    assert total(direction("relu2_1", {3: 1, 0: -2}), network, x) == pytest.approx(mixed, rel=1e-5)


@pytest.mark.parametrize("wanted", [channel("relu2_1", 5), neuron("relu2_1", 5), direction("relu2_1", {0: 1, 5: 1})])
def test_a_channel_that_is_not_there_is_refused_with_those_that_are(wanted, network):
    with pytest.raises(BadValue, match="0 to 4, not 5"):
        total(wanted, network, noise("x"))


def test_a_channel_is_a_whole_number():
    with pytest.raises(BadValue, match="whole number"):
        channel("relu2_1", -1)


def test_an_unknown_layer_is_refused_with_the_nearest(network):
    with pytest.raises(UnknownName, match="relu2_1"):
        total(layer("rleu2_1"), network, noise("x"))


LIKENESSES = {
    "content": lambda picture: content(picture, ["relu2_1", "relu3_1"]),
    "scaled content": lambda picture: content(picture, ["relu3_1"], scaled=True),
    "gram": lambda picture: style(picture, layers={"relu1_1": 3, "relu2_1": 1}, statistic="gram"),
    "wasserstein": lambda picture: style(picture, layers={"relu1_1": 3, "relu2_1": 1}),
}


@pytest.mark.parametrize("name", LIKENESSES)
def test_a_picture_is_most_like_itself(name, network):
    same, other = (total(LIKENESSES[name](noise("x")), network, noise(each)) for each in ("x", "other"))
    # Of small eigenvalues the root has not converged in its twelve steps.
    assert abs(same) < (0.05 if name == "wasserstein" else 1e-3) * other
    assert other > 1e-4


@pytest.mark.parametrize("statistic", ["gram", "wasserstein"])
def test_a_style_does_not_depend_on_where_things_are_but_content_does(statistic, network):
    """A picture that is moved around a torus has the same style but for its borders."""
    x = noise("x", 48, 48)
    moved = x.roll((8, 16), (2, 3))
    there = total(style(x, layers={"relu1_1": 1, "relu2_1": 1}, statistic=statistic), network, moved)
    other = total(
        style(noise("other", 48, 48) ** 2, layers={"relu1_1": 1, "relu2_1": 1}, statistic=statistic), network, x
    )
    assert there < 0.1 * other
    assert total(content(x, ["relu2_1"]), network, moved) > 0.5 * total(
        content(x, ["relu2_1"]), network, noise("other", 48, 48)
    )


def test_weights_of_styles_pull_towards_the_heavier(network):
    a, b = noise("a"), noise("b") ** 2
    layers = {"relu1_1": 1.0, "relu2_1": 1.0}
    near_a = total(style(a, b, weights=[9, 1], layers=layers), network, a)
    near_b = total(style(a, b, weights=[1, 9], layers=layers), network, a)
    assert near_a < 0.3 * near_b


@pytest.mark.parametrize(("weights", "match"), [([1], "as many weights"), ([0, 0], "not all be 0")])
def test_weights_of_styles_are_checked(weights, match):
    with pytest.raises(BadValue, match=match):
        style(noise("a"), noise("b"), weights=weights)


@pytest.mark.parametrize("name", [*LIKENESSES, "smoothness", "forward smoothness", "channel"])
def test_gradients_are_those_of_finite_differences(name):
    network = small_network(torch.float64)
    scene = Scene(network, (12, 10), torch.device("cpu"))
    target = noise("target", 10, 12).double()
    others = {"smoothness": smoothness(), "forward smoothness": smoothness(2), "channel": channel("relu2_1", 3)}
    scene.begin(others[name] if name in others else LIKENESSES[name](target))
    x = noise("x", 10, 12).double().requires_grad_()
    along = torch.from_numpy(np.random.default_rng(1).standard_normal(x.shape))
    (loss,) = scene.losses(x).values()
    (gradient,) = torch.autograd.grad(loss, x)
    step = 1e-6
    with torch.no_grad():
        ahead, behind = (sum(scene.losses(x + sign * step * along).values()) for sign in (1, -1))
    # The root of a covariance is one of twelve steps, and so is its gradient: small eigenvalues converge in neither.
    limit = 0.15 if name == "wasserstein" else 1e-5
    assert (gradient * along).sum().item() == pytest.approx((ahead - behind).item() / (2 * step), rel=limit)


def test_a_mask_holds_the_gradient_back(network):
    x, mask = noise("x").requires_grad_(), np.zeros((20, 24), np.float32)
    mask[:, :10] = 1
    scene = Scene(network, (24, 20), torch.device("cpu"))
    scene.begin(layer("relu2_1").within(mask) + 0.5 * channel("relu1_1", 1).within(mask))
    (gradient,) = torch.autograd.grad(sum(scene.losses(x).values()), x)
    assert gradient[..., :10].abs().max() > 0
    assert gradient[..., 10:].abs().max() == 0
    plain = Scene(network, (24, 20), torch.device("cpu"))
    plain.begin(layer("relu2_1"))
    assert sum(scene.losses(x).values()).item() != pytest.approx(0)
    assert total(layer("relu2_1").within(mask), network, x.detach()) == pytest.approx(
        total(layer("relu2_1"), network, x.detach())
    )
