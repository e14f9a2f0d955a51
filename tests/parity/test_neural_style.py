"""Neural style's losses, masks and runs against those of the program of 2021."""

from __future__ import annotations

import copy

import deterministic
import numpy as np
import pytest
import torch
from checkpoints import style_transfer as official
from figures import Figures
from PIL import Image

import ml4a
from ml4a import image
from ml4a.models._synthesis import with_colors_of
from ml4a.networks import from_state_dict
from ml4a.synthesis import likeness, regions
from ml4a.synthesis.objectives import Objective
from ml4a.synthesis.scene import Scene

TOLERANCE = 1e-4
CASES = {
    "gram1": {"styles": 1},
    "gram2": {"styles": 2, "weights": (0.7, 0.3)},
    "cov1": {"styles": 1, "statistic": "covariance"},
    "hist1": {"styles": 1, "means": 10.0},
    "norm1": {"styles": 1, "steeper": True},
    "mask2": {"styles": 2, "weights": (0.5, 0.5), "masked": True},
}
"""How each run of the original was set up; its weights are 5, 100 and 0.001."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("neural_style")


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    """VGG-19 with the gain of the figures."""
    gain = np.float32(np.sqrt(2))
    state = deterministic.state_dict(official.features())
    return {key: array * gain if array.ndim == 4 else array for key, array in state.items()}


@pytest.fixture(scope="module")
def network(state):
    return from_state_dict("neural_style", state).variant("blurred")


@pytest.fixture(scope="module")
def paint(network):
    """The model, with that network, as the original of 2021."""
    model = copy.copy(ml4a.load("neural_style", dtype="float32"))
    model.network = network
    options = {"content_weight": 5, "tv_weight": 1e-3, "pooling": "blurred", "blend": "each"}
    return lambda *pictures, **more: model(*pictures, optimizer="plain_lbfgs", **options, **more)


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """H×W×3 bytes as 1×3×H×W in [0, 1]."""
    return torch.from_numpy(np.float32(pixels)).permute(2, 0, 1)[None].contiguous() / 255


def masks(figures: Figures) -> torch.Tensor:
    """That of the file and its contrary, which the original drew of bytes, rounded down."""
    first = figures["mask1_u8"]
    height, width = first.shape
    exact = np.zeros((height, width), np.float32)
    exact[:, : width // 2] = 1
    exact[height // 4 : height // 2] *= 0.5
    second = np.uint8(255 * (1 - exact))
    return torch.from_numpy(np.float32(np.stack([first, second]))[None] / 255)


def parts(figures: Figures, case: dict) -> dict[str, list[Objective]]:
    """The original's losses, each as it listed them."""
    number = case["styles"]
    styles = [tensor(figures[f"img_style{each}_u8"]) for each in range(1, number + 1)]
    options = {"weights": case.get("weights"), "blend": "each"}
    if case.get("masked"):
        options["regions"] = masks(figures)
    statistic = case.get("statistic", "gram")

    def weighted(objective: Objective, weight: float) -> Objective:
        return weight * (regions.steeper(objective, weight) if case.get("steeper") else objective)

    def each(make, layers, weight, **more):
        return [weighted(make(*styles, layers={layer: 1.0}, **options, **more), weight) for layer in layers]

    return {
        "content": [weighted(likeness.content(tensor(figures["img_content_u8"])), 5.0)],
        "style": each(regions.style, regions.STYLE_LAYERS, 100.0, statistic=statistic),
        "hist": each(regions.channel_means, regions.HISTOGRAM_LAYERS, case.get("means", 0.0)),
        "tv": [1e-3 * regions.variation()],
    }


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_are_the_original_ones(case, figures, network):
    listed = parts(figures, CASES[case])
    x = tensor(figures["img_start_u8"]).requires_grad_()
    scene = Scene(network, (64, 48), torch.device("cpu"))
    scene.begin(sum(each for group in listed.values() for each in group))
    losses = list(scene.losses(x).values())
    total = torch.stack(losses).sum()
    (gradient,) = torch.autograd.grad(total, x)
    values = iter(losses)
    for name, group in listed.items():
        found = [next(values).item() for _ in group]
        assert found == pytest.approx(figures[f"{case}_{name}"].tolist(), rel=TOLERANCE), name
    assert total.item() == pytest.approx(figures[f"{case}_total"], rel=TOLERANCE)
    assert figures.error(f"{case}_grad", gradient.flip(1) / 255) < TOLERANCE


def test_masks_reach_the_layers_as_in_the_original(figures, network):
    layers = list(regions.STYLE_LAYERS)
    drawn = masks(figures).transpose(0, 1)
    _, found = regions.through_layers(network, tensor(figures["img_start_u8"]), drawn, layers)
    means = torch.stack([found[layer].mean(dim=(1, 2, 3)) for layer in layers])
    assert np.abs(means.numpy() - figures["mask2_layer_mask_means"]).max() < 1e-6
    assert np.abs(found["relu3_1"][0, 0].numpy() - figures["mask2_layer3_mask0"]).max() < 1e-6


@pytest.fixture(scope="module")
def pictures(figures) -> dict:
    """Content, style and where to begin. The original first gave its styles the content's longer side as height."""
    style = Image.fromarray(figures["img_style1_u8"])
    return {
        "picture": Image.fromarray(figures["img_content_u8"]),
        "style": image.resize(style, (int(64 * style.width / style.height), 64)),
        "start": Image.fromarray(figures["img_start_u8"]),
    }


def test_a_run_is_the_original_one(paint, pictures, figures):
    result = paint(**pictures, size=48, passes=2, scale_ratio=1.5, iterations=(6, 3))
    away = np.abs(np.float32(result) - figures["run_lbfgs_u8"])
    assert away.mean() < 0.6  # the original rounds down in the end, and its smaller pictures to bytes
    assert away.max() <= 4


def test_a_run_in_the_content_s_colours_is_the_original_one(paint, pictures, figures):
    result = paint(**pictures, size=48, passes=1, iterations=4, keep_colors=True)
    away = np.float32(result) - figures["run_lbfgs_original_colors_u8"]
    assert away.min() >= 0  # the original rounds down, and goes through bytes of luma and chroma
    assert away.max() <= 4
    assert away.mean() < 2


def test_colours_are_kept_as_in_the_original(figures):
    content, result = tensor(figures["img_content_u8"]), tensor(figures["img_start_u8"])
    kept = with_colors_of(content, result)[0].permute(1, 2, 0).numpy() * 255
    away = np.abs(kept - figures["original_colors_of_start_u8"])
    assert away.mean() < 1.5
    assert away.max() < 4
