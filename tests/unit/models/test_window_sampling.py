"""How a transformer writes pictures that are larger than its window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checkpoints import taming_transformers as official

from ml4a._core import progress
from ml4a._core.errors import Cancelled
from ml4a._core.progress import Cancel
from ml4a.models._window_sampling import WindowSampler, side
from ml4a.networks import from_state_dict
from ml4a.networks.gpt import GPT

pytestmark = pytest.mark.xdist_group("taming")
SIDE, CODES = 4, 20


@pytest.fixture(scope="module")
def writer() -> GPT:
    """With a window of 4×4 places."""
    return from_state_dict("taming", official.state_dict(official.gpt(24, 2 * SIDE**2, 2, 16)))


def given(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 24, (height, width), generator=torch.Generator().manual_seed(5))


def written(writer: GPT, height: int, width: int, **options) -> np.ndarray:
    sampler = WindowSampler(writer, given(height, width), CODES, **options)
    assert list(sampler.rows()) == list(range(1, height + 1))
    return sampler.tokens.numpy()


def test_the_window_is_the_largest_that_fits_a_sequence(writer):
    assert side(writer) == SIDE
    assert side(GPT(8, 512, 1, 1, 8)) == 16


@pytest.mark.parametrize("size", [(4, 4), (6, 9)])
def test_what_is_remembered_changes_nothing(writer, size):
    remembered = written(writer, *size, seed=3)
    sampler = WindowSampler(writer, given(*size), CODES, seed=3)
    logits = sampler.logits

    def forgetting(row: int, column: int) -> torch.Tensor:
        sampler._cached = sampler._cached[:0]
        return logits(row, column)

    sampler.logits = forgetting
    list(sampler.rows())
    assert np.array_equal(sampler.tokens, remembered)


@torch.inference_mode()
def test_each_score_is_that_of_the_whole_window(writer):
    sampler = WindowSampler(writer, given(6, 9), CODES, seed=3)
    list(sampler.rows())
    tokens, labels = sampler.tokens, given(6, 9)
    for row, column in ((0, 0), (3, 5), (5, 8), (2, 2)):
        down, right = sampler.local(row, column)
        part = slice(row - down, row - down + SIDE), slice(column - right, column - right + SIDE)
        whole = torch.cat((labels[part].flatten(), tokens[part].flatten()))[None, :-1]
        due = writer(whole)[0, -(SIDE**2) :][down * SIDE + right, :CODES]
        assert (sampler.logits(row, column) - due).abs().max() < 1e-4


def computed(writer: GPT, monkeypatch, height: int, width: int, **options) -> int:
    """How many places the transformer computes for a picture."""
    counts = []
    follow = writer.follow
    monkeypatch.setattr(writer, "follow", lambda tokens, cache: counts.append(tokens.shape[1]) or follow(tokens, cache))
    written(writer, height, width, **options)
    monkeypatch.undo()
    return sum(counts)


def test_a_window_that_stands_still_computes_each_place_once(writer, monkeypatch):
    assert computed(writer, monkeypatch, SIDE, SIDE) == 2 * SIDE**2 - 1


def test_strides_save_most_of_the_work_and_write_something_else(writer, monkeypatch):
    plain, fast = (computed(writer, monkeypatch, 6, 12, stride=stride) for stride in (1, 2))
    assert fast < 0.7 * plain
    assert not np.array_equal(written(writer, 6, 12, stride=2, seed=1), written(writer, 6, 12, seed=1))
    sampler = WindowSampler(writer, given(6, 12), CODES, stride=2)
    inside = {sampler.local(3, column)[1] for column in range(2, 10)}
    assert inside == {2, 3}


def test_what_is_saved_is_told(writer):
    side = WindowSampler(writer, given(6, 12), CODES).side
    cases = ((side, side, 1), (6, 12, 1), (6, 12, 2))
    samplers = [WindowSampler(writer, given(high, wide), CODES, stride=stride) for high, wide, stride in cases]
    for sampler in samplers:
        list(sampler.rows())
    still, moving, strides = (sampler.saved for sampler in samplers)
    assert still == pytest.approx(side**2), "each token once"
    assert 1 < moving < strides


def test_the_seed_decides_and_without_temperature_nothing_else_does(writer):
    first = written(writer, 5, 5, seed=1)
    assert np.array_equal(written(writer, 5, 5, seed=1), first)
    assert not np.array_equal(written(writer, 5, 5, seed=2), first)
    likeliest = written(writer, 5, 5, seed=1, temperature=0)
    assert np.array_equal(written(writer, 5, 5, seed=2, temperature=0), likeliest)
    assert np.array_equal(written(writer, 5, 5, seed=2, top_k=1), likeliest)


@pytest.mark.slow
def test_high_temperatures_write_more_kinds_of_tokens_and_none_that_pictures_lack(writer):
    cool, hot = (written(writer, 7, 7, seed=1, temperature=t) for t in (0.2, 10))
    assert len(np.unique(cool)) < len(np.unique(hot))
    assert hot.max() < CODES


def test_the_condition_decides(writer):
    sampler = WindowSampler(writer, given(5, 5).flip(0), CODES, seed=1)
    list(sampler.rows())
    assert not np.array_equal(sampler.tokens, written(writer, 5, 5, seed=1))


def test_it_can_be_stopped_between_two_tokens(writer):
    switch, seen = Cancel(), []

    def stop(event: progress.Progress) -> None:
        seen.append(event.done)
        if event.done == 7:
            switch.cancel()

    sampler = WindowSampler(writer, given(5, 5), CODES)
    with progress.listening(stop, switch), pytest.raises(Cancelled):
        list(sampler.rows())
    assert seen == list(range(8))
