"""Chips and encodings of faces, and the 68 points: what must not change them, and what must."""

from __future__ import annotations

import deterministic
import dlib_files
import numpy as np
import pytest
import torch
from checkpoints import face as official
from PIL import Image, ImageEnhance, ImageFilter

import ml4a
from ml4a import image, weights
from ml4a._core.errors import BadValue, BadWeights
from ml4a.media import face as faces
from ml4a.media.face import Face
from ml4a.models._encodings import chip, encode, load
from ml4a.models._shape_predictor import ShapePredictor, box_frame
from ml4a.networks import from_state_dict

POINTS = np.array([(201.5, 104.9), (245.8, 109.1), (220.4, 127.3), (203, 146), (240, 149)])
ASTRONAUT = Face((170, 60, 270, 180), points=POINTS)
"""Where MTCNN finds her."""
CAMERAMAN = Face((199, 119, 254, 192), points=np.array([(221, 146), (247, 149), (232, 159), (222, 174), (242, 176)]))
CAT = Face((120, 40, 330, 250), points=np.array([(174, 119), (262, 104), (222, 176), (195, 196), (262, 188)]))
"""Not known as a face to a detector, but it has eyes, a nose and a mouth."""


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return image.sample("astronaut")


@pytest.fixture(scope="module")
def small() -> torch.nn.Module:
    return from_state_dict("face", deterministic.state_dict(official.NETWORKS["dlib_resnet:build"] | LONG))


LONG = {"fc.0.weights": (6, 128)}
"""As many numbers as a face's encoding has."""


def turned(photo: Image.Image, face: Face, degrees: float, scale: float = 1.0) -> tuple[Image.Image, Face]:
    """The picture turned clockwise about its middle and scaled, and the face in it."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.full(2, 256 * scale)
    matrix = np.column_stack([turn * scale, middle - turn @ middle])
    back = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2]
    size = round(512 * scale)
    view = photo if scale >= 1 else photo.filter(ImageFilter.GaussianBlur(0.5 / scale))
    return view.transform((size, size), Image.Transform.AFFINE, back.ravel().tolist(), Image.Resampling.BICUBIC), (
        face.transformed(matrix)
    )


def pixels(picture: Image.Image) -> np.ndarray:
    return image.to_array(picture.convert("RGB"))


def eyes_of_chip(face: Face, size: int, padding: float) -> np.ndarray:
    """Where the middles of the eyes come to lie in a chip of the whole picture with a dot at each."""
    dots = np.zeros((512, 512, 3), np.float32)
    for x, y in face.eyes:
        dots[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4] = 1
    seen = chip(dots, face, size, padding)[..., 0]
    places = []
    for side in (slice(0, size // 2), slice(size // 2, size)):
        rows, columns = np.nonzero(seen[:, side] > 0.5)
        places.append((columns.mean() + 0.5 + (side.start or 0), rows.mean() + 0.5))
    return np.array(places)


# -- Chips -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0, 25, 90, 180, -60])
def test_a_chip_is_upright_however_the_face_lies(photo, degrees):
    upright = chip(pixels(photo), ASTRONAUT, 64)
    picture, face = turned(photo, ASTRONAUT, degrees)
    found = chip(pixels(picture), face, 64)
    assert np.abs(found - upright).mean() < 0.02
    assert np.abs(found - np.rot90(upright)).mean() > 0.1


@pytest.mark.parametrize(("size", "padding"), [(150, 0.25), (64, 0.0), (200, 0.6)])
def test_eyes_lie_where_the_mean_faces_lie(size, padding):
    level = ASTRONAUT.replace(points=np.array([(200, 100), (250, 100), (225, 128), (206, 153), (244, 153)]))
    left, right = eyes_of_chip(level, size, padding)
    assert left[1] == pytest.approx(right[1], abs=1)
    across = (right[0] - left[0]) / size * (1 + 2 * padding)
    assert across == pytest.approx(0.53, abs=0.03)
    assert left[0] + right[0] == pytest.approx(0.99 * size, abs=3)


def test_landmarks_come_before_points(photo):
    """They say more."""
    mean = ShapePredictor(dlib_files.forest()).initial_shape
    face = ASTRONAUT.replace(landmarks=mean * 80 + 180)
    assert np.abs(chip(pixels(photo), face) - chip(pixels(photo), ASTRONAUT)).mean() > 0.02
    same = chip(pixels(photo), face.replace(points=POINTS + 9))
    np.testing.assert_array_equal(same, chip(pixels(photo), face))


def test_a_large_face_is_filtered_before_it_becomes_small():
    """Else fine stripes would become coarse ones."""
    stripes = np.zeros((800, 800, 3), np.float32)
    stripes[:, ::2] = 1
    face = Face((100, 100, 700, 700), points=np.array([(280, 300), (520, 300), (400, 430), (300, 560), (500, 560)]))
    inner = chip(stripes, face, 50)[5:-5, 5:-5]
    assert inner.std() < 0.02
    assert inner.mean() == pytest.approx(0.5, abs=0.02)


def test_a_face_beyond_the_picture_gives_a_black_chip(photo):
    away = ASTRONAUT.moved(5000, -300)
    assert not chip(pixels(photo), away).any()


def test_a_tiny_picture_gives_a_chip_too():
    found = chip(np.ones((1, 1, 3), np.float32), ASTRONAUT)
    assert found.shape == (150, 150, 3)


def test_a_box_alone_is_refused_in_words(photo):
    with pytest.raises(BadValue, match="only the box is known"):
        chip(pixels(photo), Face((1, 1, 9, 9)))


def test_points_that_are_one_are_refused_in_words(photo):
    with pytest.raises(BadValue, match="all lie in one place"):
        chip(pixels(photo), ASTRONAUT.replace(points=np.full((5, 2), 30)))


# -- Encodings ---------------------------------------------------------------------------------------------------------


def test_every_face_is_encoded_as_alone_and_in_order(photo, small):
    others = [ASTRONAUT, ASTRONAUT.moved(30, 60), ASTRONAUT.moved(-80, 100)]
    together = encode(small, pixels(photo), others)
    for face, found in zip(others, together, strict=True):
        assert found.box == face.box
        assert faces.distance(found, encode(small, pixels(photo), [face])[0]) < 1e-4
    assert faces.distance(together[0], together[1]) > 1e-3
    assert encode(small, pixels(photo), []) == []


def test_jitter_is_a_mean_that_the_seed_decides(photo, small):
    def jittered(count: int, seed: int) -> Face:
        return encode(small, pixels(photo), [ASTRONAUT], jitter=count, seed=seed)[0]

    (plain,) = encode(small, pixels(photo), [ASTRONAUT])
    assert jittered(3, 1) == jittered(3, 1)
    assert faces.distance(jittered(3, 1), jittered(3, 2)) > 0
    assert faces.distance(jittered(40, 1), jittered(40, 2)) < faces.distance(jittered(1, 1), jittered(1, 3))
    assert faces.distance(jittered(1, 5), plain) > 0


def test_another_networks_file_is_no_encoder(tmp_path):
    state = deterministic.state_dict(official.NETWORKS["dlib_mmod:build"])
    path = dlib_files.save(tmp_path / "net.dat", dlib_files.face_detector(state))
    with pytest.raises(BadWeights, match=r"net\.dat holds a DlibDetector, where a DlibResNet is due"):
        load({"encoder": path}, "dlib", torch.device("cpu"))


@pytest.mark.parametrize("options", [{"jitter": -1}, {"jitter": 2.5}, {"jitter": True}, {"seed": -1}, {"seed": None}])
def test_what_no_jitter_and_no_seed_can_be_is_refused_in_words(photo, small, options):
    with pytest.raises(BadValue, match=rf"{next(iter(options))} must be a whole number"):
        encode(small, pixels(photo), [ASTRONAUT], **options)


# -- The 68 points -----------------------------------------------------------------------------------------------------


def test_points_move_and_turn_with_the_face(photo):
    predictor = ShapePredictor(dlib_files.forest(trees=40))
    upright = predictor(pixels(photo), ASTRONAUT)
    assert upright.landmarks is not None
    picture, face = turned(photo, ASTRONAUT, 90)
    found = predictor(pixels(picture), face)
    assert found.landmarks is not None
    back = face_back(found)
    assert np.median(np.hypot(*(back - upright.landmarks).T)) < 2
    assert np.hypot(*(found.landmarks - upright.landmarks).T).mean() > 50


def face_back(face: Face) -> np.ndarray:
    """The landmarks turned back by 90 degrees."""
    moved = face.transformed(np.array([[0, 1, 0], [-1, 0, 512]], np.float64))
    assert moved.landmarks is not None
    return moved.landmarks


def test_points_look_at_the_picture(photo):
    predictor = ShapePredictor(dlib_files.forest())
    seen = predictor.landmarks(pixels(photo), box_frame(ASTRONAUT.box))
    blind = predictor.landmarks(np.zeros((512, 512, 3), np.float32), box_frame(ASTRONAUT.box))
    assert np.abs(seen - blind).max() > 1


def test_a_predictor_of_other_points_or_without_a_table_is_refused():
    with pytest.raises(BadWeights, match="5 points, where 68 are due"):
        ShapePredictor(dlib_files.forest(points=5))
    forest = dlib_files.forest()
    del forest["anchors"], forest["deltas"]
    with pytest.raises(BadWeights, match="'anchors', 'deltas'"):
        ShapePredictor(forest)


# -- The real weights --------------------------------------------------------------------------------------------------


def changes(photo: Image.Image) -> dict[str, tuple[Image.Image, Face]]:
    """The astronaut as she could be in another photograph."""
    noise = np.random.default_rng(3).normal(0, 22, (512, 512, 3))
    noisy = Image.fromarray(np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8))
    return {
        "darker": (ImageEnhance.Brightness(photo).enhance(0.4), ASTRONAUT),
        "brighter": (ImageEnhance.Brightness(photo).enhance(1.6), ASTRONAUT),
        "flat": (ImageEnhance.Contrast(photo).enhance(0.45), ASTRONAUT),
        "grey": (photo.convert("L").convert("RGB"), ASTRONAUT),
        "noisy": (noisy, ASTRONAUT),
        "blurred": (photo.filter(ImageFilter.GaussianBlur(1.5)), ASTRONAUT),
        "turned": turned(photo, ASTRONAUT, 35),
        "half as large": turned(photo, ASTRONAUT, -10, 0.5),
        "points off": (
            photo,
            ASTRONAUT.replace(points=POINTS + np.random.default_rng(1).normal(0, 2, (5, 2))),
        ),
    }


@pytest.mark.slow
@pytest.mark.xdist_group("dlib")
def test_one_person_is_one_whatever_the_light_and_another_is_another(photo):
    network = load(weights.fetch("face/encoder"), "dlib", torch.device("cpu"))

    def encoded(picture: Image.Image, face: Face) -> Face:
        return encode(network, pixels(picture), [face])[0]

    known = encoded(photo, ASTRONAUT)
    others = [encoded(image.sample("camera"), CAMERAMAN), encoded(image.sample("chelsea"), CAT)]
    least = min(faces.distance(known, other) for other in others)
    assert least > faces.SAME_PERSON
    for name, (picture, face) in changes(photo).items():
        found = encoded(picture, face)
        assert faces.distance(known, found) < faces.SAME_PERSON, name
        assert faces.distance(known, found) < least - 0.1, name
        assert faces.nearest([*others, known], found) is known, name


@pytest.mark.slow
@pytest.mark.xdist_group("dlib")
def test_the_model_recognises_the_astronaut_and_nobody_else(photo):
    """Through the detector, which has to find the face first; with dlib's own points it is the same person."""
    model = ml4a.load("face")
    head = photo.crop((120, 20, 330, 230))
    found = model.recognise(head.rotate(20), photo)
    assert found is not None
    (landmarked,) = model.encode(head, points="dlib68", most=1)
    assert landmarked.landmarks is not None
    assert faces.distance(found, landmarked) < faces.SAME_PERSON
    np.testing.assert_allclose(landmarked.moved(120, 20).eyes, POINTS[:2], atol=6)
    assert model.recognise(image.sample("camera"), landmarked) is None


@pytest.mark.slow
@pytest.mark.xdist_group("dlib")
def test_landmarks_are_drawn(photo):
    model = ml4a.load("face")
    head = photo.crop((120, 20, 330, 230)).resize((420, 420))
    five, all_of_them = (np.asarray(model.show(head, points=points)).astype(int) for points in ("five", "dlib68"))
    assert (np.abs(all_of_them - five) > 20).any(axis=2).sum() > 300
