"""What is done to the pictures of a data set: actions by name, one after the other.

    from ml4a.dataset import actions

    chain = actions.chain(["segment", "posterize"])
    processed = chain(picture)

An action is a function of an H×W×3 float32 array in [0, 1]. The names of this module, which are those of the dataset
tool of ml4a's 2021 library and some more, go before those of models and of the command line's verbs, which will do as
well: `cartoonize`, `upscale`, `cutout` …
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ml4a._core import extras
from ml4a._core.errors import BadValue, UnknownName
from ml4a.models import registry
from ml4a.models._operation import recording

Array: TypeAlias = np.ndarray[Any, Any]
Action: TypeAlias = Callable[[Array], Any]

PALETTE = ((255, 255, 255), (0, 0, 0), (127, 0, 0), (0, 0, 127), (0, 127, 0))
"""The colours of `quantize`: white, black, dark red, dark blue, dark green; from 0 to 255."""

_LEVELS = 4
_EDGE = 50
"""Of 255: how sure HED has to be of what `simplify` takes for a line."""
_SPECK = 0.001
"""The part of a picture that a line of `simplify` has to cover."""


def none(picture: Array) -> Array:
    """The picture as it is."""
    return picture


def posterize(picture: Array, levels: int = _LEVELS) -> Array:
    """Each channel in so many evenly spaced levels, from black to white."""
    number = np.clip((_bytes(picture) / (255 / levels)).astype(int), 0, levels - 1)
    return np.linspace(0, 255, levels).astype(int)[number].astype(np.float32) / 255


def quantize(picture: Array, palette: Sequence[tuple[int, int, int]] = PALETTE) -> Array:
    """Each pixel in the nearest colour of a palette."""
    return np.asarray(palette, np.float32)[color_labels(picture, palette)] / 255


def color_labels(picture: Array, palette: Sequence[tuple[int, int, int]] = PALETTE) -> Array:
    """Which colour of a palette is nearest to each pixel by the sum of differences; of two alike the first: H×W."""
    pixels = _bytes(picture).astype(np.int16)
    distances = [np.abs(pixels - np.asarray(color, np.int16)).sum(axis=2, dtype=np.int32) for color in palette]
    return np.argmin(distances, axis=0)


def canny(picture: Array) -> Array:
    """Canny's edges of the blurred picture, white on black."""
    import cv2

    return _in_three_channels(cv2.Canny(cv2.GaussianBlur(_bytes(picture), (5, 5), 0), 100, 150))


def trace(picture: Array) -> Array:
    """The outlines of what is brighter than half, white on black, two pixels wide."""
    import cv2

    grey = cv2.cvtColor(cv2.GaussianBlur(_bytes(picture), (5, 5), 0), cv2.COLOR_RGB2GRAY)
    _, bright = cv2.threshold(grey, 127, 255, cv2.THRESH_BINARY)
    contours, _ = cv2.findContours(bright, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    lines = np.zeros(grey.shape, np.uint8)
    cv2.drawContours(lines, [each for each in contours if cv2.arcLength(each, True) > 8], -1, 255, 2)
    return _in_three_channels(lines)


def segment(picture: Array) -> Array:
    """Areas of like colour, each in its median (Felzenszwalb & Huttenlocher, IJCV 2004).

    Raises:
        MissingExtra: scikit-image is not installed.
    """
    import cv2

    segmentation = extras.load("skimage.segmentation", "dataset")
    smooth = cv2.bilateralFilter(_bytes(picture), 9, 100, 100)
    height, width = smooth.shape[:2]
    labels = segmentation.felzenszwalb(smooth, scale=int(height * width / 1000), sigma=0.5, min_size=150)
    return medians(smooth, labels).astype(np.float32) / 255


def medians(pixels: Array, labels: Array) -> Array:
    """H×W×3 uint8 with each label's area in the median, by channel, of those of its values that are not 0."""
    order = np.argsort(labels, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(labels.ravel()))
    flat, filled = pixels.reshape(-1, 3), np.zeros_like(pixels.reshape(-1, 3))
    for area in np.split(order, ends[:-1]):
        for channel in range(3):
            values = flat[area, channel]
            values = values[values > 0]
            filled[area, channel] = int(np.median(values)) if values.size else 0
    return filled.reshape(pixels.shape)


def hed() -> Action:
    """HED's map of how likely each pixel is on an edge, white on black (`sketch` draws with it, black on white)."""
    model = registry.load("hed")
    return lambda picture: 1 - model(picture)


def simplify() -> Action:
    """The lines that HED finds in the blurred picture, one pixel wide, without specks, white on black."""
    edges = hed()
    return lambda picture: thin_lines(edges(blurred(picture)))


def blurred(picture: Array) -> Array:
    """The picture that `simplify` shows to HED."""
    import cv2

    return cv2.GaussianBlur(cv2.GaussianBlur(_bytes(picture), (3, 3), 0), (3, 3), 0).astype(np.float32) / 255


def thin_lines(edges: Array) -> Array:
    """The middle of each line of an edge map, H×W×3 in [0, 1], that is sure and no speck: white on black."""
    import cv2

    from ml4a.media import trace as lines

    sure = np.where(_bytes(edges)[:, :, 0] > _EDGE, np.uint8(1), np.uint8(0))
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(sure, connectivity=4)
    kept = statistics[:, cv2.CC_STAT_AREA] >= _SPECK * sure.size
    kept[0] = False
    return _in_three_channels(lines.thinned(kept[np.asarray(labels, np.int32)]).astype(np.uint8) * 255)


def semantic() -> Action:
    """What every pixel shows, as a colour for each of 150 things."""
    model = registry.load("semantic_segmentation")
    return lambda picture: model.show(picture, view="colors")


def face(target: str | None = None) -> Action:
    """The landmarks of the largest face, or of the target's, as white lines on black; without one the picture fails.

    Raises:
        MissingExtra: what finds landmarks is not installed.
    """
    from . import faces

    return faces.lines(target)


def landmarks(target: str | None = None) -> Action:
    """The same landmarks as areas of colours on black, as `faces.drawing` draws them.

    Raises:
        MissingExtra: what finds landmarks is not installed.
    """
    from . import faces

    return faces.areas(target)


def upsample() -> Action:
    """Twice as large, with detail invented by Real-ESRGAN: four times, and back to half."""
    from ml4a.media import image

    model = registry.load("real_esrgan")

    def enlarged(picture: Array) -> Array:
        large = model(picture)
        return image.resize(large, (large.shape[1] // 2, large.shape[0] // 2), "bicubic")

    return enlarged


_PLAIN: dict[str, Action] = {
    "none": none, "quantize": quantize, "trace": trace, "canny": canny, "posterize": posterize, "segment": segment
}  # fmt: skip
_WITH_MODEL: dict[str, Callable[[], Action]] = {
    "hed": hed, "simplify": simplify, "semantic": semantic, "upsample": upsample, "face": face,
    "landmarks": landmarks
}  # fmt: skip


def names() -> list[str]:
    """The actions of this module; the names of models and verbs that make pictures of pictures are actions, too."""
    return [*_PLAIN, *_WITH_MODEL]


def check(actions: Iterable[str | Action]) -> None:
    """Look whether there are such actions, and what they need, before any work is done.

    Raises:
        UnknownName: there is no such action, verb or model.
        BadValue: it needs more than a picture, or is no function.
        MissingExtra: `segment`, without scikit-image.
    """
    for action in actions:
        if isinstance(action, str):
            if action == "segment":
                extras.load("skimage.segmentation", "dataset")
            elif action not in _PLAIN and action not in _WITH_MODEL:
                _operation(action)
        elif not callable(action):
            raise BadValue(f"an action is a name or a function of a picture, not {action!r}")


def chain(actions: Iterable[str | Action], *, target_face: str | None = None) -> Action:
    """The actions, one after the other, as one function; their models are loaded now.

    Args:
        actions: Names, or functions.
        target_face: A picture of the face that `face` and `landmarks` draw; None is the largest.

    Returns:
        From an H×W×3 float32 array in [0, 1] to another, H×W×3 float32 in [0, 1].

    Raises:
        UnknownName, BadValue, MissingExtra: as `check`.
        DownloadFailed: a model's weights cannot be had.
    """
    steps = [_loaded(action, target_face) for action in actions]

    def process(picture: Array) -> Array:
        with recording(False):  # which would hash every picture
            for step in steps:
                picture = _as_picture(step(picture))
        return picture

    return process


def _loaded(action: str | Action, target_face: str | None) -> Action:
    check([action])
    if not isinstance(action, str):
        return action
    if action in ("face", "landmarks"):
        return (face if action == "face" else landmarks)(target_face)
    if action in _PLAIN:
        return _PLAIN[action]
    if action in _WITH_MODEL:
        return _WITH_MODEL[action]()
    model, operation = _operation(action)
    return getattr(registry.load(model), operation)


@functools.cache
def _operation(name: str) -> tuple[str, str]:
    """The model and the operation that a verb or a model's own name stands for."""
    verbs = registry.verbs()
    if name in verbs:
        found = verbs[name][0]
        model, operation = found.model, found.operation
    elif name in registry.names():
        operations = list(registry.model_class(name).operations().values())
        model, operation = name, next((each for each in operations if each.verb is not None), operations[0])
    else:
        pictures = [verb for verb, (first, *_) in verbs.items() if first.operation.gives == "picture"]
        raise UnknownName("action", name, [*names(), *pictures])
    needed = [each.name for each in operation.parameters.values() if each.required and each is not operation.main]
    if operation.gives != "picture" or operation.main.kind != "picture" or needed:
        more = f": it needs {', '.join(needed)}" if needed else ""
        raise BadValue(f"{name} does not make a picture of a picture alone{more}; give a function instead")
    return model, operation.name


def _as_picture(made: Any) -> Array:
    """What an action gave as H×W×3 float32 in [0, 1]: grey in three channels, what is transparent on white."""
    from ml4a.media import image

    array = image.to_array(made)
    if array.shape[2] == 4:
        array = array[:, :, :3] * array[:, :, 3:] + (1 - array[:, :, 3:])
    return np.ascontiguousarray(array[:, :, :3], np.float32).clip(0, 1)


def _bytes(picture: Array) -> Array:
    return np.rint(picture * 255).astype(np.uint8)


def _in_three_channels(grey: Array) -> Array:
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.float32) / 255
