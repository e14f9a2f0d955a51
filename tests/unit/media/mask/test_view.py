"""Masks made visible, as pictures and as clips."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import image, mask, video


def test_each_channel_has_its_colour():
    n = len(mask.COLOURS) + 2
    values = np.eye(n, dtype=np.float32)[None]
    shown = np.asarray(mask.view(values))[0]
    np.testing.assert_array_equal(shown, [mask.COLOURS[k % len(mask.COLOURS)] for k in range(n)])
    assert len(set(mask.COLOURS)) == 14


def test_channels_mix_in_proportion_and_nothing_is_dark():
    shown = np.asarray(mask.view(np.array([[[1, 1, 0], [0.25, 0, 0], [0, 0, 0], [0, 0.5, 0.5]]], np.float32)))
    np.testing.assert_allclose(shown[0], [[128, 128, 0], [64, 0, 0], [0, 0, 0], [0, 128, 128]])


def test_one_channel_is_grey():
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    np.testing.assert_array_equal(np.asarray(mask.view(ramp))[0, :, 0], np.arange(256))


def test_channels_side_by_side():
    values = mask.arcs(3, blend=0.5)((20, 10))
    shown = image.to_array(mask.view(values, merged=False))
    assert shown.shape == (10, 60, 3)
    assert np.abs(shown[:, 20:40, 0] - values[:, :, 1]).max() < 1 / 255
    flat = np.asarray(mask.view(values, merged=False, flat=True))
    assert set(np.unique(flat)) == {0, 128, 255}


def test_a_clip_of_a_moving_mask_can_be_saved(tmp_path):
    rings = mask.arcs(3, 0.2, period=0.5)
    clip = mask.view(rings, (64, 48), seconds=1, rate=10)
    assert (clip.size, clip.count, clip.rate, clip.duration) == ((64, 48), 10, 10, 1)
    frames = list(clip)
    assert np.abs(frames[3] - image.to_array(mask.view(rings, (64, 48), time=0.3))).max() < 1 / 255
    assert np.abs(frames[3] - frames[4]).mean() > 0.05
    later = list(mask.view(rings, (64, 48), seconds=0.5, rate=10, time=0.3))
    np.testing.assert_allclose(later[0], frames[3], atol=1e-6)
    saved = video.open(clip.save(tmp_path / "rings.mp4"))
    assert (saved.size, saved.count) == ((64, 48), 10)
    assert np.abs(np.stack(list(saved)) - np.stack(frames)).mean() < 0.1


def test_a_clip_of_a_mask_for_each_frame():
    masks = [np.full((6, 8), level, np.float32) for level in (0, 0.5, 1)]
    clip = mask.film(masks, rate=5)
    assert (clip.size, clip.count, clip.rate) == ((8, 6), 3, 5)
    np.testing.assert_allclose([frame.mean() for frame in clip], (0, 0.5, 1))
    split = mask.film([mask.arcs(3), mask.rays(2)], (8, 6), merged=False)
    assert split.size == (24, 6)


def test_notebooks_show_a_mask():
    shown = Image.open(io.BytesIO(mask.arcs(3)._repr_png_()))
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(mask.view(mask.arcs(3), 256)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mask.view(mask.arcs(3), seconds=0), "a length and a rate above 0"),
        (lambda: mask.view(mask.arcs(3), seconds=1, rate=-5), "a length and a rate above 0"),
        (lambda: mask.view(mask.arcs(3), seconds=float("nan")), "seconds must be a finite number"),
        (lambda: mask.view(mask.arcs(3), (0, 5)), "size must be"),
        (lambda: mask.view(mask.arcs(3), time=float("inf")), "the time must be a finite number"),
        (lambda: mask.view(np.full((3, 3), np.nan)), "a mask's values are in"),
        (lambda: mask.film([]), "there are no masks to show"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(BadValue, match=message):
        make()
