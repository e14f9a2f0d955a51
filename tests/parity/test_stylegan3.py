"""StyleGAN3's generator, configurations T and R, against the original."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import stylegan3 as official
from figures import Figures, layers
from tiers import quick
from torch import nn

from ml4a._core.errors import BadValue, BadWeights
from ml4a.networks import from_state_dict, recognise
from ml4a.networks.stylegan3 import StyleGAN3, make_transform
from ml4a.networks.stylegan3_filters import geometries, lowpass
from ml4a.networks.stylegan3_layers import Layer, Panorama
from ml4a.ops import winograd

TOLERANCE = 1e-4
MAPPED = (64, 64)
SHAPES = {
    "t_c0": official.generator(64, official.widths(64, 2048, 32), MAPPED, 64),
    "r_c3": official.generator(64, official.widths(64, 4096, 48), MAPPED, 64, 3, rotating=True),
    "t_1024": official.generator(1024, official.widths(1024)),
    "r_1024": official.generator(1024, official.widths(1024, 65536, 1024), rotating=True),
    "t_512": official.generator(512, official.widths(512)),
    "t_256": official.generator(256, official.T_256),
}
KEYS = {
    "t_c0": "462eb6265d5837aabc5bdb66907d742f7fc125b757ce1d7c91c9e55a6f59e0fd",
    "r_c3": "4dae9d0f44ae503512b133a169b91bb7c2018b963fbe57e08594ae4a7bef4503",
    "t_1024": "ab99544a7444046785cd2179736eb4e12b5dcceb06408286b43ebaa92fd9e51d",
    "r_1024": "7d9076a5906f1d085bc1c0f1fbcd13d058f7b07aa34910f462341ecbeb16fef8",
    "t_512": "8886c391bc264e3a247c97058d27afc2216658a549673fea75bf9e72c1973727",
    "t_256": "8b561a5b0c6850b12f898f62d97ff8c827bccabf0cdd3ce67c782280d86fe2d3",
}
"""The digests of the keys and shapes of the original's networks."""
TABLES = ("t256", "t512", "t1024", "r256", "r512", "r1024", "t_c0", "r_c3")
MOVED = "translate_0.3_-0.1_rotate30"


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("stylegan3")


@pytest.fixture(scope="module", params=quick(["r_c3", "t_c0"]))
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name) -> StyleGAN3:
    return from_state_dict("stylegan3", official.filled(deterministic.state_dict(SHAPES[name])))


@pytest.fixture(scope="module")
def ws(network) -> torch.Tensor:
    with torch.inference_mode():
        return network.map(*given(network))


def given(network: StyleGAN3) -> tuple[torch.Tensor, torch.Tensor | None]:
    z = torch.from_numpy(deterministic.normal("stylegan3_z", (2, 64)))
    return z, torch.tensor([[1, 0, 0], [0, 0.25, 0.75]]) if network.c_dim else None


def small(**changes: tuple[int, ...]) -> dict[str, np.ndarray]:
    shapes = {**official.NETWORKS["stylegan3:build"], **changes}
    return official.filled(deterministic.state_dict(shapes))


@pytest.mark.parametrize("which", KEYS)
def test_the_keys_are_the_official_ones(which):
    assert checkpoints.digest(SHAPES[which]) == KEYS[which]


def test_the_weights_are_those_of_the_figures(name, figures):
    state = official.filled(deterministic.state_dict(SHAPES[name]))
    total = sum(np.abs(array.astype(np.float64)).sum() for array in state.values())
    assert total == pytest.approx(float(figures[f"{name}_state_sum"]), rel=1e-9)


@pytest.mark.parametrize("which", TABLES)
def test_every_layer_has_the_originals_geometry(which, figures):
    resolution, kernel = int(which[1:]) if which[1:].isdigit() else 64, 3 if which[0] == "t" else 1
    table = figures[f"{which}_layer_table"]
    for row, layer in zip(table, geometries(resolution, kernel=kernel), strict=True):
        source, target = layer.source, layer.target
        pairs = [(getattr(source, each), getattr(target, each)) for each in ("size", "rate")]
        found = [*pairs[0], *pairs[1], layer.rate, source.cutoff, target.cutoff, source.half_width, target.half_width]
        found += [layer.up, layer.down, layer.up_taps, layer.down_taps, *layer.padding, *layer.padding]
        found += [layer.rgb, layer.critical, kernel == 1 and not layer.critical]
        np.testing.assert_allclose(found, row[2:22], rtol=1e-12)


def test_filters_are_designed_as_the_original_does(name, network, figures):
    for number in (0, 1, 4, 10, 12, 13):
        layer = network.synthesis.layers()[number].geometry
        radial = name.startswith("r") and not layer.critical
        up = lowpass(layer.up_taps, layer.source.cutoff, 2 * layer.source.half_width, layer.rate)
        down = lowpass(layer.down_taps, layer.target.cutoff, 2 * layer.target.half_width, layer.rate, radial=radial)
        assert up is not None
        assert down is not None
        np.testing.assert_allclose(up, figures[f"{name}_L{number}_up_filter"], atol=1e-8)
        np.testing.assert_allclose(down, figures[f"{name}_L{number}_down_filter"], atol=1e-8)


def test_single_filters_are_the_originals(figures):
    for found, due in (
        (lowpass(12, 2, 12, 32), "lowpass_sep12"),
        (lowpass(24, 10, 13, 128), "lowpass_sep24"),
        (lowpass(12, 2, 12, 32, radial=True), "lowpass_radial12"),
    ):
        assert found is not None
        np.testing.assert_allclose(found, figures[due], atol=1e-8)
    assert lowpass(1, 2, 12, 32) is None


def test_styles_are_the_originals(name, network, ws, figures):
    assert figures.error(f"{name}_w", ws[:, 0]) < TOLERANCE
    assert figures.error(f"{name}_w_trunc07", network.truncate(ws, 0.7)[:, 0]) < TOLERANCE
    assert figures.error(f"{name}_w_trunc05_cutoff4", network.truncate(ws, 0.5, 4)[:, [3, 4]]) < TOLERANCE


def test_every_stage_is_the_original_one(name, network, ws, figures):
    found = layers(network.synthesis, ws)
    with torch.inference_mode():
        assert figures.error(f"{name}_img", network.synthesize(ws)) < TOLERANCE
    assert figures.error(f"{name}_input", found["input"]) < TOLERANCE
    for number in (0, 1, 7, 11, 13):
        assert figures.error(f"{name}_L{number}", found[network.synthesis.names[number]]) < TOLERANCE


def test_pictures_nearer_to_the_mean_are_the_originals(name, network, figures):
    with torch.inference_mode():
        assert figures.error(f"{name}_img_trunc07", network(*given(network), 0.7)) < TOLERANCE


def test_moved_pictures_are_the_originals(name, network, ws, figures):
    transform = make_transform((0.3, -0.1), 30)
    np.testing.assert_allclose(transform, figures[f"{name}_transform"], atol=1e-7)
    np.testing.assert_allclose(transform.inverse(), figures["make_transform_0.3_-0.1_30"], atol=1e-6)
    with torch.inference_mode():
        waves = network.synthesis.input(ws[:, 0], transform)
        assert figures.error(f"{name}_input_transformed", waves) < TOLERANCE
        assert figures.error(f"{name}_img_{MOVED}", network.synthesize(ws, transform=transform)) < TOLERANCE
        together = network.synthesize(ws, transform=torch.stack((torch.eye(3), transform)))
        each = [network.synthesize(ws[:1]), network.synthesize(ws[1:], transform=transform)]
    np.testing.assert_allclose(together, torch.cat(each), atol=1e-5)


def test_pictures_go_where_they_are_told():
    network, ws = small_styles(1)
    with torch.inference_mode():
        still, shifted, turned = (
            network.synthesize(ws, transform=make_transform(*move))[0] for move in ((), ((0.25, -0.125),), ((0, 0), 90))
        )
    there = [
        (shifted[:, 4:20, 12:28], still[:, 8:24, 4:20]),
        (turned[:, 8:24, 8:24], torch.rot90(still, 1, (1, 2))[:, 8:24, 8:24]),
    ]
    for found, due in there:
        assert (found - due).abs().max() < TOLERANCE * due.std()
    assert (shifted - still).std() > 0.1 * still.std()
    torch.testing.assert_close(make_transform(zoom=2), torch.diag(torch.tensor([0.5, 0.5, 1])))


def test_the_modulated_convolution_is_the_originals(figures):
    x, kernel, style = (torch.from_numpy(figures[f"modconv_{key}"]) for key in ("x", "w", "s"))
    layer = Layer(6, 5, geometries(64)[0], 64, radial=False)
    layer.conv.weight, layer.bias = nn.Parameter(kernel, False), nn.Parameter(torch.zeros(5), False)
    style = style[:, :, None, None]
    for due, gain, undone in (("demod_pad2_gain0.7", 0.7, style), ("nodemod", 1.0, None)):
        found = layer.modulated(x, style, undone, torch.tensor(gain))
        assert figures.error(f"modconv_{due}", found) < TOLERANCE


@pytest.mark.parametrize("key", quick(["synthesis.L3_52_7.weight", "synthesis.input.freqs", "mapping.fc1.bias"]))
def test_a_missing_key_is_named(key):
    state = small()
    assert state.pop(key, None) is not None
    with pytest.raises(BadWeights, match=key.replace(".", r"\.")):
        from_state_dict("stylegan3", state)


def test_an_unknown_key_is_named():
    with pytest.raises(BadWeights, match=r"synthesis\.L0_36_9\.noise"):
        from_state_dict("stylegan3", {**small(), "synthesis.L0_36_9.noise": np.zeros(3, np.float32)})


def test_what_no_network_of_the_original_has_is_named():
    state = small()
    other = {key.replace("L3_52_7", "L3_44_7"): array for key, array in state.items()}
    with pytest.raises(BadWeights, match=r"L3_44_7.*32 pixels has 52"):
        from_state_dict("stylegan3", other)
    odd = {key.replace("_32_", "_33_"): array for key, array in state.items()}
    with pytest.raises(BadWeights, match="33 pixels in 7 layers, which StyleGAN3 cannot"):
        from_state_dict("stylegan3", odd)
    with pytest.raises(BadWeights, match=r"embed\.weight' for 99 numbers, more than are mapped"):
        from_state_dict("stylegan3", {**state, "mapping.embed.weight": np.zeros((99, 4), np.float32)})
    with pytest.raises(BadWeights, match=r"lack 'mapping\.fc0\.weight'"):
        from_state_dict("stylegan3", {key: array for key, array in state.items() if ".fc" not in key})
    with pytest.raises(BadWeights, match=r"lack the layer 'synthesis\.L2_"):
        from_state_dict("stylegan3", {key: array for key, array in state.items() if ".L2_" not in key})


def test_odd_sizes_are_found_and_pictures_of_a_batch_do_not_influence_each_other():
    network = from_state_dict("stylegan3", small())
    assert (network.z_dim, network.c_dim, network.w_dim, network.num_ws) == (12, 4, 11, 8)
    assert (network.resolution, network.channels) == (32, 3)
    z, c = torch.randn(3, 12, generator=torch.Generator().manual_seed(1)), torch.eye(4)[:3]
    with torch.inference_mode():
        together = network(z, c)
        alone = torch.cat([network(*each) for each in zip(z[:, None], c[:, None], strict=True)])
    assert together.shape == (3, 3, 32, 32)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 1e-2


def test_what_it_is_given_must_fit():
    network = from_state_dict("stylegan3", small())
    with pytest.raises(BadValue, match=r"labels of shape \(1, 4\), not none"):
        network(torch.zeros(1, 12))
    with pytest.raises(BadValue, match=r"styles must be of shape \(n, 8, 11\)"):
        network.synthesize(torch.zeros(1, 7, 11))
    with pytest.raises(BadValue, match="enlarged by 0"):
        make_transform(zoom=0)


def test_gradients_reach_the_styles():
    network = from_state_dict("stylegan3", small())
    ws = network.map(torch.randn(1, 12, generator=torch.Generator().manual_seed(2)), torch.eye(4)[:1])
    steps = torch.randn(ws.shape, generator=torch.Generator().manual_seed(3))
    ws.requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(network.synthesize(ws).square().sum(), ws)
    with torch.inference_mode():
        there, back = (network.synthesize(ws + way * steps).square().double().sum() for way in (1e-3, -1e-3))
    assert (gradient * steps).sum() == pytest.approx(float(there - back) / 2e-3, rel=0.02)


def test_a_panorama_of_one_is_the_picture_and_goes_on_to_both_sides():
    network, ws = small_styles(1)
    with torch.inference_mode():
        square, same, wide = network.synthesize(ws), network.synthesize_wide(ws, 32), network.synthesize_wide(ws, 75)
    np.testing.assert_allclose(same, square, atol=1e-5)
    assert wide.shape == (1, 3, 32, 75)
    middle = wide[:, :, :, 22:54]  # 76 pixels are made, of which the first 75 are kept
    assert (middle - square)[:, :, :, 12:20].abs().max() < 0.1 * square.std()
    assert wide[:, :, :, :16].std() > 0.3 * square.std()


def test_in_a_panorama_every_picture_is_in_its_place():
    network, ws = small_styles(3)
    with torch.inference_mode():
        squares, wide = network.synthesize(ws), network.synthesize_wide(ws, 192)
    for number in range(3):
        place = wide[0, :, :, 64 * number + 28 : 64 * number + 36]
        others = [(place - other[:, :, 12:20]).square().mean() for other in squares]
        assert others[number] < 0.05 * min(others[:number] + others[number + 1 :])
    with pytest.raises(BadValue, match="width must be 1 or more, not 0"):
        network.synthesize_wide(ws, 0)


def test_shares_of_a_panorama_add_up_and_rest_in_their_places():
    shares = Panorama(3, 4.5).shares(450, 100)
    torch.testing.assert_close(shares.sum(0), torch.ones(450))
    assert shares[0, :110].min() == shares[1, 190:260].min() == shares[2, 340:].min() == 1
    assert (shares[0].diff() <= 0).all()
    assert (Panorama(1, 2).shares(10, 5) == 1).all()
    torch.testing.assert_close(Panorama(3, 4.5).centres(), torch.tensor([-1.5, 0, 1.5]))


def small_styles(count: int) -> tuple[StyleGAN3, torch.Tensor]:
    network = from_state_dict("stylegan3", small())
    z = torch.randn(count, 12, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return network, network.map(z, torch.eye(4)[:count])


def test_styles_of_layers_are_told(network, ws):
    found = network.styles()
    assert [index for index, _ in found] == list(range(16))
    assert [len(matrix) for _, matrix in found][:2] == [4, network.synthesis.layers()[0].conv.in_channels]
    with torch.inference_mode():
        for layer, (index, matrix) in zip(network.synthesis.layers(), found[1:], strict=True):
            change = layer.affine(ws[:1, index]) - layer.affine(ws[1:, index])
            np.testing.assert_allclose(
                matrix @ (ws[0, index] - ws[1, index]), change[0] * layer.style_gain, rtol=1e-3, atol=1e-4
            )
    assert network.noises() == []


@pytest.mark.slow
def test_fewer_multiplications_give_the_same_picture():
    shapes = official.generator(32, [128] * 6 + [3], MAPPED, 64)
    state = official.filled(deterministic.state_dict(shapes))
    network, fast = (from_state_dict("stylegan3", state) for _ in range(2))
    assert winograd.quicken(fast)
    assert sum(isinstance(part, winograd.WinogradConv2d) for part in fast.modules()) == 6
    with torch.inference_mode():
        ws = network.map(*given(network))
        due, found = network.synthesize(ws), fast.synthesize(ws)
    assert 0 < (due - found).abs().max() < 1e-3 * due.std()


@pytest.mark.parametrize("which", quick(KEYS))
def test_every_size_is_recognised(which):
    state = {key: np.broadcast_to(np.float32(0), shape) for key, shape in SHAPES[which].items()}
    (found,) = [each for each in recognise(state) if each.network == "StyleGAN3"]
    assert not found.fault
    assert found.hyper_parameters["kernel"] == (1 if which.startswith("r") else 3)
