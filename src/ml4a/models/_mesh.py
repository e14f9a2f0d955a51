"""The mesh of a face: 468 points of its skin, with depth, from a network that is shown the face upright.

Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs, CVPR-W 2019, arXiv:1907.06724.
What the network is shown, and how its numbers lead back into the picture, is as in MediaPipe.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ml4a._core import extras
from ml4a._core.errors import BadWeights
from ml4a.media.face import Face

Array: TypeAlias = np.ndarray[Any, Any]

POINTS = 468
_WIDER = 1.5
"""How much larger than a face's box the square is that the network is shown."""
_SURE = 0.5
"""The least presence of a face."""
_PASSES = 2
_LEFT_EYE, _RIGHT_EYE = 33, 263
"""The outer corners, by which a mesh is turned."""
_EYES, _MOUTH = 2.3, 2.5
"""The side of what MediaPipe's own detector takes for a face: so many distances of the eyes, or from eyes to mouth."""
_DOWN = 0.62
"""How far its middle is below the eyes, as a share of the way to the mouth."""


@dataclass(frozen=True, slots=True)
class Square:
    """A turned square of a picture, as the network is shown it."""

    center: tuple[float, float]
    """(x, y) in pixels."""
    side: float
    """In pixels."""
    angle: float
    """In radians: how far its upper side is turned clockwise, as one looks at the picture."""

    def matrix(self, side: float) -> Array:
        """2×3 float64: from places in a picture of the square, `side` pixels wide, to those in the picture."""
        scale = self.side / side
        across, down = scale * math.cos(self.angle), scale * math.sin(self.angle)
        turn = np.array([[across, -down], [down, across]])
        return np.column_stack([turn, np.array(self.center) - turn @ (side / 2, side / 2)])


class FaceMesh:
    """Finds the mesh of faces whose place is known.

    Args:
        path: The network's file, `face_landmark.tflite`.

    Raises:
        MissingExtra: the interpreter of such files is not installed.
        BadWeights: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._interpreter = interpreter()(str(path))
            self._interpreter.allocate_tensors()
            (given,) = self._interpreter.get_input_details()
            self._input, (_, self.side, _, _) = given["index"], given["shape"]
            results = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            said = str(error).partition("\n")[0]
            raise BadWeights(f"{path} is no network of a face's mesh ({said})") from error
        sizes = {each["index"]: math.prod(each["shape"]) for each in results}
        meshes = [index for index, size in sizes.items() if size == 3 * POINTS]
        scores = [index for index, size in sizes.items() if size == 1]
        if not meshes or not scores:
            raise BadWeights(f"{path} is no network of a face's mesh: it gives {sorted(sizes.values())} numbers")
        self._mesh, self._score = meshes[0], scores[0]
        self._alone = threading.Lock()

    def __call__(self, picture: Array, face: Face) -> Face:
        """`face` with its mesh. The network is shown it twice, the second time in the square of the mesh that it found.

        Args:
            picture: H×W×3 float32 in [0, 1].
            face: One with points, landmarks or a mesh, from which the square is taken that the network is shown; a face
                that has a box only is taken to be upright.

        Returns:
            The face with a mesh; as it was, if the network sees no face there.
        """
        square = square_of(face)
        for _ in range(_PASSES):
            mesh, presence = self.within(picture, square)
            if presence < _SURE:
                return face
            face = face.replace(mesh=mesh)
            square = square_of(face)
        return face

    def within(self, picture: Array, square: Square) -> tuple[Array, float]:
        """The mesh, 468×3, of the face in a square of H×W×3 in [0, 1], and the probability that there is one."""
        shown = _shown(picture, square, int(self.side))
        with self._alone:
            self._interpreter.set_tensor(self._input, shown[None])
            self._interpreter.invoke()
            points = self._interpreter.get_tensor(self._mesh).reshape(POINTS, 3).astype(np.float64)
            score = float(self._interpreter.get_tensor(self._score).reshape(()))
        matrix = square.matrix(float(self.side))
        places = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        depths = points[:, 2] * (square.side / float(self.side))
        mesh = np.column_stack([places, depths]).astype(np.float32)
        return mesh, 1 / (1 + math.exp(-max(-80.0, min(80.0, score))))


def interpreter() -> Callable[[str], Any]:
    """What makes the interpreter of such a network's file.

    Without its delegate, which is 4 ms faster and writes to standard error that it is there.

    Raises:
        MissingExtra: it is not installed.
    """
    runtime = extras.load("ai_edge_litert.interpreter", "face")
    plain = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return lambda path: runtime.Interpreter(path, num_threads=_threads(), experimental_op_resolver_type=plain)


def square_of(face: Face) -> Square:
    """The square that the network should be shown of a face: turned by the eyes, with room around.

    From a mesh it is as MediaPipe takes it from the picture before. From points it is what its own detector would have
    given: that one's boxes are as wide as high and from the brows to below the mouth, those of others are not.
    """
    if face.mesh is not None:
        low, high = face.mesh[:, :2].min(axis=0), face.mesh[:, :2].max(axis=0)
        x, y = (low + high) / 2
        angle = _angle(face.mesh[_LEFT_EYE, :2], face.mesh[_RIGHT_EYE, :2])
        return Square((float(x), float(y)), _WIDER * float((high - low).max()), angle)
    if face.points is None and face.landmarks is None:
        return Square(face.center, _WIDER * max(face.size), 0.0)
    left, right = face.eyes.astype(np.float64)
    eyes, mouth = (left + right) / 2, face.mouth.astype(np.float64).mean(axis=0)
    x, y = eyes + _DOWN * (mouth - eyes)
    side = max(_EYES * math.dist(left, right), _MOUTH * math.dist(eyes, mouth), 1.0)
    return Square((float(x), float(y)), _WIDER * side, _angle(left, right))


def _shown(picture: Array, square: Square, side: int) -> Array:
    """side×side×3: what is in the square; beyond the picture, its last pixels.

    Where it shrinks to less than half, the picture is reduced first, so that no pixel is passed over.
    """
    import cv2

    part, (left, top) = _around(picture, square)
    back = square.matrix(side) - [[0, 0, left], [0, 0, top]]
    factor = int(square.side / side)
    if factor > 1:
        size = (math.ceil(part.shape[1] / factor), math.ceil(part.shape[0] / factor))
        back = np.diag([size[0] / part.shape[1], size[1] / part.shape[0]]) @ back
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    back[:, 2] += back[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV counts from the first pixel's middle
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(part, back, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _around(picture: Array, square: Square) -> tuple[Array, tuple[int, int]]:
    """The part of a picture that a square may need, at least a pixel of it, and where that part begins."""
    reach = square.side * math.sqrt(0.5) + 2
    height, width = picture.shape[:2]
    left = min(max(0, math.floor(square.center[0] - reach)), width - 1)
    top = min(max(0, math.floor(square.center[1] - reach)), height - 1)
    right, bottom = math.ceil(square.center[0] + reach), math.ceil(square.center[1] + reach)
    return picture[top : max(bottom, top + 1), left : max(right, left + 1)], (left, top)


def _angle(left: Array, right: Array) -> float:
    return math.atan2(float(right[1] - left[1]), float(right[0] - left[0]))


def _threads() -> int:
    """As many as the other networks use, if that was said."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else min(4, os.cpu_count() or 1)
