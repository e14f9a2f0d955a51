"""Networks with real weights, on fur and coffee: what they make in tiles is what they make of the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tiers import quick

from ml4a import weights
from ml4a.media import samples
from ml4a.networks import from_state_dict
from ml4a.ops.tiles import tiled
from ml4a.weights import formats

DETAILS = {"chelsea": (60, 50), "coffee": (150, 250)}
"""Of each photograph, the left and top of a detail full of texture."""
GREY_LEVEL = 1 / 255


@pytest.mark.parametrize(
    ("variant", "sample", "size", "tile"),
    [
        ("animevideo", "chelsea", (150, 150), 48),
        pytest.param("animevideo", "coffee", (150, 150), 48, marks=pytest.mark.slow),
        pytest.param("anime", "coffee", (328, 16), 82, marks=pytest.mark.slow),
        *(
            pytest.param(variant, sample, size, tile, marks=pytest.mark.slow)
            for sample in DETAILS
            for variant, size, tile in (("anime", (328, 40), 82), ("x4plus", (200, 200), 100))
            if (variant, sample) != ("x4plus", "coffee")  # a minute and a half, for what the others show
        ),
    ],
)
def test_enlarged_pictures_have_no_seams(variant, sample, size, tile):
    network = real_esrgan(variant)
    x = detail(sample, *size)
    tiles = []
    with torch.inference_mode():
        whole = network(x)
        parts = tiled(
            network,
            x,
            tile=tile,
            overlap=network.overlap,
            scales=network.scale,
            on_tile=lambda *done: tiles.append(done),
        )
    assert len(tiles) >= 4
    assert (parts - whole).abs().max() < GREY_LEVEL


@pytest.mark.parametrize(
    ("sample", "ceil"),
    quick([("chelsea", True), ("coffee", False), ("chelsea", False), ("coffee", True)], 0, rows=True),
)
def test_edges_in_tiles_are_the_edges_of_the_whole(sample, ceil):
    file = weights.fetch("hed/bsds")["network"]
    network = from_state_dict("hed", formats.read(file, "keras").arrays())
    network.trunk.ceil = ceil
    x = detail(sample, 237, 250).flip(1)  # BGR; neither side is a multiple of 16
    with torch.inference_mode():
        sides = tiled(
            network.sides,
            x,
            tile=112,
            overlap=network.overlap,
            multiple=network.tile_multiple,
            scales=network.side_scales,
        )
        edges = network.fuse(sides, (250, 237))
        assert (edges - network(x)).abs().max() < 1e-5


def real_esrgan(variant: str) -> torch.nn.Module:
    files = weights.fetch(f"real_esrgan/{variant}")
    return from_state_dict("real_esrgan", formats.read((files["param"], files["bin"]), "ncnn").arrays())


def detail(sample: str, width: int, height: int) -> torch.Tensor:
    left, top = DETAILS[sample]
    with Image.open(samples.path(sample)) as photograph:
        pixels = np.asarray(photograph.convert("RGB").crop((left, top, left + width, top + height)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
