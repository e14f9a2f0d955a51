"""Histograms count what is there."""

from __future__ import annotations

import io

import numpy as np
import pytest
from picture_files import deep_scene, scene
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import color


def test_every_bin_of_8_bits_is_a_level_in_any_kind():
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    ramp[0, 1] = ramp[0, 0]
    for picture in (Image.fromarray(ramp), ramp, ramp.astype(np.float32) / 255, ramp.astype(np.uint16) * 257):
        for channel in ("rgb", "luma", "intensity"):
            counts = color.histogram(picture, channel).counts
            assert counts.shape == (256, 3 if channel == "rgb" else 1)
            np.testing.assert_array_equal(counts[:3, 0], [2, 0, 1])
            np.testing.assert_array_equal(counts[3:], 1)


def test_luma_is_what_pillow_says():
    photo = Image.fromarray(scene(40, 30))
    np.testing.assert_array_equal(
        np.abs(np.cumsum(color.histogram(photo).counts[:, 0] - photo.convert("L").histogram())) <= 12, True
    )


def test_fewer_bins_gather_levels_and_more_tell_deep_pictures_apart():
    photo = scene(40, 30)
    coarse = color.histogram(photo, "rgb", bins=16).counts
    np.testing.assert_array_equal(coarse, color.histogram(photo, "rgb").counts.reshape(16, 16, 3).sum(axis=1))
    deep = deep_scene(40, 30)
    fine = color.histogram(deep, "rgb", bins=65536).counts
    np.testing.assert_array_equal(fine[:, 1], np.bincount(deep[:, :, 1].ravel(), minlength=65536))


def test_transparent_pixels_do_not_count():
    photo = scene(20, 10, 4)
    photo[:, :, 3] = 255
    photo[:, 5:, 3] = 0
    np.testing.assert_array_equal(color.histogram(photo, "rgb").counts, color.histogram(photo[:, :5, :3], "rgb").counts)


def test_the_average_gives_each_picture_the_same_say():
    small, large = np.zeros((2, 2, 3), np.uint8), np.full((10, 10, 3), 200, np.uint8)
    average = color.average_histogram(iter([small, large]))
    assert average.counts[0, 0] == average.counts[200, 0] == pytest.approx(average.counts[:, 0].sum() / 2)
    same = color.average_histogram([small, small])
    np.testing.assert_array_equal(same.counts, color.histogram(small, "rgb").counts)
    with pytest.raises(BadValue, match="no pictures"):
        color.average_histogram([])


def test_a_histogram_shows_itself_and_cannot_be_changed():
    histogram = color.histogram(scene(40, 30), "rgb")
    assert histogram.cumulative[-1] == pytest.approx(1)
    with pytest.raises(ValueError, match="read-only"):
        histogram.counts[0] = 1
    dark, bright = color.histogram(np.zeros((4, 4))), color.histogram(np.ones((4, 4)))
    ink = [np.asarray(Image.open(io.BytesIO(h._repr_png_())).convert("L")) < 128 for h in (dark, bright)]
    assert ink[0][:, :8].any()
    assert not ink[0][:, 8:].any()
    assert ink[1][:, -8:].any()
    assert not ink[1][:, :-8].any()


@pytest.mark.parametrize(
    ("counts", "channel"),
    [(np.zeros(256), "luma"), (np.ones((256, 2)), "rgb"), ([1, -1], "luma"), ([1, np.nan], "luma"), ("many", "luma")],
)
def test_counts_that_are_none_are_refused(counts, channel):
    with pytest.raises(BadValue, match="histogram"):
        color.Histogram(counts, channel)
