"""RRDBNet and SRVGGNetCompact against their original programs."""

from __future__ import annotations

from functools import partial

import checkpoints
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
KEYS = {
    "esrgan_old_x4": "ff8ce91f9fb42a7d4b79f9ca52ba88a37f81ac3e0424715197dcb05c36bb57a7",
    "realesrgan_x4plus": "48117ca50efe0f86c95b0f4dfec9697bfd6171dc9c9112bfd1c8f000d4dca95a",
    "x4plus_anime_6B": "b66be2ae9db0ede727f65cee86a56c4fcb35f686cca67c3f6e6108b95e22696c",
    "srvgg_animevideov3": "1a90100f6d9c95b722923932bddd94dcc851ccf66e6107ddd73da34f03199101",
    "srvgg_general_x4v3": "9be373f7948b08102a755ae9ca24a37933fd783792c44bb65c38217e5a6a0d6a",
}
"""The digests of the keys and shapes of the original's networks."""
REAL = {"x4plus": "x4plus", "x4plus_anime_6B": "anime", "animevideov3": "animevideo"}


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("esrgan")


@pytest.mark.parametrize("variant", KEYS)
def test_the_keys_are_the_official_ones(variant):
    assert checkpoints.digest(OFFICIAL[variant][0]()) == KEYS[variant]


@pytest.mark.parametrize("model", ["esrgan", "real_esrgan"])
def test_every_set_of_the_cards_that_no_wheel_carries_has_a_checkpoint_of_the_official_size(model):
    sets = {name: set(each.files) for name, each in weights.card(model).weights.items() if "param" not in each.files}
    assert {name: set(files) for name, files in checkpoints.of(model).OFFICIAL.items()} == sets


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


@pytest.mark.parametrize("shapes", [keys.rrdbnet(8, 4, 1), keys.srvgg(8, 2, 2)], ids=["RRDBNet", "SRVGGNetCompact"])
def test_pictures_of_a_batch_do_not_influence_each_other(shapes):
    network = from_state_dict("esrgan", deterministic.state_dict(shapes))
    pictures = torch.from_numpy(deterministic.uniform("batch", (3, 3, 11, 14)))
    with torch.inference_mode():
        together = network(pictures)
        alone = torch.cat([network(picture[None]) for picture in pictures])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 0.1
