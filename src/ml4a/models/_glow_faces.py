"""Faces as Glow has seen them: upright squares, the eyes always at the same places."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._operation import recording

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ml4a.media.face import Face

    from .face import Faces


class Portraits:
    """Cuts the largest face out of pictures; where there is none, the square in the middle.

    Args:
        side: Of the square, in pixels.
        device: Where the detector is to be, which is loaded when it is first wanted.
        film_of: Whose detector follows the face of one film here.
    """

    def __init__(self, side: int, device: torch.device, film_of: Portraits | None = None) -> None:
        self._side = side
        self._device = device
        self._film_of = film_of
        self._lock = threading.Lock()
        self._faces: Faces | None = None

    @property
    def faces(self) -> Faces:
        """The detector.

        Raises:
            DownloadFailed: its weights cannot be had.
        """
        from .face import Faces

        with self._lock:
            if self._faces is None:
                shared = self._film_of
                self._faces = (
                    Faces.from_pretrained(device=str(self._device)) if shared is None else shared.faces.for_film()
                )
            return self._faces

    def for_film(self) -> Portraits:
        """The same for the frames of one film, in which a face is followed."""
        return Portraits(self._side, self._device, self)

    def film_state(self) -> dict[str, Any] | None:
        """What is remembered of the face; see `Model.film_state`."""
        return {} if self._faces is None or self._film_of is None else self._faces.film_state()

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Remember what `film_state` gave; nothing, before there was a face to look for."""
        if state:
            self.faces.set_film_state(state)

    def cut(self, picture: np.ndarray[Any, Any], align: bool) -> np.ndarray[Any, Any]:
        """The square of an H×W×3 or H×W×4 picture, float32 in [0, 1]; colours do not depend on transparency."""
        import numpy as np

        color = picture[:, :, :3]
        face = self._find(color) if align else None
        square = self._square(color, face)
        if picture.shape[2] == 4:
            alpha = self._square(np.repeat(picture[:, :, 3:], 3, axis=2), face)[:, :, :1]
            square = np.concatenate([square, alpha], axis=2)
        return square.clip(0, 1)

    def _find(self, picture: np.ndarray[Any, Any]) -> Face | None:
        faces = self.faces
        with recording(False):
            found: list[Face] = faces(picture, most=1)
        return found[0] if found else None

    def _square(self, picture: np.ndarray[Any, Any], face: Face | None) -> np.ndarray[Any, Any]:
        from ml4a.media import face as geometry
        from ml4a.media import image

        if face is not None:
            return geometry.aligned(picture, face, self._side, border="mirror")
        return image.resize(image.crop_to_aspect_ratio(picture, 1), (self._side, self._side))
