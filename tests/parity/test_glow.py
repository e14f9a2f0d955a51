"""Glow against the original: latents, pictures, bits, and the names of its variables."""

from __future__ import annotations

from typing import Any

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import glow as official
from figures import Figures
from tiers import quick

from ml4a._core.errors import BadValue, BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.glow import Glow, dequantised, quantised
from ml4a.networks.glow_layers import Patches, add_ring

TOLERANCE = 1e-4
KEYS = "e31db84ef25f0ca9b0392d092b33813fb1ea3038f2265b74aa58fef4d8d078a2"
"""The digest of the names and shapes of the variables of the original's network for CelebA-HQ."""
SIZES: dict[str, dict[str, Any]] = {
    "add5": {"depth": 2, "width": 16},
    "aff8": {"depth": 2, "width": 16, "coupling": "affine"},
    "add5_ycond": {"depth": 1, "width": 8, "classes": 3},
    "aff8_rev_nolearntop": {
        "depth": 1,
        "width": 8,
        "coupling": "affine",
        "permutation": "reversal",
        "learned_top": False,
    },
}
SIDES = {"add5": 16, "aff8": 16, "add5_ycond": 8, "aff8_rev_nolearntop": 8}


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("glow")


@pytest.fixture(scope="module", params=SIZES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def bits(name) -> int:
    return 5 if "add5" in name else 8


@pytest.fixture(scope="module")
def labels(name) -> torch.Tensor | None:
    return torch.tensor([0, 1]) if "ycond" in name else None


def glow(**sizes: Any) -> Glow:
    return from_state_dict("glow", official.state_dict(**({"levels": 2} | sizes)))


@pytest.fixture(scope="module")
def network(name) -> Glow:
    return glow(**SIZES[name])


@pytest.fixture(scope="module")
def pictures(name) -> torch.Tensor:
    """Two, N×3×H×W, in eight bits."""
    side = SIDES[name]
    whole = np.floor(deterministic.uniform("glow_x", (2, side, side, 3), 0, 256)).astype(np.uint8)
    return torch.from_numpy(whole).permute(0, 3, 1, 2)


def last(x: torch.Tensor) -> torch.Tensor:
    """With the channels last, as the original has them."""
    return x.permute(0, 2, 3, 1).contiguous()


def random_pictures(count: int, height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("pictures", (count, 3, height, width), -0.5, 0.5))


def drawn(name: str, figures: Figures) -> list[torch.Tensor]:
    shapes = [figures[f"{name}_enc_eps{level}"].shape for level in (0, 1)]
    noise = [0.7 * deterministic.normal(f"glow_eps{level}", shape) for level, shape in enumerate(shapes)]
    return [torch.from_numpy(each).permute(0, 3, 1, 2) for each in noise]


def test_the_variables_are_the_official_ones():
    shapes = official.OFFICIAL["celeba_hq"]["network"]
    assert len(shapes) == 2322
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 175_099_620
    assert checkpoints.digest(shapes) == KEYS


def test_weights_and_pictures_are_those_of_the_original(name, pictures, figures):
    weights = official.state_dict(levels=2, **SIZES[name])
    total = sum(np.abs(weight.astype(np.float64)).sum() for weight in weights.values())
    assert total == pytest.approx(figures[f"{name}_weights_sum"], abs=1e-4)
    assert pictures.sum() == figures[f"{name}_x_sum"]


def test_the_latents_are_the_original_ones(name, network, pictures, bits, labels, figures):
    for level, latents in enumerate(network(pictures, bits, labels)):
        assert figures.error(f"{name}_enc_eps{level}", last(latents)) < TOLERANCE
    found = network.analyse(dequantised(pictures, bits), labels)
    assert figures.error(f"{name}_z_top", last(found.top)) < TOLERANCE


def test_pictures_are_as_likely_as_with_the_original(name, network, pictures, bits, labels, figures):
    found = network.bits_per_dimension(dequantised(pictures, bits), bits, labels)
    np.testing.assert_allclose(found, figures[f"{name}_bits_per_dim"], rtol=1e-5)


def test_the_pictures_are_the_original_ones(name, network, bits, labels, figures):
    made = network.decode(drawn(name, figures), labels)
    assert figures.error(f"{name}_dec_float", last(made)) < TOLERANCE
    assert (last(quantised(made, bits)).numpy() != figures[f"{name}_dec_uint8"]).sum() <= 1


def test_back_and_forth_is_where_it_began(name, network, pictures, bits, labels):
    x = dequantised(pictures, bits)
    assert (network.decode(network.encode(x, labels), labels) - x).abs().max() < 2e-6


@pytest.mark.parametrize(
    ("levels", "coupling", "permutation"),
    quick([(3, "additive", "mixing"), (6, "additive", "mixing"), (6, "affine", "shuffle")], rows=True),
)
def test_back_and_forth_at_the_official_depth(levels, coupling, permutation):
    sizes = {"levels": levels, "depth": 32, "width": 4, "channels": 1}
    state = official.state_dict(official.calm, **sizes, coupling=coupling, permutation=permutation)
    if coupling == "affine":  # each step makes half of the numbers smaller, which the normalisation has to make up for
        usual = np.float32(-np.log(1 / (1 + np.exp(-2))) / 2 / 3)
        state |= {
            key: state[key] + usual for key in state if key.count("/") == 4 and key.endswith("actnorm_scale/logs")
        }
    network = from_state_dict("glow", state)
    x = random_pictures(1, 64, 64)[:, :1]
    latents = network.encode(x)
    assert 0.01 < latents[0].std() < 10
    assert (network.decode(latents) - x).abs().max() < 1e-4
    with_half = [0.5 * each for each in latents]
    assert (network.decode(with_half) - x).abs().max() > 0.1


def test_labels_decide_what_is_expected_and_are_0_by_default(figures):
    network = glow(**SIZES["add5_ycond"])
    noise = drawn("add5_ycond", figures)
    by_label = [network.decode(noise, torch.full((2,), label)) for label in range(3)]
    assert torch.equal(network.decode(noise), by_label[0])
    assert (by_label[1] - by_label[2]).abs().max() > 0.01
    for wrong in (torch.tensor([0, 3]), torch.tensor([-1, 0]), torch.tensor([0])):
        with pytest.raises(BadValue, match="labels"):
            network.decode(noise, wrong)
    with pytest.raises(BadValue, match="labels"):
        glow(**SIZES["add5"]).encode(random_pictures(1, 8, 8), torch.tensor([1]))


def test_squeezed_pixels_lie_as_in_the_original(figures):
    squeezed = torch.nn.functional.pixel_unshuffle(torch.from_numpy(figures["squeeze_in"]).permute(0, 3, 1, 2), 2)
    assert np.array_equal(last(squeezed), figures["squeeze_out"])


def test_the_border_is_told_as_in_the_original(figures):
    seen = torch.from_numpy(figures["edge_padding_3x3"])[0]  # padded, the ring behind the channels
    x = seen[1:-1, 1:-1, :-1].permute(2, 0, 1)[:, None]
    columns = Patches(len(x), x.shape[1:], x).look(x.contiguous())
    due = torch.stack([seen[row : row + 4, column : column + 4] for row in range(3) for column in range(3)])
    assert torch.equal(columns[:27], due[..., :-1].permute(0, 3, 1, 2).reshape(27, 16))
    assert torch.equal(columns[27:36], due[..., -1].reshape(9, 16))


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 2)])
def test_what_the_border_adds_is_what_a_convolution_of_the_ring_gives(size):
    kernel = torch.from_numpy(deterministic.normal("ring", (3, 3, 5)))
    ring = torch.ones(1, 1, size[0] + 2, size[1] + 2)
    ring[:, :, 1:-1, 1:-1] = 0
    due = torch.nn.functional.conv2d(ring, kernel.permute(2, 0, 1)[:, None])
    found = add_ring(torch.zeros(5, 2, *size), kernel)
    for picture in range(2):
        np.testing.assert_allclose(found[:, picture], due[0], atol=1e-5)


@pytest.mark.parametrize(("height", "width"), quick([(8, 20), (4, 4), (36, 64)], rows=True))
def test_pictures_of_a_batch_of_any_size_do_not_influence_each_other(height, width):
    network = glow(depth=2, width=7, coupling="affine")
    x = random_pictures(3, height, width)
    together = network.encode(x)
    assert [tuple(each.shape[1:]) for each in together] == network.sizes(height, width)
    for number in range(3):
        for all_of_them, alone in zip(together, network.encode(x[number : number + 1]), strict=True):
            np.testing.assert_allclose(all_of_them[number : number + 1], alone, atol=1e-5, rtol=1e-5)
    alone = torch.cat([network.decode([each[n : n + 1] for each in together]) for n in range(3)])
    np.testing.assert_allclose(network.decode(together), alone, atol=1e-5, rtol=1e-5)


def test_one_level_of_grey_pictures():
    network = glow(levels=1, depth=1, width=3, channels=1)
    x = random_pictures(1, 6, 10)[:, :1]
    (latents,) = network.encode(x)
    assert latents.shape == (1, 4, 3, 5)
    np.testing.assert_allclose(network.decode([latents]), x, atol=1e-6)


def test_latents_as_a_row_lie_as_they_were_published():
    network = glow(depth=1, width=3)
    latents = network.encode(random_pictures(2, 8, 12))
    rows = network.flat(latents)
    assert rows.shape == (2, 3 * 8 * 12)
    for number in range(2):
        due = np.concatenate([each[number].numpy().transpose(1, 2, 0).ravel() for each in latents])
        assert np.array_equal(rows[number], due)
    for back, given in zip(network.unflat(rows, 8, 12), latents, strict=True):
        assert torch.equal(back, given)
    with pytest.raises(BadValue, match="288 numbers"):
        network.unflat(rows[:, 1:], 8, 12)


def test_sizes_that_cannot_be_are_refused():
    network = glow(depth=1, width=3)
    for wrong in (random_pictures(1, 8, 10), random_pictures(1, 8, 8)[:, :2], random_pictures(1, 8, 8)[0]):
        with pytest.raises(BadValue, match="multiples of 4"):
            network.encode(wrong)
    latents = network.encode(random_pictures(1, 8, 8))
    for wrong_latents in (latents[:1], latents[::-1], [latents[0][:, 1:], latents[1]], []):
        with pytest.raises(BadValue, match="of shapes"):
            network.decode(wrong_latents)


@pytest.mark.parametrize(
    "key",
    [
        *("model/1/0/invconv/W", "model/0/0/f1/l_1/actnorm_scale/logs", "model/1/0/f1/l_last/b"),
        *("model/pool0/conv/W", "model/prior/p/logs", "model/0/0/actnorm_center/b", "model/0/0/f1/l_1/W"),
    ],
)
def test_a_missing_or_unknown_variable_is_named(key):
    state = official.state_dict(levels=2, depth=1, width=3)
    with pytest.raises(BadWeights, match="model/0/0/f1/l_3/W"):
        from_state_dict("glow", state | {"model/0/0/f1/l_3/W": state["model/0/0/f1/l_2/W"]})
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("glow", state)


def test_what_training_remembers_is_left_out_and_averages_are_taken():
    state = official.state_dict(levels=2, depth=1, width=3)
    trained = {name: weight + np.float32(0.01) for name, weight in state.items()}
    trained |= {f"{name}/ExponentialMovingAverage": weight for name, weight in state.items()}
    trained |= {f"{name}/ExponentialMovingAverage/biased": weight for name, weight in state.items()}
    trained |= {"model/classifier/W": np.ones((48, 10), np.float32), "Variable_3": np.ones(4, np.float32)}
    x = random_pictures(1, 8, 8)
    due = from_state_dict("glow", state).encode(x)
    for found, wanted in zip(from_state_dict("glow", trained).encode(x), due, strict=True):
        assert torch.equal(found, wanted)


def test_weights_that_cannot_be_undone_are_refused():
    state = official.state_dict(levels=1, depth=1, width=3)
    with pytest.raises(BadWeights, match="invconv"):
        from_state_dict("glow", state | {"model/0/0/invconv/W": np.zeros((12, 12), np.float32)})
    state = official.state_dict(levels=1, depth=1, width=3, permutation="shuffle")
    for wrong in (np.zeros(12, np.int32), np.arange(12, dtype=np.int32), np.full(12, 1 << 30, np.int32)):
        with pytest.raises(BadWeights, match="shuffle"):
            from_state_dict("glow", state | {"model/0/0/shuffle/indices": wrong})
    with pytest.raises(BadWeights, match="channels"):
        from_state_dict("glow", state | {"model/0/0/f1/l_last/W": np.zeros((3, 3, 4, 5), np.float32)})
