"""Crops around faces, and pairs of landmarks and photographs, with real weights."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tiers import quick

from ml4a._core.errors import BadMedia, BadValue
from ml4a.dataset import faces
from ml4a.media import image

pytestmark = pytest.mark.xdist_group("face")

BOX = (180.6, 60.8, 269.3, 173.5)
"""Of the astronaut's face in her photograph."""
HEIGHT = BOX[3] - BOX[1]
GREY = (90, 100, 110)


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return image.sample("astronaut")


@pytest.fixture(scope="module")
def head(astronaut) -> Image.Image:
    return astronaut.crop((96, 0, 352, 256))


@pytest.fixture(scope="module")
def pair() -> faces.LandmarkPair:
    return faces.LandmarkPair(size=(256, 256))


@pytest.fixture(scope="module")
def film(head) -> list[Image.Image]:
    """She moves to the right by 16 pixels a frame; in the third frame she is not there."""
    small = head.resize((128, 128), Image.Resampling.LANCZOS)
    frames = []
    for number in range(5):
        frame = Image.new("RGB", (240, 140), GREY)
        if number != 2:
            frame.paste(small, (16 * number, 10))
        frames.append(frame)
    return frames


def place_of(part: Image.Image, whole: Image.Image) -> tuple[int, int]:
    """Where a crop comes from."""
    import cv2

    found = cv2.matchTemplate(np.asarray(whole), np.asarray(part), cv2.TM_SQDIFF)
    _, _, place, _ = cv2.minMaxLoc(found)
    return place[0], place[1]


@pytest.mark.parametrize(("crop", "ratio"), quick([(0.5, 2.0), (0.5, 1.0), (0.8, 1.0), (0.7, 0.5)], rows=True))
def test_a_crop_is_around_the_face_and_in_its_shape(astronaut, crop, ratio):
    cut = faces.FaceCrop(crop=crop, ratio=ratio)(astronaut)
    assert isinstance(cut, Image.Image)
    width = max(HEIGHT * ratio, BOX[2] - BOX[0]) / crop
    assert cut.size == pytest.approx((width, width / ratio), abs=4)
    left, top = place_of(cut, astronaut)
    assert left + cut.width / 2 == pytest.approx((BOX[0] + BOX[2]) / 2, abs=3)
    # Above her head there is not so much room as below: the crop is moved down, without a black edge.
    assert top == pytest.approx(max(0, (BOX[1] + BOX[3]) / 2 - cut.height / 2), abs=3)


@pytest.mark.slow
def test_what_does_not_fit_is_made_smaller_in_its_shape(astronaut):
    cut = faces.FaceCrop(crop=0.05, ratio=2.0)(image.to_array(astronaut))
    assert isinstance(cut, np.ndarray)
    assert cut.shape == (256, 512, 3)
    np.testing.assert_array_equal(cut, image.to_array(astronaut)[:256])


@pytest.mark.slow
def test_a_crop_follows_a_face_as_fast_as_it_is_told_to(film):
    places = {}
    for smooth in (1.0, 0.25):
        crop = faces.FaceCrop(crop=0.6, smooth=smooth)
        cuts = [crop(frame) for frame in film]
        assert [cut is None for cut in cuts] == [False, False, True, False, False]
        places[smooth] = [place_of(cut, frame)[0] for cut, frame in zip(cuts, film, strict=True) if cut is not None]
    at_once = np.subtract(places[1.0], places[1.0][0])
    np.testing.assert_allclose(at_once, [0, 16, 48, 64], atol=5)
    slowly, expected = np.subtract(places[0.25], places[0.25][0]), 0.0
    for found, wanted in zip(slowly[1:], at_once[1:], strict=True):
        expected += 0.25 * (wanted - expected)
        assert found == pytest.approx(expected, abs=2)


def test_without_a_crop_pictures_without_a_face_are_left_out(film):
    keep = faces.FaceCrop()
    assert keep(film[0]) is film[0]
    assert keep(film[2]) is None


def test_a_pair_is_a_drawing_that_lies_on_the_photograph(pair, astronaut):
    found = pair(astronaut)
    assert found is not None
    drawing, photo = found
    assert drawing.shape == photo.shape == (256, 256, 3)
    assert photo.dtype == drawing.dtype == np.float32
    assert set(np.unique(drawing)) == {0.0, 1.0}
    # Half of the crop is the face, from brows to chin somewhat less, in the middle.
    rows, columns = np.nonzero(drawing.any(axis=2))
    assert rows.max() - rows.min() == pytest.approx(110, abs=20)
    assert (columns.max() + columns.min()) / 2 == pytest.approx(128, abs=16)

    def mean(color: tuple[int, int, int]) -> np.ndarray:
        return photo[(drawing == color).all(axis=2)].mean(axis=0)

    skin, lips, teeth, eyes = map(mean, ((1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)))
    background = mean((0, 0, 0))
    assert skin[0] > skin[2] + 0.15  # skin is warm, teeth are not so much, eyes are darker than skin
    assert lips[0] - lips[1] > skin[0] - skin[1]
    assert teeth[1] > lips[1] + 0.02
    assert eyes.mean() < skin.mean() - 0.1
    assert abs(background[0] - background[2]) < skin[0] - skin[2]


def test_the_drawing_has_its_colours_where_the_landmarks_are():
    landmarks = np.zeros((68, 2))
    angles = np.linspace(np.pi, 0, 17)
    landmarks[:17] = np.column_stack([100 + 80 * np.cos(angles), 100 + 90 * np.sin(angles)])
    landmarks[17:22] = np.column_stack([np.linspace(30, 80, 5), np.full(5, 60)])
    landmarks[22:27] = np.column_stack([np.linspace(120, 170, 5), np.full(5, 60)])
    landmarks[27:31] = np.column_stack([np.full(4, 100), np.linspace(80, 110, 4)])
    landmarks[31:36] = np.column_stack([np.linspace(85, 115, 5), np.full(5, 125)])
    for first, x in ((36, 55), (42, 145)):
        turn = np.linspace(0, 2 * np.pi, 6, endpoint=False)
        landmarks[first : first + 6] = np.column_stack([x + 15 * np.cos(turn), 80 + 8 * np.sin(turn)])
    for first, count, radius in ((48, 12, 30), (60, 8, 15)):
        turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
        landmarks[first : first + count] = np.column_stack(
            [100 + radius * np.cos(turn), 155 + radius / 2 * np.sin(turn)]
        )
    made = faces.drawing(landmarks, (200, 220))
    assert made.shape == (220, 200, 3)
    expected = {
        (5, 5): (0, 0, 0), (100, 70): (1, 1, 1), (55, 80): (0, 0, 1), (145, 80): (0, 0, 1), (100, 120): (0, 1, 1),
        (100, 155): (0, 1, 0), (100, 143): (1, 0, 0), (50, 60): (1, 0, 1), (150, 60): (1, 0, 1), (100, 95): (1, 1, 0),
    }  # fmt: skip
    for (x, y), color in expected.items():
        assert tuple(made[y, x]) == color, (x, y)
    with pytest.raises(BadValue, match="68 landmarks"):
        faces.drawing(landmarks[:5], (10, 10))


@pytest.mark.slow
def test_only_pictures_with_the_wanted_number_of_faces_make_pairs(head):
    three = Image.new("RGB", (600, 260), GREY)
    sides = {(10, 10): 200, (230, 40): 170, (420, 10): 180}
    for place, side in sides.items():
        three.paste(head.resize((side, side), Image.Resampling.LANCZOS), place)
    pair = faces.LandmarkPair(size=(512, 256), count=3, which="middle", span=True)
    assert pair(head) is None
    found = pair(three)
    assert found is not None
    drawing, photo = found
    # From the left side of the first face to the right side of the last: what is drawn is in the second one.
    left, right = 10 + (BOX[0] - 96) / 256 * 200, 420 + (BOX[2] - 96) / 256 * 180
    scale = 512 / (right - left)
    columns = np.nonzero(drawing.any(axis=(0, 2)))[0]
    middle = 230 + ((BOX[0] + BOX[2]) / 2 - 96) / 256 * 170
    assert columns.mean() == pytest.approx((middle - left) * scale, abs=12)
    assert columns.max() - columns.min() < 120
    below = photo[250, 5 : int((230 - left) * scale) - 5]
    np.testing.assert_allclose(below, np.broadcast_to(np.array(GREY) / 255, below.shape), atol=0.05)


@pytest.mark.slow
def test_lines_are_white_on_black_and_in_the_size_of_the_picture(head, film):
    draw = faces.lines()
    made = draw(image.to_array(head))
    assert made.shape == (256, 256, 3)
    rows, columns = np.nonzero(made[:, :, 0] > 0.5)
    assert 300 < rows.size < 2500
    assert (columns.min(), columns.max()) == pytest.approx((BOX[0] - 96, BOX[2] - 96), abs=15)
    assert (rows.min(), rows.max()) == pytest.approx((BOX[1], BOX[3]), abs=35)
    with pytest.raises(BadMedia, match="no face"):
        draw(image.to_array(film[2]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 0}, "crop"), ({"crop": 1.5}, "crop"), ({"smooth": 0}, "smooth"), ({"ratio": -1}, "ratio"),
        ({"smooth": "1"}, "smooth"), ({"crop": float("nan")}, "crop"),
    ],
)  # fmt: skip
def test_numbers_out_of_bounds_are_told_of(options, message):
    with pytest.raises(BadValue, match=message):
        faces.FaceCrop(**options)


@pytest.mark.parametrize(
    "options", [{"size": (0, 10)}, {"crop": 2.0}, {"which": "left"}, {"which": "middle", "target": "sample:astronaut"}]
)
def test_pairs_that_cannot_be_are_told_of(options):
    with pytest.raises(BadValue):
        faces.LandmarkPair(**options)


@pytest.mark.slow
def test_one_pair_can_be_had_without_keeping_anything(head):
    found = faces.landmark_pair(head, size=(64, 48))
    assert found is not None
    assert [each.shape for each in found] == [(48, 64, 3)] * 2
    assert faces.landmark_pair(Image.new("RGB", (64, 64), GREY)) is None


@pytest.mark.slow
@pytest.mark.xdist_group("dlib")
def test_the_person_of_the_target_is_followed_and_nobody_else(astronaut, head):
    cameraman = image.sample("camera").convert("RGB").crop((150, 70, 310, 230))
    both = Image.new("RGB", (700, 420), GREY)
    both.paste(cameraman.resize((400, 400), Image.Resampling.LANCZOS), (10, 10))  # the larger face
    both.paste(head.resize((200, 200), Image.Resampling.LANCZOS), (450, 100))
    largest = faces.FaceCrop(crop=0.6)(both)
    hers = faces.FaceCrop(astronaut, crop=0.6)(both)
    assert largest is not None
    assert hers is not None
    assert place_of(largest, both)[0] < 400 < place_of(hers, both)[0]
    assert faces.FaceCrop(astronaut, crop=0.6)(cameraman) is None
    drawn = faces.lines(astronaut)(image.to_array(both))
    assert np.nonzero(drawn.any(axis=(0, 2)))[0].min() > 450
    with pytest.raises(BadMedia, match="target"):
        faces.FaceCrop(Image.new("RGB", (100, 100), GREY), crop=0.5)


@pytest.mark.slow
def test_areas_lie_where_the_face_is_in_the_picture(head, film):
    draw = faces.areas()
    made = draw(image.to_array(head))
    assert made.shape == (256, 256, 3)
    assert set(np.unique(made)) == {0.0, 1.0}
    white = (made == 1).all(axis=2)
    rows, columns = np.nonzero(white)
    assert (columns.min(), columns.max()) == pytest.approx((BOX[0] - 96, BOX[2] - 96), abs=15)
    assert rows.max() == pytest.approx(BOX[3], abs=15)
    with pytest.raises(BadMedia, match="no face"):
        draw(image.to_array(film[2]))
