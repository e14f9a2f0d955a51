"""dlib's face detector around its network, and as the weights of a model, from a file with drawn weights."""

from __future__ import annotations

from pathlib import Path

import checkpoints
import deterministic
import dlib_files
import numpy as np
import pytest
import torch
from checkpoints import face as official

import ml4a
from ml4a import image
from ml4a._core.errors import BadValue, BadWeights
from ml4a.models import _mmod
from ml4a.networks import from_state_dict

STATE = deterministic.state_dict(official.detector())


@pytest.fixture(scope="module")
def network():
    return from_state_dict("face", STATE)


@pytest.fixture(scope="module")
def photo():
    return image.sample("astronaut").crop((130, 20, 330, 200))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("mmod")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(folder / "home"))
        path = dlib_files.save(folder / "mmod.dat", dlib_files.face_detector(STATE, normalised=True))
        checkpoints.install("face", "mmod", {"detector": path})
        return ml4a.load("face", "mmod")


@pytest.mark.parametrize(
    ("height", "width"), [(180, 200), (187, 231), (500, 90), (90, 500), (130, 97), (9, 9), (4, 300), (1, 1)]
)
def test_every_size_has_a_place_of_its_own_and_the_picture_is_the_first(height, width):
    picture = torch.ones((1, 3, height, width))
    whole, places = _mmod.tiled(picture)
    taken = torch.zeros(whole.shape[-2:])
    for left, top, columns, rows in places:
        taken[top : top + rows, left : left + columns] += 1
    assert taken.max() == 1, "two sizes overlap"
    assert torch.equal(taken, whole[0, 0].round()), "a size is not where it is said to be, or sticks out"
    assert places[0] == (11, 11, width, height)
    assert [place[2:] for place in places[1:]] == [(int(w * 5 / 6), int(h * 5 / 6)) for _, _, w, h in places[:-1]]


def test_one_place_is_found_in_the_picture_at_every_size():
    """A face of 80 pixels in a smaller size is a larger face, at the same place of the picture."""
    _, places = _mmod.tiled(torch.zeros((1, 3, 600, 600)))
    found = []
    for left, top, columns, rows in places[:6]:
        scores = np.full((400, 200), -1.0)
        row, column = round((top + rows / 2 - 14) / 8), round((left + columns / 2 - 14) / 8)
        scores[row, column] = 1
        ((x1, y1, x2, y2), _), *others = _mmod.boxes(scores, places)
        assert not others
        assert abs((x1 + x2) / 2 - 300) < 14
        assert abs((y1 + y2) / 2 - 300) < 14
        found.append(x2 - x1)
    np.testing.assert_allclose(found, 80 * 1.2 ** np.arange(6), rtol=0.02)


def test_of_boxes_that_overlap_the_surest_is_left():
    _, places = _mmod.tiled(torch.zeros((1, 3, 300, 300)))
    scores = np.full((40, 40), -1.0)
    scores[10, 10], scores[10, 11], scores[10, 30] = 0.5, 0.9, 0.2
    found = _mmod.boxes(scores, places)
    assert [score for _, score in found] == [0.9, 0.2]
    assert len(_mmod.boxes(scores, places, overlap=0.9)) == 3
    assert len(_mmod.boxes(scores, places, threshold=0.3)) == 1


def test_faces_are_sorted_by_size_and_scored_from_0_to_1(network, photo):
    found = _mmod.find(image.to_array(photo), network)
    assert len(found) > 30
    areas = [face.area for face in found]
    assert areas == sorted(areas, reverse=True)
    assert all(0.5 < face.score <= 1 for face in found)
    surest = max(face.score for face in found)
    assert [face.score for face in _mmod.find(image.to_array(photo), network, threshold=surest - 1e-6)] == [surest]


def test_smaller_faces_are_looked_for_in_a_larger_picture(network, photo):
    """In a picture twice as large everything is where it was, and half as large."""
    array = image.to_array(photo)[:130, :130]
    large = torch.nn.functional.interpolate(
        torch.from_numpy(array.transpose(2, 0, 1).copy())[None], scale_factor=2, mode="bilinear", align_corners=False
    )[0].numpy()
    direct = _mmod.find(large.transpose(1, 2, 0), network)
    small = _mmod.find(array, network, smallest=40)
    assert [face.scaled(2).box for face in small] == [face.box for face in direct]
    assert min(face.size[0] for face in small) == 40


def test_a_huge_picture_is_reduced_and_boxes_are_still_in_its_pixels(network, photo, monkeypatch):
    array = image.to_array(photo)
    monkeypatch.setattr(_mmod, "_MOST", array.shape[0] * array.shape[1] / 4)
    found = _mmod.find(array, network)
    assert found
    assert min(face.size[0] for face in found) == 160


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (20, 20)])
def test_a_tiny_picture_has_no_faces_or_some_but_no_error(network, size):
    assert isinstance(_mmod.find(np.ones((*size, 3), np.float32), network), list)


def test_the_weights_of_dlibs_detector_make_a_model(model, photo):
    found = model(photo, threshold=0.5, smallest=1, most=4)
    assert len(found) == 4
    assert all(face.points is None for face in found)
    assert repr(model).startswith("<Faces face/mmod")
    shown = model.show(photo, threshold=0.5)
    assert shown.size == photo.size
    assert np.any(np.asarray(shown) != np.asarray(photo))
    assert len(model(photo, threshold=0.9)) == 0


def test_what_needs_eyes_says_so(model, photo):
    with pytest.raises(BadValue, match="box only"):
        model.align(photo, threshold=0.5)


def test_weights_of_another_part_are_no_detector(tmp_path, monkeypatch):
    monkeypatch.setenv("ML4A_HOME", str(tmp_path / "home"))
    state = deterministic.state_dict(official.encoder((4,), (2,), 4))
    path = dlib_files.save(tmp_path / "encoder.dat", dlib_files.face_encoder(state, (2,)))
    checkpoints.install("face", "encoder", {"encoder": path})
    with pytest.raises(BadValue, match="face/encoder finds no faces by itself"):
        ml4a.load("face", "encoder")
    checkpoints.install("face", "mmod", {"detector": path})
    with pytest.raises(BadWeights, match="holds a DlibResNet, where a DlibDetector is due"):
        ml4a.load("face", "mmod")
