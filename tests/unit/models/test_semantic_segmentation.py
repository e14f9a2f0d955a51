"""Scene parsing as users call it; with small weights, since what it finds is the network's own affair."""

from __future__ import annotations

import re

import checkpoints
import numpy as np
import pytest
import torch
from PIL import Image
from tiers import quick
from torch.nn import functional as F

from ml4a import image
from ml4a._core.errors import BadValue, BadWeights, Cancelled, TooLarge, UnknownName
from ml4a._core.progress import Cancel, listening
from ml4a.media.segmentation import ADE20K
from ml4a.models._labelling import bilinear
from ml4a.models.semantic_segmentation import SIZES, seen_size
from ml4a.ops import label_scores
from ml4a.ops.color import imagenet_normalised

TWO = (64, 96)


@pytest.fixture(scope="module")
def parser(tmp_path_factory):
    return checkpoints.load("semantic_segmentation", tmp_path_factory.mktemp("parser"))


@pytest.fixture
def photo():
    return image.sample("astronaut").crop((60, 0, 300, 170))


@pytest.mark.parametrize(
    ("picture", "side", "seen"),
    [
        ((800, 600), 300, (400, 304)),
        ((600, 800), 450, (456, 600)),
        ((4000, 1000), 600, (1000, 256)),  # no longer than 1000
        ((512, 512), 525, (528, 528)),
        ((1, 1), 300, (304, 304)),
        ((200, 3), 300, (1000, 16)),
        ((30000, 3), 300, (1000, 8)),
    ],
)
def test_a_picture_is_looked_at_in_the_originals_sizes(picture, side, seen):
    assert seen_size(*picture, side) == seen
    assert max(seen) <= 1000
    assert seen[0] % 8 == seen[1] % 8 == 0


def by_hand(parser, x, sizes):
    """The mean of probabilities, each resized as a whole: 1×150×H×W."""
    total = torch.zeros(1, 150, *x.shape[-2:])
    with torch.inference_mode():
        for side in sizes:
            seen = imagenet_normalised(bilinear(x, seen_size(x.shape[3], x.shape[2], side)))
            total += F.interpolate(parser.network.logits(seen), x.shape[-2:], mode="bilinear").softmax(1)
    return (total / len(sizes))[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("band", quick([1, 1 << 20]))
@pytest.mark.parametrize("sizes", [(64,), TWO])
def test_labels_and_scores_are_the_mean_of_what_is_seen_in_all_sizes(parser, photo, sizes, band, monkeypatch):
    monkeypatch.setattr(label_scores, "BAND", band)
    found = parser(photo, sizes=sizes)
    x = torch.from_numpy(image.to_array(photo)).permute(2, 0, 1)[None]
    due = by_hand(parser, x, sizes)
    assert found.label_set is ADE20K
    assert found.size == photo.size
    np.testing.assert_allclose(found.scores, due, atol=1e-6)
    assert due.max(2).std() > 1e-5
    assert (found.labels == due.argmax(2)).mean() > 0.999
    assert len(found.present()) > 1
    label = found.present()[0][0]
    np.testing.assert_allclose(found.mask(label, soft=True)(photo.size)[:, :, 0], due[:, :, label.index], atol=1e-6)


def test_the_original_sizes_are_the_default_and_quick_is_the_middle_one(parser):
    small = image.sample("eye", 24)
    one = parser(small, quick=True)
    assert one == parser(small, sizes=450) == parser(small, sizes=(450,))
    assert one != parser(small)
    assert parser(small) == parser(small, sizes=SIZES)
    assert parser.last_record.parameters == {"sizes": SIZES, "quick": False}


@pytest.mark.parametrize("size", [(1, 1), (200, 3), (3, 200), (31, 57)])
def test_pictures_of_any_size(parser, photo, size):
    found = parser(photo.resize(size), sizes=64)
    assert found.size == size
    assert found.labels.min() >= 0
    shown = parser.show(photo.resize(size), sizes=64, view="legend")
    assert shown.height == 256


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16"])
def test_pictures_of_any_mode(parser, photo, mode):
    given = (
        Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
        if mode == "I;16"
        else photo.convert(mode)
    )
    shown = parser.show(given, sizes=64)
    assert shown.size == photo.size
    assert shown.mode == ("RGBA" if mode == "RGBA" else "RGB")
    assert parser(given, sizes=64) == parser(image.load(given), sizes=64)


def test_the_kind_that_came_in_comes_out(parser, photo, tmp_path):
    array = np.asarray(photo, np.float32) / 255
    photo.save(tmp_path / "photo.png")
    for view in ("overlay", "colors", "legend"):
        due = np.asarray(parser.show(photo, sizes=64, view=view), np.float32) / 255
        from_array = parser.show(array, sizes=64, view=view)
        from_tensor = parser.show(torch.from_numpy(array.transpose(2, 0, 1).copy()), sizes=64, view=view)
        assert isinstance(from_array, np.ndarray)
        assert from_array.dtype == np.float32
        np.testing.assert_allclose(from_array, due, atol=0.51 / 255)
        np.testing.assert_array_equal(from_tensor.numpy().transpose(1, 2, 0), from_array)
        from_path = parser.show(tmp_path / "photo.png", sizes=64, view=view)
        np.testing.assert_array_equal(np.asarray(from_path, np.float32) / 255, due)


def test_views_show_the_label_map(parser, photo):
    found = parser(photo, sizes=64)
    label = found.present()[1][0].name
    views = {view: parser.show(photo, sizes=64, view=view) for view in ("overlay", "colors", "legend")}
    np.testing.assert_array_equal(np.asarray(views["colors"]), np.asarray(found.to_image()))
    np.testing.assert_array_equal(np.asarray(views["overlay"]), np.asarray(found.overlay(photo)))
    np.testing.assert_array_equal(np.asarray(views["legend"])[:170, :240], np.asarray(views["overlay"]))
    assert views["legend"].width > photo.width + 100
    mask = np.asarray(parser.show(photo, sizes=64, view="mask", only=label))
    np.testing.assert_array_equal(mask[:, :, 0] == 255, found.labels == ADE20K[label].index)
    assert set(np.unique(mask)) == {0, 255}
    only = np.asarray(parser.show(photo, sizes=64, only=label))
    others = found.labels != ADE20K[label].index
    np.testing.assert_array_equal(only[others], np.asarray(photo)[others])
    assert (only != np.asarray(photo))[~others].any()
    np.testing.assert_array_equal(np.asarray(parser.show(photo, sizes=64, opacity=0)), np.asarray(photo))


def test_transparency_is_kept_and_colours_do_not_depend_on_it(parser, photo):
    ramp = Image.linear_gradient("L").resize(photo.size)
    transparent = photo.copy()
    transparent.putalpha(ramp)
    for view, only in (("overlay", None), ("colors", None), ("mask", "sky"), ("legend", None)):
        shown = parser.show(transparent, sizes=64, view=view, only=only)
        opaque = parser.show(photo, sizes=64, view=view, only=only)
        assert shown.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(shown)[:170, :240, :3], np.asarray(opaque)[:170, :240])
        np.testing.assert_array_equal(np.asarray(shown)[:170, :240, 3], np.asarray(ramp))


def test_what_cannot_be_shown_is_refused(parser, photo):
    with pytest.raises(BadValue, match="--only hat"):
        parser.show(photo, sizes=64, view="mask")
    with pytest.raises(UnknownName, match="did you mean 'sky'"):
        parser.show(photo, sizes=64, only="skyy")
    with pytest.raises(UnknownName, match="view"):
        parser.show(photo, view="inside")
    for sizes in (31, (64, 1001), (64, 65.5)):
        with pytest.raises(BadValue, match="sizes must be"):
            parser(photo, sizes=sizes)
    with pytest.raises(BadValue, match="one number or more"):
        parser(photo, sizes=())


def test_memory_bounds_the_size_in_which_a_picture_is_looked_at(parser, photo, monkeypatch):
    monkeypatch.setenv("ML4A_MEMORY", str(int(104 * 80 * parser.network.bytes_per_pixel)))
    parser(photo, sizes=64)
    with pytest.raises(TooLarge, match=r"looking at 424x304 px .*\(--sizes 72\)") as refused:
        parser(photo, sizes=(64, 300))
    parser(photo, sizes=int(re.search(r"--sizes (\d+)", str(refused.value))[1]))


def test_work_reports_its_sizes_and_can_be_stopped(parser, photo):
    events = []
    with listening(events.append):
        parser(photo, sizes=TWO)
    assert [(event.done, event.total, event.unit) for event in events if event.unit == "sizes"] == [
        (0, 2, "sizes"),
        (1, 2, "sizes"),
    ]
    switch = Cancel()
    switch.cancel()
    with pytest.raises(Cancelled), listening(None, switch):
        parser(photo, sizes=TWO)


def test_weights_of_other_labels_are_refused(tmp_path, monkeypatch):
    from checkpoints import semantic_segmentation as official

    monkeypatch.setitem(official.SMALL["resnet50"], "decoder", official.decoder(20, (2, 3, 4, 5), 6, 7, (16, 3)))
    with pytest.raises(BadWeights, match="7 labels apart, and ADE20K has 150"):
        checkpoints.load("semantic_segmentation", tmp_path)
