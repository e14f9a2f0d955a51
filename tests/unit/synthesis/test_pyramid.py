"""Pictures as sums of levels, and pictures of which a region changes."""

from __future__ import annotations

import pytest
import torch
from small_network import noise, small_network

from ml4a.synthesis import Adam, Pixels, Stage, Synthesis, layer, tensor
from ml4a.synthesis.composite import Composite
from ml4a.synthesis.fourier import Fourier
from ml4a.synthesis.parameterisation import enlarged
from ml4a.synthesis.pyramid import Pyramid


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photo(size: tuple[int, int] = (48, 36)) -> torch.Tensor:
    return enlarged(tensor("sample:chelsea"), size, "bilinear").clamp(0.02, 0.98)


@pytest.mark.parametrize("bounds", ["sigmoid", "clamp"])
@pytest.mark.parametrize("size", [(48, 36), (47, 35), (1, 1), (3, 50), (2, 2)])
def test_a_picture_that_is_given_is_the_picture(size, bounds):
    picture = photo(size)
    image = Pyramid(picture, bounds=bounds)
    assert image.size == size
    assert (image.picture() - picture).abs().max() < 1e-5
    image.resize((30, 20))
    assert image.size == (30, 20)
    darkest = 1 / 256 if bounds == "sigmoid" else 0
    assert (image.picture() - enlarged(picture, (30, 20)).clamp(darkest, 1 - darkest)).abs().max() < 1e-4


def test_levels_are_halved_and_the_coarsest_has_the_large_shapes():
    image = Pyramid(photo((48, 36)), levels=3)
    assert [tuple(level.shape[2:]) for level in image.parameters] == [(36, 48), (18, 24), (9, 12)]
    assert image.parameters[2].std() > 3 * image.parameters[0].std()
    assert len(Pyramid(photo((5, 4)), levels=9).parameters) == 3  # 4, 2, 1


def test_noise_is_on_all_levels_of_its_seed_and_the_same_for_all_of_a_batch():
    image = Pyramid.noise((32, 24), seeded(1), count=2)
    assert image.picture().shape == (2, 3, 24, 32)
    assert torch.equal(image.picture()[0], image.picture()[1])
    assert all(level.std() > 0.03 for level in image.parameters)
    assert torch.equal(Pyramid.noise((32, 24), seeded(1)).picture()[0], image.picture()[0])
    assert not torch.equal(Pyramid.noise((32, 24), seeded(2)).picture()[0], image.picture()[0])


@pytest.mark.parametrize("bounds", ["sigmoid", "clamp"])
def test_the_gradient_is_the_slope(bounds):
    image = Pyramid((0.3 + 0.4 * noise("slope", 5, 6)).double(), levels=2, bounds=bounds)
    weights = noise("weights", 5, 6).double()
    levels = tuple(level.detach().clone().requires_grad_() for level in image.parameters)

    def value(*values: torch.Tensor) -> torch.Tensor:
        image.parameters = list(values)
        return (image.picture() * weights).sum()

    assert torch.autograd.gradcheck(value, levels)


def test_what_changes_stays_where_it_is_unlike_waves():
    def changed(image: Pyramid | Fourier) -> torch.Tensor:
        before = image.picture().detach()
        image.picture()[..., :8, :8].sum().backward()
        with torch.no_grad():
            for parameter in image.parameters:
                parameter.add_(0.1 * parameter.grad.sign() * (parameter.grad.abs() > 1e-6))
        return (image.picture().detach() - before).abs()[..., 24:, 32:].max()

    assert changed(Pyramid(photo((48, 48)), levels=3)) < 1e-6
    assert changed(Fourier(photo((48, 48)))) > 0.01


def test_a_run_with_a_pyramid_goes_from_coarse_to_fine():
    stages = [Stage((12, 9), 5), Stage((24, 18), 5)]
    steps = list(Synthesis(Pyramid.noise((12, 9), seeded()), layer("relu2_1"), small_network(), stages, Adam(0.05)))
    assert [step.picture.shape[2:] for step in steps] == [(9, 12)] * 5 + [(18, 24)] * 5
    assert sum(steps[-1].losses.values()) < sum(steps[5].losses.values())


def region(size: tuple[int, int] = (48, 36)) -> torch.Tensor:
    mask = torch.zeros(1, 1, size[1], size[0])
    mask[..., : size[0] // 2] = 1
    return mask


@pytest.mark.parametrize("kind", [Pixels, Pyramid, Fourier])
def test_around_a_region_the_picture_stays_as_it_is(kind):
    picture = photo()
    image = Composite(kind(picture), picture, region())
    result = Synthesis(image, layer("relu2_1") * 10, small_network(), [Stage((48, 36), 5)], Adam(0.05)).run("x")
    assert torch.equal(result[..., 24:], picture[..., 24:])
    assert (result[..., :24] - picture[..., :24]).abs().mean() > 0.01


def test_a_region_goes_along_from_size_to_size():
    picture = photo()
    image = Composite(Pixels(picture), picture, region())
    image.resize((24, 18))
    assert image.size == (24, 18)
    image.assign(torch.zeros(1, 3, 36, 48))
    assert torch.equal(image.picture()[..., 24:], picture[..., 24:])
    assert image.picture()[..., :24].abs().max() == 0
    assert image.parameters[0].shape[2:] == (36, 48)
