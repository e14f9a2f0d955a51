from __future__ import annotations

import threading

import deterministic
import official_keys as keys
import pytest
import torch
from checkpoints import style_transfer as official
from layers import convolution
from torch.nn import functional as F

from ml4a._core.errors import BadValue, BadWeights, UnknownName
from ml4a.networks import from_state_dict
from ml4a.networks.vgg import CAFFE, MEAN, POOLINGS, TORCHVISION, VGG, VGG16
from ml4a.ops.winograd import WinogradConv2d, quicken

STATE = deterministic.state_dict(keys.hed((4, 5, 6, 7, 8)))
SMALL = deterministic.state_dict(official.features(official.SMALL_BLOCKS))
LAYERS = (
    {"conv1_1": 4, "relu1_1": 4}
    | {"pool1": 4, "conv2_1": 5, "relu2_1": 5, "conv2_2": 6, "relu2_2": 6, "conv2_3": 7, "relu2_3": 7}
    | {"pool2": 7, "conv3_1": 8, "relu3_1": 8, "conv3_2": 9, "relu3_2": 9}
)
PLAIN = {
    "max": lambda x: F.max_pool2d(x, 2),
    "average": lambda x: 2 * F.avg_pool2d(x, 2),
    "mean": lambda x: F.avg_pool2d(x, 2),
    "l2": lambda x: 0.78 * F.lp_pool2d(x, 2, 2),
    "blurred": lambda x: F.max_pool2d(F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="reflect"), 2, 1), 2),
}


@pytest.fixture
def network() -> VGG16:
    return from_state_dict("vgg16", STATE)


@pytest.fixture
def small() -> VGG:
    return from_state_dict("style_transfer", SMALL)


def noise(height: int = 37, width: int = 50, batch: int = 1) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("noise", (batch, 3, height, width)))


# -- the trunk of HED --------------------------------------------------------------------------------------------------


def test_layers_have_their_block_s_channels_and_size(network):
    found = network(noise(), ["relu1_1", "relu2_2", "relu5_3"])
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        "relu1_1": (1, 4, 37, 50),
        "relu2_2": (1, 5, 18, 25),
        "relu5_3": (1, 8, 2, 3),
    }


def test_it_is_the_trunk_that_hed_sees_through(network):
    expected = from_state_dict("hed", STATE).trunk(noise(), ["relu4_3"])["relu4_3"]
    assert torch.equal(network(noise(), ["relu4_3"])["relu4_3"], expected)


def test_a_layer_is_the_same_whatever_else_is_asked_for(network):
    alone = network(noise(), ["relu1_1"])["relu1_1"]
    assert torch.equal(network(noise(), ["relu1_1", "relu1_2", "relu3_1"])["relu1_1"], alone)


def test_nothing_behind_the_last_layer_is_computed(network):
    ran = []
    for name, conv in network.convs.items():
        conv.register_forward_hook(lambda *_, name=name: ran.append(name))
    network(noise(), ["relu1_2", "relu2_1"])
    assert ran == ["conv1_1", "conv1_2", "conv2_1"]
    network.features(noise(), ["relu1_2"])
    assert ran[3:] == ["conv1_1", "conv1_2"]


def test_nothing_at_all_is_computed_for_no_layer(network):
    network.convs["conv1_1"].register_forward_hook(lambda *_: pytest.fail("it was"))
    assert network(noise(), []) == {}


def test_the_mean_picture_is_taken_off(network):
    mean = torch.tensor(MEAN).view(1, 3, 1, 1) / 255
    bias = torch.from_numpy(STATE["netVggOne.0.bias"]).relu().view(1, 4, 1, 1)
    for seen in (
        network(mean.expand(1, 3, 8, 8), ["relu1_1"]),
        network.features(mean.flip(1).expand(1, 3, 8, 8), ["relu1_1"]),
    ):
        torch.testing.assert_close(seen["relu1_1"], bias.expand(1, 4, 8, 8), rtol=0, atol=1e-4)


@pytest.mark.parametrize("white", [1, 255])
def test_features_are_of_rgb_between_0_and_1_whatever_hed_is_given(white):
    network = VGG16((4, 5, 6, 7, 8), white=white)
    with torch.inference_mode():
        due = network(noise().flip(1) * white, ["relu3_1"])["relu3_1"]
        torch.testing.assert_close(network.features(noise(), ["relu3_1"])["relu3_1"], due)


def test_an_unknown_layer_is_named(network):
    with pytest.raises(BadValue, match="no layer named 'relu6_1'"):
        network(noise(), ["relu1_1", "relu6_1"])


def test_reduced_precision_keeps_the_first_convolution_in_float32(network):
    exact = network(noise())["relu5_3"]
    reduced = network.reduce_precision(torch.bfloat16)
    assert {name for name, conv in reduced.convs.items() if conv.weight.dtype == torch.float32} == {"conv1_1"}
    assert 0 < (reduced(noise())["relu5_3"] - exact).abs().max() / exact.std() < 0.05


# -- of any depths and widths ------------------------------------------------------------------------------------------


def test_depths_and_widths_are_the_file_s(small):
    assert small.layers() == LAYERS
    assert [small.name_of_index(index) for index in range(len(LAYERS))] == list(LAYERS)


def test_each_layer_has_the_channels_that_it_says(small):
    with torch.inference_mode():
        found = small.features(noise(), LAYERS)
    assert {name: tensor.shape[1] for name, tensor in found.items()} == LAYERS
    assert list(found) == list(LAYERS)


def test_activations_leave_the_layers_that_are_wanted_alone(small):
    with torch.inference_mode():
        found = small.features(noise(), LAYERS)
        for name, tensor in found.items():
            assert torch.equal(tensor, small.features(noise(), [name])[name])
    assert found["conv2_2"].min() < 0
    assert torch.equal(found["relu2_2"], found["conv2_2"].relu())


def test_a_layer_that_does_not_exist_gets_the_nearest(small):
    with pytest.raises(UnknownName, match="'relu9_2'; did you mean 'relu3_2'"):
        small.features(noise(), ["relu1_1", "relu9_2"])
    with pytest.raises(UnknownName, match="'relu9_2'; did you mean 'relu3_2'"):
        small(noise(), ["relu9_2"])


@pytest.mark.parametrize("name", ["style_transfer", "neural_style"])
def test_the_classifier_is_left_out(name):
    shapes = {"classifier.1.weight": (4, 9), "classifier.1.bias": (4,), "classifier.6.bias": (2,)}
    network = from_state_dict(name, SMALL | deterministic.state_dict(shapes))
    assert len(network.state_dict()) == len(SMALL)


@pytest.mark.parametrize("name", ["style_transfer", "neural_style"])
@pytest.mark.parametrize("key", SMALL)
def test_a_missing_key_is_named(name, key):
    with pytest.raises(BadWeights, match=f"'{key}'"):
        from_state_dict(name, {other: array for other, array in SMALL.items() if other != key})


@pytest.mark.parametrize("number", [1, 8, 17, 999_999_999])
def test_a_convolution_that_stands_alone_is_named(number):
    with pytest.raises(BadWeights, match=f"'features.{number}'"):
        from_state_dict("style_transfer", SMALL | deterministic.state_dict(convolution(f"features.{number}", 9, 9)))


def test_a_missing_convolution_is_told_by_the_one_behind_it():
    state = {key: array for key, array in SMALL.items() if not key.startswith("features.5.")}
    with pytest.raises(BadWeights, match=r"'features\.7', but no convolution two or three numbers before"):
        from_state_dict("style_transfer", state)


def test_an_unknown_key_is_named():
    with pytest.raises(BadWeights, match=r"'surplus\.weight' unknown"):
        from_state_dict("neural_style", SMALL | deterministic.state_dict({"surplus.weight": (1, 2)}))


def test_the_two_programs_give_their_pictures_differently():
    picture = noise()
    style, neural = (from_state_dict(name, SMALL) for name in ("style_transfer", "neural_style"))
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (TORCHVISION.mean, TORCHVISION.deviation))
    with torch.inference_mode():
        replicated = F.pad((picture - mean) / deviation, (1, 1, 1, 1), mode="replicate")
        first = torch.from_numpy(SMALL["features.0.weight"]), torch.from_numpy(SMALL["features.0.bias"])
        torch.testing.assert_close(style.features(picture, ["conv1_1"])["conv1_1"], F.conv2d(replicated, *first))
        bgr = picture.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)
        seen = neural(CAFFE(picture), ["conv1_1"])["conv1_1"]
    torch.testing.assert_close(seen, F.conv2d(bgr, *first, padding=1), rtol=1e-5, atol=1e-4)


def test_pictures_of_a_batch_do_not_influence_each_other(small):
    pictures = noise(batch=3)
    with torch.inference_mode():
        together = small(pictures, ["relu3_2"])["relu3_2"]
        alone = torch.cat([small(picture[None], ["relu3_2"])["relu3_2"] for picture in pictures])
    torch.testing.assert_close(together, alone)
    assert alone.std() > 1e-3


def test_the_picture_is_left_as_it_was(small):
    for network, picture in ((small, noise()), (from_state_dict("neural_style", SMALL), noise() - 0.5)):
        before = picture.clone()
        with torch.inference_mode():
            network(picture, LAYERS)
        assert torch.equal(picture, before)


# -- variants ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_variant_pools_in_another_way_and_has_the_same_tensors(small, pooling):
    variant = small.variant(pooling=pooling)
    assert [id(each) for each in variant.parameters()] == [id(each) for each in small.parameters()]
    assert small.pooling == "max"
    with torch.inference_mode():
        found = variant.features(noise(), ["relu1_1", "pool1"])
    torch.testing.assert_close(found["pool1"], PLAIN[pooling](found["relu1_1"]))
    assert found["pool1"].shape[-2:] == (18, 25)


def test_variants_of_a_variant_keep_what_is_not_named(small):
    variant = small.variant(pooling="l2").variant(edges="zeros")
    assert variant.pooling == "l2"
    with torch.inference_mode():
        edges = {edge: small.variant(edges=edge)(noise(), ["conv1_1"])["conv1_1"] for edge in ("zeros", "replicate")}
        assert torch.equal(variant(noise(), ["conv1_1"])["conv1_1"], edges["zeros"])
        assert torch.equal(small(noise(), ["conv1_1"])["conv1_1"], edges["replicate"])
    differs = (edges["zeros"] - edges["replicate"]).abs().amax((0, 1)) > 1e-5
    assert not differs[1:-1, 1:-1].any()
    assert differs[0].all()


def test_an_unknown_pooling_gets_the_nearest(small):
    with pytest.raises(UnknownName, match="no pooling named 'averige'; did you mean 'average'"):
        small.variant(pooling="averige")


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_shortest_side_reaches_the_last_layer(pooling, ceil):
    network = VGG([[4], [5], [6, 7], [8]], ceil=ceil).requires_grad_(False).variant(pooling=pooling)
    last = list(network.layers())[-1]
    for size in ((network.shortest, 40), (40, network.shortest)):
        features = network.features(noise(*size), [last])[last]
        assert min(features.shape[-2:]) == 1
    if network.shortest > 1:
        with pytest.raises(RuntimeError):
            network.features(noise(network.shortest - 1, 40), [last])


def test_a_fast_form_is_shared_by_variants():
    network = VGG([[8], [128, 128]], edges="replicate").eval().requires_grad_(False)
    early = network.variant(pooling="average")
    with torch.inference_mode():
        exact = network.variant(pooling="average")(noise(64, 96), ["relu2_2"])["relu2_2"]
        assert quicken(network)
        late = network.variant(pooling="average")
        assert late.convs["conv2_2"] is network.convs["conv2_2"]
        assert isinstance(late.convs["conv2_2"], WinogradConv2d)
        assert not isinstance(early.convs["conv2_2"], WinogradConv2d)
        fast = late(noise(64, 96), ["relu2_2"])["relu2_2"]
    assert late.layers() == network.layers() == early.layers()
    assert 0 < (fast - exact).abs().max() < 1e-4 * exact.std()


def test_two_threads_may_use_a_network_and_its_variant(small):
    networks = [small, small.variant(pooling="average")]
    with torch.inference_mode():
        due = [network(noise(), ["relu3_2"])["relu3_2"] for network in networks]
    wrong = []

    def use(number: int) -> None:
        with torch.inference_mode():
            for _ in range(10):
                found = networks[number](noise(), ["relu3_2"])["relu3_2"]
                wrong.extend([] if torch.equal(found, due[number]) else [number])

    threads = [threading.Thread(target=use, args=(number,)) for number in (0, 1, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not torch.equal(*due)


# -- gradients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_gradient_is_the_slope(small, pooling):
    network = small.variant(pooling=pooling).double()
    x = noise(9, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(network.features(x, ["conv2_1", "relu3_2"]).values()), x)
    (gradient,) = torch.autograd.grad(network.features(x, ["relu3_2"])["relu3_2"].sum(), x)
    assert gradient.abs().max() > 1e-3


def test_no_tensor_of_the_network_gathers_a_gradient(small):
    x = noise().requires_grad_()
    small.features(x, ["relu3_2"])["relu3_2"].sum().backward()
    assert x.grad is not None
    assert all(parameter.grad is None for parameter in small.parameters())


def test_the_slope_of_the_root_is_0_where_all_is_dark():
    x = torch.zeros(1, 2, 4, 6, requires_grad=True)
    pooled = POOLINGS["l2"](x, False)
    (gradient,) = torch.autograd.grad(pooled.sum(), x)
    assert torch.equal(pooled, torch.zeros_like(pooled))
    assert torch.equal(gradient, torch.zeros_like(gradient))
