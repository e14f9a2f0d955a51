from __future__ import annotations

import every_network
import numpy as np
import official_keys
import pytest
import torch

from ml4a.networks import from_state_dict, recognise
from ml4a.networks.architectures import ARCHITECTURES

WHOLLY_FOLDED = ("glow",)
ROWS = [(name, row) for name, rows in ARCHITECTURES.items() for row in rows]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name}, {row.builder}" for name, row in ROWS])
def test_what_is_recognised_is_what_is_built(name, row):
    state = every_network.state_dict(row.builder)
    found = {each.name: each for each in recognise(state)}[name]
    network = from_state_dict(name, state)
    assert found.network == row.network == type(network).__name__
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())
    again, made = (
        {key: tensor.shape for key, tensor in each.state_dict().items()}
        for each in (type(network)(**found.hyper_parameters), network)
    )
    common = again.keys() & made.keys()  # what is folded at the end has other keys
    assert 3 * len(common) >= len(made) or name in WHOLLY_FOLDED
    assert {key: again[key] for key in common} == {key: made[key] for key in common}


def test_torch_tensors_of_any_type_will_do_and_are_left_alone():
    state = {key: torch.from_numpy(array).half() for key, array in every_network.state_dict("srvgg:build").items()}
    (found,) = recognise(state)
    assert found.hyper_parameters == every_network.SRVGG
    assert all(tensor.dtype == torch.float16 for tensor in state.values())


@pytest.mark.parametrize("taken_off", ["", "params_ema.", "params.module.", "module._orig_mod.", "_orig_mod.module."])
def test_what_is_taken_off_is_told(taken_off):
    state = {f"{taken_off}{key}": array for key, array in every_network.state_dict("srvgg:build").items()}
    assert [each.taken_off for each in recognise(state)] == [taken_off]


def test_several_networks_of_one_file_are_each_recognised():
    parts = {"enlarger": "rrdbnet:build", "edges": "hed:build_pytorch", "nothing": None}
    state = {
        part: every_network.state_dict(builder) if builder else {"w": np.ones(1)} for part, builder in parts.items()
    }
    found = [(each.taken_off, each.network) for each in recognise(state)]
    assert found == [("enlarger.", "RRDBNet"), ("edges.", "HED"), ("edges.", "VGG16")]


def test_the_most_alike_is_told_where_none_fits():
    state = every_network.state_dict("hed:build_pytorch")
    state["netScoreOne.0.weight"] = np.ones((1, 4, 1, 1))
    (found,) = recognise(state)
    assert (found.name, found.hyper_parameters, found.parameters) == ("hed", {}, 0)
    assert "'netScoreOne.0.weight' unknown" in found.fault
    whole_numbers = {key: array.astype(np.int32) for key, array in every_network.state_dict("srvgg:build").items()}
    assert "whole numbers" in recognise(whole_numbers)[0].fault


def test_recognition_looks_at_shapes_and_takes_no_memory():
    """An RRDBNet whose weights would take a terabyte."""
    shapes = official_keys.rrdbnet(10_000, 5_000, 60)
    state = {key: np.broadcast_to(np.zeros((), np.float32), shape) for key, shape in shapes.items()}
    (found,) = recognise(state)
    assert found.hyper_parameters["features"] == 10_000
    assert found.parameters > 1e11


def test_hostile_shapes_are_no_network():
    for shape in ((1 << 28, 1 << 28, 1, 1), (0, 3, 3, 3), (1 << 58, 3, 1, 1), (), (1,) * 30):
        state = every_network.state_dict("srvgg:build")
        state["body.0.weight"] = np.broadcast_to(np.zeros((), np.float32), shape)
        assert all(each.fault for each in recognise(state))
    assert recognise({".".join("a" * 5000): np.ones(1), "a.b": np.ones(1)}) == []
    assert recognise({}) == []
    assert recognise({"a": np.ones(1, complex)}) == []
