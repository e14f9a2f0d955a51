from __future__ import annotations

import deterministic
import pytest
import torch
from checkpoints import neural_style as official
from torch import nn

from ml4a._core.errors import BadWeights, UnknownName
from ml4a.networks import from_state_dict
from ml4a.networks.nin import NIN
from ml4a.networks.vgg import CAFFE
from ml4a.ops.winograd import WinogradConv2d, quicken

WIDTHS = official.SMALL_WIDTHS
STATE = deterministic.state_dict(official.network_in_network(WIDTHS))
LAYERS = (
    {"conv1": 4, "relu0": 4, "cccp1": 5, "relu1": 5, "cccp2": 6, "relu2": 6, "pool1": 6}
    | {"conv2": 7, "relu3": 7, "cccp3": 8, "relu5": 8, "cccp4": 9, "relu6": 9, "pool2": 9}
    | {"conv3": 10, "relu7": 10, "cccp5": 11, "relu8": 11, "cccp6": 12, "relu9": 12, "pool3": 12}
    | {"conv4-1024": 13, "relu10": 13, "cccp7-1024": 14, "relu11": 14, "cccp8-1024": 15, "relu12": 15}
)


@pytest.fixture
def network() -> NIN:
    return from_state_dict("neural_style", STATE)


def noise(height: int = 83, width: int = 64, batch: int = 1) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("noise", (batch, 3, height, width)))


def layer_by_layer(pooling: nn.Module) -> nn.Sequential:
    """The conversion's description of the network, whose numbers are the keys'."""
    widths = iter((3, *WIDTHS))
    given = next(widths)
    layers: list[nn.Module] = []
    for first in (
        {"kernel_size": 11, "stride": 4},
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "padding": 1},
    ):
        for about in (first, {"kernel_size": 1}, {"kernel_size": 1}):
            made = next(widths)
            layers += [nn.Conv2d(given, made, **about), nn.ReLU()]
            given = made
        layers.append(pooling)
    layers.insert(21, nn.Dropout())
    model = nn.Sequential(*layers[:-1]).eval()
    model.load_state_dict({key.removeprefix("features."): torch.from_numpy(array) for key, array in STATE.items()})
    return model


@pytest.mark.parametrize(
    ("pooling", "layer"), [("max", nn.MaxPool2d(3, 2, ceil_mode=True)), ("mean", nn.AvgPool2d(3, 2, ceil_mode=True))]
)
def test_every_layer_is_that_of_the_conversion(network, pooling, layer):
    x = CAFFE(noise())
    due = []
    with torch.inference_mode():
        found = network.variant(pooling).features(noise(), LAYERS)
        for step in layer_by_layer(layer):
            x = step(x)
            if not isinstance(step, nn.Dropout):
                due.append(x)
    for tensor, expected in zip(found.values(), due, strict=True):
        assert (tensor - expected).abs().max() < 1e-5 * expected.std()


def test_layers_have_the_names_and_channels_of_the_model_zoo(network):
    assert network.layers() == LAYERS


def test_its_result_is_the_last_layer(network):
    with torch.inference_mode():
        classes = network(CAFFE(noise()))
        assert torch.equal(classes, network.features(noise(), ["relu12"])["relu12"])
    assert classes.shape == (1, 15, 2, 1)


def test_widths_are_the_file_s():
    assert from_state_dict("neural_style", STATE).convs["cccp8-1024"].out_channels == 15


@pytest.mark.parametrize("key", STATE)
def test_a_missing_key_is_named(key):
    with pytest.raises(BadWeights, match=f"'{key}'"):
        from_state_dict("neural_style", {other: array for other, array in STATE.items() if other != key})


def test_it_is_not_taken_for_a_vgg():
    with pytest.raises(BadWeights, match=r"'features\.22', but no convolution two or three numbers before"):
        from_state_dict("style_transfer", STATE)


def test_a_layer_that_does_not_exist_gets_the_nearest(network):
    with pytest.raises(UnknownName, match="no layer named 'cccp9'; did you mean 'cccp"):
        network.features(noise(), ["cccp9"])
    with pytest.raises(UnknownName, match="no pooling named 'meen'; did you mean 'mean'"):
        network.variant("meen")


def test_nothing_behind_the_last_layer_is_computed(network):
    network.convs["cccp3"].register_forward_hook(lambda *_: pytest.fail("it was"))
    assert set(network.features(noise(), ["relu3", "relu0"])) == {"relu0", "relu3"}


def test_activations_leave_the_layers_that_are_wanted_alone(network):
    with torch.inference_mode():
        found = network.features(noise(), ["cccp4", "relu6"])
    assert found["cccp4"].min() < 0
    assert torch.equal(found["relu6"], found["cccp4"].relu())


@pytest.mark.parametrize("size", [(NIN.shortest, NIN.shortest), (NIN.shortest, 200), (61, 40)])
def test_any_size_from_the_shortest_on_will_do(network, size):
    with torch.inference_mode():
        assert network.features(noise(*size), ["relu12"])["relu12"].numel() > 0
        with pytest.raises(RuntimeError):
            network.features(noise(NIN.shortest - 1, 200), ["relu12"])


def test_pictures_of_a_batch_do_not_influence_each_other(network):
    pictures = noise(batch=2)
    with torch.inference_mode():
        together = network.features(pictures, ["relu9"])["relu9"]
        alone = torch.cat([network.features(picture[None], ["relu9"])["relu9"] for picture in pictures])
    torch.testing.assert_close(together, alone)
    assert alone.std() > 1e-3


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_the_gradient_is_the_slope(network, pooling):
    network = network.variant(pooling).double()
    x = noise(39, 40).double().requires_grad_()
    direction = torch.from_numpy(deterministic.uniform("direction", (1, 3, 39, 40), -1, 1)).double()

    def along(step: torch.Tensor) -> torch.Tensor:
        return network.features(x.detach() + step * direction, ["conv3"])["conv3"].square().sum()

    (gradient,) = torch.autograd.grad(network.features(x, ["conv3"])["conv3"].square().sum(), x)
    step = torch.tensor(1e-6, dtype=torch.float64)
    slope = (along(step) - along(-step)) / (2 * step)
    assert gradient.abs().max() > 1e-3
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-4)


def test_the_fast_form_gives_the_same():
    torch.manual_seed(0)
    network = NIN((8, 8, 8, 8, 8, 128, 128, 8, 8, 8, 8, 8)).eval().requires_grad_(False)
    picture = noise(400, 400)
    with torch.inference_mode():
        exact = network.features(picture, ["relu7"])["relu7"]
        assert quicken(network)
        assert isinstance(network.convs["conv3"], WinogradConv2d)
        fast = network.features(picture, ["relu7"])["relu7"]
    assert 0 < (fast - exact).abs().max() < 1e-4 * exact.std()
