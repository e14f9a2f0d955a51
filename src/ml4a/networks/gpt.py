"""GPT: which token comes next, after those that there are.

Radford et al., Language Models are Unsupervised Multitask Learners, 2019, in the form of Karpathy's minGPT. Attributes
carry the names of CompVis/taming-transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights

from .state_dict import StateDict, count, listing, load, shape

HEADS = 16
"""Of the official networks for scenes, landscapes and faces. No tensor tells how many a network has."""
_NARROWEST = 8
_MASK = ".attn.mask"


class GPT(nn.Module):
    """Blocks of attention and of a perceptron, each behind a normalisation and added to what there was.

    Each place sees itself and what is before it; the first `unmasked` places see each other, too.

    Args:
        vocabulary: How many tokens there are.
        block_size: How many places it can see at a time.
        layers: Blocks.
        heads: Of the attention; a divisor of `width`. It may be set afterwards.
        width: Numbers that stand for a place.
        unmasked: How many places at the beginning see each other.
        scored: How many tokens it tells the scores of, if not of all.
    """

    def __init__(
        self,
        vocabulary: int,
        block_size: int,
        layers: int,
        heads: int,
        width: int,
        unmasked: int = 0,
        scored: int | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary, self.block_size, self.width, self.unmasked = vocabulary, block_size, width, unmasked
        self.tok_emb = nn.Embedding(vocabulary, width)
        self.pos_emb = nn.Parameter(torch.zeros(1, block_size, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary if scored is None else scored, bias=False)
        self.heads = heads

    @property
    def heads(self) -> int:
        """Of the attention."""
        return self._heads

    @heads.setter
    def heads(self, count: int) -> None:
        if count < 1 or self.width % count:
            raise BadWeights(f"{self.width} numbers cannot be shared among {count} heads")
        self._heads = count
        for part in self.modules():
            if isinstance(part, SelfAttention):
                part.heads = count

    @property
    def bytes_per_sequence(self) -> int:
        """Memory that a cache of one sequence takes, in float32."""
        return 2 * 4 * len(self.blocks) * self.block_size * self.width

    def forward(self, tokens: torch.Tensor, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """The scores of what may follow each place.

        Args:
            tokens: N×T, int64, below `vocabulary`.
            embeddings: N×E×width, what stands in front of them.

        Returns:
            N×(E+T)×scored logits.

        Raises:
            ValueError: they are more than `block_size` together.
        """
        x = self.tok_emb(tokens)
        if embeddings is not None:
            x = torch.cat((embeddings, x), dim=1)
        return self.head(self.ln_f(self._through(x, None)))

    def loss(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of what does follow, `targets`, of the shape of `tokens`."""
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())

    def follow(self, tokens: torch.Tensor, cache: Cache) -> torch.Tensor:
        """The scores of what may follow the last of some more tokens; `cache` has those before, and gets these.

        It computes what `forward` does of all tokens from the first, but only for what is new: for one token, hundreds
        of times less.

        Args:
            tokens: N×T, at least one.
            cache: From `Cache.of` this network, of N sequences.

        Returns:
            N×scored logits.

        Raises:
            ValueError: there is no room for so many; or the first `unmasked` places come bit by bit.
        """
        x = self._through(self.tok_emb(tokens), cache)
        return self.head(self.ln_f(x[:, -1]))

    def _through(self, x: torch.Tensor, cache: Cache | None) -> torch.Tensor:
        before = 0 if cache is None else cache.length
        after = before + x.shape[1]
        if after > self.block_size:
            raise ValueError(f"{after} places are more than the {self.block_size} that this network can see")
        if 0 < before < self.unmasked or (cache is not None and after < self.unmasked):
            raise ValueError(f"the first {self.unmasked} places see each other and have to come at once")
        x = x + self.pos_emb[:, before:after]
        mask = self._mask(before, after, x.device)
        for number, block in enumerate(self.blocks):
            x = block(x, mask, None if cache is None else (cache, number))
        if cache is not None:
            cache.length = after
        return x

    def _mask(self, before: int, after: int, device: torch.device) -> torch.Tensor | None:
        """What each place from `before` on may see of all up to `after`; None: everything that there is."""
        if after - before == 1:
            return None
        places = torch.arange(after, device=device)
        seen = places <= places[before:, None]
        return seen | ((places < self.unmasked) & (places[before:, None] < self.unmasked))


@dataclass
class Cache:
    """Keys and values of places that were computed, of every layer."""

    keys: torch.Tensor
    """layers×N×heads×block_size×(width/heads)."""
    values: torch.Tensor
    length: int = 0
    """How many places there are; setting it back forgets those behind."""

    @classmethod
    def of(cls, network: GPT, sequences: int = 1) -> Cache:
        """An empty one."""
        size = (len(network.blocks), sequences, network.heads, network.block_size, network.width // network.heads)
        return cls(network.pos_emb.new_empty(size), network.pos_emb.new_empty(size))

    def extended(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values of a layer, with some more behind, N×heads×T×size."""
        end = self.length + keys.shape[2]
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


class Block(nn.Module):
    """A layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width)
        self.ln2 = nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None, known: tuple[Cache, int] | None) -> torch.Tensor:
        """N×T×width to the same."""
        x = x + self.attn(self.ln1(x), mask, known)
        return x + self.mlp(self.ln2(x))


class SelfAttention(nn.Module):
    """Each place asks those that it sees."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key, self.query, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None, known: tuple[Cache, int] | None) -> torch.Tensor:
        """N×T×width to the same; `known` is a cache, and the number of the layer in it."""
        query, key, value = (self._by_head(layer(x)) for layer in (self.query, self.key, self.value))
        if known is not None:
            cache, layer = known
            key, value = cache.extended(layer, key, value)
        answer = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.proj(answer.transpose(1, 2).reshape(x.shape))

    def _by_head(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def build(state: StateDict) -> GPT:
    """From the original's keys, such as `blocks.0.attn.query.weight`.

    Raises:
        BadWeights: also if the masks are of another kind.
    """
    with torch.device("meta"):
        network = GPT(**sizes(state))
    return load(network, without_masks(state))


def sizes(state: StateDict, prefix: str = "") -> dict[str, Any]:
    """What a network is made with.

    The masks beside the weights say how many places see each other. How many heads there are, nothing says: as many as
    the official networks have, or what leaves each at least 8 numbers; `heads` can be set.

    Args:
        state: By key.
        prefix: In front of the network's keys, if there are others beside it.

    Raises:
        BadWeights: the masks are of another kind.
    """
    vocabulary, width = shape(state, f"{prefix}tok_emb.weight", 2)
    layers = count(state, rf"{prefix}blocks\.(\d+)\.")
    block_size = shape(state, f"{prefix}pos_emb", 3)[1]
    masks = [f"{prefix}blocks.{layer}{_MASK}" for layer in range(layers)]
    unmasked = {_unmasked(state, mask, block_size) for mask in masks} or {0}
    if len(unmasked) > 1:
        raise BadWeights(f"these weights have masks of different kinds: {listing(masks)}")
    return {
        "vocabulary": vocabulary,
        "block_size": block_size,
        "layers": layers,
        "heads": min(HEADS, max(1, width // _NARROWEST)),
        "width": width,
        "unmasked": unmasked.pop(),
        "scored": shape(state, f"{prefix}head.weight", 2)[0],
    }


def without_masks(state: StateDict) -> StateDict:
    """The state dict without the masks, of which `sizes` has taken what there is to know."""
    return {key: tensor for key, tensor in state.items() if not key.endswith(_MASK)}


def top_k(logits: torch.Tensor, k: int) -> torch.Tensor:
    """The logits of all but the `k` highest, and of those that are as high as the lowest of them, become -∞."""
    least = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def _unmasked(state: StateDict, key: str, block_size: int) -> int:
    """How many places at the beginning see each other, by a mask."""
    if shape(state, key) != (1, 1, block_size, block_size):
        raise BadWeights(f"these weights have {key!r} for {state[key].shape[2]} places, where {block_size} are due")
    if state[key].is_meta:  # only sizes are asked for
        return 0
    seen = state[key][0, 0] != 0
    first = int(seen[0].sum())
    unmasked = first if first > 1 else 0
    due = torch.ones_like(seen).tril_()
    due[:unmasked, :unmasked] = True
    if not torch.equal(seen, due):
        raise BadWeights(f"these weights have a mask {key!r} that lets places see what comes after them")
    return unmasked
