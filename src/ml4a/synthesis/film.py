"""From frame to frame of a film: the result before, carried along the motion, is where the next one begins.

Ruder et al., Artistic Style Transfer for Videos, GCPR 2016, arXiv:1604.08610.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ml4a._core.errors import BadValue

from .objectives import PICTURE, Loss, Objective, Term
from .parameterisation import enlarged
from .scene import Scene

if TYPE_CHECKING:
    import numpy as np

_CUT = 0.25
"""Share of a frame that must be found again in the one before, or another scene has begun."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What a result has become in the frame after it."""

    picture: torch.Tensor
    """1×3×h×w RGB: the result, moved along; the frame itself where nothing could be carried."""
    trust: torch.Tensor
    """1×1×h×w in [0, 1]: 0 where the frame shows what could not be seen before."""


class Memory:
    """The last frame of a film and what was made of it."""

    def __init__(self) -> None:
        self._frame: np.ndarray[Any, Any] | None = None
        self._result: torch.Tensor | None = None

    def film_state(self) -> dict[str, Any]:
        """What is remembered, to be written to a file: pictures of floats in [0, 1], H×W×3, or nothing."""
        if self._frame is None or self._result is None:
            return {}
        return {"frame": self._frame, "result": self._result[0].permute(1, 2, 0).float().numpy()}

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Remember what `film_state` gave, in place of what is remembered.

        Raises:
            BadValue: it gave nothing like that.
        """
        frame, result = state.get("frame"), state.get("result")
        for each in (frame, result):
            if each is not None and not _is_picture(each):
                raise BadValue("a film's memory is two pictures of floats, H×W×3, or nothing")
        self._frame, self._result = frame, None if result is None else _tensor(result)

    def carried(self, frame: torch.Tensor) -> Carried | None:
        """The last result in the place of this frame; None at the first one, and where another scene begins.

        Args:
            frame: 1×3×H×W RGB in [0, 1].
        """
        from ml4a.media import motion

        seen = _array(frame)
        if self._frame is None or self._result is None or self._frame.shape != seen.shape:
            return None
        both = motion.bidirectional(seen, self._frame)
        if both.visible.mean() < _CUT:
            return None
        size = (self._result.shape[3], self._result.shape[2])
        moved = motion.warp(_array(self._result), both.forward.resized(size))
        trust = enlarged(torch.from_numpy(both.visible)[None, None], size, "bilinear")
        fresh = enlarged(frame, size).clamp(0, 1)
        picture = fresh + trust * (_tensor(moved) - fresh)
        return Carried(picture, trust)

    def keep(self, frame: torch.Tensor, result: torch.Tensor) -> None:
        """Remember a frame, 1×3×H×W, and its result, 1×3×h×w, both RGB in [0, 1]."""
        self._frame, self._result = _array(frame), result.detach().cpu()


class Staying(Term):
    """Being what was carried from the frame before, where that can be trusted."""

    name = "staying"
    layers = (PICTURE,)

    def __init__(self, carried: Carried) -> None:
        self.carried = carried

    def begin(self, scene: Scene) -> Loss:
        """The mean squared difference, weighted by trust."""
        due = enlarged(self.carried.picture, scene.size).to(scene.device)
        trust = enlarged(self.carried.trust, scene.size, "bilinear").to(scene.device)
        return lambda seen: (trust * (seen[PICTURE] - due).square()).mean()


def staying(carried: Carried) -> Objective:
    """Steadiness from frame to frame; see `Staying`."""
    return Objective.of(Staying(carried))


def _array(x: torch.Tensor) -> np.ndarray[Any, Any]:
    return x[0].detach().clamp(0, 1).permute(1, 2, 0).contiguous().cpu().numpy()


def _is_picture(value: Any) -> bool:
    return getattr(value, "ndim", 0) == 3 and value.shape[2] == 3 and value.dtype.kind == "f"


def _tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()[None]
