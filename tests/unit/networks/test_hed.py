from __future__ import annotations

import deterministic
import official_keys as keys
import pytest
import torch

from ml4a._core.errors import BadValue
from ml4a.networks import from_state_dict
from ml4a.networks.hed import HED

WIDTHS = (4, 5, 6, 7, 8)


def floor_hed() -> HED:
    return from_state_dict("hed", deterministic.state_dict(keys.hed(WIDTHS)))


def ceil_hed() -> HED:
    """The same weights under Keras's names."""
    state = {}
    for block, (word, layers) in enumerate(zip(("One", "Two", "Thr", "Fou", "Fiv"), (2, 2, 3, 3, 3), strict=True), 1):
        for number in range(layers):
            name = f"conv2d_{number}" if number else "conv2d"
            source = f"netVgg{word}.{2 * number + (block > 1)}"
            state[f"block{block}/layers/{name}/vars"] = source
        state[f"dsn{block}/vars"] = f"netScore{word}"
    state["fuse/vars"] = "netCombine.0"
    tensors = deterministic.state_dict(keys.hed(WIDTHS))
    arrays = {}
    for name, source in state.items():
        arrays[f"{name}/0"] = tensors[f"{source}.weight"].transpose(2, 3, 1, 0)
        arrays[f"{name}/1"] = tensors[f"{source}.bias"]
    return from_state_dict("hed", arrays)


def tensorpack_state() -> dict:
    state = deterministic.state_dict(keys.hed_tensorpack(WIDTHS))
    return {key: array.transpose(2, 3, 1, 0) if array.ndim == 4 else array for key, array in state.items()}


def noise(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("noise", (1, 3, height, width)))


def test_widths_are_read_from_the_shapes():
    assert [conv.out_channels for name, conv in floor_hed().trunk.convs.items() if name.endswith("_1")] == [*WIDTHS]


def test_pytorch_and_keras_keys_differ_on_odd_sizes_only():
    floor, ceil = floor_hed(), ceil_hed()
    torch.testing.assert_close(floor(noise(32, 48)), ceil(noise(32, 48)))
    assert (floor(noise(37, 50)) - ceil(noise(37, 50))).abs().max() > 0.01


def test_maps_are_halved_downwards_or_upwards():
    sizes = [tuple(side.shape[2:]) for side in floor_hed().sides(noise(37, 50))]
    assert sizes == [(37, 50), (18, 25), (9, 12), (4, 6), (2, 3)]
    sizes = [tuple(side.shape[2:]) for side in ceil_hed().sides(noise(37, 50))]
    assert sizes == [(37, 50), (19, 25), (10, 13), (5, 7), (3, 4)]


def test_fused_maps_are_the_network_s_result():
    network = ceil_hed()
    assert torch.equal(network.fuse(network.sides(noise(37, 50)), (37, 50)), network(noise(37, 50)))


def test_the_smallest_pictures_have_edges():
    assert ceil_hed()(noise(1, 1)).shape == (1, 1, 1, 1)
    network = floor_hed()
    assert network(noise(network.in_minimum, network.in_minimum)).shape == (1, 1, 16, 16)


def test_tensorpack_s_values_reach_to_255():
    network = from_state_dict("hed", tensorpack_state())
    assert (network.white, ceil_hed().white) == (255, 1)
    assert network(255 * noise(16, 32)).shape == (1, 1, 16, 32)


def test_tensorpack_takes_multiples_of_16_only():
    network = from_state_dict("hed", tensorpack_state())
    assert network.in_multiple == 16
    with pytest.raises(BadValue, match="multiples of 16, not 40×32"):
        network(noise(32, 40))


def test_tensorpack_s_training_variables_are_left_out():
    state = tensorpack_state()
    surplus = {"global_step": state["conv1_1/b"], "conv1_1/W/Adam": state["conv1_1/W"]}
    saved = {f"{key}:0": array for key, array in (state | surplus).items()}
    assert torch.equal(from_state_dict("hed", saved)(noise(16, 16)), from_state_dict("hed", state)(noise(16, 16)))


def test_the_overlap_is_the_next_multiple_of_16_of_what_the_deepest_map_sees():
    network = ceil_hed()
    x = noise(320, 32)
    touched = x.clone()
    row = 150  # the first of the 196 rows that the map's 15th row sees
    touched[:, :, row] += 1000
    rows = (network.trunk(x)["relu5_3"] != network.trunk(touched)["relu5_3"]).any(dim=3).any(dim=1)[0].nonzero()
    reach = 16 * int(rows.max()) - row
    assert network.overlap - 16 < reach <= network.overlap


def test_reduced_precision_weighs_up_the_maps_in_float32():
    network = ceil_hed().reduce_precision(torch.bfloat16)
    assert network.score[4].weight.dtype == network.combine.weight.dtype == torch.float32
    edges = network(noise(32, 32))
    assert edges.dtype == torch.float32
    assert 0 < (edges - ceil_hed()(noise(32, 32))).abs().max() < 0.05
