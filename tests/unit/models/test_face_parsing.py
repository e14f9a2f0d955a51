"""Face parsing as users call it; with small weights, since what it finds is the network's own affair."""

from __future__ import annotations

import checkpoints
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from ml4a import image
from ml4a._core.errors import BadValue, TooLarge
from ml4a.media.segmentation import CELEBAMASK
from ml4a.models._labelling import bilinear
from ml4a.ops.color import imagenet_normalised


@pytest.fixture(scope="module")
def parser(tmp_path_factory):
    return checkpoints.load("face_parsing", tmp_path_factory.mktemp("parser"))


@pytest.fixture
def photo():
    return image.sample("astronaut").crop((120, 0, 320, 230))


def test_the_network_sees_what_its_author_showed_it(photo):
    x = torch.from_numpy(image.to_array(photo)).permute(2, 0, 1)[None]
    seen = bilinear(x, (512, 512))[0].permute(1, 2, 0).numpy()
    due = np.asarray(photo.resize((512, 512), Image.Resampling.BILINEAR), np.float32) / 255
    assert np.abs(seen - due).max() < 1 / 255  # which rounded to 8 bits on the way
    assert np.abs(seen - due).mean() < 0.3 / 255


def test_labels_are_the_authors_in_the_size_that_the_network_sees(parser):
    photo = image.sample("astronaut")
    assert photo.size == (512, 512)
    with torch.inference_mode():
        logits = parser.network(imagenet_normalised(torch.from_numpy(image.to_array(photo)).permute(2, 0, 1)[None]))[0]
    found = parser(photo)
    assert found.label_set is CELEBAMASK
    np.testing.assert_array_equal(found.labels, logits.argmax(0))
    np.testing.assert_allclose(found.scores, logits.softmax(0).permute(1, 2, 0), atol=1e-6)
    assert len(found.present()) > 3


def test_edges_are_found_in_the_pictures_size(parser, photo):
    """As smooth as the picture: not the 512×512 labels enlarged, which have steps."""
    large = photo.resize((900, 1035), Image.Resampling.BICUBIC)
    x = torch.from_numpy(image.to_array(large)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        logits = parser.network(imagenet_normalised(bilinear(x, (512, 512))))
        due = F.interpolate(logits, (1035, 900), mode="bilinear")[0].argmax(0).numpy()
    found = parser(large).labels
    assert (found == due).mean() > 0.999
    small = logits[0].argmax(0).numpy()
    steps = small[np.arange(1035)[:, None] * 512 // 1035, np.arange(900) * 512 // 900]
    assert (found != steps).any()


@pytest.mark.parametrize("size", [(1, 1), (200, 3), (3, 200), (57, 31)])
def test_pictures_of_any_size(parser, photo, size):
    found = parser(photo.resize(size))
    assert found.size == size
    assert found.labels.min() >= 0
    assert parser.show(photo.resize(size)).size == size


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_pictures_of_any_mode(parser, photo, mode):
    shown = parser.show(photo.convert(mode))
    assert shown.size == photo.size
    assert shown.mode == ("RGBA" if mode == "RGBA" else "RGB")


def test_parts_are_shown_by_the_names_that_people_use(parser, photo):
    found = parser(photo)
    part = found.present()[0][0]
    mask = np.asarray(parser.show(photo, view="mask", only=part.title))
    np.testing.assert_array_equal(mask[:, :, 0] == 255, found.labels == part.index)
    only = np.asarray(parser.show(photo, only=part.title))
    others = found.labels != part.index
    assert others.any()
    np.testing.assert_array_equal(only[others], np.asarray(photo)[others])
    due = 0.4 * np.asarray(photo, float) + 0.6 * np.array(part.color)
    assert np.abs(only - due)[~others].max() <= 0.51
    ears = parser.show(photo, view="mask", only="ears")
    np.testing.assert_array_equal(np.asarray(ears)[:, :, 0] == 255, np.isin(found.labels, [7, 8]))
    with pytest.raises(BadValue, match="say what"):
        parser.show(photo, view="mask")


def test_too_little_memory_is_said(parser, photo, monkeypatch):
    monkeypatch.setenv("ML4A_MEMORY", str(int(511 * 511 * parser.network.bytes_per_pixel)))
    with pytest.raises(TooLarge, match="--size 510"):
        parser(photo)
    assert parser(photo, size=510).size == photo.size


def test_the_record_says_what_was_done(parser, photo):
    shown = parser.show(photo, opacity=0.3)
    assert parser.last_record.operation == "show"
    assert parser.last_record.parameters == {"view": "overlay", "only": None, "opacity": 0.3, "size": 512}
    again = parser.show(photo, **parser.last_record.parameters)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(shown))
