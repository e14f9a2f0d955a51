"""How Tacotron 2 speaks: several texts side by side, frame by frame, until each has come to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import torch

if TYPE_CHECKING:
    from .tacotron2 import Decoder

Dropout: TypeAlias = Callable[[int], Sequence[torch.Tensor]]
"""By the number of a frame: what the values of each of the prenet's layers are multiplied by, N×size."""

_DRAWN = 64
"""Frames whose dropout is drawn at once."""
_TAIL = 16
"""Frames that are kept after the attention has stopped to come further: the last symbol is heard in them."""
_LAST = 3
"""Symbols at the end of a text; who has come to these has said it all."""


@dataclass(frozen=True)
class Utterance:
    """One text, as far as it has been spoken."""

    mel: torch.Tensor
    """M×F, before the last convolutions."""
    gate: torch.Tensor
    """F logits: whether this frame is the last."""
    alignment: torch.Tensor
    """F×T: what part of the attention each symbol has."""
    finished: bool
    """Whether the voice came to the end of the text, in place of losing its way."""


def dropout(generators: Sequence[torch.Generator | None], sizes: Sequence[int]) -> Dropout:
    """Dropout of one half, drawn for each text from a generator of its own: so none depends on the others beside it.

    Args:
        generators: On the CPU, one a text; None is torch's own.
        sizes: Of the prenet's layers.
    """
    drawn: dict[int, torch.Tensor] = {}

    def masks(frame: int) -> Sequence[torch.Tensor]:
        block = frame // _DRAWN
        if block not in drawn:
            shape = (_DRAWN, sum(sizes))
            each = [2.0 * torch.randint(0, 2, shape, generator=generator) for generator in generators]
            drawn.clear()
            drawn[block] = torch.stack(each, dim=1)
        return drawn[block][frame % _DRAWN].split(list(sizes), dim=1)

    return masks


@dataclass
class _Text:
    """A text that is being spoken, and how its attention gets on."""

    number: int
    length: int
    frames: int = 0
    furthest: int = -1
    progress: int = 0
    """The frame in which attention came furthest."""
    finished: bool | None = None
    """None: not yet at its end."""
    kept: int = 0
    """Of its frames, before it babbled."""

    def look(self, last: bool, symbol: int, longest: int, patience: int | None) -> None:
        self.frames += 1
        self.kept = self.frames
        if symbol > self.furthest:
            self.furthest, self.progress = symbol, self.frames
        stuck = patience is not None and self.frames - self.progress >= patience
        if last:
            self.finished = True
        elif stuck or self.frames >= longest:
            self.finished = self.furthest >= self.length - _LAST
            if stuck:
                self.kept = min(self.frames, self.progress + _TAIL)


@dataclass
class _Memory:
    """What the decoder remembers from frame to frame, a row for each text that is still being spoken."""

    memory: torch.Tensor
    keys: torch.Tensor
    hidden: torch.Tensor | None
    mel: torch.Tensor
    attention: tuple[torch.Tensor, torch.Tensor]
    decoder: tuple[torch.Tensor, torch.Tensor]
    been: torch.Tensor
    """N×2×T: the last frame's attention, and that of all frames so far."""
    context: torch.Tensor

    @classmethod
    def new(cls, decoder: Decoder, memory: torch.Tensor, lengths: Sequence[int]) -> _Memory:
        count, symbols, _ = memory.shape
        ends = torch.tensor(lengths, device=memory.device)
        hidden = torch.arange(symbols, device=memory.device) >= ends[:, None]

        def zeros(*size: int) -> torch.Tensor:
            return memory.new_zeros(count, *size)

        return cls(
            memory,
            decoder.attention_layer.memory_layer(memory),
            hidden if bool(hidden.any()) else None,
            zeros(decoder.mels),
            (zeros(decoder.attention_rnn.hidden_size), zeros(decoder.attention_rnn.hidden_size)),
            (zeros(decoder.decoder_rnn.hidden_size), zeros(decoder.decoder_rnn.hidden_size)),
            zeros(2, symbols),
            zeros(memory.shape[2]),
        )

    def only(self, rows: list[int]) -> _Memory:
        chosen = torch.tensor(rows, device=self.memory.device)
        return _Memory(
            self.memory[chosen],
            self.keys[chosen],
            None if self.hidden is None else self.hidden[chosen],
            self.mel[chosen],
            (self.attention[0][chosen], self.attention[1][chosen]),
            (self.decoder[0][chosen], self.decoder[1][chosen]),
            self.been[chosen],
            self.context[chosen],
        )


@dataclass
class _Frames:
    """What has been said of one text."""

    mel: list[torch.Tensor] = field(default_factory=list)
    gate: list[torch.Tensor] = field(default_factory=list)
    alignment: list[torch.Tensor] = field(default_factory=list)


class Decoding:
    """Texts that are being spoken. Each `step` adds a frame to all that are not yet at their end.

    A text ends with the frame of which the network is more sure than not that it is the last; or, if it is to be
    watched, when its attention has not come further for a while: it then babbles, or says the same again and again.

    Args:
        decoder: The network's.
        memory: N×T×E, from the encoder.
        lengths: Of the texts, in symbols.
        masks: The dropout.
        longest: Frames at which to break off.
        patience: Frames without progress at which to break off; None: any number.
    """

    def __init__(
        self,
        decoder: Decoder,
        memory: torch.Tensor,
        lengths: Sequence[int],
        masks: Dropout,
        longest: int,
        patience: int | None,
    ) -> None:
        self._decoder, self._masks, self._longest, self._patience = decoder, masks, longest, patience
        self._texts = [_Text(number, length) for number, length in enumerate(lengths)]
        self._speaking = list(self._texts)
        self._frames = [_Frames() for _ in lengths]
        self._memory = _Memory.new(decoder, memory, lengths)
        self.frames = 0
        """Of the longest so far."""

    def step(self) -> bool:
        """Speak one frame of each; whether any text is left to be spoken."""
        state = self._memory
        last = self._next(state).tolist()
        symbols = state.been[:, 0].argmax(dim=1).tolist()
        for text, end, symbol in zip(self._speaking, last, symbols, strict=True):
            text.look(end, symbol, self._longest, self._patience)
        self.frames += 1
        rows = [row for row, text in enumerate(self._speaking) if text.finished is None]
        if rows and len(rows) < len(self._speaking):
            self._memory = state.only(rows)
        self._speaking = [self._speaking[row] for row in rows]
        return bool(rows)

    @property
    def utterances(self) -> list[Utterance]:
        """All texts, in their order."""
        found = []
        for text, said in zip(self._texts, self._frames, strict=True):
            alignment = torch.stack(said.alignment[: text.kept])[:, : text.length]
            mel, gate = torch.stack(said.mel[: text.kept], dim=1), torch.stack(said.gate[: text.kept])
            found.append(Utterance(mel, gate, alignment, bool(text.finished)))
        return found

    def _next(self, state: _Memory) -> torch.Tensor:
        """Speak a frame, remember it, and tell of which texts it is the last."""
        decoder = self._decoder
        numbers = torch.tensor([text.number for text in self._speaking])
        masks = [mask[numbers].to(state.mel) for mask in self._masks(self.frames)]
        heard = decoder.prenet(state.mel, masks)
        state.attention = decoder.attention_rnn(torch.cat((heard, state.context), dim=1), state.attention)
        query = state.attention[0]
        weights = decoder.attention_layer(query, state.keys, state.been, state.hidden)
        state.context = torch.bmm(weights[:, None], state.memory)[:, 0]
        state.been[:, 0] = weights
        state.been[:, 1] += weights
        state.decoder = decoder.decoder_rnn(torch.cat((query, state.context), dim=1), state.decoder)
        known = torch.cat((state.decoder[0], state.context), dim=1)
        state.mel = decoder.linear_projection(known)
        gate = decoder.gate_layer(known)[:, 0]
        for text, mel, sure, weight in zip(self._speaking, state.mel, gate, weights, strict=True):
            said = self._frames[text.number]
            said.mel.append(mel)
            said.gate.append(sure)
            said.alignment.append(weight)
        return gate > 0  # the sigmoid is above one half
