from __future__ import annotations

import pytest
import torch

from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.multistyle import MultiStyle


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small_state(styles: int = 4, contract=(5, 6, 8), residuals: int = 2, expand=(7, 3)) -> dict[str, torch.Tensor]:
    first, second, width = contract
    half, full = expand
    layers = {
        "contract.0": (first, 3, 9),
        "contract.1": (second, first, 3),
        "contract.2": (width, second, 3),
        **{f"res.{block}.{conv}": (width, width, 3) for block in range(residuals) for conv in range(2)},
        "expand.0": (half, width, 3),
        "expand.1": (full, half, 3),
        "expand.2": (3, full, 9),
    }
    state = {}
    for name, (filters, channels, kernel) in layers.items():
        state[f"{name}.w"] = torch.randn(filters, channels, kernel, kernel) / 5
        state[f"{name}.norm.gamma"] = torch.randn(styles, filters)
        state[f"{name}.norm.beta"] = torch.randn(styles, filters)
    return state


def test_other_widths_and_numbers_of_styles_are_built_from_the_shapes():
    network = from_state_dict("fast_style", small_state())
    assert isinstance(network, MultiStyle)
    assert len(network.residual) == 2
    result = network(torch.rand(2, 3, 16, 20), torch.eye(4)[:2])
    assert result.shape == (2, 3, 16, 20)
    assert 0 <= result.min() < result.max() <= 1


@pytest.mark.parametrize(("side", "rounded"), [(5, 8), (8, 8), (15, 16)])
def test_sizes_are_rounded_up_to_multiples_of_4(side, rounded):
    network = from_state_dict("fast_style", small_state())
    assert network(torch.rand(1, 3, 24, side), torch.eye(4)[:1]).shape == (1, 3, 24, rounded)


def test_the_styles_differ_and_a_blend_differs_from_both():
    network = from_state_dict("fast_style", small_state())
    content = torch.rand(1, 3, 16, 16)
    rows = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0.5, 0.5, 0, 0]])
    one, other, blend = (network(content, row[None]) for row in rows)
    for a, b in ((one, other), (one, blend), (other, blend)):
        assert (a - b).abs().mean() > 0.01


def test_a_missing_key_is_named_as_in_the_file():
    state = small_state()
    del state["res.1.0.norm.beta"]
    with pytest.raises(BadWeights, match=r"res\.1\.0\.norm\.beta"):
        from_state_dict("fast_style", state)
    with pytest.raises(BadWeights, match=r"res\.9\.odd"):
        from_state_dict("fast_style", small_state() | {"res.9.odd": torch.zeros(1)})
