"""Whether two faces are the same person's, by their encodings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue

from ._face import Face
from ._layout import Array

SAME_PERSON = 0.6
"""The distance up to which two encodings of dlib's network are taken for the same person's."""


def distance(a: Face | Array, b: Face | Array) -> Any:
    """How far two faces' encodings are apart; up to `SAME_PERSON` they are most likely the same person's.

    Args:
        a: A face that has an encoding, or encodings, …×128.
        b: Another; single ones are compared with all of the other side.

    Returns:
        The Euclidean distance: a float, or an array of float32.

    Raises:
        BadValue: a face without encoding, or arrays of other shapes.
    """
    one, other = _encodings(a), _encodings(b)
    try:
        found = np.sqrt(np.square(one - other).sum(axis=-1))
    except ValueError:
        raise BadValue(f"encodings, {one.shape}, cannot be compared with {other.shape} of them, one by one") from None
    return float(found) if found.ndim == 0 else found.astype(np.float32)


def nearest(faces: Sequence[Face], encoding: Face | Array) -> Face:
    """The face that is most like somebody.

        sitter = face.nearest(found, known)
        assert face.distance(sitter, known) <= face.SAME_PERSON

    Args:
        faces: One or more, with encodings.
        encoding: Of whom: a face that has one, one of 128 numbers, or several of the same person, N×128, of which the
            nearest counts.

    Raises:
        BadValue: no faces; a face without encoding.
    """
    if not faces:
        raise BadValue("there is no face to choose from")
    wanted = np.atleast_2d(_encodings(encoding))
    return min(faces, key=lambda face: float(np.min(distance(face, wanted))))


def _encodings(value: Face | Array) -> Array:
    if isinstance(value, Face):
        if value.encoding is None:
            raise BadValue("this face has no encoding; find it with a detector that makes encodings")
        return value.encoding.astype(np.float64)
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise BadValue(f"this takes a face or the 128 numbers of an encoding, not {type(value).__name__}") from None
    if array.ndim == 0 or array.shape[-1] != 128:
        raise BadValue(f"an encoding is 128 numbers, not {'×'.join(map(str, array.shape)) or 'a single value'}")
    return array
