"""Pictures out of nothing, numbered frames and the samples' names."""

from __future__ import annotations

import numpy as np
import pytest
from picture_files import scene

from ml4a._core.errors import BadValue, OutputExists
from ml4a.media import image, latents, samples


def test_random_pictures_are_even_around_their_bias():
    noise = image.random((200, 100), margin=0.2, bias=0.6, seed=0)
    assert noise.shape == (100, 200, 3)
    assert noise.dtype == np.float32
    assert 0.4 <= noise.min() < 0.405
    assert 0.795 < noise.max() <= 0.8
    assert noise.mean() == pytest.approx(0.6, abs=0.005)
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.05
    assert image.random(64, seed=1).shape == (64, 64, 3)
    assert image.random(64, margin=1, seed=1).max() == 1


def test_random_pictures_repeat_with_their_seed_and_touch_no_other():
    np.testing.assert_array_equal(image.random((5, 4), seed=0), image.random((5, 4), seed=0))
    assert (image.random((5, 4), seed=0) != image.random((5, 4), seed=1)).any()
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert (image.random((5, 4)) != image.random((5, 4))).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_a_seed_is_a_whole_number_of_any_type_from_zero_up():
    draws = (lambda seed: image.random((5, 4), seed=seed), lambda seed: latents.random(2, 8, seed=seed))
    for draw in draws:
        for seed in (np.int64(3), np.uint8(3), 3.0):
            np.testing.assert_array_equal(draw(seed), draw(3))
        np.testing.assert_array_equal(draw(0), draw(np.int32(0)))
        for wrong in (-1, np.int64(-1), 2**32, 2**64, True, 1.5, "3", np.nan):
            with pytest.raises(BadValue, match="seed"):
                draw(wrong)


def test_frames_are_numbered_and_never_overwritten_by_surprise(tmp_path):
    folder = tmp_path / "deep" / "frames"
    for number in (1, 2, 123456):
        image.save_frame(scene(8, 6, seed=number), number, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["f00001.png", "f00002.png", "f123456.png"]
    with pytest.raises(OutputExists, match=r"f00002\.png exists"):
        image.save_frame(scene(8, 6), 2, folder)
    path = image.save_frame(scene(8, 6), 2, folder, overwrite=True)
    np.testing.assert_array_equal(np.asarray(image.load(path)), scene(8, 6))


def test_samples_are_all_the_pictures_that_come_along():
    assert image.samples() == [name for name in samples.names() if name != "pan"]
    for name in ("chelsea", "eye"):
        assert image.sample(name).mode == "RGB"


def test_wrong_calls_are_refused():
    for wrong, words in (
        (lambda: image.random((0, 4)), "size must be"),
        (lambda: image.random(4, margin=2), "margin must be between 0 and 1"),
        (lambda: image.random(4, bias=128), "bias must be between 0 and 1"),
        (lambda: image.random(4, seed=2**32), "below"),
        (lambda: image.save_frame(scene(4, 4), -1), "number of a frame"),
        (lambda: image.save_frame(scene(4, 4), 1.5), "number of a frame"),
    ):
        with pytest.raises(BadValue, match=words):
            wrong()
