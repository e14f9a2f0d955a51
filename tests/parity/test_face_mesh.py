"""The face mesh with its real network against what MediaPipe finds in the same photograph."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from ml4a import weights
from ml4a._core.errors import BadWeights, MissingExtra
from ml4a.media import image
from ml4a.media.face import Face
from ml4a.models._mesh import FaceMesh, Square, square_of

CORNERS = [33, 133, 362, 263]
"""Outer and inner corner of the left eye, inner and outer one of the right."""
MEDIAPIPE = np.array([(194.6, 100.9), (213.8, 103.6), (237.4, 104.8), (256.7, 104.1)])
"""Where MediaPipe has them, in the photograph of 512 pixels."""
BOX = (0.3468, 0.1619, 0.1862, 0.1862)
EYES = ((201.5, 104.9), (245.8, 109.1))
"""What its own detector finds: left, top, width, height as shares of 512; eyes in pixels."""
MTCNN = Face(
    (181.05, 62.16, 267.75, 172.05),
    points=[(205.01, 101.73), (246.76, 103.71), (224.67, 128.97), (201.72, 139.25), (245.27, 141.86)],
)
"""What MTCNN finds."""


@pytest.fixture(scope="module")
def mesh() -> FaceMesh:
    pytest.importorskip("ai_edge_litert", reason="the mesh needs ai-edge-litert")
    return FaceMesh(weights.fetch("face/mesh")["landmarks"])


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return image.to_array(image.sample("astronaut"))


def mediapipes_square(scale: float = 1.0) -> Square:
    x, y, width, height = (512 * scale * share for share in BOX)
    angle = math.atan2(EYES[1][1] - EYES[0][1], EYES[1][0] - EYES[0][0])
    return Square((x + width / 2, y + height / 2), 1.5 * max(width, height), angle)


def test_of_mediapipes_square_it_finds_mediapipes_points(mesh, astronaut):
    found, presence = mesh.within(astronaut, mediapipes_square())
    assert found.shape == (468, 3)
    assert presence > 0.99
    assert np.linalg.norm(found[CORNERS, :2] - MEDIAPIPE, axis=1).max() <= 0.5


def test_from_our_own_detectors_face_it_finds_nearly_the_same(mesh, astronaut):
    face = mesh(astronaut, MTCNN)
    assert face.mesh is not None
    assert np.linalg.norm(face.mesh[CORNERS, :2] - MEDIAPIPE, axis=1).max() <= 2
    between = math.dist(*MTCNN.eyes)
    assert np.linalg.norm(face.eyes - MTCNN.eyes, axis=1).max() <= 0.06 * between
    assert (face.box, face.score) == (MTCNN.box, MTCNN.score)


def test_depths_are_in_pixels_and_the_nose_is_nearest(mesh, astronaut):
    found, _ = mesh.within(astronaut, mediapipes_square())
    assert found[:, 2].argmin() in (1, 4, 5)  # the tip of the nose
    assert 20 < np.ptp(found[:, 2]) < 120  # of a face 90 pixels wide


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_face_has_the_turned_mesh(mesh, astronaut, turns):
    upright, _ = mesh.within(astronaut, mediapipes_square())
    x, y = mediapipes_square().center
    places = upright[:, :2]
    for _ in range(turns):  # counter-clockwise
        x, y = y, 512 - x
        places = np.column_stack([places[:, 1], 512 - places[:, 0]])
    angle = mediapipes_square().angle - turns * math.pi / 2
    turned = np.ascontiguousarray(np.rot90(astronaut, turns))
    found, _ = mesh.within(turned, Square((x, y), mediapipes_square().side, angle))
    assert np.linalg.norm(found[:, :2] - places, axis=1).max() < 0.6


def test_a_large_face_is_reduced_without_passing_over_pixels(mesh, astronaut):
    calm = 0.25 + 0.5 * astronaut
    small, _ = mesh.within(calm, mediapipes_square())
    dots = np.where((np.indices((2048, 2048)).sum(axis=0) % 2 == 0), 0.25, -0.25).astype(np.float32)
    found, presence = mesh.within(calm.repeat(4, 0).repeat(4, 1) + dots[:, :, None], mediapipes_square(4))
    assert presence > 0.99
    assert np.linalg.norm(found[:, :2] / 4 - small[:, :2], axis=1).max() < 0.5


def test_where_nobody_is_the_face_stays_as_it_was(mesh, astronaut):
    nobody = Face((380, 340, 460, 440))
    assert mesh(astronaut, nobody) is nobody
    assert mesh(np.zeros((1, 1, 3), np.float32), Face((0, 0, 1, 1))).mesh is None


def test_the_square_follows_eyes_and_mouth_also_in_profile():
    profile = MTCNN.replace(points=[(230, 102), (240, 104), (250, 129), (228, 139), (238, 142)])
    assert square_of(profile).side > 0.8 * square_of(MTCNN).side
    assert square_of(Face((0, 0, 40, 60))) == Square((20, 30), 90, 0)


def test_a_file_of_something_else_is_refused(mesh, tmp_path):
    (tmp_path / "net.tflite").write_bytes(b"TFL3" + bytes(100))
    with pytest.raises(BadWeights, match="no network of a face's mesh"):
        FaceMesh(tmp_path / "net.tflite")


@pytest.mark.slow
def test_another_network_is_refused(home):
    card = home / "config" / "cards" / "other.toml"
    card.parent.mkdir(parents=True)
    card.write_text(BLAZEFACE, encoding="utf-8")
    with pytest.raises(BadWeights, match="no network of a face's mesh"):
        FaceMesh(weights.fetch("other")["detector"])


BLAZEFACE = """
title = "BlazeFace"
task = "faces"
summary = "The detector beside the mesh."

[packages.mediapipe]
version = "0.10.21"
wheel = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
size = 35622638
sha256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"

[weights.near]
licence = "Apache-2.0"
licence_source = "the licence file of the mediapipe wheel"
commercial = "yes"

[weights.near.files.detector]
name = "face_detection_short_range.tflite"
size = 229714
sha256 = "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
format = "tflite"
sources = ["package:mediapipe#mediapipe/modules/face_detection/face_detection_short_range.tflite"]
"""


def test_without_the_interpreter_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingExtra, match=r'pip install "ml4a\[face\]"'):
        FaceMesh(tmp_path / "net.tflite")


def test_the_interpreter_is_imported_when_it_is_used():
    code = (
        "import sys, ml4a.models._mesh, ml4a.models.face; sys.exit(any(m.startswith('ai_edge') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
