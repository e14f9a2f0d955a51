"""A face as a value: where it is in a picture, and what was found out about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

from ._layout import Array, eye_centers, landmarks_of_mesh

_SHAPES = {"points": (5, 2), "landmarks": (68, 2), "mesh": (468, 3), "encoding": (128,)}
_FARTHEST = 1e7
"""Pixels from the picture's corner. What is further out is a mistake, and would overflow when it is squared."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a picture. It is a value, and not to be written to.

        face = Face((170, 60, 260, 180), points=[(201, 105), (246, 109), (220, 127), (203, 146), (240, 149)])
        face.eyes, face.center, face.scaled(0.5).box

    Places are in pixels of the picture: x right, y down, from the upper left corner of the first pixel, whose middle is
    (0.5, 0.5). Left and right are the picture's: the left eye is the one further left, the person's right one.

    Raises:
        BadValue: another shape; a number that is not finite; a box without area.
    """

    box: tuple[float, float, float, float]
    """(x1, y1, x2, y2): left, top, right, bottom. It may reach beyond the picture."""
    score: float = 1.0
    """How sure the detector was; more is surer."""
    points: Array | None = None
    """5×2 float32: left eye, right eye, nose, left and right corner of the mouth."""
    landmarks: Array | None = None
    """68×2 float32, in iBUG's order; `GROUPS` names them."""
    mesh: Array | None = None
    """468×3 float32: x and y in pixels, and a depth in the same unit, smaller towards the camera."""
    encoding: Array | None = None
    """128 float32, near those of other pictures of the same person; see `distance`."""

    def __post_init__(self) -> None:
        box = _numbers("box", self.box, (4,))
        x1, y1, x2, y2 = map(float, box)
        if not (x1 < x2 and y1 < y2):
            raise BadValue(
                f"a face's box is left, top, right, bottom, with an area; not {x1:g}, {y1:g}, {x2:g}, {y2:g}"
            )
        object.__setattr__(self, "box", (x1, y1, x2, y2))
        object.__setattr__(self, "score", float(_numbers("score", self.score, ())))
        for name, shape in _SHAPES.items():
            if (value := getattr(self, name)) is not None:
                array = _numbers(name, value, shape).astype(np.float32)
                array.flags.writeable = False
                object.__setattr__(self, name, array)

    @property
    def size(self) -> tuple[float, float]:
        """(width, height) of the box, in pixels."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        return self.size[0] * self.size[1]

    @property
    def center(self) -> tuple[float, float]:
        """(x, y): the middle of the box."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def eyes(self) -> Array:
        """2×2 float32: the middles of the left and the right eye, from mesh, landmarks or five points.

        Raises:
            BadValue: there is only a box.
        """
        features = self.features
        if features is not None:
            return eye_centers(features)
        if self.points is not None:
            return self.points[:2].copy()
        raise BadValue("this face has a box only, and no eyes; find it with a detector that gives points or landmarks")

    @property
    def mouth(self) -> Array:
        """2×2 float32: the left and the right corner of the mouth, from mesh, landmarks or five points.

        Raises:
            BadValue: there is only a box.
        """
        features = self.features
        if features is not None:
            return features[[48, 54]]
        if self.points is not None:
            return self.points[3:].copy()
        raise BadValue("this face has a box only, and no mouth; find it with a detector that gives points or landmarks")

    @property
    def features(self) -> Array | None:
        """68×2 float32: those of the mesh if there is one, else the landmarks; None if there is neither."""
        return self.landmarks if self.mesh is None else landmarks_of_mesh(self.mesh)

    def moved(self, dx: float, dy: float) -> Face:
        """The same face, (dx, dy) pixels to the right and down: as in a larger picture of which this was a part."""
        return self.transformed(np.array([[1, 0, dx], [0, 1, dy]], np.float64))

    def scaled(self, factor: float) -> Face:
        """The same face in a picture of `factor` times the width and height.

        Raises:
            BadValue: a factor that is not above 0.
        """
        factor = float(_numbers("factor", factor, ()))
        if factor <= 0:
            raise BadValue(f"a face is scaled by a factor above 0, not {factor:g}")
        return self.transformed(np.array([[factor, 0, 0], [0, factor, 0]], np.float64))

    def transformed(self, matrix: Array) -> Face:
        """The same face in a picture that was moved, turned and scaled.

        Depths are scaled as lengths on average are. The box is the smallest upright one around the turned box.

        Args:
            matrix: 2×3: where (x, y, 1) goes, as `alignment` gives it.

        Raises:
            BadValue: another shape, or a picture squashed to a line.
        """
        matrix = _numbers("matrix", matrix, (2, 3))
        factor = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        if factor == 0:
            raise BadValue("a matrix that squashes the picture to a line leaves no face")
        x1, y1, x2, y2 = self.box
        corners = _moved(np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]), matrix)
        changes: dict[str, Any] = {"box": (*corners.min(axis=0), *corners.max(axis=0))}
        for name in ("points", "landmarks"):
            if (places := getattr(self, name)) is not None:
                changes[name] = _moved(places, matrix)
        if self.mesh is not None:
            changes["mesh"] = np.column_stack([_moved(self.mesh[:, :2], matrix), self.mesh[:, 2] * factor])
        return self.replace(**changes)

    def replace(self, **changes: Any) -> Face:
        """The same face with some of its fields changed.

        Raises:
            BadValue: a value that the field cannot have.
        """
        return dataclasses.replace(self, **changes)

    def to_state(self) -> dict[str, Any]:
        """Its fields, as arrays of numbers and JSON values; those that it lacks are left out."""
        known = {name: value for name in _SHAPES if (value := getattr(self, name)) is not None}
        return {"box": list(self.box), "score": self.score, **known}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Face:
        """The very face that gave `to_state`.

        Raises:
            BadValue: none could have.
        """
        if not {"box", "score"} <= state.keys() <= {"box", "score", *_SHAPES}:
            raise BadValue("a face has a box, a score and what else was found in it, and nothing more")
        return cls(state["box"], state["score"], **{name: state[name] for name in _SHAPES if name in state})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Face):
            return NotImplemented
        pairs = [(getattr(self, name), getattr(other, name)) for name in _SHAPES]
        same = all(a is b if a is None or b is None else np.array_equal(a, b) for a, b in pairs)
        return same and (self.box, self.score) == (other.box, other.score)

    def __hash__(self) -> int:
        return hash((self.box, self.score))

    def __repr__(self) -> str:
        known = [name for name in _SHAPES if getattr(self, name) is not None]
        box = ", ".join(f"{value:.1f}" for value in self.box)
        return f"Face(({box}), score={self.score:.3f}{''.join(f', {name}=…' for name in known)})"


Detector: TypeAlias = Callable[[Array], list[Face]]
"""Finds faces in H×W×3 float32 in [0, 1], the largest first."""


def largest_first(faces: list[Face]) -> list[Face]:
    """Faces by their area, as detectors give them; of equal ones the order is kept."""
    return sorted(faces, key=lambda face: -face.area)


def one(face: Any) -> Face:
    """A single face, held to be one: detectors give lists.

    Raises:
        BadValue: it is something else.
    """
    if not isinstance(face, Face):
        hint = "; choose one of the list, such as found[0]" if isinstance(face, list | tuple) else ""
        raise BadValue(f"this takes one Face, as detectors give them, not {type(face).__name__}{hint}")
    return face


def _moved(places: Array, matrix: Array) -> Array:
    return places @ matrix[:, :2].T + matrix[:, 2]


def _numbers(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """`value` as float64 of this shape, a new array.

    Raises:
        BadValue: it is not so many finite numbers.
    """
    due = "×".join(map(str, shape)) + " finite numbers" if shape else "a finite number"
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        raise BadValue(f"a face's {name} is {due}, not {type(value).__name__}") from None
    if array.shape != shape:
        raise BadValue(f"a face's {name} is {due}, not {'×'.join(map(str, array.shape)) or 'a single value'}")
    wrong = ~(np.abs(array) <= _FARTHEST)  # NaN is, too
    if wrong.any():
        raise BadValue(f"a face's {name} is {due}; one of these is {array[wrong].flat[0]:g}")
    return array
