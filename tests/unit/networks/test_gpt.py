from __future__ import annotations

import pytest
import torch
from checkpoints import taming_transformers as official

from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.gpt import GPT, Cache, top_k

pytestmark = pytest.mark.xdist_group("taming")
SHAPES = official.gpt(30, 21, 3, 24)


def network(unmasked: int = 0) -> GPT:
    return from_state_dict("taming", official.state_dict(SHAPES, unmasked))


def some(count: int, sequences: int = 2) -> torch.Tensor:
    return torch.randint(0, 30, (sequences, count), generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("parts", [[1] * 21, [8, *[1] * 13], [5, 9, 6, 1]])
@torch.inference_mode()
def test_what_comes_bit_by_bit_is_what_comes_at_once(parts):
    writer, tokens = network(), some(21)
    due = writer(tokens)
    cache, end = Cache.of(writer, 2), 0
    for part in parts:
        end += part
        logits = writer.follow(tokens[:, end - part : end], cache)
        assert (logits - due[:, end - 1]).abs().max() < 1e-4
    assert cache.length == 21


@torch.inference_mode()
def test_what_a_cache_forgets_does_not_count():
    writer, tokens = network(), some(12)
    cache = Cache.of(writer, 2)
    writer.follow(tokens, cache)
    cache.length = 4
    other = some(7)
    logits = writer.follow(other, cache)
    assert (logits - writer(torch.cat((tokens[:, :4], other), dim=1))[:, -1]).abs().max() < 1e-4


@torch.inference_mode()
def test_places_see_what_is_before_them_and_the_first_each_other():
    tokens = some(12)
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 30
    for unmasked, first in ((0, 5), (6, 0), (4, 5)):
        writer = network(unmasked)
        differ = (writer(tokens) - writer(changed)).abs().amax(dim=(0, 2)) > 1e-6
        assert differ.tolist() == [False] * first + [True] * (12 - first)


@torch.inference_mode()
def test_places_that_see_each_other_have_to_come_at_once():
    writer, tokens = network(6), some(10)
    due = writer(tokens)
    cache = Cache.of(writer, 2)
    writer.follow(tokens[:, :8], cache)
    assert (writer.follow(tokens[:, 8:], cache) - due[:, -1]).abs().max() < 1e-4
    with pytest.raises(ValueError, match="at once"):
        writer.follow(tokens[:, :5], Cache.of(writer, 2))
    cache.length = 3
    with pytest.raises(ValueError, match="at once"):
        writer.follow(tokens[:, 3:], cache)


def test_more_places_than_it_can_see_are_refused():
    writer = network()
    with pytest.raises(ValueError, match="21"):
        writer(some(22))
    cache = Cache.of(writer, 2)
    writer.follow(some(20), cache)
    with pytest.raises(ValueError, match="21"):
        writer.follow(some(2), cache)


def test_sequences_do_not_influence_each_other_nor_do_caches():
    writer, tokens = network(), some(9, 3)
    with torch.inference_mode():
        assert (writer(tokens)[1] - writer(tokens[1:2])[0]).abs().max() < 1e-4
    assert Cache.of(writer, 3).keys.shape == (3, 3, 3, 21, 8)


def test_heads_can_be_set_and_have_to_share_what_there_is():
    writer, tokens = network(), some(9)
    assert writer.heads == 3
    with torch.inference_mode():
        three = writer(tokens)
        writer.heads = 4
        assert (writer(tokens) - three).abs().max() > 1e-3
    with pytest.raises(BadWeights, match="24 numbers cannot be shared among 5"):
        writer.heads = 5
    assert writer.heads == 4


@pytest.mark.parametrize(("width", "heads"), [(160, 16), (32, 4), (4, 1)])
def test_widths_say_how_many_heads_are_likely(width, heads):
    assert from_state_dict("taming", official.state_dict(official.gpt(8, 16, 1, width))).heads == heads


def test_a_mask_of_another_size_and_masks_that_differ_are_refused():
    state = official.state_dict(SHAPES)
    with pytest.raises(BadWeights, match="20 places"):
        from_state_dict("taming", state | {"blocks.1.attn.mask": state["blocks.1.attn.mask"][:, :, :20, :20]})
    other = official.state_dict(SHAPES, 5)
    with pytest.raises(BadWeights, match="different kinds"):
        from_state_dict("taming", state | {"blocks.1.attn.mask": other["blocks.1.attn.mask"]})


def test_of_scores_that_are_alike_all_stay():
    logits = torch.tensor([[1.0, 3.0, 2.0, 2.0, 0.0]])
    assert top_k(logits, 2).isfinite().tolist() == [[False, True, True, True, False]]
    assert torch.equal(top_k(logits, 99), logits)
