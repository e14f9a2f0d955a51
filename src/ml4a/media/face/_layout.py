"""Which of a face's 68 points is what, and which of the mesh's 468 vertices lie there.

The 68 points are numbered as in iBUG's 300-W (Sagonas et al., ICCV-W 2013), which dlib's predictor follows. Left and
right are those of the picture, as everywhere in this package: point 36 is the corner of the eye that is further left,
which is the person's right eye.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

Array: TypeAlias = np.ndarray[Any, Any]

GROUPS: dict[str, tuple[int, ...]] = {
    "chin": tuple(range(17)),
    "left_eyebrow": tuple(range(17, 22)),
    "right_eyebrow": tuple(range(22, 27)),
    "nose_bridge": tuple(range(27, 31)),
    "nose_tip": tuple(range(31, 36)),
    "left_eye": tuple(range(36, 42)),
    "right_eye": tuple(range(42, 48)),
    "top_lip": (*range(48, 55), 64, 63, 62, 61, 60),
    "bottom_lip": (*range(54, 60), 48, 60, 67, 66, 65, 64),
}
"""The parts of a face, as indices of its 68 points, in the order in which a line goes through them."""

_MESH = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
"""The vertex of the canonical face mesh (Kartynnik et al., 2019, arXiv:1907.06724) nearest to each of the 68 points."""

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The mesh's rim, from the top of the forehead clockwise as one looks at the picture."""
FOREHEAD = (162, 21, 54, 103, 67, 109, *OVAL[:6], 389)
"""Those of them above the jaw's ends, where the 68 points have nothing."""


def landmarks_of_mesh(mesh: Array) -> Array:
    """The 68 points of a face mesh.

    The mesh has no vertex for each of them, but one near by: on a face of 200 pixels they are some 2 pixels apart,
    more along the jaw, where the mesh ends at the cheek's turn and iBUG's points on the outline.

    Args:
        mesh: 468×3, or 468×2 without the depths.

    Returns:
        68×2 float32, in the mesh's unit.

    Raises:
        BadValue: another shape.
    """
    array = np.asarray(mesh)
    if array.ndim != 2 or array.shape[0] != 468 or array.shape[1] not in (2, 3):
        raise BadValue(f"a face mesh is 468×3 numbers, not {'×'.join(map(str, array.shape)) or 'a single value'}")
    return array[list(_MESH), :2].astype(np.float32)


def eye_centers(landmarks: Array) -> Array:
    """2×2 float32: the middles of the left and the right eye, from 68 points."""
    sides = (landmarks[list(GROUPS[name])].mean(axis=0) for name in ("left_eye", "right_eye"))
    return np.stack(list(sides)).astype(np.float32)
