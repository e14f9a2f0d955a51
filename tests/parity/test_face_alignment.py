"""Faces are aligned as imutils and FFHQ's program align them, and compared as face_recognition compares them."""

from __future__ import annotations

import deterministic
import numpy as np
import pytest
from figures import Figures

from ml4a.media import face, image

FIGURES = Figures("face")
GEOMETRY = Figures("face_geometry")


@pytest.fixture(scope="module")
def astronaut():
    return image.sample("astronaut")


@pytest.fixture(scope="module")
def found():
    """A face with nothing but the original's eyes, which are counted from the first pixel's middle."""
    return face.Face((150, 50, 290, 200), landmarks=FIGURES["align_points68"] + 0.5)


def test_the_groups_of_landmarks_are_the_original_ones():
    due = {name: tuple(FIGURES[f"landmark_group_{name}"].tolist()) for name in face.GROUPS}
    assert due == face.GROUPS


def test_the_classic_matrix_is_the_original_one(found):
    matrix = face.alignment(found.eyes, 256, classic=True)
    np.testing.assert_allclose(matrix, FIGURES["align_matrix"], atol=1e-9)
    assert np.abs(face.alignment(found.eyes, 256) - FIGURES["align_matrix"]).max() > 0.1  # it is cut off to pixels


@pytest.mark.parametrize("kind", ["pil", "array"])
def test_a_face_aligned_the_classic_way_is_the_original_one(astronaut, found, kind):
    given = astronaut if kind == "pil" else image.to_array(astronaut)
    made = image.to_array(face.aligned(given, found, classic=True)) * 255
    assert made.shape == tuple(FIGURES["align_output_u8_shape"])
    difference = np.abs(made.ravel()[:: int(FIGURES["align_output_u8_step"])] - FIGURES["align_output_u8_sample"])
    assert difference.max() <= 1
    assert (difference > 0.01).mean() < 0.001
    assert made.mean() == pytest.approx(float(FIGURES["align_output_u8_mean"]), abs=0.01)


def test_the_classic_width_is_the_original_one(astronaut):
    made = image.to_array(face.at_width(np.asarray(astronaut)[:200, :300])) * 255
    assert made.shape == tuple(FIGURES["imutils_resize_u8_shape"])
    difference = np.abs(made.ravel()[:: int(FIGURES["imutils_resize_u8_step"])] - FIGURES["imutils_resize_u8_sample"])
    assert difference.max() < 0.01


def test_distances_of_encodings_are_the_original_ones():
    encodings = deterministic.uniform("enc", (4, 128), -0.2, 0.2)
    np.testing.assert_allclose(face.distance(encodings[:3], encodings[3]), FIGURES["face_distance"], rtol=1e-6)


@pytest.mark.parametrize(("name", "size", "mean"), [("whole", 256, 1.2), ("padded", 256, 1.2), ("reduced", 128, 1.6)])
def test_a_portrait_is_cropped_as_in_ffhq(astronaut, name, size, mean):
    """The original enlarges bilinearly, which is softer than here: on average a grey level."""
    picture, seen = astronaut, face.Face((177, 83, 273, 178), mesh=GEOMETRY["mesh"])
    if name == "padded":
        picture, seen = astronaut.crop((150, 60, 400, 400)), seen.moved(-150, -60)
    if name == "reduced":
        picture, seen = image.resize(astronaut, 2048), seen.scaled(4)
    made = image.to_array(face.ffhq(picture, seen, size)) * 255
    due = GEOMETRY[f"ffhq_{name}_sample"].astype(float)
    difference = np.abs(made.ravel()[:: int(GEOMETRY[f"ffhq_{name}_step"])] - due)
    assert difference.mean() < mean
    assert np.percentile(difference, 99) < 11
