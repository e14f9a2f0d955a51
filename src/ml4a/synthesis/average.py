"""A running mean of pictures: calmer than any of them."""

from __future__ import annotations

from typing import Any

import torch


class Average:
    """The exponential moving average of what it is told, without the bias towards where it began.

    Args:
        decay: Share of the past; 0 keeps the last value alone.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.sum: torch.Tensor | None = None
        self.missing = 1.0

    def update(self, value: torch.Tensor) -> None:
        """Take in a value; one of another shape begins anew."""
        value = value.detach()
        if self.sum is None or self.sum.shape != value.shape:
            self.sum, self.missing = torch.zeros_like(value), 1.0
        self.sum = self.decay * self.sum + (1 - self.decay) * value
        self.missing *= self.decay

    def state(self) -> dict[str, Any]:
        """What must be kept to go on."""
        return {} if self.sum is None else {"sum": self.sum, "missing": self.missing}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.sum, self.missing = state.get("sum"), state.get("missing", 1.0)

    def value(self) -> torch.Tensor:
        """The mean so far.

        Raises:
            RuntimeError: nothing has been taken in.
        """
        if self.sum is None:
            raise RuntimeError("the mean of nothing")
        return self.sum / (1 - self.missing)
