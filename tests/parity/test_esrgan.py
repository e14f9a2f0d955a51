"""RRDBNet and SRVGGNetCompact against their original programs."""

from __future__ import annotations

from functools import partial

import deterministic
import numpy as np
import official_keys as keys
import pytest
import torch
from figures import Figures

from ml4a import weights
from ml4a.networks import from_state_dict
from ml4a.networks.rrdbnet import RRDBNet
from ml4a.networks.srvgg import SRVGGNetCompact
from ml4a.weights import formats

TOLERANCE = 1e-4

OFFICIAL = {
    "esrgan_old_x4": (keys.rrdbnet_old, RRDBNet, 4),
    "realesrgan_x4plus": (keys.rrdbnet, RRDBNet, 4),
    "realesrgan_x2plus": (partial(keys.rrdbnet, given=12), RRDBNet, 2),
    "realesrgan_x1": (partial(keys.rrdbnet, given=48, blocks=2), RRDBNet, 1),
    "x4plus_anime_6B": (partial(keys.rrdbnet, blocks=6), RRDBNet, 4),
    "srvgg_animevideov3": (keys.srvgg, SRVGGNetCompact, 4),
    "srvgg_general_x4v3": (partial(keys.srvgg, convolutions=32), SRVGGNetCompact, 4),
    "srvgg_x2_xs": (partial(keys.srvgg, scale=2), SRVGGNetCompact, 2),
}
REAL = {"x4plus": "x4plus", "x4plus_anime_6B": "anime", "animevideov3": "animevideo"}


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("esrgan")


@pytest.mark.parametrize("variant", OFFICIAL)
def test_official_keys_give_the_original_networks_output(variant, figures):
    shapes, network_class, scale = OFFICIAL[variant]
    network = from_state_dict("esrgan", deterministic.state_dict(shapes()))
    assert type(network) is network_class
    assert network.scale == scale
    x = torch.from_numpy(deterministic.uniform("esrgan", (1, 3, 24, 32)))
    with torch.inference_mode():
        assert figures.error(f"{variant}_output", network(x)) < TOLERANCE


@pytest.mark.parametrize("variant", REAL)
def test_real_weights_give_the_original_networks_output(variant, figures):
    network = from_state_dict("esrgan", real(REAL[variant]))
    with torch.inference_mode():
        result = network(photograph(figures))
    assert figures.error(f"real_{variant}_output_float_chw", result[0]) < TOLERANCE


def test_real_weights_give_the_original_picture_in_eight_bits(figures):
    network = from_state_dict("esrgan", real("x4plus"))
    with torch.inference_mode():
        result = network(photograph(figures))[0].clamp(0, 1).mul(255).round().permute(1, 2, 0).numpy()
    assert np.abs(result - figures["real_x4plus_output_rgb_u8"].astype(np.float32)).max() <= 1


@pytest.mark.parametrize("variant", REAL)
def test_every_real_tensor_is_the_official_one(variant, figures):
    state = from_state_dict("esrgan", real(REAL[variant])).state_dict()
    sums = np.array([[float(tensor.double().sum()), float(tensor.double().abs().sum())] for tensor in state.values()])
    due = figures[f"real_{variant}_weight_sums"]
    if len(due) < len(sums):  # only the first 40 and the last 12 are on file
        sums = np.concatenate([sums[:40], sums[-12:]])
    np.testing.assert_allclose(sums, due, rtol=1e-5, atol=1e-4)


def test_pixels_are_folded_in_the_original_order(figures):
    pixels = torch.arange(192.0).reshape(2, 3, 4, 8)
    network = from_state_dict("esrgan", deterministic.state_dict(keys.rrdbnet(12, 4, 1, given=12)))
    seen = []
    network.conv_first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(pixels)
    assert np.array_equal(seen[0].numpy(), figures["pixel_unshuffle2_out"])


def real(variant: str) -> dict[str, np.ndarray]:
    files = weights.fetch(f"real_esrgan/{variant}")
    return formats.read((files["param"], files["bin"]), "ncnn").arrays()


def photograph(figures: Figures) -> torch.Tensor:
    return torch.from_numpy(figures["real_input_rgb_u8"]).permute(2, 0, 1)[None] / 255
