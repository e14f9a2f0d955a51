"""Caricatures, and pictures that are made side by side."""

from __future__ import annotations

import pytest
import torch
from small_network import noise, small_network

from ml4a._core.errors import BadValue
from ml4a.synthesis import Adam, Pixels, Stage, Synthesis, channel, layer
from ml4a.synthesis.caricature import caricature, difference
from ml4a.synthesis.channels import channels
from ml4a.synthesis.fourier import Fourier
from ml4a.synthesis.optimisers import _shorten as shorten
from ml4a.synthesis.pyramid import Pyramid
from ml4a.synthesis.scene import Scene
from ml4a.synthesis.transforms import affine, random_resize

SIZE = (24, 20)
SHAKEN = (affine(15, (0.1, 0.1)), random_resize(0.6, 1.2))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run(image, wanted, steps=6, transforms=SHAKEN, optimiser=None, seed=1):
    optimiser = optimiser or Adam(0.02, longest=1.0)
    return Synthesis(image, wanted, small_network(), [Stage(SIZE, steps)], optimiser, transforms=transforms, seed=seed)


def test_a_caricature_comes_to_see_what_is_in_the_picture():
    photo = noise("photo")
    network = small_network()

    def agreement(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        found, due = (network.features(each, ["relu2_1"])["relu2_1"] for each in (x, other))
        return torch.nn.functional.cosine_similarity(found.flatten(), due.flatten(), dim=0)

    image = Fourier.noise(SIZE, seeded())
    before = agreement(image.picture().detach(), photo)
    result = run(image, caricature(photo, "relu2_1"), 30, ()).run("x")
    assert agreement(result, photo) > before
    assert agreement(result, photo) > agreement(result, photo.flip(3))


def test_the_picture_is_transformed_as_what_is_optimised_is():
    """Of a picture and itself, the loss is that of features that agree in every pixel, however they are shaken."""
    photo = noise("photo")
    scene = Scene(small_network(), SIZE, torch.device("cpu"), SHAKEN, seeded(5))
    wanted = caricature(photo, "relu2_1")
    scene.begin(wanted)
    sizes = set()
    for _ in range(4):
        (loss,) = scene.losses(photo).values()
        shown = photo
        for transform in SHAKEN:
            shown = transform(shown, again(scene))
        sizes.add(shown.shape)
        features = small_network().features(scene.look_alike(photo, [])["picture"], ["relu2_1"])["relu2_1"]
        norm = features.norm()
        assert loss.item() == pytest.approx(-float(norm**2 / (norm + 1e-6) * norm**2), rel=1e-4)
    assert len(sizes) > 1


def again(scene: Scene) -> torch.Generator:
    """The chance that the next look of a scene has, without taking it."""
    copy = torch.Generator()
    copy.set_state(scene._generator.get_state())
    return copy


def test_looking_alike_takes_no_chance_from_the_steps_to_come():
    photo = noise("photo")
    two = [Scene(small_network(), SIZE, torch.device("cpu"), SHAKEN, seeded(5)) for _ in range(2)]
    for scene in two:
        scene.begin(layer("relu2_1"))
    first = [next(iter(scene.losses(photo).values())) for scene in two]
    two[0].look_alike(photo, ["relu1_1"])
    second = [next(iter(scene.losses(photo).values())) for scene in two]
    assert torch.equal(*first)
    assert torch.equal(*second)
    assert not torch.equal(first[0], second[0])


@pytest.mark.parametrize("power", [1, 1.5, 2])
def test_the_gradient_of_the_difference_is_the_slope(power):
    found, wanted = noise("found", 4, 5).double().requires_grad_(), noise("wanted", 4, 5).double()
    assert torch.autograd.gradcheck(lambda x: difference(x, wanted, power), found)
    against = (found.detach() - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: difference(x, wanted, power), against)


@pytest.mark.parametrize("power", [1, 2])
def test_what_disagrees_is_drawn_towards_the_picture_at_any_power(power):
    wanted = noise("wanted", 4, 5)
    found = (-0.1 * wanted).requires_grad_()
    difference(found, wanted, power).backward()
    assert (found.grad * wanted).sum() < 0


def test_power_exaggerates():
    wanted = noise("wanted", 4, 5)
    once, twice = (difference(2 * wanted, wanted, power) / difference(wanted, wanted, power) for power in (1, 2))
    assert once.item() == pytest.approx(4)
    assert twice.item() == pytest.approx(8)


def test_a_picture_of_another_size_is_resized_and_a_caricature_without_layers_is_none():
    result = run(Fourier.noise(SIZE, seeded()), caricature(noise("photo", 40, 48), "relu2_1"), 2).run("x")
    assert result.shape == (1, 3, 20, 24)
    with pytest.raises(BadValue, match="one or more layers"):
        caricature(noise("photo"))


@pytest.mark.parametrize("kind", [Fourier, Pyramid])
def test_pictures_side_by_side_are_what_each_is_alone(kind):
    def made(numbers):
        image = kind.noise(SIZE, seeded(1), count=len(numbers))
        return run(image, channels("relu2_1", numbers)).run("x")

    together = made((0, 4, 2))
    alone = run(kind.noise(SIZE, seeded(1)), channel("relu2_1", 4)).run("x")
    assert together.shape == (3, 3, 20, 24)
    assert torch.allclose(together[1:2], alone, atol=1e-4)
    assert (together[0] - together[1]).abs().mean() > 1e-3


def test_a_gradient_is_shortened_for_each_picture_by_itself_and_as_torch_does_it():
    """What is a thousand times steeper in one picture does not hold up the other."""

    image = Pixels(torch.cat([noise("a"), noise("b")]))
    image.parameters[0].grad = torch.cat([1000 * noise("c"), noise("d")])
    shorten(image.parameters, 2.0)
    gradient = image.parameters[0].grad
    assert gradient.flatten(1).norm(dim=1).tolist() == pytest.approx([2, 2], rel=1e-4)
    lone = torch.nn.Parameter(noise("b"))
    lone.grad = noise("d")
    torch.nn.utils.clip_grad_norm_([lone], 2.0)
    assert torch.allclose(gradient[1:], lone.grad, rtol=1e-6)
    shorten(image.parameters, 5.0)
    assert torch.equal(image.parameters[0].grad, gradient)


def test_a_channel_that_there_is_not_is_refused():
    with pytest.raises(BadValue, match="has channels 0 to 4, not 77"):
        run(Fourier.noise(SIZE, seeded(), count=2), channels("relu2_1", (0, 77))).run("x")
