"""DeepDream's runs against the original program's."""

from __future__ import annotations

import deterministic
import numpy as np
import pytest
import torch
from checkpoints import deepdream as official
from figures import Figures

from ml4a.networks import from_state_dict
from ml4a.networks.inception_v1 import InceptionV1
from ml4a.ops import laplacian, legacy_bilinear
from ml4a.synthesis.ascent import Ascent
from ml4a.synthesis.engine import Synthesis
from ml4a.synthesis.objectives import channel
from ml4a.synthesis.octaves import Octaves, octave_sizes
from ml4a.synthesis.scene import Scene
from ml4a.synthesis.schedule import Stage

TOLERANCE = 1e-4
OBJECTIVES = {
    "obj0": channel("mixed4c_pool_reduce_pre_relu", 7),
    "obj1": channel("mixed3b_3x3_bottleneck_pre_relu", 13),
}


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("deepdream")


@pytest.fixture(scope="module")
def network() -> InceptionV1:
    """Of the official size, as far as the blocks go."""
    return from_state_dict("deepdream", deterministic.state_dict(official.shapes()))


@pytest.fixture
def start(figures) -> torch.Tensor:
    return hwc(figures["run_img_u8"]) / 255


def hwc(array: np.ndarray) -> torch.Tensor:
    """H×W×C as 1×C×H×W."""
    return torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1)[None]


def shown(x: torch.Tensor) -> torch.Tensor:
    """1×C×H×W as H×W×C."""
    return x[0].detach().permute(1, 2, 0).contiguous()


@pytest.mark.parametrize("levels", [1, 4, 8])
def test_details_are_normalised_as_in_the_original(figures, levels):
    given = hwc(deterministic.uniform("lap", (45, 38, 3), -1, 1))
    due = f"lap_normalize_{levels}_of_lap_45x38"
    assert figures.error(due, shown(laplacian.normalised(given, levels))) < 1e-6


@pytest.mark.parametrize("size", [(7, 9), (26, 34), (19, 30)])
def test_pictures_are_resized_as_by_tensorflow(figures, size):
    given = hwc(deterministic.uniform("resize", (13, 17, 3), 0, 255))
    height, width = size
    result = legacy_bilinear.resized(given, (width, height))
    assert figures.error(f"resize_{height}x{width}_of_resize_13x17", shown(result)) < 1e-5


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_of_tiles_are_the_original_ones(network, figures, name):
    picture = hwc(deterministic.uniform("deepdream", (96, 112, 3), 0, 255)) / 255
    scene = Scene(network, (112, 96), torch.device("cpu"))
    scene.begin(OBJECTIVES[name])
    ascent = Ascent(tile=64, chance=np.random.RandomState(3))
    ascent.begin(Octaves(picture, 1, 1.0), scene)
    gradient, _ = ascent.gradient(picture, scene.parts[0])
    assert figures.error(f"grad_tiled64_seed3_{name}", shown(gradient)) < TOLERANCE


def run(network: InceptionV1, start: torch.Tensor, objective, ratio: float, iterations: list[int], **settings):
    sizes = octave_sizes((start.shape[3], start.shape[2]), len(iterations), ratio)
    stages = [Stage(size, count) for size, count in zip(sizes, iterations, strict=True)]
    ascent = Ascent(**settings, chance=np.random.RandomState(5))
    return Synthesis(Octaves(start, len(iterations), ratio), objective, network, stages, ascent)


def finished(synthesis: Synthesis) -> torch.Tensor:
    return shown(synthesis.run("dream").clamp(0, 1) * 255)


def test_octaves_with_equal_details_are_the_original_ones(network, figures, start):
    synthesis = run(network, start, OBJECTIVES["obj0"], 1.4, [2, 2, 2], step=1.5, levels=4)
    assert [stage.size for stage in synthesis.stages] == [(57, 48), (80, 68), (112, 96)]
    assert figures.error("run_lap4_oct3", finished(synthesis)) < TOLERANCE


def test_masks_and_grey_gradients_are_the_original_ones(network, figures, start):
    mask = np.tile(np.linspace(0, 1, start.shape[3], dtype=np.float32), (start.shape[2], 1))
    objective = OBJECTIVES["obj0"].within(mask) + OBJECTIVES["obj1"].within(1 - mask)
    settings = {"levels": 0, "normalize": True, "gray": True}
    result = finished(run(network, start, objective, 1.5, [2, 3], step=[1.0, 2.0], **settings))
    due, step = figures["run_masks_norm_gray_sample"], int(figures["run_masks_norm_gray_step"])
    errors = np.abs(result.numpy().ravel()[::step] - due) / figures["run_masks_norm_gray_std"]
    # Gradients jump where a ReLU is at its edge: a last bit of the start changes this result by as much as 0.04.
    assert errors.mean() < 1e-3
    assert errors.max() < 0.1


def test_normalised_gradients_are_the_original_ones(network, figures, start):
    synthesis = run(network, start, OBJECTIVES["obj1"], 1.0, [2], levels=0, normalize=True)
    result = finished(synthesis)
    assert figures.error("run_normalized", result) < TOLERANCE
    assert np.abs(result.numpy() - figures["run_img_u8"]).mean() > 1, "nothing was done"
