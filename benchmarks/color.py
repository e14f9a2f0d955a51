"""Histogram matching of a megapixel against plain vectorised NumPy: the same values for the same pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml4a import image
from ml4a.media import color

from .race import race

SIZE = (1024, 1024)


def main() -> None:
    photo = image.sample("hubble", size=SIZE)
    target = image.sample("coffee", size=SIZE)
    levels, aim = np.asarray(photo), np.asarray(target)
    film, film_aim = image.to_array(photo), image.to_array(target)
    floats, floats_aim = film**1.1, film_aim**1.1  # between the levels of 8 bits
    assert (np.asarray(color.match_histogram(photo, target)) == plain(levels, aim)).all()
    assert (color.match_histogram(floats, floats_aim) == plain(floats, floats_aim)).all()
    race(
        "histogram matching, 1024x1024, 8 bits",
        {
            "ml4a, PIL to PIL": lambda: color.match_histogram(photo, target),
            "NumPy, stable argsort of float32": lambda: plain(film, film_aim),
            "NumPy, stable argsort of uint8": lambda: plain(levels, aim),
        },
    )
    race(
        "histogram matching, 1024x1024, floats",
        {
            "ml4a": lambda: color.match_histogram(floats, floats_aim),
            "ml4a, floats of 8 bits, as in films": lambda: color.match_histogram(film, film_aim),
            "NumPy, stable argsort of float32": lambda: plain(floats, floats_aim),
        },
    )


def plain(picture: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Exact rank matching of two pictures of one size as NumPy would have it."""
    matched = np.empty_like(picture)
    for channel in range(3):
        order = np.argsort(picture[:, :, channel], axis=None, kind="stable")
        dealt = np.empty(order.size, picture.dtype)
        dealt[order] = np.sort(target[:, :, channel], axis=None)
        matched[:, :, channel] = dealt.reshape(picture.shape[:2])
    return matched
