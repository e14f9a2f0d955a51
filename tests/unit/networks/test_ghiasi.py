from __future__ import annotations

import pytest
import torch

from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.ghiasi import MOBILENET_V2, StylePredictor, StyleTransformer, Widths


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def randomised(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: torch.randn(tensor.shape) / 5 for key, tensor in network.state_dict().items()}


def small_transformer() -> dict[str, torch.Tensor]:
    return randomised(StyleTransformer(contract=(4, 6, 10), residuals=2, expand=(7, 5), style=9))


def small_predictor() -> dict[str, torch.Tensor]:
    return randomised(StylePredictor(stem=4, blocks=[Widths(4, 3), Widths(9, 5), Widths(10, 5)], features=11, style=9))


def test_a_transformer_of_other_widths_is_built_from_its_shapes():
    network = from_state_dict("fast_style", small_transformer())
    assert isinstance(network, StyleTransformer)
    assert [layer.out_channels for layer in network.contract] == [4, 6, 10]
    assert len(network.residual) == 2
    result = network(torch.rand(2, 3, 16, 20), torch.randn(2, 9))
    assert result.shape == (2, 3, 16, 20)
    assert 0 <= result.min() < result.max() <= 1


@pytest.mark.parametrize(("side", "rounded"), [(5, 8), (8, 8), (13, 16), (17, 20)])
def test_the_transformer_rounds_sizes_up_to_multiples_of_4(side, rounded):
    network = from_state_dict("fast_style", small_transformer())
    assert network(torch.rand(1, 3, side, 24), torch.randn(1, 9)).shape == (1, 3, rounded, 24)


def test_each_picture_of_a_batch_gets_its_own_style():
    network = from_state_dict("fast_style", small_transformer())
    content, styles = torch.rand(1, 3, 16, 16).repeat(2, 1, 1, 1), torch.randn(2, 9)
    both = network(content, styles)
    assert (both[0] - both[1]).abs().mean() > 0.01
    for number in range(2):
        alone = network(content[:1], styles[number : number + 1])
        torch.testing.assert_close(both[number : number + 1], alone, rtol=1e-4, atol=1e-5)


def test_what_is_given_to_the_transformer_is_not_overwritten():
    network = from_state_dict("fast_style", small_transformer())
    content = torch.rand(1, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    before = content.clone()
    network(content, torch.randn(1, 9))
    assert torch.equal(content, before)


def test_a_predictor_of_other_widths_is_built_from_its_shapes():
    network = from_state_dict("fast_style", small_predictor())
    assert isinstance(network, StylePredictor)
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 9)


def test_the_first_block_of_mobilenet_expands_nothing():
    keys = StylePredictor(stem=32, blocks=MOBILENET_V2).state_dict()
    assert not [key for key in keys if key.startswith("blocks.0.expand")]
    assert "blocks.1.expand.weight" in keys


def test_the_predictor_reduces_256_pixels_to_8():
    network = StylePredictor().eval()
    seen = {}
    network.head.register_forward_hook(lambda _, inputs, __: seen.update(size=inputs[0].shape))
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 256, 256)).shape == (1, 100)
    assert seen["size"] == (1, 320, 8, 8)


@pytest.mark.parametrize(
    ("state", "key"),
    [(small_transformer, "residual.1.conv2.norm.shift.bias"), (small_predictor, "blocks.2.project.weight")],
)
def test_a_missing_key_and_an_unknown_key_are_named(state, key):
    missing = state()
    del missing[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("fast_style", missing)
    with pytest.raises(BadWeights, match="odd one"):
        from_state_dict("fast_style", state() | {"odd one": torch.zeros(1)})
