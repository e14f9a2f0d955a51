"""Photo-Sketching as users call it; with small weights, since which lines it finds is the network's own affair."""

from __future__ import annotations

import checkpoints
import numpy as np
import pytest
import torch
from figures import Figures
from PIL import Image

from ml4a import image
from ml4a._core.errors import BadValue, TooLarge
from ml4a.models.photosketch import PhotoSketch


@pytest.fixture(scope="module")
def sketch(tmp_path_factory) -> PhotoSketch:
    return checkpoints.load("photosketch", tmp_path_factory.mktemp("photosketch"))


@pytest.fixture
def photo() -> Image.Image:
    return image.sample("astronaut").crop((60, 0, 360, 250))


@pytest.fixture
def seen(sketch, monkeypatch) -> list[torch.Tensor]:
    """What the network is given."""
    given: list[torch.Tensor] = []
    forward = sketch.network.forward
    monkeypatch.setattr(sketch.network, "forward", lambda x: given.append(x.clone()) or forward(x))
    return given


def test_the_network_sees_what_the_original_showed_it(sketch, seen):
    """256×256 by Pillow's bicubic filter, from -1 to 1; the original rounds to 8 bits on the way."""
    photo = image.sample("coffee").crop((0, 0, 400, 400))
    sketch(photo)
    due = np.asarray(photo.resize((256, 256), Image.Resampling.BICUBIC), np.float32) / 127.5 - 1
    assert seen[0].shape == (1, 3, 256, 256)
    difference = np.abs(seen[0][0].numpy().transpose(1, 2, 0) - due) * 127.5
    assert difference.mean() < 0.5
    assert difference.max() < 8


def test_the_drawing_is_what_the_original_makes_of_the_networks_output(sketch, photo, monkeypatch):
    figures = Figures("photosketch")
    monkeypatch.setattr(sketch.network, "forward", lambda _: torch.from_numpy(figures["output"]))
    drawing = np.asarray(sketch(photo.resize((128, 128)), size=128))
    assert np.abs(drawing[:, :, 0] - figures["image"].astype(int)).max() <= 1  # which cuts off instead of rounding
    assert np.ptp(drawing, axis=2).max() == 0
    assert drawing.std() > 40


@pytest.mark.parametrize(
    ("size", "at"),
    [((300, 250), (256, 308)), ((250, 300), (308, 256)), ((512, 512), (256, 256)), ((40, 30), (256, 340))],
)
def test_proportions_are_kept_and_the_shorter_side_is_256(sketch, seen, size, at):
    drawing = sketch(image.sample("chelsea").resize(size))
    assert drawing.size == size
    assert seen[0].shape[-2:] == at
    assert np.asarray(drawing).std() > 1


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (17, 31)])
def test_tiny_and_long_pictures_are_drawn(sketch, seen, size):
    drawing = sketch(image.sample("coffee").resize(size), size=64)
    assert drawing.size == size
    assert min(seen[0].shape[-2:]) == 64
    assert max(seen[0].shape[-2:]) <= 256


def test_size_is_where_the_lines_are_found(sketch, seen, photo):
    coarse, fine = np.asarray(sketch(photo, size=64), float), np.asarray(sketch(photo, size=512), float)
    assert [min(each.shape[-2:]) for each in seen] == [64, 512]
    assert fine.shape == coarse.shape
    detail = [np.abs(np.diff(each[:, :, 0], n=3, axis=1)).mean() for each in (coarse, fine)]
    assert detail[1] > 1.5 * detail[0]


def test_brightness_and_contrast_of_the_photograph_do_not_matter(sketch, photo):
    """Because the statistics are the picture's own; with those of training, they would."""
    array = image.to_array(photo)
    drawing, paler = sketch(array), sketch(array * 0.5 + 0.2)
    assert np.abs(paler - drawing).mean() < 0.05 * drawing.std()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_every_kind_of_picture_is_drawn(sketch, photo, mode, tmp_path):
    path = tmp_path / ("photo.tif" if mode in ("CMYK", "I;16") else "photo.png")
    if mode == "I;16":
        Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257).save(path)
    else:
        photo.convert(mode).save(path)
    drawing = sketch(path, size=64)
    assert drawing.size == photo.size
    assert drawing.mode == ("RGBA" if mode == "RGBA" else "RGB")
    assert np.asarray(drawing)[:, :, 0].std() > 1


@pytest.mark.parametrize("size", [31, 4097, 100.5, float("nan")])
def test_sizes_out_of_bounds_are_refused(sketch, photo, size):
    with pytest.raises(BadValue, match="size"):
        sketch(photo, size=size)


def test_what_does_not_fit_the_memory_is_refused_with_what_does(sketch, photo, monkeypatch):
    monkeypatch.setenv("ML4A_MEMORY", str(int(256 * 308 * sketch.network.bytes_per_pixel) - 1))
    with pytest.raises(TooLarge, match="--size"):
        sketch(photo)
    assert sketch(photo, size=240).size == photo.size
