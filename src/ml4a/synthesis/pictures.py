"""Between pictures and tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ml4a.media import image

if TYPE_CHECKING:
    from PIL.Image import Image

    from ml4a._core.kinds import Picture


def tensor(picture: Picture) -> torch.Tensor:
    """Any picture as 1×3×H×W RGB in [0, 1]; a tensor of that form is taken as it is.

    Raises:
        BadMedia: it cannot be read as a picture.
    """
    if isinstance(picture, torch.Tensor) and picture.ndim == 4:
        return picture
    array = image.to_array(image.loaded(picture))
    return torch.from_numpy(array[:, :, :3].transpose(2, 0, 1)).contiguous()[None]


def picture(x: torch.Tensor) -> Image:
    """1×3×H×W RGB as a picture, clamped to [0, 1]."""
    made: Any = image.as_kind(x[0].detach().clamp(0, 1).permute(1, 2, 0).contiguous().cpu().numpy(), "pil")
    return made
