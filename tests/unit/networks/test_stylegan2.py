"""StyleGAN2's wide pictures, blended networks, fast form, and memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import deterministic
import pytest
import torch
from checkpoints import stylegan as official

from ml4a._core.errors import BadValue, BadWeights
from ml4a.networks import from_state_dict, stylegan2_layers
from ml4a.networks.stylegan2 import StyleGAN2, blended
from ml4a.ops.winograd import WinogradConv2d, quicken

SIZES = ((7, 9, 8, 6), (10, 10), 10)
TESTS = Path(__file__).resolve().parents[2]


def network(drawn: str = "", architecture: str = "skip") -> StyleGAN2:
    shapes = official.generator(*SIZES, architecture=architecture)
    state = {key: deterministic.weight(f"{drawn}{key}", shape) for key, shape in shapes.items()}
    return from_state_dict("stylegan2", official.filled(state))


@pytest.fixture(scope="module")
def one() -> StyleGAN2:
    return network()


def styles(network: StyleGAN2, count: int) -> torch.Tensor:
    return network.map(torch.from_numpy(deterministic.normal("wide", (count, network.z_dim))))


# -- Wide --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_a_square_of_one_style_is_its_picture(architecture):
    made = network(architecture=architecture)
    made.conv_clamp = 1.5
    ws = styles(made, 1)
    due = made.synthesize(ws, "none")
    assert (made.synthesize_wide(ws, 32, noise="none") - due).abs().max() < 1e-5 * due.std()


def test_far_from_a_border_each_end_has_its_own_style(one):
    ws = styles(one, 2)
    wide = one.synthesize_wide(ws, 512, noise="none")
    assert wide.shape == (1, 3, 32, 512)
    for end, style in ((slice(0, 60), ws[:1]), (slice(-60, None), ws[1:])):
        alone = one.synthesize_wide(style, 512, noise="none")
        assert (wide[..., end] - alone[..., end]).abs().max() < 1e-4
    between = one.synthesize_wide(ws.mean(0, keepdim=True), 512, noise="none")
    near = (wide - between).abs().mean((0, 1, 2))
    assert near[254:258].mean() < 0.2 * near[:60].mean()


def test_a_loop_goes_on_at_its_beginning(one):
    """Turned by two periods of the constant, it is the loop of the styles in turned order: no column is special."""
    ws = styles(one, 4)
    loop, turned = (
        one.synthesize_wide(ws, 256, loop=True, noise="none"),
        one.synthesize_wide(ws.roll(2, 0), 256, loop=True, noise="none"),
    )
    assert (loop.roll(128, 3) - turned).abs().max() < 1e-4
    assert (loop - turned).abs().max() > 0.1
    open_ended = one.synthesize_wide(ws, 256, noise="none")
    seam, inside = ((x[..., 0] - x[..., -1]).abs().mean() for x in (loop, open_ended))
    assert seam < inside


@pytest.mark.parametrize("width", [1, 17, 40, 97])
def test_any_width_will_do(one, width):
    assert one.synthesize_wide(styles(one, 3), width).shape == (1, 3, 32, width)


def test_noise_of_a_wide_picture_does_not_repeat_and_is_always_the_same(one):
    ws = styles(one, 1)
    wide = one.synthesize_wide(ws, 256)
    grain = wide - one.synthesize_wide(ws, 256, noise="none")
    assert torch.equal(one.synthesize_wide(ws, 256), wide)
    assert (grain[..., 64:96] - grain[..., 128:160]).abs().mean() > 0.5 * grain.abs().mean()
    other = one.synthesize_wide(ws, 256, generator=torch.Generator().manual_seed(5))
    assert (other - wide).abs().max() > 0.01


def test_widths_that_cannot_be_are_refused(one):
    with pytest.raises(BadValue, match="multiple of 8, not 100; 96 would do"):
        one.synthesize_wide(styles(one, 2), 100, loop=True)
    with pytest.raises(BadValue, match="width must be 1 or more"):
        one.synthesize_wide(styles(one, 2), 0)
    for wrong in (torch.zeros(0, 8, 10), torch.zeros(2, 7, 10)):
        with pytest.raises(BadValue, match=r"styles must be of shape \(n, 8, 10\)"):
            one.synthesize_wide(wrong, 64)


# -- Blended -----------------------------------------------------------------------------------------------------------


def test_blocks_from_a_resolution_on_are_the_other_s(one):
    other = network("other")
    made = blended(one, other, 16)
    ws = styles(one, 1)
    steps = [list(each.synthesis.walk(ws, each.noises())) for each in (made, one, other)]
    assert torch.equal(steps[0][1][0], steps[1][1][0])  # what 8 pixels give
    assert (steps[0][2][0] - steps[1][2][0]).abs().max() > 0.1
    assert torch.equal(made.map(torch.ones(1, 10)), one.map(torch.ones(1, 10)))
    assert torch.equal(made.synthesis.blocks[2].conv1.conv.weight, other.synthesis.blocks[2].conv1.conv.weight)
    assert torch.equal(blended(one, other, 4).synthesize(ws), other.synthesize(ws))


def test_a_share_of_the_other_s_lies_between(one):
    other = network("other")
    quarter, others = blended(one, other, 8, 0.25).state_dict(), other.state_dict()
    for key, own in one.state_dict().items():
        blends = re.match(r"synthesis\.b(8|16|32)\.", key) is not None
        due = own + 0.25 * (others[key] - own) if blends else own
        torch.testing.assert_close(quarter[key], due)
    assert torch.equal(blended(one, other, 8, 0)(torch.ones(1, 10)), one(torch.ones(1, 10)))


def test_neither_network_is_changed(one):
    other, before = network("other"), one(torch.ones(1, 10))
    made = blended(one, other, 8)
    made.synthesis.blocks[0].const.data.zero_()
    made.synthesis.blocks[2].conv1.bias.data.zero_()
    assert torch.equal(one(torch.ones(1, 10)), before)
    assert torch.equal(other(torch.ones(1, 10)), network("other")(torch.ones(1, 10)))


def test_networks_that_cannot_be_blended_are_refused(one):
    with pytest.raises(BadWeights, match=r"differ in 'synthesis\.b4\.torgb\.bias', .* only networks of the same sizes"):
        blended(one, network(architecture="resnet"), 8)
    with pytest.raises(BadValue, match="resolution must be one of 4, 8, 16, 32, not 64"):
        blended(one, one, 64)
    with pytest.raises(BadValue, match=r"share must be from 0 to 1, not 1\.5"):
        blended(one, one, 8, 1.5)


# -- Fast form and memory ----------------------------------------------------------------------------------------------


def test_all_ways_to_compute_give_the_same():
    """With gradients, layers convolve in another way than without, and small pictures in yet another."""
    shapes = official.generator((128, 132, 128, 64), (32,), 32)
    made = from_state_dict("stylegan2", official.filled(deterministic.state_dict(shapes)))
    ws = styles(made, 2)
    exact = made.synthesize(ws.clone().requires_grad_()).detach()
    with torch.inference_mode():
        inferred = made.synthesize(ws)
        assert quicken(made)
        quick = made.synthesize(ws)
    assert any(part._sums is not None for part in made.modules() if isinstance(part, WinogradConv2d))
    assert 0 < (inferred - exact).abs().max() < 2e-5 * exact.std()
    assert 0 < (quick - exact).abs().max() < 1e-4 * exact.std()
    assert (made.synthesize(ws.clone().requires_grad_()) - exact).abs().max() < 1e-4 * exact.std()
    assert set(made.state_dict()) == set(shapes)


@pytest.mark.parametrize("taps", [1, 3, 4, 6])
def test_large_pictures_are_doubled_band_by_band_with_filters_of_any_length(taps, monkeypatch):
    layer = stylegan2_layers.StyledConvolution(5, 7, 6, 46, up=True, noisy=False, taps=taps).requires_grad_(False)
    for name, tensor in layer.state_dict().items():
        tensor.copy_(torch.from_numpy(deterministic.normal(name, tuple(tensor.shape))))
    x, w = (torch.from_numpy(deterministic.normal(name, size)) for name, size in (("x", (2, 5, 23, 17)), ("w", (2, 6))))
    whole = layer(x, w)
    monkeypatch.setattr(stylegan2_layers, "_VALUES", 5 * 17 * 4)
    monkeypatch.setattr(stylegan2_layers, "_FEW", 0)
    with torch.inference_mode():
        banded = layer(x, w)
    assert whole.shape == (2, 7, 46, 34)
    assert (banded - whole).abs().max() < 1e-5 * whole.std()


def test_what_is_kept_of_a_kernel_goes_with_it():
    made = network()
    made(torch.ones(1, 10))
    layer = made.synthesis.blocks[1].conv1
    assert layer._kept
    made.double()
    assert not layer._kept
    assert not layer.conv.weight.is_contiguous()
    assert made(torch.ones(1, 10).double()).dtype == torch.float64
    layer.conv.weight.requires_grad_()
    assert made.map(torch.ones(1, 10).double()).dtype == torch.float64
    (gradient,) = torch.autograd.grad(made(torch.ones(1, 10).double()).square().sum(), layer.conv.weight)
    assert gradient.abs().max() > 0
    assert made.to("meta").synthesis.blocks[1].conv1.conv.weight.is_contiguous()  # as graphics cards want kernels


MEASURE = """
import ctypes, re
from pathlib import Path

import torch

import deterministic
from checkpoints import stylegan as official
from ml4a.networks import from_state_dict, stylegan2_layers

torch.set_num_threads(1)
shapes = official.generator((512, 512, 256, 128, 64, 64, 64, 64), (64,), 64)
network = from_state_dict("stylegan2", official.filled(deterministic.state_dict(shapes)))
status = Path("/proc/self/status")
kilobytes = lambda field: int(re.search(rf"{field}:\\s+(\\d+)", status.read_text())[1])
with torch.inference_mode():
    ws = network.map(torch.ones(1, 64))
    network.synthesize(ws)
    ctypes.CDLL(None).malloc_trim(0)  # what was freed counts no longer
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = kilobytes("VmRSS")
    network.synthesize(ws)
    print((kilobytes("VmHWM") - before) * 1024 / network.bytes_per_picture)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its peak memory")
@pytest.mark.slow
def test_a_picture_takes_about_the_memory_that_the_network_says():
    command = [sys.executable, "-c", MEASURE]
    share = float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=TESTS).stdout)
    assert 0.5 < share < 1.2
