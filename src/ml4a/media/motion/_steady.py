"""Films held steady along their motion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue

from ._agreement import consistency
from ._dis import dis, reduced
from ._flow import Array, Flow, squared_length, warp

_LARGEST_SHARE = 0.85
"""Of the result before in the next."""
_LARGEST_GAIN = 2.0
_NO_DETAIL = 1e-7
_CUT = 0.1
"""Mean trust below which two frames show different scenes."""
_CHANGE = 0.04
"""Difference of frames along the motion at which a third of the trust is left; grain makes less."""
_SLOPE = 0.02
"""The same for the flow's change from pixel to pixel, squared."""
_MARGIN = 7
"""Pixels around what cannot be trusted that are not either."""


def blend(a: Array, b: Array, weight: Array | float) -> Array:
    """`a` where the weight is 0, `b` where it is 1, and between them in between.

    Args:
        a: H×W×C floats.
        b: Another of the same size.
        weight: A number, or H×W floats in [0, 1].
    """
    if isinstance(weight, np.ndarray):
        weight = weight[:, :, None]
    return a + weight * (b - a)


class Steady:
    """Holds the results of a picture function steady from frame to frame of a film.

    What a function such as a style makes of two frames differs more than the frames do: it flickers. Each result is
    blended with the one before, moved along the motion between the frames, where that motion can be trusted. Blending
    two pictures that differ in detail blurs; so what is left of the detail is then raised to the energy that the result
    had by itself.

    Args:
        amount: 0 (results pass through untouched) to 1. With 0.5 less than half of the flicker is left, with 1 about a
            quarter.

    Raises:
        BadValue: the amount is out of bounds.
    """

    def __init__(self, amount: float) -> None:
        if not 0 <= amount <= 1:
            raise BadValue(f"steady must be between 0 and 1, not {amount}")
        self._amount = amount
        self._share = _LARGEST_SHARE * (1 - (1 - amount) ** 2)
        self._source: Array | None = None
        self._result = np.zeros(0, np.float32)

    def __call__(self, source: Array, result: Array) -> Array:
        """The result, held to the one before. Frames come in the order of the film; a cut begins anew.

        Args:
            source: The frame: H×W×C floats in [0, 1].
            result: What became of it: H×W×3 or H×W×4 float32 in [0, 1], of any size.

        Returns:
            An array like `result`; the very same one if there is nothing to hold it to.
        """
        if self._amount == 0:
            return result
        seen, before = reduced(source), self._source
        shown = kept = result
        if before is not None and before.shape == seen.shape and self._result.shape == result.shape:
            flow = dis(seen, before)
            trust = _trust(seen, before, flow)
            if trust.mean() > _CUT:
                shown, kept = self._held(result, flow, trust)
        self._source, self._result = seen, kept
        return shown

    def film_state(self) -> dict[str, Any]:
        """What is remembered of the frames so far, to be written to a file."""
        return {} if self._source is None else {"source": self._source, "result": self._result}

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Remember what `film_state` gave, in place of what is remembered.

        Raises:
            BadValue: it gave nothing like that.
        """
        source, result = state.get("source"), state.get("result")
        for each in (source, result):
            if not (each is None or (isinstance(each, np.ndarray) and each.ndim == 3 and each.dtype.kind == "f")):
                raise BadValue("steadiness remembers two pictures of floats, H×W×C, or nothing")
        self._source, self._result = source, np.zeros(0, np.float32) if result is None else result

    def _held(self, result: Array, flow: Flow, trust: Array) -> tuple[Array, Array]:
        """What to show, and what to hold the next result to."""
        import cv2

        trust = cv2.resize(trust, result.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        blended = blend(result, warp(self._result, flow), self._share * trust)
        shown = _sharpened_like(result, blended, trust).clip(0, 1)
        # Detail that were amplified again with every frame would grow into patterns of its own.
        return shown, (shown + blended) / 2


def _trust(source: Array, before: Array, flow: Flow) -> Array:
    """H×W float32 in [0, 1]: how surely each pixel of the frame is the one that the flow finds in the frame before."""
    import cv2

    there_and_back = consistency(flow, dis(before, source))
    change = cv2.GaussianBlur(warp(before, flow, interpolation="linear") - source, (0, 0), 1.5)
    alike = np.exp(-squared_length(change) / source.shape[2] / _CHANGE**2)
    # Flows run over the edges of what moves, and there agree with each other on what is wrong.
    slopes = [cv2.Sobel(flow.vectors, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1))]
    slope = sum(squared_length(each) for each in slopes)
    smooth = np.exp(-slope / _SLOPE)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_MARGIN, _MARGIN))
    return cv2.GaussianBlur(cv2.erode(there_and_back * alike * smooth, around), (0, 0), 1)


def _sharpened_like(sharp: Array, soft: Array, where: Array) -> Array:
    """`soft` with its detail amplified until its Laplacian has the energy of that of `sharp`, around each pixel."""
    import cv2

    gain = np.sqrt((_detail_energy(sharp) + _NO_DETAIL) / (_detail_energy(soft) + _NO_DETAIL))
    gain = (gain.clip(1, _LARGEST_GAIN) - 1) * np.minimum(1, 4 * where)
    return soft + gain[:, :, None] * (soft - cv2.GaussianBlur(soft, (0, 0), 1.4))


def _detail_energy(picture: Array) -> Array:
    import cv2

    return cv2.blur(squared_length(cv2.Laplacian(picture, cv2.CV_32F)), (9, 9))
