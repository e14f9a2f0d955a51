"""Convolutions by fewer multiplications give what torch's own give."""

from __future__ import annotations

import threading

import deterministic
import pytest
import torch
from torch import nn

import ml4a
from ml4a import image
from ml4a.networks import from_state_dict
from ml4a.ops import winograd
from ml4a.ops.winograd import WinogradConv2d, kernel_sums, pays, quicken, room


def conv(channels: int = 128, filters: int = 128, **options) -> nn.Conv2d:
    made = nn.Conv2d(channels, filters, 3, **{"padding": 1, **options}).requires_grad_(False)
    made.weight.data = torch.from_numpy(deterministic.weight("conv.weight", tuple(made.weight.shape)))
    return made


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("winograd", shape, -2, 2))


@pytest.mark.parametrize("options", [{}, {"padding": 0}, {"padding": 3}, {"padding_mode": "reflect"}, {"bias": False}])
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (4, 90), (33, 14)])
def test_it_is_the_convolution(options, size):
    plain, x = conv(128, 160, **options), noise(2, 128, *size).contiguous(memory_format=torch.channels_last)
    due, found = plain(x), WinogradConv2d(plain)(x)
    assert found.shape == due.shape
    assert (found - due).abs().max() < 1e-4 * due.std()


@pytest.mark.parametrize(("dilation", "padding"), [(2, 2), (3, 3), (2, 0), (4, 4), (2, 1)])
def test_it_is_the_convolution_with_gaps(dilation, padding, monkeypatch):
    monkeypatch.setattr(winograd, "_FEWEST_TILES", (1, 1))
    plain, x = conv(dilation=dilation, padding=padding), noise(1, 128, 19, 22)
    due, found = plain(x), WinogradConv2d(plain)(x)
    assert found.shape == due.shape
    assert (found - due).abs().max() < 1e-4 * due.std()


def test_it_is_not_the_very_same_computation_where_it_pays():
    plain, x = conv(), noise(1, 128, 32, 32)
    assert not torch.equal(WinogradConv2d(plain)(x), plain(x))


def test_small_pictures_are_convolved_plainly():
    plain, x = conv(), noise(1, 128, 8, 8)
    quick = WinogradConv2d(plain)
    assert torch.equal(quick(x), plain(x))
    assert quick._sums is None


def test_a_kernel_of_one_tap_sums_to_itself():
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[0, 0, 1, 1] = 1
    sums = kernel_sums(kernel).view(6, 6)
    assert sums[0].abs().max() == 0
    assert sums[1, 1] == pytest.approx(1 / 36)


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(128, 128, 1),
        nn.Conv2d(128, 128, 3, stride=2),
        nn.Conv2d(128, 128, 3, groups=2),
        nn.Conv2d(128, 127, 3),
        nn.Conv2d(64, 256, 3),
        nn.Conv2d(128, 128, 3, padding="same"),
        nn.Conv2d(128, 128, 3, padding=(1, 0)),
    ],
    ids=str,
)
def test_others_are_left_alone(other):
    network = nn.Sequential(other)
    assert not pays(other)
    assert not quicken(network)
    assert network[0] is other
    assert room(network) == 0


def test_all_that_pay_are_replaced_and_the_network_gives_the_same():
    network = nn.Sequential(conv(), nn.ReLU(), nn.Sequential(conv(128, 256)), nn.Conv2d(256, 3, 3))
    x = noise(1, 128, 40, 24)
    due = network(x)
    assert room(network) == 4 * (128 * 128 + 128 * 256) * 36
    assert quicken(network)
    assert [type(part) for part in (network[0], network[2][0], network[3])] == [
        WinogradConv2d,
        WinogradConv2d,
        nn.Conv2d,
    ]
    assert (network(x) - due).abs().max() < 1e-4 * due.std()


def test_threads_may_share_one():
    plain, x = conv(), noise(1, 128, 24, 24)
    quick, results = WinogradConv2d(plain), []
    workers = [threading.Thread(target=lambda: results.append(quick(x))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(torch.equal(result, results[0]) for result in results)


def test_a_model_is_quick_unless_it_is_to_be_exact_or_memory_is_short(monkeypatch):
    photo = image.sample("chelsea").crop((100, 60, 260, 180))
    quick, exact = ml4a.load("hed", dtype="fast_float32"), ml4a.load("hed", dtype="float32")
    assert [quick.precision, exact.precision] == ["fast_float32", "float32"]
    quick(photo)
    assert quick.last_record.dtype == "fast_float32"
    monkeypatch.setenv("ML4A_MEMORY", "100M")
    monkeypatch.setattr("ml4a._core.devices.has_fast_bfloat16", lambda device: False)
    assert ml4a.load("hed").precision == "float32"
    monkeypatch.setenv("ML4A_MEMORY", "4G")
    assert ml4a.load("hed").precision == "fast_float32"


@pytest.mark.slow
def test_what_a_quick_model_made_is_made_again(tmp_path):
    source, made = tmp_path / "photo.png", tmp_path / "made.png"
    image.sample("chelsea").crop((100, 60, 260, 180)).save(source)
    ml4a.apply(ml4a.load("hed", dtype="fast_float32"), source, made)
    again, notes = ml4a.jobs.repeat(made, [source], tmp_path / "again.png")
    assert not notes
    assert again.read_bytes() == made.read_bytes()


def test_a_quick_network_is_the_original_one():
    from figures import Figures
    from official_keys import hed

    state = deterministic.state_dict(hed())
    state["netCombine.0.weight"] *= 0.05
    network = from_state_dict("hed", state)
    assert quicken(network)
    with torch.inference_mode():
        result = network(torch.from_numpy(deterministic.uniform("hed", (1, 3, 64, 96))))
    assert Figures("hed").error("output", result) < 1e-4


@pytest.mark.parametrize(
    ("padding", "dilation", "mode"), [(1, 1, "zeros"), (0, 1, "zeros"), (2, 2, "zeros"), (1, 1, "replicate")]
)
def test_gradients_are_those_of_the_convolution(padding, dilation, mode):
    torch.manual_seed(3)
    plain = nn.Conv2d(12, 9, 3, padding=padding, dilation=dilation, padding_mode=mode).requires_grad_(False)
    quick = WinogradConv2d(plain)
    x = torch.randn(2, 12, 61, 70)
    gradients = []
    for conv in (plain, quick):
        seen = x.clone().requires_grad_()
        y = torch.relu_(conv(seen))  # what follows may work in place
        (gradient,) = torch.autograd.grad((y * y.detach().cos()).sum(), seen)
        gradients.append(gradient)
    assert (gradients[0] - gradients[1]).abs().max() < 1e-4 * gradients[0].std()
    assert not torch.equal(*gradients)
