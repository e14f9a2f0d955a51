"""A face is a value; what is known of it decides where its eyes, its mouth and its outline are."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from figures import Figures

from ml4a._core.errors import BadValue
from ml4a.media import face
from ml4a.media.face import Face

MESH = Figures("face_geometry")["mesh"]
POINTS = np.array([(201.5, 104.9), (245.8, 109.1), (220.4, 127.3), (203, 142), (244, 144)])
BOX = (177.0, 83.0, 273.0, 178.0)


def everything() -> Face:
    landmarks = face.landmarks_of_mesh(MESH)
    return Face(BOX, 0.9, POINTS, landmarks, MESH, np.linspace(-0.1, 0.1, 128))


def test_a_face_knows_its_size_and_cannot_be_written_to():
    found = everything()
    assert (found.size, found.area, found.center) == ((96, 95), 9120, (225, 130.5))
    for name in ("points", "landmarks", "mesh", "encoding"):
        assert getattr(found, name).dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            getattr(found, name)[0] = 0
    given = POINTS.copy()
    kept = Face(BOX, points=given)
    given[:] = 0
    assert kept.points is not None
    assert kept.points.min() > 100


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"box": (3, 1, 2, 4)}, "left, top, right, bottom"),
        ({"box": (1, 1, 1, 4)}, "with an area"),
        ({"box": (1, 1, np.nan, 4)}, "4 finite numbers"),
        ({"box": "face"}, "not str"),
        ({"box": (0, 0, 1e30, 4)}, "1e\\+30"),
        ({"score": np.inf}, "score"),
        ({"points": POINTS[:4]}, "5×2.*4×2"),
        ({"landmarks": np.zeros((5, 2))}, "68×2"),
        ({"mesh": np.full((468, 3), np.nan)}, "468×3"),
        ({"encoding": np.zeros(127)}, "128"),
    ],
)
def test_what_is_no_face_is_refused_in_one_line(changes, words):
    with pytest.raises(BadValue, match=words) as caught:
        everything().replace(**changes)
    assert "\n" not in str(caught.value)


def test_eyes_and_mouth_come_from_the_best_there_is():
    found = everything()
    bare = found.replace(mesh=None, landmarks=None)
    np.testing.assert_allclose(bare.eyes, POINTS[:2], rtol=1e-6)
    np.testing.assert_allclose(bare.mouth, POINTS[3:], rtol=1e-6)
    moved = found.replace(mesh=MESH + np.float32(7))
    np.testing.assert_allclose(moved.eyes, found.eyes + 7, rtol=1e-5)
    np.testing.assert_array_equal(moved.replace(mesh=None).eyes, found.eyes)
    for name in ("eyes", "mouth"):
        with pytest.raises(BadValue, match="box only"):
            getattr(Face(BOX), name)


def test_the_landmarks_of_a_mesh_lie_where_a_detector_of_points_finds_them():
    """The irises that another network finds, and BlazeFace's nose, on the astronaut's face of 95 pixels."""
    found = Face(BOX, mesh=MESH)
    assert np.abs(found.eyes - [(203.5, 101.1), (246.6, 103.5)]).max() < 1.2
    assert np.abs(found.mouth - POINTS[3:]).max() < 6
    features = found.features
    assert features is not None
    assert np.hypot(*(features[30] - POINTS[2])) < 8  # the tip of the nose
    chin, left_brow, right_brow = features[:17], features[17:22], features[22:27]
    assert (np.diff(chin[:, 0]) > 0).all()  # from the left of the picture to its right
    assert chin[:, 1].argmax() == 8
    assert left_brow[:, 0].max() < features[27, 0] < right_brow[:, 0].min()
    assert left_brow[:, 1].max() < features[36:42, 1].min() + 1


def test_moving_scaling_and_turning_take_everything_along():
    found = everything()
    moved = found.moved(10, -20)
    assert moved.box == (187, 63, 283, 158)
    assert moved.mesh is not None
    np.testing.assert_allclose(moved.mesh - MESH, np.broadcast_to((10, -20, 0), (468, 3)), atol=1e-4)
    half = found.scaled(0.5)
    assert half.mesh is not None
    assert half.box == (88.5, 41.5, 136.5, 89)
    np.testing.assert_allclose(half.mesh, MESH / 2, rtol=1e-5)
    assert (half.score, half.encoding is not None) == (0.9, True)
    quarter = found.transformed(np.array([[0, -1, 512], [1, 0, 0]]))
    assert quarter.box == (512 - 178, 177, 512 - 83, 273)
    np.testing.assert_allclose(quarter.eyes[:, 1], found.eyes[:, 0], rtol=1e-6)
    assert found.moved(0, 0) == found
    assert found != half
    assert len({found, everything()}) == 1
    for factor in (0, -1, np.nan):
        with pytest.raises(BadValue):
            found.scaled(factor)
    with pytest.raises(BadValue, match="line"):
        found.transformed(np.zeros((2, 3)))


@pytest.mark.parametrize("known", ["mesh", "landmarks", "points", "box"])
def test_the_outline_holds_eyes_nose_and_mouth_and_is_convex(known):
    found = everything()
    if known != "mesh":
        found = found.replace(mesh=None)
    if known in ("points", "box"):
        found = found.replace(landmarks=None)
    if known == "box":
        found = found.replace(points=None)
    polygon = face.outline(found)
    assert cv2.isContourConvex(polygon.reshape(-1, 1, 2))
    for x, y in POINTS.tolist():
        assert cv2.pointPolygonTest(polygon.reshape(-1, 1, 2), (x, y), measureDist=False) > 0
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    assert np.abs([*low, *high] - np.array(BOX)).max() < 25


def test_nearest_is_whose_encoding_is_nearest():
    rng = np.random.default_rng(0)
    people = rng.normal(0, 0.1, (3, 128))
    faces = [Face(BOX, encoding=each) for each in people]
    wanted = people[1] + rng.normal(0, 0.01, 128)
    assert face.nearest(faces, wanted) is faces[1]
    assert face.nearest(faces, Face(BOX, encoding=wanted)) is faces[1]
    assert face.nearest(faces, np.stack([people[2] + 0.02, people[1] + 0.01])) is faces[1]
    assert isinstance(face.distance(faces[0], faces[1]), float)
    assert face.distance(faces[1], wanted) < face.SAME_PERSON < face.distance(faces[0], faces[1])
    for wrong in ([], [Face(BOX)]):
        with pytest.raises(BadValue):
            face.nearest(wrong, wanted)
    for wrong in (np.zeros(64), faces, "somebody"):
        with pytest.raises(BadValue, match="128"):
            face.distance(wrong, faces[0])  # pyright: ignore[reportArgumentType]
    assert face.distance(people, faces[1]).shape == (3,)
    with pytest.raises(BadValue, match="one by one"):
        face.distance(people, people[:2])


def test_the_largest_comes_first():
    small, large = Face((0, 0, 10, 10)), Face((0, 0, 20, 20))
    assert face.largest_first([small, large, small.moved(1, 0)])[0] is large


def test_geometry_loads_no_torch():
    code = "import sys; from ml4a.media import face; face.Face; face.Tracker; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
