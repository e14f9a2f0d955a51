"""How exactly the installed OpenCV looks up pictures."""

from __future__ import annotations

import cv2
import numpy as np


def grain() -> float:
    """How far a place at which it looks may be off, in pixels: nothing from version 5 on, half of a 32nd before."""
    ramp = np.tile(np.arange(4, dtype=np.float32), (4, 1))
    place = np.full((1, 1), 1 + 1 / 64 + 1 / 300, np.float32)
    found = cv2.remap(ramp, place, np.ones((1, 1), np.float32), cv2.INTER_LINEAR)
    return 0.0 if abs(float(found[0, 0] - place[0, 0])) < 1e-5 else 1 / 64
