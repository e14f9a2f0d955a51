"""Torch-Dreams' images, losses and loop against Mayukhdeb's program; its network is `test_inception_v3`'s."""

from __future__ import annotations

import deterministic
import numpy as np
import pytest
import torch
from checkpoints import torch_dreams as official
from figures import Figures

from ml4a.networks import from_state_dict
from ml4a.synthesis import Adam, Stage, Synthesis, channel
from ml4a.synthesis.caricature import difference
from ml4a.synthesis.decorrelated import DecorrelatedColors
from ml4a.synthesis.fourier import Fourier

TOLERANCE = 1e-4
SIZES = ((40, 32), (41, 33))
"""Widths and heights."""
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
DEVIATION = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
RATE, WEIGHT_DECAY, GRAD_CLIP = 9e-3, 1e-2, 1.0


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("torch_dreams")


def uniform(name: str, shape: tuple[int, ...], low: float = 0.0) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform(name, shape, low, 1))


def of_noise(size: tuple[int, int], values: torch.Tensor) -> Fourier:
    """The original's image whose parameter is 1×3×H×w', where real and imaginary parts alternate."""
    width, height = size
    image = Fourier.noise(size, torch.Generator())
    with torch.no_grad():
        image.parameters[0].copy_(values.view(1, 3, height, -1, 2))
    assert image.parameters[0].shape[3] == (width + 1) // 2
    return image


def parameter(size: tuple[int, int]) -> torch.Tensor:
    width, height = size
    return uniform("torch_dreams_param", (1, 3, height, width + width % 2), -1)


def of_picture(size: tuple[int, int]) -> Fourier:
    """The original's image of a picture, which it takes for one that has been normalised, and undoes that."""
    width, height = size
    return Fourier(uniform("torch_dreams_img", (1, 3, height, width)) * DEVIATION + MEAN)


def name_of(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def test_the_matrix_of_colours_is_the_original_one(figures):
    matrix = DecorrelatedColors("clamp", torch.zeros(1)).matrix[:, :, 0, 0]
    np.testing.assert_allclose(matrix, figures["color_correlation_normalized"], rtol=1e-6)


@pytest.mark.parametrize("size", SIZES, ids=name_of)
def test_of_noise_scale_colours_and_gradient_are_the_original_ones(size, figures):
    image, (width, height) = of_noise(size, parameter(size)), size
    assert figures.error(f"fft_scale_auto_{name_of(size)}", image.scale) < TOLERANCE
    picture = image.picture()
    assert figures.error(f"auto_image_{name_of(size)}", picture.detach()) < TOLERANCE
    forward = (picture.detach() - MEAN) / DEVIATION
    assert figures.error(f"auto_forward_{name_of(size)}", forward) < TOLERANCE
    (picture * uniform("torch_dreams_w", (1, 3, height, width), -1)).sum().backward()
    gradient = image.parameters[0].grad.view(1, 3, height, -1)
    assert figures.error(f"auto_param_grad_{name_of(size)}", gradient) < TOLERANCE


@pytest.mark.parametrize("size", SIZES, ids=name_of)
def test_of_a_picture_scale_parameters_and_colours_are_the_original_ones(size, figures):
    image = of_picture(size)
    assert figures.error(f"fft_scale_custom_{name_of(size)}", image.scale) < TOLERANCE
    for number, part in enumerate(("re", "im")):
        values = image.parameters[0].detach()[..., number]
        assert figures.error(f"custom_param_{part}_{name_of(size)}", values) < TOLERANCE
    picture = image.picture().detach()
    assert figures.error(f"custom_postprocess_{name_of(size)}", picture) < TOLERANCE
    forward = ((picture - MEAN) / DEVIATION).clamp(0, 1)
    assert figures.error(f"custom_forward_{name_of(size)}", forward) < TOLERANCE


@pytest.mark.parametrize("power", [1, 2])
def test_the_loss_of_a_caricature_is_the_original_one(power, figures):
    wanted = uniform("car_b", (4, 5, 6), -1)
    found = uniform("car_a", (4, 5, 6), -1) + wanted
    due = figures[f"caricature_loss_power{power}"]
    assert difference(found, wanted, power).item() == pytest.approx(float(due), rel=1e-5)


def test_the_loop_is_the_original_one(figures):
    network = from_state_dict("torch_dreams", deterministic.state_dict(official.inception_v3()))
    values = torch.from_numpy(deterministic.uniform("torch_dreams_render", (1, 3, 80, 96), -0.02, 0.02))
    synthesis = Synthesis(
        of_noise((96, 80), values),
        channel("Mixed_6b", 5),
        network,
        [Stage((96, 80), 4)],
        Adam(RATE, weight_decay=WEIGHT_DECAY, longest=GRAD_CLIP),
    )
    losses = [sum(step.losses.values()) for step in synthesis]
    np.testing.assert_allclose(losses, figures["render_losses"], rtol=1e-5)
    assert np.ptp(losses) > 0.005
    assert figures.error("render_image_hwc", synthesis.picture[0].permute(1, 2, 0)) < TOLERANCE
