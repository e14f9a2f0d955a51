"""Faces masked, hidden, drawn over and exchanged, on the astronaut's."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from figures import Figures
from PIL import Image

from ml4a._core.errors import BadValue, TooLarge, UnknownName
from ml4a.media import color, face, image
from ml4a.media.face import Face

MESH = Figures("face_geometry")["mesh"]
BOX = (177.0, 83.0, 273.0, 178.0)
FULL = Face(BOX, mesh=MESH, landmarks=face.landmarks_of_mesh(MESH))
POINTS = np.concatenate([FULL.eyes, MESH[4:5, :2], FULL.mouth])
KNOWN = {
    "mesh": FULL,
    "landmarks": Face(BOX, landmarks=FULL.landmarks),
    "points": Face(BOX, points=POINTS),
    "box": Face(BOX),
}


@pytest.fixture(scope="module")
def astronaut():
    return image.to_array("sample:astronaut")


def detail(array: np.ndarray, where: np.ndarray) -> float:
    """The energy of what is finer than some pixels."""
    grey = cv2.cvtColor(np.ascontiguousarray(array[:, :, :3]), cv2.COLOR_RGB2GRAY)
    return float(np.square(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1), cv2.CV_32F))[where].mean())


def within_face() -> np.ndarray:
    """H×W bool: the face up to the hairline, by the mesh."""
    inside = np.zeros((512, 512), np.uint8)
    cv2.fillConvexPoly(inside, np.rint(face.outline(FULL)).astype(np.int32), (1,))
    return inside.astype(bool)


@pytest.mark.parametrize("known", KNOWN)
def test_a_mask_is_one_on_the_face_and_nothing_far_from_it(known):
    values = face.mask(KNOWN[known], (512, 512))((512, 512))[:, :, 0]
    for x, y in POINTS.astype(int).tolist():
        assert values[y, x] > 0.8
    assert values[300:].max() == 0
    assert values[:, :120].max() == 0
    soft = ((values > 0.05) & (values < 0.95)).sum()
    sharp = face.mask(KNOWN[known], (512, 512), feather=0)((512, 512))[:, :, 0]
    assert soft > 5 * ((sharp > 0.05) & (sharp < 0.95)).sum()


def test_a_mask_has_no_size_and_holds_several_faces():
    both = face.mask([FULL, FULL.moved(200, 200)], (512, 512))
    small = both((128, 128))[:, :, 0]
    assert small[130 // 4, 225 // 4] > 0.95
    assert small[330 // 4, 425 // 4] > 0.95
    assert small[230 // 4, 325 // 4] == 0
    wide = face.mask(FULL, (900, 512))((900, 512))[:, :, 0]
    assert wide[130, 225] > 0.95
    assert face.mask([], (64, 64))((64, 64)).max() == 0
    with pytest.raises(BadValue, match="feather"):
        face.mask(FULL, (512, 512), feather=2)
    with pytest.raises(BadValue, match="Face"):
        face.mask([BOX], (512, 512))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("how", ["blur", "pixelate", "fill"])
def test_a_hidden_face_is_gone_and_nothing_else(astronaut, known, how):
    hidden = face.hidden(astronaut, KNOWN[known], how)
    inside = within_face()
    changed = np.abs(hidden - astronaut).max(axis=2) > 0
    assert changed[inside].mean() > 0.99  # forehead and chin are covered, whatever is known
    if how != "pixelate":  # squares have edges of their own
        assert detail(hidden, inside) < 0.01 * detail(astronaut, inside)
    x1, y1, x2, y2 = map(int, BOX)
    assert changed[y1:y2, x1:x2].mean() > 0.97
    far = np.ones((512, 512), bool)
    far[30:240, 130:320] = False
    np.testing.assert_array_equal(hidden[far], astronaut[far])


@pytest.mark.parametrize("how", ["blur", "pixelate", "fill"])
def test_of_a_hidden_face_only_a_few_averages_are_left(astronaut, how):
    """Two faces that differ only in detail cannot be told apart once they are hidden."""
    rng = np.random.default_rng(0)
    noise = np.zeros_like(astronaut)
    noise[60:200, 150:300] = rng.choice([-0.2, 0.2], (140, 150, 1))
    one, other = (0.25 + astronaut / 2 + sign * noise for sign in (1, -1))
    before = np.abs(one - other)[100:160, 195:255].mean()
    after = np.abs(face.hidden(one, FULL, how) - face.hidden(other, FULL, how))[100:160, 195:255].mean()
    assert before > 0.35
    assert after < 0.05 * before


def test_a_larger_strength_leaves_less(astronaut):
    inside = within_face()

    def left(strength: float) -> float:
        return float(face.hidden(astronaut, FULL, "pixelate", strength)[inside].std())

    assert left(0) > left(0.5) > left(1)
    colours = face.hidden(astronaut, FULL, "pixelate", 1.0)[inside]
    assert len(np.unique(colours.round(4), axis=0)) <= 25
    np.testing.assert_array_equal(
        face.hidden(astronaut, FULL, "blur", 0.7), face.hidden(astronaut.copy(), [FULL], "blur")
    )


def test_hiding_works_at_borders_on_tiny_faces_and_in_every_kind(astronaut):
    crop = astronaut[100:150, 190:240].copy()
    hidden = face.hidden(crop, FULL.moved(-190, -100), "blur")
    assert (np.abs(hidden - crop).max(axis=2) > 0).mean() > 0.99
    assert detail(hidden, np.ones((50, 50), bool)) < 0.02 * detail(crop, np.ones((50, 50), bool))
    np.testing.assert_array_equal(face.hidden(crop, Face((900, 900, 950, 950))), crop)
    tiny = image.resize(astronaut, 48)
    assert np.abs(face.hidden(tiny, Face(BOX).scaled(48 / 512)) - tiny)[9:16, 18:25].mean() > 0.01
    photo = image.to_picture(astronaut)
    photo.putalpha(200)
    made = face.hidden(photo, FULL)
    assert made.mode == "RGBA"
    assert set(np.unique(np.asarray(made)[:, :, 3])) == {200}
    with pytest.raises(UnknownName):
        face.hidden(crop, FULL, "smear")  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadValue):
        face.hidden(crop, FULL, "blur", 2)


def test_each_thing_is_drawn_where_it_is():
    black = np.zeros((512, 512, 3), np.float32)
    whole = Face(BOX, points=POINTS, landmarks=FULL.landmarks, mesh=MESH)

    def ink(*what: str, **options: Any) -> np.ndarray:
        return face.drawn(black, whole, what, **options)[:, :, 0]

    assert ink("box")[83, 200] > 0.4
    assert ink("box")[130, 225] == 0
    for name in ("points", "landmarks", "mesh"):
        x, y = POINTS[3].astype(int)  # the corner of the mouth is in each of them
        assert ink(name)[y - 2 : y + 3, x - 2 : x + 3].max() > 0.5, name
    x, y = POINTS[2].astype(int)
    assert ink("points")[y, x] > 0.9
    assert ink("landmarks")[y - 25 : y - 5, x - 3 : x + 4].max(axis=1).min() > 0.3  # the bridge of the nose
    assert ink("mesh")[y - 25 : y - 5, x - 3 : x + 4].max() == 0
    number = ink("number")
    assert number[83:110, 177:200].max() > 0.9
    assert number[115:].max() == 0
    assert ink().max() == 0
    assert ink("box", width=9)[80:87, 200].min() > 0.9
    levels = np.unique((ink("landmarks") * 255).round())
    assert len(levels) > 30  # smooth lines


def test_drawing_takes_colours_kinds_and_faces_that_know_little(astronaut):
    photo = face.drawn("sample:astronaut", [Face(BOX), FULL], color="#ff0000")
    assert isinstance(photo, Image.Image)
    assert np.asarray(photo)[83, 230].tolist()[0] > 200
    assert np.asarray(photo)[83, 230].tolist()[1] < 100
    thick = face.drawn(np.zeros((1500, 1500, 3), np.float32), Face((100, 100, 900, 900)), "box")
    assert (thick[500, 90:110, 0] > 0.6).sum() == 4  # a 300th of the side
    clear = np.zeros((64, 64, 4), np.float32)
    made = face.drawn(clear, Face((10, 10, 50, 50)), "box")
    assert made[10, 30, 3] > 0.4
    assert made[30, 30, 3] == 0
    np.testing.assert_array_equal(face.drawn(astronaut, []), astronaut)
    np.testing.assert_array_equal(face.drawn(astronaut, Face((-100, -100, 900, 900)), "box"), astronaut)
    with pytest.raises(UnknownName, match="landmarks"):
        face.drawn(astronaut, FULL, "landmark")
    with pytest.raises(BadValue, match="colour"):
        face.drawn(astronaut, FULL, color="blurple")


@pytest.mark.parametrize("known", ["mesh", "landmarks", "points"])
def test_the_same_face_from_another_picture_fits_in(astronaut, known):
    """Turned, larger and in other colours; once it is back, the picture is almost what it was."""
    angle, factor = 0.25, 1.7
    turn = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, (150, -60)])
    index = np.column_stack([turn, matrix[:, 2] + turn @ (0.5, 0.5) - 0.5])
    other = cv2.warpAffine(astronaut, index, (700, 600), flags=cv2.INTER_CUBIC).clip(0, 1)
    other = 0.1 + 0.6 * color.hue(other, 0.4)
    seen = KNOWN[known]
    made = face.swapped(astronaut, seen, other, seen.transformed(matrix))
    inside = face.mask(seen, (512, 512), feather=0)((512, 512))[:, :, 0] > 0
    plain = face.swapped(astronaut, seen, other, seen.transformed(matrix), match=0)
    errors = [np.abs(each - astronaut)[100:160, 200:250].mean() for each in (made, plain)]
    assert errors[0] < 0.04
    assert errors[1] > 3 * errors[0]
    np.testing.assert_array_equal(made[~inside], astronaut[~inside])


def test_a_swapped_face_is_the_other_one(astronaut):
    """White discs on the other's eyes come to lie on this one's eyes."""
    other = np.full((400, 300, 3), 0.4, np.float32)
    there = FULL.scaled(1.5).moved(-180, -50)
    for x, y in there.eyes.tolist():
        cv2.circle(other, (round(x - 0.5), round(y - 0.5)), 6, (1.0, 1.0, 1.0), -1)
    made = face.swapped(astronaut, FULL, other, there, match=0)
    for x, y in FULL.eyes.astype(int).tolist():
        assert made[y, x].min() > 0.95
    x, y = FULL.eyes.mean(axis=0).astype(int)
    np.testing.assert_allclose(made[y, x], 0.4, atol=0.02)
    photo = face.swapped(image.to_picture(astronaut), FULL, other, there)
    assert isinstance(photo, Image.Image)


def test_faces_that_have_nothing_in_common_cannot_be_exchanged(astronaut):
    with pytest.raises(BadValue, match="both"):
        face.swapped(astronaut, KNOWN["points"], astronaut, KNOWN["landmarks"])
    with pytest.raises(BadValue, match="outside"):
        face.swapped(astronaut, FULL.moved(2000, 0), astronaut, FULL)
    with pytest.raises(TooLarge, match="40000x60"):
        face.swapped(astronaut, FULL, np.zeros((60, 40_000, 3), np.float32), FULL.scaled(0.3))


def test_a_face_whose_places_are_on_one_line_has_no_outline(astronaut):
    dot = Face(BOX, points=np.full((5, 2), 200))
    line = Face(BOX, landmarks=np.column_stack([np.linspace(180, 260, 68), np.full(68, 130)]))
    for flat in (dot, line):
        with pytest.raises(BadValue, match="on one line"):
            face.mask(flat, (512, 512))
        with pytest.raises(BadValue, match="on one line"):
            face.swapped(astronaut, flat, astronaut, flat)
        assert np.abs(face.hidden(astronaut, flat) - astronaut)[90:170, 185:265].mean() > 0.01
