"""A transformer that writes the tokens of a picture, row by row, also of one that is larger than it can see at once.

Esser et al., Taming Transformers for High-Resolution Image Synthesis, CVPR 2021, arXiv:2012.09841, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ml4a._core import progress

if TYPE_CHECKING:
    import torch

    from ml4a.networks.gpt import GPT

STRIDE = 4
"""Places by which the window moves at once where it is to be fast."""


class WindowSampler:
    """Tokens for the places of a grid, one after the other, each by what a window around it holds.

    The window has 16×16 places, or whatever the transformer's sequences leave room for; the place that is written is
    in its middle, or off it near the edges of the grid. The condition inside the window comes first, and then what
    is written of the picture there. As long as the window stands still, which it does for all of a picture that is no
    larger than it, only what is new is computed. When it has moved, everything in it stands elsewhere, and is
    computed anew.

    Args:
        transformer: On its device.
        given: h×w tokens of the condition, int64, on the CPU; neither side less than `side`.
        codes: Tokens of pictures are below this.
        temperature: What scores are divided by: above 1 there is more chance, and at 0 there is none.
        top_k: Among how many of the likeliest tokens is drawn.
        seed: Of all chance. It is drawn on the CPU: devices agree, but for rounding.
        stride: Places by which the window moves at once. Above 1 that is another sampler: a place sees more above
            and to the left of it, and less to the right; and the window moves, and is computed anew, less often.
    """

    def __init__(
        self,
        transformer: GPT,
        given: torch.Tensor,
        codes: int,
        *,
        temperature: float = 1.0,
        top_k: int = 100,
        seed: int = 0,
        stride: int = 1,
    ) -> None:
        import torch

        from ml4a.networks.gpt import Cache

        self.side = side(transformer)
        self.tokens = torch.zeros_like(given)
        """h×w: what is written."""
        self._transformer, self._given, self._codes = transformer, given, codes
        self._temperature, self._top_k, self._stride = temperature, top_k, stride
        self._generator = torch.Generator().manual_seed(seed)
        self._cache = Cache.of(transformer)
        self._cached = given.new_empty(0)
        self._computed = 0

    def rows(self) -> Iterator[int]:
        """Write everything; yield after each row how many there are.

        Raises:
            Cancelled: the work was asked to stop.
        """
        height, width = self.tokens.shape
        for row in range(height):
            for column in range(width):
                progress.report("tokens", row * width + column, height * width, "tokens")
                self.tokens[row, column] = self._chosen(self.logits(row, column))
            yield row + 1

    @property
    def saved(self) -> float:
        """How many times as many tokens the original computes, which looks at the whole window for each."""
        return self.tokens.numel() * (2 * self.side**2 - 1) / max(1, self._computed)

    def local(self, row: int, column: int) -> tuple[int, int]:
        """Where in its window a place is."""
        height, width = self.tokens.shape
        return row - self._start(row, height), column - self._start(column, width)

    def logits(self, row: int, column: int) -> torch.Tensor:
        """The scores of what may stand in a place, `codes` of them, when all places before it are written."""
        import torch

        local_row, local_column = self.local(row, column)
        rows = slice(row - local_row, row - local_row + self.side)
        columns = slice(column - local_column, column - local_column + self.side)
        written = self.tokens[rows, columns].flatten()[: local_row * self.side + local_column]
        sequence = torch.cat((self._given[rows, columns].flatten(), written))
        known = self._known(sequence)
        self._cache.length = known
        self._computed += len(sequence) - known
        with torch.inference_mode():
            new = sequence[known:].to(self._transformer.pos_emb.device)
            logits = self._transformer.follow(new[None], self._cache)[0]
        self._cached = sequence
        return logits[: self._codes].float().cpu()

    def _known(self, sequence: torch.Tensor) -> int:
        """How many places at the beginning of a sequence the cache has; its last is computed in any case."""
        most = min(len(sequence) - 1, len(self._cached))
        differ = (sequence[:most] != self._cached[:most]).nonzero()
        same = int(differ[0]) if len(differ) else most
        return same if same >= self._transformer.unmasked else 0

    def _start(self, place: int, length: int) -> int:
        before = (place - self.side // 2) // self._stride * self._stride
        return max(0, min(before, length - self.side))

    def _chosen(self, logits: torch.Tensor) -> int:
        import torch

        from ml4a.networks.gpt import top_k

        if self._temperature == 0:
            return int(logits.argmax())
        likely = top_k(logits / self._temperature, self._top_k).softmax(dim=0)
        return int(torch.multinomial(likely, 1, generator=self._generator))


def side(transformer: GPT) -> int:
    """Places in a row of the largest square window of which the condition and the picture fit a sequence."""
    return math.isqrt(transformer.block_size // 2)
