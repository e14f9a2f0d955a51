"""Pictures as sums of waves, in decorrelated colours."""

from __future__ import annotations

import pytest
import torch
from small_network import noise, small_network

from ml4a.synthesis import Adam, Stage, Synthesis, layer, tensor
from ml4a.synthesis.decorrelated import DecorrelatedColors
from ml4a.synthesis.fourier import Fourier, lucid_scale, torch_dreams_scale
from ml4a.synthesis.parameterisation import enlarged

SIZES = [(24, 18), (23, 17), (24, 17), (1, 1), (2, 5), (30, 1)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photo(size: tuple[int, int] = (48, 36)) -> torch.Tensor:
    return enlarged(tensor("sample:chelsea"), size, "bilinear").clamp(0.02, 0.98)


@pytest.mark.parametrize("bounds", ["sigmoid", "clamp"])
@pytest.mark.parametrize("scaling", ["torch_dreams", "lucid"])
@pytest.mark.parametrize("size", SIZES)
def test_a_picture_that_is_given_is_the_picture(size, scaling, bounds):
    picture = photo(size)
    image = Fourier(picture, scaling=scaling, bounds=bounds)
    assert image.size == size
    assert (image.picture() - picture).abs().max() < 1e-5
    image.assign(1 - picture)
    assert (image.picture() - (1 - picture)).abs().max() < 1e-5


def test_without_the_shortest_waves_a_picture_of_even_width_is_nearly_the_picture():
    picture = photo()
    image = Fourier(picture, shortest=False)
    assert image.parameters[0].shape[3] == 24
    assert 1e-4 < (image.picture() - picture).abs().max() < 0.1
    assert (image.picture() - picture).abs().mean() < 0.01


def test_black_and_white_are_nearly_kept_by_a_sigmoid_and_can_still_change():
    picture = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 3, 4, 2)
    image = Fourier(picture, bounds="sigmoid")
    assert (image.picture() - picture).abs().max() < 1.01 / 256
    image.picture()[0, 0].sum().backward()
    assert image.parameters[0].grad.abs().max() > 1e-4


def test_noise_is_faint_of_its_seed_and_the_same_for_all_of_a_batch():
    image = Fourier.noise((24, 18), seeded(1), count=3)
    picture = image.picture()
    assert picture.shape == (3, 3, 18, 24)
    assert torch.equal(picture[0], picture[2])
    assert 1e-4 < picture.std() < 0.1
    assert (picture.mean() - 0.5).abs() < 0.05
    assert torch.equal(Fourier.noise((24, 18), seeded(1)).picture()[0], picture[0])
    assert not torch.equal(Fourier.noise((24, 18), seeded(2)).picture()[0], picture[0])
    assert Fourier.noise((24, 18), seeded(1), deviation=0.1).picture().std() > 2 * picture.std()


def test_long_waves_weigh_more_and_more_so_in_torch_dreams_than_in_lucid():
    for scale, exponent in ((torch_dreams_scale, 1.5), (lucid_scale, 1)):
        weights = scale((64, 64))
        assert weights.shape == (64, 33)
        assert (weights[0, 4] / weights[0, 16]).item() == pytest.approx(4**exponent)
        assert weights[5, 0] == weights[-5, 0]
        assert weights.argmax() == 0
    # What Lucid's waves of a deviation of 0.01 come to, in its own transform: divided by 4, times √(w h).
    assert lucid_scale((64, 64))[0, 0] == 64 / 4


@pytest.mark.parametrize("bounds", ["sigmoid", "clamp"])
def test_the_gradient_is_the_slope(bounds):
    image = Fourier((0.3 + 0.4 * noise("slope", 5, 6)).double(), bounds=bounds)
    weights = noise("weights", 5, 6).double()
    (waves,) = image.parameters
    assert waves.dtype is torch.float64

    def value(values: torch.Tensor) -> torch.Tensor:
        image.parameters = [values]
        return (image.picture() * weights).sum()

    assert torch.autograd.gradcheck(value, waves.detach().clone().requires_grad_())


def test_a_step_changes_large_shapes_as_much_as_small_ones():
    """Of a gradient that is white noise, a step of Adam keeps the same share of long waves that photographs have."""
    image = Fourier.noise((64, 64), seeded(), deviation=0)
    (image.picture() * torch.randn(1, 3, 64, 64, generator=seeded())).sum().backward()
    with torch.no_grad():
        image.parameters[0].sub_(0.01 * image.parameters[0].grad.sign())
    change = image.picture().detach() - 0.5
    coarse = torch.nn.functional.avg_pool2d(change, 8)
    assert coarse.std() > 0.4 * change.std()  # of white noise, it is an eighth


@pytest.mark.parametrize(("small", "large"), [((24, 18), (48, 36)), ((23, 17), (40, 31)), ((24, 18), (25, 19))])
def test_a_smooth_picture_keeps_its_shapes_at_another_size_and_comes_back(small, large):
    def waves(size: tuple[int, int]) -> torch.Tensor:
        across = torch.arange(size[0]) / size[0] * 2 * torch.pi
        down = torch.arange(size[1]) / size[1] * 2 * torch.pi
        return (0.5 + 0.2 * torch.sin(across)[None, :] + 0.1 * torch.cos(2 * down)[:, None]).expand(1, 3, -1, -1)

    image = Fourier(waves(small))
    image.resize(large)
    assert image.size == large
    assert (image.picture() - waves(large)).abs().max() < 1e-5
    image.resize(small)
    assert (image.picture() - waves(small)).abs().max() < 1e-5


def test_the_same_size_leaves_the_parameters_alone():
    image = Fourier(photo())
    before = image.parameters[0]
    image.resize((48, 36))
    assert image.parameters[0] is before


def test_from_coarse_to_fine_saturated_colours_go_on_as_they_are():
    stages = [Stage((12, 9), 30), Stage((24, 18), 1)]
    image = Fourier.noise((12, 9), seeded())
    steps = list(Synthesis(image, layer("relu2_1") * 10, small_network(), stages, Adam(0.1)))
    coarse, fine = steps[-2].picture, steps[-1].picture
    assert fine.shape == (1, 3, 18, 24)
    assert coarse.max() > 0.99
    enlarged_coarse = enlarged(coarse, (24, 18))
    assert torch.corrcoef(torch.stack([fine.flatten(), enlarged_coarse.flatten()]))[0, 1] > 0.8


def test_the_same_seed_gives_the_same_picture_and_another_another():
    def made(seed: int) -> torch.Tensor:
        image = Fourier.noise((16, 12), seeded(seed))
        return Synthesis(image, layer("relu2_1"), small_network(), [Stage((16, 12), 4)], Adam(0.05)).run("x")

    assert torch.equal(made(1), made(1))
    assert (made(1) - made(2)).abs().max() > 1e-3


def test_coordinates_of_colours_vary_by_themselves_in_photographs():
    colors = DecorrelatedColors("sigmoid", torch.zeros(1))
    picture = enlarged(tensor("sample:coffee"), (150, 100), "bilinear").clamp(0.02, 0.98)

    def shared(x: torch.Tensor) -> float:
        matrix = torch.corrcoef(x[0].flatten(1))
        return float((matrix - matrix.diag().diag()).abs().mean())

    assert shared(colors.coordinates(picture)) < 0.8 * shared(picture)
    assert (colors.rgb(colors.coordinates(picture)) - picture).abs().max() < 1e-5
