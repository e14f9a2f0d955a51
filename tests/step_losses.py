"""What the steps of a model that optimises have come to."""

from __future__ import annotations

from typing import Any

import pytest

import ml4a


def losses(model: Any, *pictures: Any, **parameters: Any) -> list[dict[str, float]]:
    """The losses of each step of a call, by the names of terms, as the engine tells them."""
    found: list[ml4a.synthesis.Step] = []
    run = ml4a.synthesis.Synthesis.run

    def listened(self: ml4a.synthesis.Synthesis, label: str, on_step: Any = None) -> Any:
        return run(self, label, found.append)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ml4a.synthesis.Synthesis, "run", listened)
        model(*pictures, **parameters)
    return [step.losses for step in found]
