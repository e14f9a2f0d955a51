"""What the fast form of a network may change: the bounds of `dtype="auto"`, on photographs, with real weights.

Processors that do not multiply bfloat16 numbers compute the same, slowly.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ml4a import weights
from ml4a.media import samples
from ml4a.networks import from_state_dict
from ml4a.weights import formats

DETAILS = {"chelsea": (150, 100), "astronaut": (180, 60), "coffee": (250, 150)}
"""Of each photograph, the left and top of a detail: an eye in fur, a face, a cup on wood."""
SIDES = {"real_esrgan/x4plus": 80, "real_esrgan/anime": 96, "real_esrgan/animevideo": 128, "hed/bsds": 200}
"""For each network, the sides of the detail."""


@pytest.mark.slow
@pytest.mark.parametrize("sample", DETAILS)
@pytest.mark.parametrize("name", SIDES)
def test_bfloat16_stays_within_the_bounds(name, sample):
    x = detail(sample, SIDES[name])
    with torch.inference_mode():
        exact = network(name)(x)
        fast = network(name).reduce_precision(torch.bfloat16)(x)
    levels = (fast - exact).abs() * 255
    assert fast.dtype == torch.float32
    assert 0 < levels.mean() <= 0.25
    assert (levels > 2).float().mean() <= 0.001
    assert levels.max() <= 8


def network(name: str) -> torch.nn.Module:
    files = weights.fetch(name)
    source = files["network"] if "network" in files else (files["param"], files["bin"])
    return from_state_dict(name.split("/")[0], formats.read(source).arrays())


def detail(sample: str, side: int) -> torch.Tensor:
    left, top = DETAILS[sample]
    with Image.open(samples.path(sample)) as photograph:
        pixels = np.asarray(photograph.convert("RGB").crop((left, top, left + side, top + side)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
