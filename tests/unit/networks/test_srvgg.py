from __future__ import annotations

import deterministic
import official_keys as keys
import pytest
import torch

from ml4a.networks import from_state_dict
from ml4a.networks.srvgg import SRVGGNetCompact


def small(features: int = 8, convolutions: int = 2, scale: int = 2) -> SRVGGNetCompact:
    return from_state_dict("esrgan", deterministic.state_dict(keys.srvgg(features, convolutions, scale)))


def noise(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("noise", (1, 3, height, width)))


@pytest.mark.parametrize(("features", "convolutions", "scale"), [(24, 3, 3), (8, 0, 1), (16, 5, 4)])
def test_shapes_decide_widths_depth_and_scale(features, convolutions, scale):
    network = small(features, convolutions, scale)
    assert (network.scale, network.overlap) == (scale, convolutions + 2)
    assert network(noise(5, 7)).shape == (1, 3, 5 * scale, 7 * scale)


def test_ncnn_names_mean_the_same_network():
    state = deterministic.state_dict(keys.srvgg(24, 3, 3))
    ordered = sorted(state, key=lambda key: int(key.split(".")[1]))
    renamed = {}
    for key in ordered:
        _, number, kind = key.split(".")
        slope = state[key].ndim == 1 and kind == "weight"
        renamed[f"PRelu_{number}.slope" if slope else f"Conv_{number}.{kind}"] = state[key]
    x = noise(6, 5)
    assert torch.equal(from_state_dict("esrgan", renamed)(x), from_state_dict("esrgan", state)(x))


def test_a_network_of_zeros_repeats_pixels():
    state = {key: 0 * array for key, array in deterministic.state_dict(keys.srvgg(8, 2, 2)).items()}
    x = noise(3, 4)
    assert torch.equal(from_state_dict("esrgan", state)(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_the_overlap_is_as_far_as_it_sees():
    network = small(convolutions=4)
    x = noise(21, 21)
    touched = x.clone()
    touched[:, :, 10, 10] += 100
    rows = (network(x) != network(touched)).any(dim=3).any(dim=1)[0].nonzero() // network.scale
    assert (int(rows.min()), int(rows.max())) == (10 - network.overlap, 10 + network.overlap)


def test_reduced_precision_keeps_the_first_and_the_last_convolution_in_float32():
    network = small().reduce_precision(torch.bfloat16)
    assert [layer.weight.dtype for layer in network.body] == [
        torch.float32,
        *[torch.bfloat16] * (len(network.body) - 2),
        torch.float32,
    ]
    result = network(noise(8, 8))
    assert result.dtype == torch.float32
    assert 0 < (result - small()(noise(8, 8))).abs().max() < 0.05
