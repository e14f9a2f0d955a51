"""Pictures between two pictures: what moves is shown on its way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a._core.errors import BadValue

from ._agreement import Engine, bidirectional
from ._dis import dis, reduced
from ._flow import Array, Flow, positions, pulled, squared_length, warp

if TYPE_CHECKING:
    from ml4a._core.kinds import Picture

_COARSER = 2
"""How many times smaller than the flows the motion of a picture in between is: they are smooth."""
_STEPS = 3
"""Times that a pixel's own motion is looked for; more change nothing that could be seen."""
_ASTRAY = 1.0
"""Squared pixels by which a motion may fail to lead to its pixel for a third of the trust in it to be left."""
_LEAST = 0.05
"""What is left of the weight of a picture in which a pixel is hidden: it counts where it is hidden in both."""
_CHANGE = 0.2
"""Difference of two pictures along their motion at which a third of them counts as alike. Light may change."""
_CUT = 0.2
"""Share of two pictures that is alike, below which they show different scenes. Unrelated photographs have 0.02."""
_SCALE = 1000
"""Of weights: OpenCV adds 0.00001 to their sum, which would darken the picture."""


def between(a: Picture, b: Picture, times: float | Iterable[float], *, engine: Engine = dis) -> list[Any]:
    """Pictures between two pictures, on which everything is on its way from where it was to where it will be.

        three = motion.between("first.jpg", "second.jpg", [0.25, 0.5, 0.75])

    Where the two have nothing in common, one fades into the other.

    Args:
        a: The first picture.
        b: The second; it is resized to the size of the first.
        times: Between 0, where the first picture is, and 1, where the second is: one number or several.
        engine: What finds the flow: `dis`, or a FlowNet.

    Returns:
        A list of pictures of the kind and size of the first.

    Raises:
        BadValue: a time is not between 0 and 1.
    """
    from .. import image

    moments = list(times) if isinstance(times, Iterable) else [times]
    for moment in moments:
        if not 0 <= moment <= 1:
            raise BadValue(f"times must be between 0 and 1, not {moment!r}")
    first = image.loaded(a)
    whole, other = image.to_array(first), image.resize(image.to_array(b), image.size(first))
    passage = Passage(*_of_one_depth(whole, other), engine)
    kind = image.kind_of(first)
    return [image.as_kind(passage.at(moment) if passage.alike else passage.faded(moment), kind) for moment in moments]


class Passage:
    """The way from one picture to another.

    A pixel of the picture at time t moves as some pixel of the first does that is there by then, and as some pixel of
    the second that comes from there. Both are looked for, the likelier one is followed to both pictures, and what it
    finds there is mixed; but where it is hidden in one of them, the other alone is shown.

    Args:
        a: H×W×3 or H×W×4, uint8 or floats in [0, 1].
        b: Another of the same shape and type.
        engine: What finds the flow; it is given pictures of 672×384 pixels or so at most.
    """

    def __init__(self, a: Array, b: Array, engine: Engine = dis) -> None:
        small_a, small_b = reduced(a), reduced(b)
        found = bidirectional(small_a, small_b, engine)
        change = squared_length(warp(small_b, found.forward, interpolation="linear") - small_a) / a.shape[2]
        share = float((found.visible * np.exp(-change / _CHANGE**2)).mean())
        self.alike = share > _CUT
        """Whether they show one scene, so that there is a way."""
        self._a, self._b = _premultiplied(a), _premultiplied(b)
        size = max(1, small_a.shape[1] // _COARSER), max(1, small_a.shape[0] // _COARSER)
        self._forward, self._backward = (each.resized(size).vectors for each in (found.forward, found.backward))
        self._visible, self._visible_back = (_resized(each, size) for each in (found.visible, found.visible_back))

    def at(self, time: float) -> Array:
        """The picture at a time in [0, 1]: H×W×C floats in [0, 1]."""
        import cv2

        size = self._a.shape[1::-1]
        vectors, weights = self._motion(np.float32(time), np.float32(1 - time))
        vectors = Flow(vectors).resized(size).vectors
        own = positions(*size)
        before = pulled(self._a, own - np.float32(time) * vectors, "replicate", "cubic")
        after = pulled(self._b, own + np.float32(1 - time) * vectors, "replicate", "cubic")
        return _straight(cv2.blendLinear(before, after, *(_resized(weight, size) for weight in weights)))

    def faded(self, time: float) -> Array:
        """The two laid over each other, the second the more visible the later it is: H×W×C floats in [0, 1]."""
        import cv2

        return _straight(cv2.addWeighted(self._a, 1 - time, self._b, time, 0))

    def _motion(self, here: np.float32, there: np.float32) -> tuple[Array, tuple[Array, Array]]:
        """How each pixel moves from `a` to `b`, h×w×2, and what either picture counts; smaller than the pictures."""
        import cv2

        own = positions(*self._forward.shape[1::-1])
        vectors, likely = _followed(self._forward, -here, self._visible)
        back, likelier = _followed(self._backward, -there, self._visible_back)
        cv2.copyTo(-back, (likelier > likely).astype(np.uint8), vectors)
        # What is seen from the other picture, too, is there in both; else the picture where it begins is hidden.
        before = there * (_LEAST + _looked_up(self._visible_back, own + there * vectors))
        after = here * (_LEAST + _looked_up(self._visible, own - here * vectors))
        return vectors, (_SCALE * before, _SCALE * after)


def _followed(flow: Array, share: np.float32, visible: Array) -> tuple[Array, Array]:
    """The vectors by which pixels have come here along a part of them, and how likely each is.

    That is v(p) = flow(p + share · v(p)), solved by going round.
    """
    own = positions(*flow.shape[1::-1])
    vectors = before = flow
    for _ in range(_STEPS):
        before, vectors = vectors, _looked_up(flow, own + share * vectors)
    likely = np.exp(-squared_length(vectors - before) / _ASTRAY)
    return vectors, likely * (_LEAST + _looked_up(visible, own + share * vectors))


def _looked_up(values: Array, places: Array) -> Array:
    return pulled(values, places, "replicate", "linear")


def _resized(weights: Array, size: tuple[int, int]) -> Array:
    import cv2

    return cv2.resize(weights, size, interpolation=cv2.INTER_LINEAR)


def _of_one_depth(a: Array, b: Array) -> tuple[Array, Array]:
    """The two with as many channels: one without alpha is opaque."""
    depth = max(a.shape[2], b.shape[2])
    opaque = np.ones((*a.shape[:2], 1), np.float32)
    a, b = (each if each.shape[2] == depth else np.concatenate([each, opaque], axis=2) for each in (a, b))
    return a, b


def _premultiplied(picture: Array) -> Array:
    """Floats, with colours times alpha if there is one, so that they may be mixed."""
    floats = picture / np.float32(255) if picture.dtype == np.uint8 else picture.astype(np.float32, copy=False)
    if picture.shape[2] < 4:
        return floats
    return np.concatenate([floats[:, :, :3] * floats[:, :, 3:], floats[:, :, 3:]], axis=2)


def _straight(picture: Array) -> Array:
    """The opposite of `_premultiplied`, in place; what resampling has led out of [0, 1] is brought back."""
    picture.clip(0, 1, out=picture)
    if picture.shape[2] == 4:
        picture[:, :, :3] /= picture[:, :, 3:].clip(1 / 1024, 1)
        picture.clip(0, 1, out=picture)
    return picture
