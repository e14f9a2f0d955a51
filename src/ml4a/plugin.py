"""What a package that adds a model to ml4a is written with; docs/plugins.md shows how.

from ml4a.plugin import Doc, Picture, PictureModel, Range, operation
"""

from __future__ import annotations

from ml4a._core.errors import BadMedia, BadValue, BadWeights, NotFound, TooLarge
from ml4a._core.kinds import Film, Kind, LatentsLike, Picture, Pictures, SoundLike, Style, Text
from ml4a._core.params import Doc, Range, Unrecorded
from ml4a._core.progress import interrupted, report, reported
from ml4a.models._base import Model, PictureModel
from ml4a.models._operation import Seed, current_call, operation

__all__ = (
    "BadMedia",
    "BadValue",
    "BadWeights",
    "Doc",
    "Film",
    "Kind",
    "LatentsLike",
    "Model",
    "NotFound",
    "Picture",
    "PictureModel",
    "Pictures",
    "Range",
    "Seed",
    "SoundLike",
    "Style",
    "Text",
    "TooLarge",
    "Unrecorded",
    "current_call",
    "interrupted",
    "operation",
    "report",
    "reported",
)
