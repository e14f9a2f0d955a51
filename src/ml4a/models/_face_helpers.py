"""The further networks of the faces' model, each loaded when it is first wanted, and shared by copies of the model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from ._mesh import FaceMesh
    from ._shape_predictor import ShapePredictor
    from .face_parsing import FaceParsing

_CARD = "face"


class Helpers:
    """What finds more in a face than the detector does.

    Args:
        device: Where networks are to be.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._ready: dict[str, Any] = {}
        self._lock = threading.RLock()

    @property
    def mesh(self) -> FaceMesh:
        """The network of the mesh.

        Raises:
            MissingExtra: its interpreter is not installed.
            DownloadFailed: its file cannot be had.
        """
        return self._kept("mesh", self._load_mesh)

    @property
    def encoder(self) -> torch.nn.Module:
        """The network that encodes who it is.

        Raises:
            DownloadFailed: its file cannot be had.
        """
        return self._kept("encoder", self._load_encoder)

    @property
    def predictor(self) -> ShapePredictor:
        """What finds the 68 points of dlib, which may not be used commercially.

        Raises:
            DownloadFailed: its file cannot be had.
        """
        return self._kept("predictor", self._load_predictor)

    @property
    def parser(self) -> FaceParsing:
        """The model that knows skin, hair, eyes and lips.

        Raises:
            DownloadFailed: its weights cannot be had.
        """
        return self._kept("parser", self._load_parser)

    def _kept(self, name: str, load: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._ready:
                self._ready[name] = load()
            return self._ready[name]

    def _load_mesh(self) -> FaceMesh:
        from ml4a import weights

        from ._mesh import FaceMesh, interpreter

        interpreter()  # before anything is downloaded in vain
        return FaceMesh(weights.fetch(f"{_CARD}/mesh")["landmarks"])

    def _load_encoder(self) -> torch.nn.Module:
        from ml4a import weights

        from ._encodings import load

        files = weights.fetch(f"{_CARD}/encoder")
        format = weights.card(_CARD).variant("encoder").files["encoder"].format
        return load(files, format, self._device)

    def _load_predictor(self) -> ShapePredictor:
        from ml4a import weights

        from ._shape_predictor import ShapePredictor

        files = weights.fetch(f"{_CARD}/dlib68")
        format = weights.card(_CARD).variant("dlib68").files["landmarks"].format
        return ShapePredictor(weights.read(files["landmarks"], format).arrays())

    def _load_parser(self) -> FaceParsing:
        from .face_parsing import FaceParsing

        return FaceParsing.from_pretrained(device=str(self._device))
