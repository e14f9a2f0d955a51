"""How much the pickles of one file may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..._core.errors import BadWeights

LARGEST_STEPS = 400_000
"""Opcodes of one file, those with a line of text counted twice: 10,000 tensors, or half a second's work.

A state dict takes 38 a tensor, a pickled module 220, Adam's state 195 a parameter; transformers that were saved with
their optimiser come to 250,000.
"""
_LARGEST_HANDED = 300_000
_HANDED_BYTES = 64 << 20


@dataclass
class Budget:
    """What the pickles of one file may still ask for, all together: a few bytes can ask for endless work."""

    steps: int
    """Opcodes."""
    values: int
    """Elements of the lists and tables that functions are called with."""
    bytes: int
    """Bytes of the texts and byte strings that functions are called with."""

    @classmethod
    def of(cls, data: memoryview) -> Budget:
        """The budget of a file that holds `data`."""
        return cls(LARGEST_STEPS, _LARGEST_HANDED, 2 * len(data) + _HANDED_BYTES)

    def hand(self, arguments: Any) -> None:
        """Pay for a call: a memo lets one long list or text be handed over again and again.

        Raises:
            BadWeights: there is nothing left to pay with.
        """
        for argument in arguments if isinstance(arguments, tuple) else (arguments,):
            if isinstance(argument, bytes | str | memoryview):
                self.bytes -= len(argument)
            elif isinstance(argument, tuple | list | dict | set | frozenset):
                self.values -= len(argument)
        if self.bytes < 0 or self.values < 0:
            raise BadWeights("its pickle hands the same things over again and again; the file is broken or hostile")
