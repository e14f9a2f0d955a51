"""BASNet as users call it; with small weights, since what it finds is the network's own affair."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from figures import Figures
from PIL import Image

from ml4a import image, mask
from ml4a.models.basnet import enlarged, squared, stretched
from ml4a.ops.color import imagenet_normalised


@pytest.fixture(scope="module")
def basnet(tmp_path_factory):
    return checkpoints.load("basnet", tmp_path_factory.mktemp("basnet"))


@pytest.fixture
def photo():
    return image.sample("astronaut").crop((60, 0, 360, 250))


def test_what_the_network_sees_is_what_the_original_showed_it():
    figures = Figures("basnet")
    noise = deterministic.uniform("basnet_image_large", (420, 300, 3), 0, 256)
    picture = np.minimum(noise.astype(np.uint8), 230).astype(np.float32) / 255
    seen = imagenet_normalised(squared(torch.from_numpy(picture.transpose(2, 0, 1))[None], 256))[0].numpy()
    places = np.unravel_index(np.arange(0, seen.size, int(figures["tensor_down_aa1_step"])), seen.shape)
    inside = np.all([(place > 2) & (place < 253) for place in places[1:]], axis=0)  # the original's borders are dark
    assert inside.sum() > 900
    assert np.abs(seen[places] - figures["tensor_down_aa1_sample"])[inside].max() < 1e-4


def test_the_coarse_matte_is_the_originals_picture():
    figures = Figures("basnet")
    found = torch.from_numpy(figures["post_in"])[None, None]
    matte = enlarged(stretched(found), figures["post_out"].shape[:2])[0, 0].numpy() * 255
    assert np.abs(matte - figures["post_out"][:, :, 0]).max() < 2  # the original cuts off instead of rounding


def test_a_small_picture_has_no_dark_borders():
    seen = squared(torch.ones(1, 3, 70, 90), 256)
    assert torch.allclose(seen, torch.ones(1, 3, 256, 256))


def test_a_black_picture_gives_a_mask(basnet):
    assert np.isfinite(basnet(np.zeros((40, 50, 3), np.float32))).all()


def test_the_matte_reaches_from_black_to_white_only_if_it_is_stretched(basnet, photo):
    square = photo.resize((256, 256))  # where the matte is what the network found
    whole = np.asarray(basnet.matte(square, refine=False))
    plain = np.asarray(basnet(square, refine=False, stretch=False))
    assert (whole.min(), whole.max()) == (0, 255)
    assert int(plain.max()) - int(plain.min()) < 60


def test_a_refined_matte_follows_the_photograph(basnet, photo):
    square = photo.resize((256, 256))  # where the coarse matte is what the network found
    coarse = np.asarray(basnet(square, refine=False))[:, :, 0]
    due = mask.refine(coarse, square)((256, 256))[:, :, 0] * 255
    assert np.abs(np.asarray(basnet(square))[:, :, 0] - due).max() <= 3
    assert np.abs(coarse - due).mean() > 3


def test_a_cutout_has_the_matte_for_its_alpha(basnet, photo):
    cut, matte = basnet.cutout(photo), basnet(photo)
    assert cut.mode == "RGBA"
    assert np.array_equal(np.asarray(cut)[:, :, 3], np.asarray(matte)[:, :, 0])
    assert np.array_equal(np.asarray(basnet.cutout(photo, clean=False))[:, :, :3], np.asarray(photo))
    assert not np.array_equal(np.asarray(cut)[:, :, :3], np.asarray(photo))


def test_transparency_that_was_there_stays(basnet, photo):
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    alpha = np.asarray(basnet.cutout(photo))[:, :, 3].astype(np.float32)
    due = np.asarray(basnet(photo.convert("RGB")), np.float32)[:, :, 0] * np.asarray(photo)[:, :, 3] / 255
    assert np.abs(alpha - due).max() <= 1


def test_a_composite_shows_the_new_background(basnet, photo, tmp_path):
    cut = np.asarray(basnet.cutout(photo), np.float32) / 255
    behind = image.sample("coffee")
    behind.save(tmp_path / "behind.png")
    under = image.load(behind, photo.size, as_array=True)
    due = cut[:, :, 3:] * cut[:, :, :3] + (1 - cut[:, :, 3:]) * under
    for background in (behind, tmp_path / "behind.png"):
        composite = basnet.composite(photo, background)
        assert composite.mode == "RGB"
        assert np.abs(np.asarray(composite, np.float32) / 255 - due).max() < 2.5 / 255


def test_a_transparent_background_stays_transparent(basnet, photo):
    behind = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert basnet.composite(photo, behind).mode == "RGBA"


def test_it_is_the_network_of_a_mask(basnet, photo):
    found = mask.foreground(photo, basnet)
    assert np.abs(found(photo.size)[:, :, 0] - np.asarray(basnet(photo))[:, :, 0] / np.float32(255)).max() < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (500, 7), (33, 65)])
def test_pictures_of_any_size_will_do(basnet, photo, size):
    assert basnet(photo.resize(size)).size == size
    assert basnet.cutout(photo.resize(size)).size == size


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_pictures_of_any_mode_will_do(basnet, photo, mode):
    picture = photo.convert("L").convert("I").convert("I;16") if mode == "I;16" else photo.convert("RGBA").convert(mode)
    assert basnet.cutout(picture).size == photo.size


def test_a_larger_square_is_another_look(basnet, photo):
    assert not np.array_equal(basnet(photo, size=320), basnet(photo))
