"""Motion between pictures, and films held steady along it.

    from ml4a.media import motion

    flow = motion.dis(this, before)            # where each pixel of this picture was in the one before
    again = motion.warp(before, flow)          # the picture before, moved into the place of this one

Coordinates are in pixels, x to the right, y down, pixel centres at half-integers; a flow says how far, so that it does
not matter where they begin.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

Array: TypeAlias = np.ndarray[Any, Any]
Preset: TypeAlias = Literal["ultrafast", "fast", "medium"]
Border: TypeAlias = Literal["reflect", "replicate", "zero"]

_FLOW_PIXELS = 1 << 18
"""Motion is looked for in pictures of at most so many pixels (672×384): it is smooth, and more would take seconds."""
_SMALLEST_SIDE = 32
"""DIS compares patches of 8 pixels on a quarter of the size."""


_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

_STANDSTILL = 1e-3
"""Pixels; shorter ways are not made visible."""

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


@dataclass(frozen=True, slots=True)
class Flow:
    """Where the pixels of one picture are in another."""

    vectors: Array
    """H×W×2 float32: (dx, dy) in pixels. The pixel at p of the first picture is at p + vector in the second."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the first picture."""
        return self.vectors.shape[1], self.vectors.shape[0]

    def resized(self, size: tuple[int, int]) -> Flow:
        """The same motion between pictures of (width, height)."""
        import cv2

        if size == self.size:
            return self
        scale = np.array([size[0] / self.size[0], size[1] / self.size[1]], np.float32)
        return Flow(cv2.resize(self.vectors, size, interpolation=cv2.INTER_LINEAR) * scale)

    def view(self) -> Array:
        """The flow in colours: a direction is a hue (right is red, down yellow-green), the longest way the purest one.

        Returns:
            H×W×3 float32 in [0, 1].
        """
        import cv2

        x, y = (np.ascontiguousarray(self.vectors[:, :, axis]) for axis in (0, 1))
        length, angle = cv2.cartToPolar(x, y, angleInDegrees=True)
        purity = length / max(float(length.max()), _STANDSTILL)
        colors = np.stack([angle, purity, np.ones_like(angle)], axis=2).astype(np.float32, copy=False)
        return cv2.cvtColor(colors, cv2.COLOR_HSV2RGB)

    def _repr_png_(self) -> bytes:
        """Notebooks show its colours."""
        from . import image

        return image.encode(self.view(), ".png")


def dis(a: Array, b: Array, *, preset: Preset = "medium") -> Flow:
    """The flow from picture `a` to picture `b`, by dense inverse search (Kroeger et al., ECCV 2016, arXiv:1603.03590).

    Args:
        a: H×W or H×W×C floats in [0, 1], or uint8.
        b: Another of the same size.
        preset: How long to search. On a film with known motion the mean error is 0.13 px with `"medium"`, 0.3 px with
            `"fast"` in a sixth of the time.

    Raises:
        BadValue: the sizes differ.
    """
    if a.shape[:2] != b.shape[:2]:
        raise BadValue(f"the pictures of a flow have one size, not {a.shape[:2]} and {b.shape[:2]}")
    height, width = a.shape[:2]
    found = _search(_grey(_reduced(a)), _grey(_reduced(b)), preset)
    return Flow(found).resized((width, height))


def consistency(forward: Flow, backward: Flow) -> Array:
    """How far a flow can be trusted: 1 where the flow back leads back, 0 where it does not or leads outside.

    A pixel that is hidden in the other picture has no match there; its flow leads to what hides it, whose flow back
    leads elsewhere (Sundaram et al., ECCV 2010).

    Returns:
        H×W float32 in [0, 1], for the pixels of the picture where `forward` begins.
    """
    back = warp(backward.vectors, forward, interpolation="linear")
    error = _squared_length(forward.vectors + back)
    tolerance = 0.01 * (_squared_length(forward.vectors) + _squared_length(back)) + 0.5
    width, height = forward.size
    x, y = np.moveaxis(_positions(width, height) + forward.vectors, 2, 0)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.exp(-((error / tolerance) ** 2)) * inside


def warp(
    picture: Array, flow: Flow, *, border: Border = "reflect", interpolation: Literal["linear", "cubic"] = "cubic"
) -> Array:
    """Pull `picture` through a flow: the result at p is the picture at p + flow(p).

    Args:
        picture: H×W or H×W×C floats: the second picture of the flow, or one of another size and the same contents.
        flow: From the picture whose place the result takes.
        border: What lies outside the picture.
        interpolation: `"cubic"` keeps pictures sharp but may leave [0, 1] by a little.

    Returns:
        An array like `picture`.
    """
    import cv2

    height, width = picture.shape[:2]
    positions = _positions(width, height) + flow.resized((width, height)).vectors
    method = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}[interpolation]
    outside = {"reflect": cv2.BORDER_REFLECT, "replicate": cv2.BORDER_REPLICATE, "zero": cv2.BORDER_CONSTANT}[border]
    together: Any = None  # where OpenCV takes y, if x and y do not come together
    # OpenCV forgets the last axis if there is only one channel.
    return cv2.remap(picture, positions, together, method, borderMode=outside).reshape(picture.shape)


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
        seen, before = _reduced(source), self._source
        shown = kept = result
        if before is not None and before.shape == seen.shape and self._result.shape == result.shape:
            flow = dis(seen, before)
            trust = _trust(seen, before, flow)
            if trust.mean() > _CUT:
                shown, kept = self._held(result, flow, trust)
        self._source, self._result = seen, kept
        return shown

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
    alike = np.exp(-_squared_length(change) / source.shape[2] / _CHANGE**2)
    # Flows run over the edges of what moves, and there agree with each other on what is wrong.
    slopes = [cv2.Sobel(flow.vectors, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1))]
    slope = sum(_squared_length(each) for each in slopes)
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

    return cv2.blur(_squared_length(cv2.Laplacian(picture, cv2.CV_32F)), (9, 9))


def _squared_length(vectors: Array) -> Array:
    """H×W×C → H×W."""
    return np.einsum("hwc,hwc->hw", vectors, vectors)


def _search(a: Array, b: Array, preset: Preset) -> Array:
    import cv2

    presets = {
        "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
        "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
        "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
    }
    if preset not in presets:
        raise BadValue(f"preset must be one of {', '.join(presets)}, not {preset!r}")
    # A new one each time, since it is not to be shared by threads.
    create = getattr(cv2, "DISOpticalFlow_create")  # noqa: B009  # missing from OpenCV's types
    return create(presets[preset]).calc(a, b, np.zeros((*a.shape, 2), np.float32))


def _reduced(picture: Array) -> Array:
    """`picture` as H×W×C float32 at the size in which motion is looked for."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, (_FLOW_PIXELS / (width * height)) ** 0.5)
    size = max(_SMALLEST_SIDE, round(width * scale)), max(_SMALLEST_SIDE, round(height * scale))
    floats = picture / np.float32(255) if picture.dtype == np.uint8 else picture.astype(np.float32, copy=False)
    if size != (width, height):
        floats = cv2.resize(floats, size, interpolation=cv2.INTER_AREA)
    return floats if floats.ndim == 3 else floats[:, :, None]


def _grey(picture: Array) -> Array:
    """H×W uint8, as DIS wants it."""
    luma = picture[:, :, :3] @ _LUMA if picture.shape[2] >= 3 else picture[:, :, 0]
    return (luma.clip(0, 1) * 255 + 0.5).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def _positions(width: int, height: int) -> Array:
    """H×W×2: each pixel's own (x, y), as OpenCV counts them. Shared: not to be written to."""
    positions = np.empty((height, width, 2), np.float32)
    positions[:, :, 0] = np.arange(width)
    positions[:, :, 1] = np.arange(height)[:, None]
    return positions
