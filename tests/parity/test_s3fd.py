"""S3FD, and how boxes are made of its maps, against the original."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import face as official
from figures import Figures

from ml4a._core.errors import BadWeights
from ml4a.models._s3fd import Finder, _size, candidates, kept, sure
from ml4a.networks import from_state_dict
from ml4a.networks.s3fd import S3FD

TOLERANCE = 1e-4
KEYS = "25721a16c01d8777dc9553c38a114c23a90a4758ad528188aa3e166eef2d9a47"
"""The digest of the keys and shapes of the original's network."""
SMALL = official.NETWORKS["s3fd:build"]
MEAN = np.array([104, 117, 123], np.float32)


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("wav2lip")


@pytest.fixture(scope="module")
def maps() -> tuple[torch.Tensor, ...]:
    """What the network gives."""
    network = from_state_dict("wav2lip", deterministic.state_dict(official.s3fd()))
    picture = deterministic.uniform("s3fd", (1, 96, 128, 3), 0, 255) - MEAN
    with torch.inference_mode():
        return network(torch.from_numpy(picture.transpose(0, 3, 1, 2)))


def test_the_keys_are_the_official_ones():
    assert checkpoints.digest(official.s3fd()) == KEYS


@pytest.mark.parametrize("number", range(12))
def test_every_map_is_the_original_one(maps, figures, number):
    assert figures.error(f"s3fd_out{number}", maps[number]) < TOLERANCE


@pytest.mark.parametrize("key", ["conv4_2.weight", "conv5_3_norm.weight", "fc7_mbox_loc.bias"])
def test_a_missing_key_is_named(key):
    state = deterministic.state_dict(SMALL)
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("wav2lip", state)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (47, 90)])
def test_pictures_of_a_batch_do_not_influence_each_other(height, width):
    network = from_state_dict("wav2lip", deterministic.state_dict(SMALL))
    pictures = torch.from_numpy(deterministic.uniform("batch", (3, 3, height, width), -120, 130))
    with torch.inference_mode():
        together = network(pictures)
        alone = [network(each[None]) for each in pictures]
    for number, found in enumerate(together):
        np.testing.assert_allclose(found, torch.cat([each[number] for each in alone]), atol=1e-3, rtol=1e-4)


def decoded(figures: Figures) -> torch.Tensor:
    """Candidates of maps of noise."""
    maps = []
    for level, (height, width) in enumerate([(24, 32), (12, 16), (6, 8), (3, 4), (4, 5), (2, 3)]):
        scores = deterministic.uniform(f"cls{level}", (1, 2, height, width), -4, 4)
        scores[:, 1] -= 2.2
        maps += [scores, deterministic.uniform(f"loc{level}", (1, 4, height, width), -2, 2)]
    (boxes,) = candidates([torch.from_numpy(each) for each in maps])
    return boxes


def test_boxes_are_made_of_maps_as_by_the_original(figures):
    boxes = decoded(figures)
    due = figures["decode_all_boxes"]
    assert boxes.shape == due.shape
    np.testing.assert_allclose(boxes, due, rtol=1e-5, atol=1e-4)


def test_of_overlapping_boxes_the_original_ones_stay(figures):
    boxes = decoded(figures)
    np.testing.assert_allclose(kept(boxes), figures["decode_nms_kept"], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(sure([boxes])[0], figures["decode_final"], rtol=1e-5, atol=1e-4)


def test_the_best_boxes_of_a_picture_are_the_original_ones(maps, figures):
    best = kept(candidates(maps)[0])[:40].numpy()
    np.testing.assert_allclose(best[:, 4], figures["s3fd_boxes_after_nms"][:, 4], rtol=1e-4)
    np.testing.assert_allclose(best, figures["s3fd_boxes_after_nms"], rtol=1e-4, atol=1e-2)


def test_pictures_of_a_batch_have_boxes_of_their_own(figures):
    maps = [torch.from_numpy(deterministic.uniform(f"map{n}", (2, 4 if n % 2 else 2, 5, 6), -4, 4)) for n in range(12)]
    together = candidates(maps)
    for picture, boxes in enumerate(together):
        (alone,) = candidates([each[picture : picture + 1] for each in maps])
        np.testing.assert_array_equal(boxes, alone)
    assert len(together[0]) != len(together[1])


def test_what_is_no_face_gives_no_boxes():
    maps = [torch.full((1, 4 if n % 2 else 2, 2, 2), 0.0) for n in range(12)]
    for scores in maps[::2]:
        scores[:, 0] = 9
    (boxes,) = candidates(maps)
    assert boxes.shape == (0, 5)
    assert sure([boxes])[0].shape == (0, 5)


def certain() -> dict[str, np.ndarray]:
    """Weights by which every place of the fourth map shows a face, four of the map's steps wide."""
    state = {key: np.zeros(shape, np.float32) for key, shape in SMALL.items()}
    for name in ("conv3_3_norm", "conv4_3_norm", "conv5_3_norm", "fc7", "conv6_2", "conv7_2"):
        state[f"{name}_mbox_conf.bias"][0] = 9
    state["fc7_mbox_conf.bias"][:] = (0, 3)
    return state


def test_faces_are_told_in_the_pixels_of_the_picture(monkeypatch):
    finder = Finder(from_state_dict("wav2lip", certain()), torch.device("cpu"))
    picture = np.zeros((96, 128, 3), np.float32)
    faces = finder(picture)
    assert faces[0].box == (-48, -48, 80, 80)
    assert faces[0].score == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6)
    monkeypatch.setenv("ML4A_MEMORY", str(48 * 64 * S3FD.bytes_per_pixel))
    assert finder(picture)[0].box == (-96, -96, 160, 160), "looked at in half the size"


@pytest.mark.parametrize(("height", "width"), [(1, 60_000), (60_000, 2), (1, 1), (900, 1600), (20, 200)])
def test_a_picture_is_never_enlarged_beyond_the_memory(height, width):
    across, down = _size(height, width, 100_000)
    assert across * down <= 100_500
    assert min(across, down) >= 32
    if height * width > 10 < min(height, width):
        assert across / down == pytest.approx(width / height, rel=0.02)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 200), (40, 33)])
def test_pictures_that_are_too_small_are_enlarged(height, width):
    faces = Finder(from_state_dict("wav2lip", certain()), torch.device("cpu"))(np.zeros((height, width, 3), np.float32))
    assert faces
    assert all(np.isfinite(face.box).all() for face in faces)
