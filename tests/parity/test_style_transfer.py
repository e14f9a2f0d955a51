"""style-transfer-pytorch against the original, as it was in 2021 (`gram`) and as it is since 2023 (`wasserstein`)."""

from __future__ import annotations

import deterministic
import numpy as np
import pytest
import torch
from checkpoints import style_transfer as official
from figures import Figures
from PIL import Image

import ml4a
from ml4a.media import image
from ml4a.networks import from_state_dict
from ml4a.networks.vgg import VGG
from ml4a.ops import statistics
from ml4a.synthesis import likeness
from ml4a.synthesis.average import Average
from ml4a.synthesis.engine import Synthesis
from ml4a.synthesis.objectives import Objective
from ml4a.synthesis.optimisers import LBFGS, Adam
from ml4a.synthesis.parameterisation import Pixels
from ml4a.synthesis.scene import Scene
from ml4a.synthesis.schedule import Stage, fitting, scales

pytestmark = pytest.mark.xdist_group("style_transfer")  # so that its networks are filled once
TOLERANCE = 1e-4
ILL_CONDITIONED = 2e-4
"""The covariance has 256 channels of 192 pixels: its root's small eigenvalues depend on the order in float32."""
WITH_GRADIENTS = ("content_scaled_22", "style_scaled_11", "style_w2_11", "tv_forward_difference", "tv_nine_point")
LAYERS = {1: "relu1_1", 6: "relu2_1", 11: "relu3_1", 20: "relu4_1", 29: "relu5_1"}


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("style_transfer")


@pytest.fixture(scope="module")
def network() -> VGG:
    state = deterministic.state_dict(official.OFFICIAL["vgg19"]["network"])
    return from_state_dict("style_transfer", {key: value for key, value in state.items() if "features" in key})


@pytest.fixture(scope="module")
def target() -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("style_transfer_target", (1, 3, 48, 64)))


def losses(target: torch.Tensor) -> dict[str, Objective]:
    found = {
        "content_mse_22": likeness.content(target),
        "content_scaled_22": likeness.content(target, scaled=True),
        "tv_forward_difference": likeness.smoothness(2),
        "tv_nine_point": likeness.smoothness(),
    }
    for index, layer in LAYERS.items():
        found[f"style_scaled_{index}"] = likeness.style(target, layers={layer: 1}, statistic="gram")
        found[f"style_w2_{index}"] = likeness.style(target, layers={layer: 1})
    return found


@pytest.mark.parametrize("name", losses(torch.zeros(1, 3, 16, 16)))
def test_losses_and_their_gradients_are_the_original_ones(name, figures, network, target):
    x = torch.from_numpy(deterministic.uniform("style_transfer", (1, 3, 48, 64))).requires_grad_()
    scene = Scene(network, (64, 48), torch.device("cpu"))
    scene.begin(losses(target)[name])
    (loss,) = scene.losses(x).values()
    limit = ILL_CONDITIONED if "w2" in name else TOLERANCE
    assert loss.item() == pytest.approx(float(figures[f"loss_{name}"]), rel=limit)
    (gradient,) = torch.autograd.grad(loss, x)
    if name in WITH_GRADIENTS:
        assert figures.error(f"grad_{name}", gradient) < limit


def test_the_statistics_are_the_original_ones(figures, network, target):
    features = network.features(target, ["relu3_1"])["relu3_1"]
    mean, moment = statistics.moments(features)
    assert figures.error("gram_11", statistics.gram(features)) < TOLERANCE
    assert figures.error("w2_mean_11", mean) < TOLERANCE
    assert figures.error("w2_srm_11", moment) < TOLERANCE


def test_the_root_is_the_original_one(figures):
    assert figures.error("sqrtm_ns12", statistics.root(torch.from_numpy(figures["sqrtm_in"]))) < TOLERANCE


def test_the_mean_of_the_last_pictures_is_the_original_one(figures):
    average, found = Average(0.9), []
    for values in ([1.0, 2.0], *([i, i * i] for i in range(4))):
        average.update(torch.tensor(values, dtype=torch.float32))
        found.append(average.value())
    assert figures.error("ema_decay0.9_sequence", torch.stack(found)) < TOLERANCE


@pytest.mark.parametrize(("smallest", "largest"), [(128, 512), (128, 1000), (64, 300), (256, 256)])
def test_the_sizes_are_the_original_ones(smallest, largest, figures):
    assert scales(smallest, largest) == list(figures[f"gen_scales_{smallest}_{largest}"])


def test_pictures_are_fitted_as_the_original_fits_them(figures):
    for width, height, longest, enlarge, new_width, new_height in figures["size_to_fit"].tolist():
        # The original makes pictures of 3×1000 pixels 0 pixels wide.
        assert fitting((width, height), longest, enlarge=bool(enlarge)) == (max(1, new_width), max(1, new_height))


def test_what_adam_knows_goes_along_as_in_the_original(figures):
    adam, image_ = Adam(0.1, keep=True), Pixels(torch.zeros(1, 3, 5, 6))
    scene = Scene(torch.nn.Identity(), (6, 5), torch.device("cpu"))  # type: ignore[arg-type]  # nobody looks
    adam.begin(image_, scene)
    first = torch.from_numpy(deterministic.uniform("adam1", (1, 3, 5, 6), -1, 1))
    second = torch.from_numpy(deterministic.uniform("adam2", (1, 3, 5, 6)))
    adam.restore({"0": {"step": torch.tensor(3.0), "exp_avg": first, "exp_avg_sq": second}})
    image_.resize((9, 7))
    adam.begin(image_, scene)
    kept = adam.state()["0"]
    assert float(kept["step"]) == 3
    assert figures.error("scale_adam_exp_avg_7x9", kept["exp_avg"]) < TOLERANCE
    assert figures.error("scale_adam_exp_avg_sq_7x9", kept["exp_avg_sq"]) < TOLERANCE


FORMS = {
    "fork": {"filter": Image.Resampling.LANCZOS, "statistic": "gram", "scaled": True, "neighbours": 2, "beta": 0.999},
    "upstream": {
        "filter": Image.Resampling.BICUBIC,
        "statistic": "wasserstein",
        "scaled": False,
        "neighbours": 8,
        "beta": 0.99,
    },
}
"""What the two versions differ in."""


def as_the_original_resizes(pixels: np.ndarray, size: tuple[int, int], how: Image.Resampling) -> torch.Tensor:
    """In eight bits."""
    resized = Image.fromarray(pixels).resize(size, how)
    return torch.from_numpy(np.asarray(resized, np.float32) / 255).permute(2, 0, 1)[None]


def run(figures, network, version: str, stages: list[Stage], styles: list[str], weights, optimiser, **options):
    """A run of the engine's, with pictures in eight bits at each size as the original's: the losses and the result."""
    form = FORMS[version]
    content = figures["run_content_u8"]

    def objective(stage: Stage) -> Objective:
        shown = []
        for name in styles:
            pixels = figures[name]
            size = fitting((pixels.shape[1], pixels.shape[0]), max(stage.size))
            shown.append(as_the_original_resizes(pixels, size, form["filter"]))
        there = as_the_original_resizes(content, stage.size, form["filter"])
        wanted = likeness.style(*shown, weights=weights, statistic=form["statistic"])
        wanted += 0.015 * likeness.content(there, scaled=form["scaled"])
        return wanted + 2 * likeness.smoothness(form["neighbours"])

    start = Pixels(as_the_original_resizes(content, stages[0].size, form["filter"]), **options)
    synthesis = Synthesis(start, objective, network, stages, optimiser, average=0.99)
    return [sum(step.losses.values()) for step in synthesis], synthesis.picture


@pytest.mark.slow
@pytest.mark.parametrize("version", FORMS)
def test_whole_runs_are_the_original_ones(version, figures, network):
    stages = [Stage((34, 25), 6), Stage((48, 35), 4)]
    adam = Adam(0.02, (0.9, FORMS[version]["beta"]), keep=True)
    styles = ["run_style1_u8", "run_style2_u8"]
    found, made = run(figures, network, version, stages, styles, [2, 1], adam)
    assert found == pytest.approx(figures[f"run_{version}_losses"][:, -1].tolist(), rel=TOLERANCE)
    assert figures.error(f"run_{version}_average", made) < 1e-3  # Adam follows even the smallest gradients all the way


@pytest.mark.slow
def test_a_run_of_l_bfgs_is_the_original_one(figures, network):
    averaging = network.variant("average")
    found, _ = run(
        figures, averaging, "upstream", [Stage((32, 23), 5)], ["run_style1_u8"], None, LBFGS(10), clamp=False
    )
    assert found == pytest.approx(figures["run_upstream_lbfgs_average_losses"][:, -1].tolist(), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "version"), [("gram", "fork"), ("wasserstein", "upstream")])
def test_the_model_does_what_the_original_does(loss, version, figures, tmp_path):
    """With everything around the run; it resizes in floats where the original rounds to eight bits."""
    shapes = official.OFFICIAL["vgg19"]["network"]
    path = official.save("network", tmp_path / "vgg.pth", deterministic.state_dict(shapes))
    model = ml4a.load("style_transfer", path, dtype="float32")
    content = image.to_array(Image.fromarray(figures["run_content_u8"]))
    styles = [Image.fromarray(figures[f"run_style{number}_u8"]) for number in (1, 2)]
    options = {"min_scale": 32, "size": 35, "initial_iterations": 6, "final_iterations": 4, "style_weights": (2, 1)}
    made = model(content, style=styles, loss=loss, optimizer="adam", content_weight=0.015, **options)
    assert made.shape == (35, 48, 3)
    due = figures[f"run_{version}_average_sample"]
    step = int(figures[f"run_{version}_average_step"])
    found, before = (each.transpose(2, 0, 1).ravel()[::step] for each in (made, image.resize(content, (48, 35))))
    assert np.abs(found - due).mean() < 1 / 255
    assert np.abs(before - due).mean() > 4 / 255
