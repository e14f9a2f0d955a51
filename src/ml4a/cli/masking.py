"""`ml4a mask`: a picture's areas, by colour, brightness or transparency."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import cyclopts

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range, parameters
from ml4a.models._operation import Operation

from . import derived
from .run import common_options, run


class Masker:
    """Makes masks of pictures; of the frames of a film so that areas keep their colours."""

    def __init__(self, *, remembering: bool = False) -> None:
        self._remembering = remembering
        self._before: Any = None

    def for_film(self) -> Masker:
        """One that remembers the frame before."""
        return Masker(remembering=True)

    def film_state(self) -> dict[str, Any]:
        """The areas of the frame before; see `Model.film_state`."""
        return {} if self._before is None else {"areas": self._before.values}

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Remember areas.

        Raises:
            BadValue: they are none.
        """
        from ml4a.media import mask

        self._before = mask.from_array(state["areas"])

    @functools.cached_property
    def operation(self) -> Operation:
        """Its parameters, as `jobs.apply` and the command line want to know them."""
        summary = (inspect.getdoc(type(self).__call__) or "").partition("\n\n")[0]
        own = parameters(type(self).__call__)
        return Operation("mask", "mask", summary, _EXAMPLES, own, transparent=True)

    def __call__(
        self,
        picture: Picture,
        *,
        method: Annotated[
            Literal["kmeans", "bands", "luminance", "alpha"],
            Doc("Areas of alike colours, bands of brightness, the brightness itself, or the transparency."),
        ] = "kmeans",
        n: Annotated[int, Range(1, 64), Doc("How many areas or bands.")] = 4,
        smooth: Annotated[float, Range(0, 1), Doc("Blend colours so far first; the shorter side is 1.")] = 0.0,
        channel: Annotated[int | None, Range(0), Doc("Show this area alone, white on black.")] = None,
        invert: Annotated[bool, Doc("Turn the mask around.")] = False,
        grow: Annotated[float, Range(-1, 1), Doc("Grow areas by so much; below 0 shrink them.")] = 0.0,
        feather: Annotated[float, Range(0, 1), Doc("Soften edges over such a radius.")] = 0.0,
        cutout: Annotated[bool, Doc("Cut the picture out instead: transparent where the mask is black.")] = False,
    ) -> Picture:
        """Divide a picture into areas: a mask in colours, one area in white, or the picture cut out."""
        from ml4a.media import image, mask

        if method == "kmeans":
            found = mask.kmeans(picture, n, previous=self._before, smooth=smooth)
            self._before = found if self._remembering else None
        elif method == "bands":
            found = mask.bands(picture, n)
        else:
            found = mask.from_luminance(picture) if method == "luminance" else mask.from_alpha(picture)
        if channel is None and cutout:
            channel = 0
        if channel is not None:
            if channel >= found.channels:
                raise BadValue(f"channel must be less than {found.channels}, not {channel}; areas are counted from 0")
            found = found.channel(channel)
        if grow:
            found = found.grown(grow) if grow > 0 else found.shrunk(-grow)
        found = found.feathered(feather) if feather else found
        found = ~found if invert else found
        return mask.cutout(picture, found) if cutout else mask.view(found, image.size(picture))


_EXAMPLES = (
    "ml4a mask photo.jpg --n 5 --smooth 0.01",
    "ml4a mask photo.jpg --n 3 --channel 0 --feather 0.01 --cutout -o front.png",
    "ml4a mask clip.mp4 --n 4 -o areas.mp4",
)


def register(app: cyclopts.App) -> None:
    """Add `mask` to the command line."""
    worker = Masker()
    command = derived.command("mask", worker.operation, common_options(), functools.partial(run, "mask", worker))
    derived.add(app, "mask", command, _EXAMPLES)
