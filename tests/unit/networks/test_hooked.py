from __future__ import annotations

import copy
import io
import threading

import deterministic
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import UnknownName
from ml4a.networks.hooked import Hooked


class Classifier(nn.Module):
    """Works in place, runs a part twice, and has parts that return other things than maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.block = nn.Sequential(nn.Conv2d(4, 5, 3, stride=2), nn.BatchNorm2d(5), nn.Dropout(0.5))
        self.pair = Pair()
        self.tokens = nn.Flatten(2)
        self.fc = nn.Linear(5, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv(x))
        x = self.relu(self.block(x))
        x, _ = self.pair(x)
        return self.fc(self.tokens(x).mean(2))


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


LAYERS = {"conv": 4, "relu": 4, "block.0": 5, "block.1": 5, "block.2": 5, "block": 5, "fc": 7}


def filled(module: nn.Module) -> nn.Module:
    state = deterministic.state_dict({key: tuple(tensor.shape) for key, tensor in module.state_dict().items()})
    module.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()})
    return module


@pytest.fixture
def hooked() -> Hooked:
    return Hooked(filled(Classifier()), size=9)


def photo(name: str = "photo", size: tuple[int, int] = (11, 14)) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform(name, (1, 3, *size)))


def normalised(picture: torch.Tensor) -> torch.Tensor:
    return (picture - torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)) / torch.tensor((0.229, 0.224, 0.225)).view(
        3, 1, 1
    )


def test_its_layers_are_the_parts_that_return_maps_or_rows(hooked):
    assert hooked.layers() == LAYERS
    assert list(hooked.layers()) == list(LAYERS)


def test_it_is_what_the_module_gives(hooked):
    with torch.inference_mode():
        assert torch.equal(hooked(photo()), hooked.module(normalised(photo())))
        assert torch.equal(hooked.features(photo(), ["fc"])["fc"][:, :, 0, 0], hooked(photo()))


def test_what_works_in_place_behind_a_layer_does_not_change_it(hooked):
    with torch.inference_mode():
        found = hooked.features(photo(), LAYERS)
        conv = F.conv2d(normalised(photo()), hooked.module.conv.weight, hooked.module.conv.bias, padding=1)
    assert torch.allclose(found["conv"], conv, atol=1e-6)
    assert found["conv"].min() < -0.1
    assert torch.equal(found["relu"], F.relu(found["conv"]))
    assert torch.equal(found["block"], found["block.1"])  # a dropout drops nothing
    assert found["block"].min() < -0.1
    assert {name: features.shape[1] for name, features in found.items()} == LAYERS


def test_other_normalisations_may_be_named():
    plain = Hooked(filled(Classifier()), mean=(0.5, 0.25, 0), std=(0.5, 1, 2))
    red, green, blue = photo().split(1, dim=1)
    due = plain.module(torch.cat(((red - 0.5) / 0.5, green - 0.25, blue / 2), dim=1))
    assert torch.allclose(plain(photo()), due)


def test_the_module_is_made_ready_for_use():
    module = Classifier().train()
    Hooked(module)
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_what_lies_behind_the_last_wanted_layer_is_not_computed(hooked):
    def fail(*_):
        raise AssertionError("computed for nothing")

    hooked.module.block[1].register_forward_pre_hook(fail)
    assert list(hooked.features(photo(), ["block.0", "conv"])) == ["conv", "block.0"]
    with pytest.raises(AssertionError, match="computed for nothing"):
        hooked.features(photo(), ["block"])


def test_a_module_that_catches_exceptions_is_stopped_all_the_same():
    class Cautious(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                return self.conv(x)
            except Exception:
                raise AssertionError("it heard of it") from None

    assert Hooked(filled(Cautious())).features(photo(), ["conv"])["conv"].shape == (1, 2, 11, 14)


@pytest.mark.parametrize(("layer", "nearest"), [("blok.1", "block.1"), ("convv", "conv")])
def test_an_unknown_layer_is_refused_with_the_nearest_name(hooked, layer, nearest):
    with pytest.raises(UnknownName, match=f"no layer named '{layer}'; did you mean '{nearest}'"):
        hooked.features(photo(), ["fc", layer])


def test_a_part_that_returns_no_maps_is_no_layer(hooked):
    for part in ("pair", "tokens"):
        with pytest.raises(UnknownName):
            hooked.features(photo(), [part])


def test_the_gradient_reaches_the_picture_and_is_the_slope(hooked):
    precise = copy.deepcopy(hooked).double()
    picture = photo().double().requires_grad_()
    direction = photo("direction").double()

    def value(step: float) -> torch.Tensor:
        found = precise.features(picture + step * direction, ["conv", "block", "fc"])
        return sum(features.square().sum() for features in found.values())

    value(0).backward()
    with torch.no_grad():
        slope = (value(1e-6) - value(-1e-6)) / 2e-6
    assert (picture.grad * direction).sum().item() == pytest.approx(slope.item(), rel=1e-6)
    assert abs(slope) > 0.1


@pytest.mark.parametrize("how", ["copy", "file"])
def test_a_copy_looks_into_itself(hooked, how):
    if how == "copy":
        other = copy.deepcopy(hooked)
    else:
        file = io.BytesIO()
        torch.save(hooked, file)
        file.seek(0)
        other = torch.load(file, weights_only=False)
    with torch.no_grad():
        other.module.conv.bias += 1
        difference = other.features(photo(), ["conv"])["conv"] - hooked.features(photo(), ["conv"])["conv"]
    assert torch.allclose(difference, torch.ones(()), atol=1e-5)


def test_two_views_of_one_module_do_not_mix_up_their_names():
    module = filled(Classifier())
    whole, part = Hooked(module, size=9), Hooked(module.block, mean=[0] * 4, std=[1] * 4)
    assert part.features(torch.zeros(1, 4, 9, 9), ["1"])["1"].shape[1] == 5
    assert whole.layers() == LAYERS


def test_threads_do_not_get_into_each_others_way(hooked):
    pictures = [photo(f"thread {number}", (30, 30)) for number in range(4)]
    wanted = [["conv"], ["block", "relu"], ["fc"], ["block.0", "fc"]]
    with torch.inference_mode():
        due = [hooked.features(picture, layers) for picture, layers in zip(pictures, wanted, strict=True)]
        logits = [hooked(picture) for picture in pictures]
    faults: list[str] = []
    together = threading.Barrier(len(pictures))

    def look(number: int) -> None:
        together.wait()
        for _ in range(50):
            with torch.inference_mode():
                found = hooked.features(pictures[number], wanted[number])
                whole = hooked(pictures[number])
            same = all(torch.equal(found[name], features) for name, features in due[number].items())
            if found.keys() != due[number].keys() or not same or not torch.equal(whole, logits[number]):
                faults.append(f"{number}: {list(found)}")

    threads = [threading.Thread(target=look, args=(number,)) for number in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
