"""The parts of one face of a picture, as a label map of the picture's size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a.media import face as geometry
from ml4a.media.face import Face
from ml4a.media.segmentation import Segmentation

from ._operation import recording

if TYPE_CHECKING:
    from .face_parsing import FaceParsing

_UNKNOWN = -1


def parsed(parser: FaceParsing, picture: np.ndarray[Any, Any], face: Face, size: int = 512) -> Segmentation:
    """What each pixel of a face is; -1 where the model was not shown the picture.

    Args:
        parser: Knows the parts of a portrait.
        picture: H×W×3 float32 in [0, 1].
        face: One that has eyes and a mouth.
        size: Side of the square portrait that it is shown.
    """
    import cv2

    height, width = picture.shape[:2]
    portrait = geometry.ffhq(picture, face, size)
    with recording(False):
        found = parser(portrait, size=size)
    matrix = geometry.ffhq_alignment(face, size)
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV counts from the first pixel's middle
    labels = cv2.warpAffine(
        found.labels,
        matrix,
        (width, height),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(_UNKNOWN,),
    )
    return Segmentation(labels, found.label_set)
