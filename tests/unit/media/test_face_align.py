"""Eyes come to lie where they are asked for, whatever the picture was; and what was cut out can be put back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from figures import Figures
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import face, image
from ml4a.media.face import Face
from ml4a.media.face._sampling import Border

MESH = Figures("face_geometry")["mesh"]
SEVERAL: Any = [Face((177, 83, 273, 178), mesh=MESH)]
BORDERS: tuple[Border, ...] = ("black", "transparent", "clamp", "mirror")
FOUND = Face((177, 83, 273, 178), mesh=MESH)


@pytest.fixture(scope="module")
def astronaut():
    return image.to_array("sample:astronaut")


def turned(array: np.ndarray, angle: float, factor: float) -> tuple[np.ndarray, Face]:
    """A picture turned and scaled around its middle by OpenCV, and the face in it."""
    size = round(512 * factor), round(512 * factor)
    matrix = cv2.getRotationMatrix2D((255.5, 255.5), angle, factor)
    matrix[:, 2] += (np.array(size) - 1) / 2 - 255.5
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    small = cv2.GaussianBlur(array, (0, 0), 0.5 / factor) if factor < 1 else array
    made = cv2.warpAffine(small, matrix, size, flags=how if factor >= 1 else cv2.INTER_LINEAR).clip(0, 1)
    half = matrix.copy()  # the same map of places whose pixels' middles are at halves
    half[:, 2] += 0.5 - half[:, :2] @ np.array([0.5, 0.5])
    return made, FOUND.transformed(half)


@pytest.mark.parametrize(("angle", "factor"), [(0, 1), (25, 1), (-40, 1.5), (160, 0.7)])
@pytest.mark.parametrize(("size", "eye"), [(192, face.EYE), ((160, 200), (0.3, 0.4))])
def test_eyes_land_where_they_are_asked_for(astronaut, angle, factor, size, eye):
    """By the matrix, and in the pixels: the aligned picture is the same however the given one was turned."""
    width, height = (size, size) if isinstance(size, int) else size
    picture, found = turned(astronaut, angle, factor)
    landed = found.transformed(face.alignment(found.eyes, size, eye)).eyes
    due = np.array([(eye[0] * width, eye[1] * height), ((1 - eye[0]) * width, eye[1] * height)])
    assert np.abs(landed - due).max() < 0.01
    made = face.aligned(picture, found, size, eye=eye)
    assert made.shape == (height, width, 3)
    plain = face.aligned(astronaut, FOUND, size, eye=eye)
    middle = slice(height // 3, 2 * height // 3), slice(width // 4, 3 * width // 4)
    shift, _ = cv2.phaseCorrelate(*(cv2.cvtColor(each[middle], cv2.COLOR_RGB2GRAY) for each in (plain, made)))
    assert np.linalg.norm(shift) < 0.3


def test_shrinking_does_not_alias():
    """A chessboard of single pixels becomes grey; looked up without a filter it would be patches of black and white."""
    board = (np.indices((512, 512)).sum(axis=0) % 2).astype(np.float32)[:, :, None].repeat(3, axis=2)
    made = face.aligned(board, FOUND.scaled(1.0), 48, border="mirror")
    inside = made[10:40, 10:40]
    assert np.abs(inside - 0.5).max() < 0.05
    sharp = face.aligned(board, FOUND, 48, classic=True)[10:40, 10:40]
    assert sharp.std() > 0.2


def test_every_kind_of_picture_comes_back_as_it_came(astronaut):
    torch = pytest.importorskip("torch")
    photo = image.to_picture(astronaut)
    assert face.aligned(photo, FOUND, 64).size == (64, 64)
    tensor = face.aligned(torch.from_numpy(astronaut.transpose(2, 0, 1).copy()), FOUND, 64)
    assert tuple(tensor.shape) == (3, 64, 64)
    assert np.abs(tensor.numpy().transpose(1, 2, 0) - face.aligned(astronaut, FOUND, 64)).max() == 0
    clear = np.dstack([astronaut, np.linspace(0, 1, 512, dtype=np.float32)[:, None].repeat(512, axis=1)])
    made = face.aligned(clear, FOUND, 64)
    assert made.shape == (64, 64, 4)
    assert made[20, 32, 3] < made[50, 32, 3] < 0.5


def test_beyond_the_picture_is_what_the_border_says(astronaut):
    crop, found = astronaut[80:200, 170:300], FOUND.moved(-170, -80)
    made = {name: face.aligned(crop, found, 256, border=name) for name in BORDERS}
    corner = {name: each[4, 4] for name, each in made.items()}
    assert corner["black"].tolist() == [0, 0, 0]
    assert corner["transparent"].shape == (4,)
    assert corner["transparent"][3] == 0
    assert corner["clamp"].min() > 0.05
    assert corner["mirror"].min() > 0.05
    assert np.abs(corner["clamp"] - corner["mirror"]).max() > 0
    middle = [each[100:150, 100:150, :3] for each in made.values()]
    assert all(np.abs(each - middle[0]).max() < 1e-5 for each in middle)
    with pytest.raises(BadValue, match="border"):
        face.aligned(crop, found, 64, border="wrap")  # pyright: ignore[reportArgumentType]


def test_a_face_goes_back_where_it_was(astronaut):
    where = face.alignment(FOUND.eyes, 256)
    portrait = face.aligned(astronaut, FOUND, 256, border="mirror")
    back = face.pasted(astronaut, portrait, where)
    off = face.pasted(astronaut, portrait, where + np.array([[0, 0, 0.75], [0, 0, 0.75]]))
    errors = [float(np.abs(each - astronaut)[60:180, 170:280].mean()) for each in (back, off)]
    assert errors[0] < 0.008 < 2 * errors[0] < errors[1]
    changed = face.pasted(astronaut, 1 - portrait, where)
    assert np.abs(changed - (1 - astronaut))[100:150, 200:250].mean() < 0.01
    outside = np.ones((512, 512), bool)
    outside[5:215, 125:325] = False
    np.testing.assert_array_equal(changed[outside], astronaut[outside])


def test_pasting_is_soft_at_the_rim_and_keeps_to_the_mask(astronaut):
    where = face.alignment(FOUND.eyes, 128)
    white = np.ones((128, 128, 3), np.float32)
    black = np.zeros_like(astronaut)
    seen = face.pasted(black, white, where)[:, :, 0]
    soft = (seen > 0.02) & (seen < 0.98)
    assert 0.1 < soft.sum() / (seen > 0.02).sum() < 0.6
    assert np.abs(np.diff(seen, axis=1)).max() < 0.2
    half = np.zeros((128, 128), np.float32)
    half[:, :64] = 1
    left = face.pasted(black, white, where, half)[:, :, 0]
    middle = int(FOUND.eyes[:, 0].mean())
    assert left[110, middle - 15] == pytest.approx(1, abs=0.02)
    assert left[110, middle + 15] == pytest.approx(0, abs=0.02)
    clear = np.dstack([white, half])
    np.testing.assert_allclose(face.pasted(black, clear, where, np.ones((128, 128)))[:, :, 0], left, atol=1e-6)
    photo = face.pasted(Image.new("RGBA", (512, 512), (0, 0, 0, 9)), white, where)
    assert photo.mode == "RGBA"
    assert set(np.unique(np.asarray(photo)[:, :, 3])) == {9}
    far = face.alignment(FOUND.moved(5000, 0).eyes, 128)
    np.testing.assert_array_equal(face.pasted(astronaut, white, far), astronaut)


def test_an_ffhq_portrait_goes_back_too(astronaut):
    where = face.ffhq_alignment(FOUND, 256)
    portrait = face.ffhq(astronaut, FOUND, 256)
    landed = FOUND.transformed(where)
    assert landed.eyes[:, 1] == pytest.approx(landed.eyes[:, 1].mean(), abs=6)
    assert abs(landed.eyes[:, 0].mean() - 128) < 4
    assert np.abs(face.pasted(astronaut, portrait, where) - astronaut)[60:180, 170:280].mean() < 0.008


def test_an_ffhq_portrait_has_no_black_corners(astronaut):
    """A white wall that ends close to the face goes on."""
    bright = 0.5 + astronaut[80:200, 170:300] / 2
    made = face.ffhq(bright, FOUND.moved(-170, -80), 128)
    assert made.shape == (128, 128, 3)
    assert made.min() > 0.4
    rim = np.concatenate([made[:8].reshape(-1, 3), made[:, :8].reshape(-1, 3)])
    assert rim.std() < 0.6 * made[40:90, 40:90].std()  # and fades


def test_a_face_of_less_than_a_pixel_at_the_border_has_a_portrait_too(astronaut):
    speck = FOUND.moved(-225, -120).scaled(0.005).moved(1, 1)
    made = face.ffhq(astronaut, speck, 32)
    assert np.abs(made - astronaut[1, 1]).max() < 0.2


@pytest.mark.parametrize(
    "call",
    [
        lambda a: face.alignment(np.zeros((2, 2))),
        lambda a: face.alignment(np.zeros(4)),
        lambda a: face.alignment(FOUND.eyes, 0),
        lambda a: face.alignment(FOUND.eyes, 64, (0.6, 0.5)),
        lambda a: face.alignment(FOUND.eyes, 64, (0.3, np.nan)),
        lambda a: face.aligned(a, Face((0, 0, 1, 1))),
        lambda a: face.aligned(a, SEVERAL),
        lambda a: face.ffhq(a, SEVERAL),
        lambda a: face.swapped(a, FOUND, a, SEVERAL),
        lambda a: face.pasted(a, a, np.zeros((2, 3))),
        lambda a: face.pasted(a, a, np.eye(3)),
        lambda a: face.pasted(a, a, np.full((2, 3), np.nan)),
        lambda a: face.ffhq(a, Face((0, 0, 1, 1))),
        lambda a: face.ffhq(a, FOUND.moved(9000, 0), 64),
        lambda a: face.ffhq(a, FOUND, 0),
        lambda a: face.at_width(a, 0),
    ],
)
def test_what_cannot_be_aligned_is_refused(astronaut, call):
    with pytest.raises(BadValue):
        call(astronaut)
