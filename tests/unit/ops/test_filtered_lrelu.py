"""A leaky ReLU between two filters: against the original's figures, and against the same by the book."""

from __future__ import annotations

import math

import pytest
import torch
from figures import Figures
from tiers import quick
from torch.nn import functional as F

from ml4a._core.errors import BadValue
from ml4a.networks.stylegan3_filters import lowpass
from ml4a.ops import filtered_lrelu as module
from ml4a.ops.filtered_lrelu import filtered_lrelu

ROW, LONG, TABLE = lowpass(12, 2, 12, 32), lowpass(24, 2, 6, 64), lowpass(12, 45.25, 37.5, 256, radial=True)
ODD = torch.tensor([0.5, 1, -0.2, 0.1, 0.3])
LOPSIDED = torch.rand(3, 7, generator=torch.Generator().manual_seed(0))
CASES = {
    "StyleGAN3 R": ((2, 2, 12, 13), ROW, TABLE, 2, 2, (9, 8, 9, 8), 0.3),
    "StyleGAN3 T, doubled": ((1, 130, 17, 18), LONG, ROW, 4, 2, (-6, -9, -6, -9), None),
    "cropped unevenly": ((1, 3, 24, 25), ROW, ROW, 2, 2, (-11, 3, 0, -12), 0.1),
    "no filter to enlarge": ((1, 2, 30, 41), None, TABLE, 1, 2, (9, 9, 9, 9), None),
    "no filter to make smaller": ((2, 3, 8, 9), ROW, None, 2, 1, (3, 3, 3, 3), 0.3),
    "none at all": ((2, 3, 8, 9), None, None, 1, 1, (0, 0, 0, 0), 0.3),
    "lopsided filters": ((1, 4, 9, 30), ODD, LOPSIDED, 3, 1, (1, 2, 3, 4), None),
}


def plain(x, fu, fd, up, down, padding, clamp):
    """The same by the book: every zero is there, and every filter is one table."""
    count, channels, height, width = x.shape
    spread = x.new_zeros(count, channels, height, up, width, up)
    spread[:, :, :, 0, :, 0] = x
    left, right, top, bottom = padding
    x = F.pad(spread.view(count, channels, height * up, width * up), (left, right, top, bottom))
    x = F.leaky_relu(filtered(x, fu) * up**2, 0.2) * math.sqrt(2)
    x = x if clamp is None else x.clamp(-clamp, clamp)
    return filtered(x, fd)[:, :, ::down, ::down]


def filtered(x, f):
    if f is None:
        return x
    table = (f.outer(f) if f.ndim == 1 else f).flip(0, 1)
    return F.conv2d(x.flatten(0, 1)[:, None], table[None, None]).unflatten(0, x.shape[:2])[:, :, 0]


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("stylegan3")


def test_it_is_the_originals(figures):
    x, b = (torch.from_numpy(figures[f"filtered_lrelu_{key}"]) for key in "xb")
    row, table = (torch.from_numpy(figures[f"lowpass_{key}"]) for key in ("sep12", "radial12"))
    found = filtered_lrelu(x, row, table, b, up=2, down=2, padding=(9, 8, 10, 4), clamp=0.5)
    assert figures.error("filtered_lrelu_out_up2_down2", found) < 1e-5
    options = {"up": 4, "down": 2, "padding": (11, 10, 11, 10), "gain": 1.2, "slope": 0.1}
    assert figures.error("filtered_lrelu_out_up4_down2", filtered_lrelu(x, LONG, row, b, **options)) < 1e-5


@pytest.mark.parametrize("case", CASES)
def test_tiles_and_bands_do_what_whole_pictures_and_zeros_do(case):
    shape, fu, fd, up, down, padding, clamp = CASES[case]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    bias = torch.randn(shape[1], generator=torch.Generator().manual_seed(2)).requires_grad_()
    found = filtered_lrelu(x, fu, fd, bias, up=up, down=down, padding=padding, clamp=clamp)
    due = plain(x + bias[:, None, None], fu, fd, up, down, padding, clamp)
    assert (found - due).abs().max() < 5e-6 * due.std()
    gradient = torch.randn(due.shape, generator=torch.Generator().manual_seed(3))
    for one, other in zip(*(torch.autograd.grad(each, (x, bias), gradient) for each in (found, due)), strict=True):
        assert (one - other).abs().max() < 1e-5 * other.abs().max()
    with torch.inference_mode():
        again = filtered_lrelu(x, fu, fd, bias, up=up, down=down, padding=padding, clamp=clamp)
    torch.testing.assert_close(again, found.detach(), rtol=0, atol=0)


@pytest.mark.parametrize("case", CASES)
def test_what_graphics_cards_do_is_the_same(case):
    shape, fu, fd, up, down, padding, clamp = CASES[case]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = module._whole(x, fu, fd, up, down, padding, math.sqrt(2), 0.2, math.inf if clamp is None else clamp)
    due = filtered_lrelu(x, fu, fd, up=up, down=down, padding=padding, clamp=clamp)
    assert (found - due).abs().max() < 5e-6 * due.std()


@pytest.mark.parametrize("side", quick([5, 16, 1000]))
def test_the_size_of_tiles_does_not_matter(side, monkeypatch):
    x = torch.randn(1, 4, 30, 23, generator=torch.Generator().manual_seed(4)).requires_grad_()

    def both() -> tuple[torch.Tensor, torch.Tensor]:
        made = filtered_lrelu(x, ROW, TABLE, up=2, down=2, padding=9, clamp=0.5)
        return made, torch.autograd.grad(made.square().sum(), x)[0]

    due = both()
    monkeypatch.setattr(module, "_tile_side", lambda *_: side)
    monkeypatch.setattr(module, "_CHANNELS", 3)
    for found, other in zip(both(), due, strict=True):
        torch.testing.assert_close(found, other, rtol=0, atol=2e-6)


def test_a_round_table_takes_few_products():
    few = module._taps(TABLE)
    assert len(few[0]) == len(few[1]) <= 4
    rows, columns = map(torch.tensor, few)
    torch.testing.assert_close(columns.T @ rows, TABLE, rtol=0, atol=2e-7)


@pytest.mark.slow
def test_the_enlarged_picture_is_never_whole():
    from torch.profiler import ProfilerActivity, profile

    x = torch.randn(1, 128, 64, 64).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        filtered_lrelu(x, ROW, ROW, up=2, down=2, padding=9)
    largest = max(event.cpu_memory_usage for event in seen.events() if event.name == "aten::empty")
    assert 0 < largest < 4 * x.numel() * 2**2 / 2


def test_what_cannot_be_is_refused():
    with pytest.raises(BadValue, match="leave nothing of 3 samples"):
        filtered_lrelu(torch.zeros(1, 1, 3, 30), ROW, ROW, up=2, down=2)
    with pytest.raises(BadValue, match=r"row of taps, not of shape \(12, 12\)"):
        filtered_lrelu(torch.zeros(1, 1, 30, 30), TABLE)
