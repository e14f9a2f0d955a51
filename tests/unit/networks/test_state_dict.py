from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import nn

from ml4a._core.errors import BadWeights
from ml4a.networks.state_dict import count, keys_in_order, load, plain, shape


def test_tensors_become_float32_whatever_they_were():
    state = plain(
        {
            "half": torch.ones(2, dtype=torch.float16),
            "brain": torch.ones(2, dtype=torch.bfloat16),
            "double": np.ones(2),
            "big_endian": np.ones(2, ">f4"),
            "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        }
    )
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    assert state["big_endian"].tolist() == [1, 1]
    assert state["transposed"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_whole_numbers_stay_whole():
    assert plain({"batches": np.array(7)})["batches"].dtype == torch.int64


def test_tensors_are_copies():
    array, tensor = np.zeros(2, np.float32), torch.zeros(2)
    state = plain({"array": array, "tensor": tensor})
    array += 1
    tensor += 1
    assert [value.tolist() for value in state.values()] == [[0, 0], [0, 0]]


def test_read_only_arrays_are_taken():
    array = np.zeros(2, np.float32)
    array.flags.writeable = False
    assert plain({"a": array})["a"].tolist() == [0, 0]


@pytest.mark.parametrize("wrapper", ["params_ema", "params", "state_dict"])
def test_wrappers_are_taken_off_nested_or_dotted(wrapper):
    tensor = torch.ones(1)
    assert list(plain({wrapper: {"a.b": tensor}, "epoch": 3})) == ["a.b"]
    assert list(plain({f"{wrapper}.a.b": tensor, "optimizer.x": tensor})) == ["a.b"]


def test_averaged_weights_are_preferred_to_the_last_steps():
    state = plain({"params": {"a": torch.zeros(1)}, "params_ema": {"a": torch.ones(1)}})
    assert state["a"].item() == 1


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_that_all_keys_have_are_taken_off(prefix):
    assert list(plain({f"{prefix}a": torch.ones(1), f"{prefix}b": torch.ones(1)})) == ["a", "b"]


def test_a_prefix_that_only_some_keys_have_is_part_of_their_names():
    assert list(plain({"module.a": torch.ones(1), "b": torch.ones(1)})) == ["module.a", "b"]


def test_a_file_without_tensors_is_refused():
    with pytest.raises(BadWeights, match="no tensors"):
        plain({"epoch": 3})


def test_complex_numbers_are_refused_by_name():
    with pytest.raises(BadWeights, match="'phase' is of complex numbers"):
        plain({"phase": np.ones(2, np.complex64)})


def test_numbers_that_are_not_finite_are_warned_of_by_name(caplog):
    with caplog.at_level(logging.WARNING, "ml4a"):
        plain({"good": torch.ones(2), "broken": torch.tensor([1, torch.nan])})
    assert "'broken'" in caplog.text
    assert "'good'" not in caplog.text


def test_a_filled_network_is_ready_for_use():
    network = load(nn.Linear(2, 3, device="meta"), linear(2, 3))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network(torch.ones(1, 2)).tolist() == [[3, 3, 3]]


def test_missing_unknown_and_misshaped_keys_are_named_as_in_the_file():
    state = linear(2, 3)
    del state["bias"]
    state["weight"] = torch.ones(3, 5)
    state["gain"] = torch.ones(1)
    with pytest.raises(BadWeights) as error:
        load(nn.Linear(2, 3), {f"file.{key}": tensor for key, tensor in state.items()}, "file.{}".format)
    message = str(error.value)
    assert "'file.bias' missing" in message
    assert "'file.gain' unknown" in message
    assert "'file.weight' misshaped (3×5 not 3×2)" in message
    assert "\n" not in message


def test_only_the_first_five_keys_are_named():
    network = nn.Sequential(*(nn.Linear(1, 1) for _ in range(4)))
    with pytest.raises(BadWeights) as error:
        load(network, {"other": torch.ones(1)})
    assert "'0.weight', '0.bias', '1.weight', '1.bias', '2.weight' and 3 more missing" in str(error.value)


def test_quantised_weights_are_refused_by_name():
    state = linear(2, 3)
    state["weight"] = torch.ones(3, 2, dtype=torch.int8)
    with pytest.raises(BadWeights, match="'weight' of whole numbers"):
        load(nn.Linear(2, 3), state)


def test_tensors_under_foreign_names_are_taken_in_order():
    state = {"x": torch.ones(3, 2), "y": torch.zeros(3)}
    network = nn.Linear(2, 3)
    load(network, state, keys_in_order(network, state))
    assert torch.equal(network.weight, torch.ones(3, 2))


def test_a_shape_is_read_or_the_key_is_named():
    state = {"kernel": torch.ones(4, 3, 2, 2), "empty": torch.ones(0, 3, 2, 2)}
    assert shape(state, "kernel") == (4, 3, 2, 2)
    with pytest.raises(BadWeights, match="lack 'other'"):
        shape(state, "other")
    with pytest.raises(BadWeights, match="'kernel' of shape 4×3×2×2"):
        shape(state, "kernel", dimensions=2)
    with pytest.raises(BadWeights, match="'empty'"):
        shape(state, "empty")


def test_numbered_layers_are_counted():
    state = dict.fromkeys(["body.0.a", "body.1.a", "body.2.a", "tail"], torch.ones(1))
    assert count(state, r"body\.(\d+)\.") == 3
    assert count(state, r"head\.(\d+)\.") == 0


def test_a_number_beyond_all_tensors_is_refused():
    with pytest.raises(BadWeights, match=r"body\.999999999"):
        count({"body.999999999.a": torch.ones(1)}, r"body\.(\d+)\.")


def linear(channels: int, filters: int) -> dict[str, torch.Tensor]:
    return {"weight": torch.ones(filters, channels), "bias": torch.ones(filters)}
