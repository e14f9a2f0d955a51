"""Faces: where they are, and what is made of them – geometry alone, no network.

    from ml4a.media import face

    portrait = face.aligned(photo, found[0], 512)                # upright, the eyes at fixed places
    face.hidden(photo, found, "pixelate")                        # nobody can be recognised
    face.drawn(photo, found, ("mesh", "number"))                 # what a detector found

    follow = face.Tracker()                                      # frame by frame: who is who, without trembling

Finding faces is a model's work; here a detector is any function from H×W×3 floats to a list of `Face`, the largest
first. Places are in pixels of the picture: x right, y down, pixel centres at half-integers. Left and right are the
picture's, not the person's.
"""

from __future__ import annotations

from ._align import EYE, aligned, alignment, at_width, pasted
from ._cover import hidden, mask
from ._draw import drawn
from ._face import Detector, Face, largest_first
from ._ffhq import ffhq, ffhq_alignment
from ._layout import GROUPS, landmarks_of_mesh
from ._likeness import SAME_PERSON, distance, nearest
from ._outline import outline
from ._swap import swapped
from ._track import Tracker

__all__ = [
    "EYE",
    "GROUPS",
    "SAME_PERSON",
    "Detector",
    "Face",
    "Tracker",
    "aligned",
    "alignment",
    "at_width",
    "distance",
    "drawn",
    "ffhq",
    "ffhq_alignment",
    "hidden",
    "landmarks_of_mesh",
    "largest_first",
    "mask",
    "nearest",
    "outline",
    "pasted",
    "swapped",
]
