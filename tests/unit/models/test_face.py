"""The faces' model with real weights: found, shown, aligned, hidden, followed."""

from __future__ import annotations

import subprocess
import sys

import certain_s3fd
import checkpoints
import numpy as np
import pytest
from PIL import Image, ImageOps

import ml4a
from ml4a import weights
from ml4a._core.errors import BadMedia, BadValue
from ml4a.media import image, provenance, video
from ml4a.media.face import Face
from ml4a.models import _mtcnn
from ml4a.models._face_parts import parsed

pytestmark = pytest.mark.xdist_group("face")

BOX = (180.6, 60.8, 269.3, 173.5)
LARGE = {"smallest": 0.2}
"""Looking for large faces only is quicker."""
EYES = np.array([(205.0, 101.7), (246.8, 103.7)])


@pytest.fixture(scope="module")
def faces():
    return ml4a.load("face")


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return image.sample("astronaut")


@pytest.fixture(scope="module")
def portrait(astronaut) -> Image.Image:
    """Head and shoulders: quicker than the whole."""
    return astronaut.crop((96, 0, 352, 256))


GROUP = {(10, 10): 240, (260, 20): 120, (400, 10): 180, (270, 160): 80}
"""Where she is pasted, and how large."""


@pytest.fixture(scope="module")
def group(portrait) -> Image.Image:
    picture = Image.new("RGB", (600, 260), (90, 100, 110))
    for place, side in GROUP.items():
        picture.paste(portrait.resize((side, side), Image.Resampling.LANCZOS), place)
    return picture


def within(face: Face, box) -> bool:
    return box[0] < face.box[0] and box[1] < face.box[1] and face.box[2] < box[2] and face.box[3] < box[3]


def detail(array: np.ndarray) -> float:
    """The energy of what changes from pixel to pixel."""
    return float(np.square(np.diff(array, axis=0)[:, :-1]).mean() + np.square(np.diff(array, axis=1)[:-1]).mean())


def test_the_astronaut_is_found_with_her_eyes(faces, astronaut):
    (face,) = faces(astronaut)
    assert isinstance(face, Face)
    np.testing.assert_allclose(face.box, BOX, atol=1.5)
    np.testing.assert_allclose(face.eyes, EYES, atol=1.5)
    assert face.score > 0.99
    assert face.mesh is None
    assert face.landmarks is None


def test_all_of_a_group_are_found_the_largest_first(faces, group):
    found = faces(group)
    assert len(found) == len(GROUP)
    assert [each.area for each in found] == sorted((each.area for each in found), reverse=True)
    for each, ((x, y), side) in zip(found, sorted(GROUP.items(), key=lambda item: -item[1]), strict=True):
        assert within(each, (x, y, x + side, y + side))
    assert faces(group, most=2) == found[:2]


def test_smaller_faces_than_are_looked_for_are_not_found(faces, group):
    counts = [len(faces(group, smallest=share)) for share in (0.04, 0.4, 0.8)]
    assert counts[0] == 4 > counts[1] > counts[2]


def test_the_threshold_is_how_sure_it_must_be(faces):
    camera = image.sample("camera")  # in profile
    likely = faces(camera, threshold=0.5)
    assert likely
    score = likely[0].score
    assert len(faces(camera, threshold=min(score + 0.001, 0.9999))) < len(likely)


@pytest.mark.parametrize("turns", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_turned_faces_are_found_where_they_are(faces, portrait, turns):
    upright = faces(portrait, **LARGE)[0]
    turned = portrait.rotate(90 * turns)
    (face,) = faces(turned, turned=True, **LARGE)
    places = upright.points
    for _ in range(turns):
        places = np.column_stack([places[:, 1], 256 - places[:, 0]])
    np.testing.assert_allclose(face.points, places, atol=0.01)
    assert not any(np.allclose(each.points, places, atol=5) for each in faces(turned, **LARGE))


def test_an_upright_face_is_found_once_among_all_turns(faces, group):
    assert faces(group, turned=True, **LARGE) == faces(group, **LARGE)


@pytest.mark.parametrize("kind", ["grey", "alpha", pytest.param("array", marks=pytest.mark.slow), "tensor"])
def test_the_kind_of_picture_does_not_matter(faces, portrait, kind):
    import torch

    array = np.asarray(portrait, np.float32) / 255
    pictures = {
        "grey": portrait.convert("L"),
        "alpha": portrait.convert("RGBA"),
        "array": array,
        "tensor": torch.from_numpy(array.transpose(2, 0, 1).copy()),
    }
    (face,) = faces(pictures[kind], **LARGE)
    np.testing.assert_allclose(face.points, faces(portrait, **LARGE)[0].points, atol=2 if kind == "grey" else 1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (12, 12), (40, 30)])
def test_in_pictures_of_any_size_where_nobody_is_there_are_no_faces(faces, size):
    noise = np.random.default_rng(1).random((size[1], size[0], 3)).astype(np.float32)
    assert faces(noise, smallest=0.005) == []
    assert np.array_equal(faces.show(noise), noise)
    assert np.array_equal(faces.hide(noise), noise)
    with pytest.raises(BadMedia, match="no face was found in the picture; look for smaller"):
        faces.align(noise)


def test_a_face_at_the_edge_is_found(faces, portrait):
    cut = portrait.crop((100, 40, 256, 256))  # without her left cheek
    (face,) = faces(cut, threshold=0.5)
    assert face.box[0] < 5


@pytest.mark.parametrize("points", ["five", pytest.param("68", marks=pytest.mark.slow), "mesh"])
def test_what_is_wanted_of_a_face_is_found_and_drawn(faces, portrait, points):
    if points != "five":
        pytest.importorskip("ai_edge_litert", reason="the mesh needs ai-edge-litert")
    (face,) = faces(portrait, points=points)
    assert (face.landmarks is not None, face.mesh is not None) == (points == "68", points == "mesh")
    np.testing.assert_allclose(face.eyes, EYES - (96, 0), atol=3)
    shown = np.asarray(faces.show(portrait, points=points, color="#00ff00"))
    drawn = (shown != np.asarray(portrait)).any(axis=2)
    assert drawn[60:175, 84:174].sum() > 200
    if points == "five":
        assert drawn[int(face.eyes[0, 1]), int(face.eyes[0, 0])]
    assert not drawn[:, 200:].any()


def test_numbers_are_drawn_if_they_are_asked_for(faces, portrait):
    plain, numbered = faces.show(portrait, **LARGE), faces.show(portrait, numbers=True, **LARGE)
    assert not np.array_equal(np.asarray(plain), np.asarray(numbered))


@pytest.mark.parametrize(("angle", "size"), [pytest.param(0, 128, marks=pytest.mark.slow), (25, 300)])
def test_aligned_eyes_are_where_they_are_asked_for(faces, portrait, angle, size):
    aligned = faces.align(portrait.rotate(angle, Image.Resampling.BICUBIC), size=size, **LARGE)
    assert aligned.size == (size, size)
    (face,) = faces(aligned, **LARGE)
    np.testing.assert_allclose(face.eyes / size, [(0.371, 0.480), (0.629, 0.480)], atol=0.02)


def test_the_crop_of_ffhq_has_the_eyes_higher(faces, portrait):
    aligned = faces.align(portrait, layout="ffhq", **LARGE)
    (face,) = faces(aligned, **LARGE)
    assert aligned.size == (256, 256)
    assert 0.4 < face.eyes[:, 1].mean() / 256 < 0.5
    assert not np.array_equal(np.asarray(aligned), np.asarray(faces.align(portrait, **LARGE)))


def test_which_face_is_aligned_can_be_chosen(faces, group):
    first, second = faces.align(group, **LARGE), faces.align(group, face=1, **LARGE)
    assert not np.array_equal(np.asarray(first), np.asarray(second))
    with pytest.raises(BadValue, match=r"face must be 0 to [1-3]"):
        faces.align(group, face=4, **LARGE)


@pytest.mark.parametrize(
    "how", ["blur", pytest.param("pixelate", marks=pytest.mark.slow), pytest.param("fill", marks=pytest.mark.slow)]
)
def test_hidden_faces_have_no_detail_and_nothing_else_changes(faces, group, how):
    before = np.asarray(group, np.float32) / 255
    after = faces.hide(before, how=how)
    for face in faces(group):
        x1, y1, x2, y2 = (round(edge) for edge in face.box)
        assert detail(after[y1:y2, x1:x2]) < 0.4 * detail(before[y1:y2, x1:x2])
        margin = 0.6 * (x2 - x1)
        around = [slice(max(0, int(low - margin)), int(high + margin)) for low, high in ((y1, y2), (x1, x2))]
        before[around[0], around[1]] = after[around[0], around[1]]
    assert np.array_equal(before, after)
    assert faces(after) == []


def test_the_record_tells_how_a_face_was_hidden(faces, portrait):
    record = provenance.record_of(faces.hide(portrait, how="pixelate", threshold=0.8))
    assert record is not None
    assert (record.model, record.operation, record.weights) == ("face", "hide", "mtcnn")
    assert set(record.digests) == {"pnet", "rnet", "onet"}
    assert record.parameters["how"] == "pixelate"
    assert record.parameters["threshold"] == 0.8


def test_crops_are_the_faces_with_a_margin_within_the_picture(faces, group):
    found = faces(group, **LARGE)
    tight, wide = faces.crops(group, 0, **LARGE), faces.crops(group, 0.5, **LARGE)
    boxes = [[round(edge) for edge in each.box] for each in found]
    assert [each.size for each in tight] == [(x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes]
    assert all(a.width < b.width and a.height < b.height for a, b in zip(tight, wide, strict=True))
    assert np.array_equal(np.asarray(tight[0]), np.asarray(group.crop(boxes[0])))
    with pytest.raises(BadValue, match="margin"):
        faces.crops(group, -1)


def test_the_parts_of_a_face_are_where_the_face_is(portrait, faces, tmp_path):
    parser = checkpoints.load("face_parsing", tmp_path)
    pixels = image.to_array(ImageOps.expand(portrait, 200))
    (face,) = faces(pixels)
    found = parsed(parser, pixels, face, 128)
    assert found.size == (656, 656)
    seen = found.labels >= 0
    assert not seen[:100].any()
    assert not seen[:, :100].any()
    assert seen[280:380, 280:380].all()
    upright = parser(ml4a.face.ffhq(pixels, face, 128), size=128).labels
    matrix = ml4a.face.ffhq_alignment(face, 128)
    rows, columns = np.nonzero(seen)
    x, y = (np.column_stack([columns + 0.5, rows + 0.5]) @ matrix[:, :2].T + matrix[:, 2]).T
    same = found.labels[rows, columns] == upright[y.clip(0, 127).astype(int), x.clip(0, 127).astype(int)]
    assert same.mean() > 0.99


def test_each_face_has_its_parts(group, tmp_path, monkeypatch):
    faces = ml4a.load("face")
    monkeypatch.setenv("ML4A_HOME", str(tmp_path / "home"))
    name = next(iter(checkpoints.of("face_parsing").SMALL))
    checkpoints.install("face_parsing", name, checkpoints.write("face_parsing", name, tmp_path, small=True))
    found = faces.parts(group, size=64, most=2, **LARGE)
    assert [each.size for each in found] == [group.size] * 2
    assert (found[0].labels >= 0)[:, 100].any()
    assert not (found[1].labels >= 0)[:, 100].any()


def still(faces, portrait, count=8):
    """She stands still; noise and light make the detector tremble."""
    random = np.random.default_rng(7)
    clean = np.asarray(portrait, np.float32) / 255
    return [(clean + random.normal(0, 0.05, clean.shape)).clip(0, 1).astype(np.float32) for _ in range(count)]


@pytest.mark.slow
def test_in_a_film_points_tremble_less(faces, portrait):
    frames = still(faces, portrait)
    film = faces.for_film()
    followed = np.stack([film(frame, **LARGE)[0].points for frame in frames])
    alone = np.stack([faces(frame, **LARGE)[0].points for frame in frames])
    assert np.abs(np.diff(followed, axis=0)).mean() < 0.6 * np.abs(np.diff(alone, axis=0)).mean()
    np.testing.assert_allclose(followed[-1], alone.mean(axis=0), atol=1.0)


def test_the_crop_of_a_film_stays_where_nobody_is(faces, portrait):
    film = faces.for_film()
    frame = np.asarray(portrait, np.float32) / 255
    first = film.align(frame, **LARGE)
    np.testing.assert_allclose(film.align(frame, **LARGE), first, atol=1e-3)
    empty = np.zeros_like(frame)
    empty[:, ::8] = 1  # stripes show where the crop is
    lasting = [film.align(empty, **LARGE) for _ in range(10)]
    assert np.array_equal(lasting[0], lasting[-1])
    assert not np.array_equal(lasting[0], faces.for_film().align(empty, **LARGE))
    np.testing.assert_allclose(film.align(frame, **LARGE), first, atol=0.05)


def test_before_anybody_comes_the_crop_is_the_middle(faces):
    wide = np.random.default_rng(3).random((64, 128, 3)).astype(np.float32)
    crop = faces.for_film().align(wide, size=64)
    np.testing.assert_allclose(crop, wide[:, 32:96], atol=1e-3)


def test_a_film_keeps_to_one_person(faces, portrait):
    """The other one grows until she is larger."""
    film = faces.for_film()
    eyes = []
    for side in (100, 120, 140, 160, 180):
        frame = Image.new("RGB", (320, 180), "gray")
        frame.paste(portrait.resize((140, 140)), (0, 20))
        frame.paste(portrait.resize((side, side)), (140, 0))
        pixels = np.asarray(frame, np.float32) / 255
        film.align(pixels, **LARGE)
        eyes.append(film.film._last.eyes[:, 0].mean())
    assert max(eyes) < 140
    assert faces(pixels)[0].eyes[:, 0].mean() > 140


def test_other_weights_of_the_card_are_no_detector():
    with pytest.raises(BadValue, match="face/mesh finds no faces by itself"):
        ml4a.load("face", "mesh")


def test_the_module_has_the_geometry():
    from ml4a.media import face

    assert ml4a.face.Face is face.Face
    assert ml4a.face.alignment is face.alignment
    assert {*face.__all__, "Faces"} <= set(dir(ml4a.face))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = ml4a.face.nothing_of_the_kind
    code = "import sys\nfrom ml4a import face\nface.Face\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture(scope="module")
def networks(faces):
    return faces.networks


def test_a_reduced_picture_has_the_same_faces(networks, portrait):
    large = np.asarray(portrait.resize((1024, 1024), Image.Resampling.BICUBIC), np.float32) / 255
    reduced = _mtcnn.find(large, *networks, smallest=200, threshold=0.7)
    whole = _mtcnn.find(large, *networks, smallest=90, threshold=0.7)
    side = np.ptp(whole.boxes[0, ::2])
    assert len(reduced.boxes) == len(whole.boxes) == 1
    assert np.abs(reduced.boxes - whole.boxes).max() < 0.02 * side
    assert np.abs(reduced.points - whole.points).max() < 0.02 * side


@pytest.mark.slow
def test_pictures_of_24_megapixels_take_no_memory_of_their_own_size(faces, portrait):
    import tracemalloc

    large = np.asarray(portrait.resize((6000, 4000), Image.Resampling.BICUBIC), np.float32) / np.float32(255)
    tracemalloc.start()
    (face,) = faces(large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * large.nbytes
    small = faces(portrait.resize((600, 400), Image.Resampling.BICUBIC))[0]
    np.testing.assert_allclose(face.points / 10, small.points, atol=4)


@pytest.mark.slow
def test_a_film_is_aligned_and_hidden(faces, portrait, tmp_path):
    frames = [np.roll(np.asarray(portrait, np.float32) / 255, 2 * shift, axis=1) for shift in range(6)]
    video.from_frames(frames, 10).save(tmp_path / "walk.mp4")
    ml4a.apply(faces.align, tmp_path / "walk.mp4", tmp_path / "head.mp4")
    heads = list(video.open(tmp_path / "head.mp4"))
    assert len(heads) == 6
    places = np.stack([faces(np.ascontiguousarray(head))[0].eyes for head in heads])
    assert np.abs(places - places.mean(axis=0)).max() < 5
    ml4a.apply(faces.hide, tmp_path / "walk.mp4", tmp_path / "nobody.mp4")
    assert all(faces(np.ascontiguousarray(frame)) == [] for frame in video.open(tmp_path / "nobody.mp4"))


@pytest.mark.slow
def test_a_person_is_recognised_in_another_picture_and_nobody_else_is(faces, portrait, group):
    camera = image.sample("camera")
    darker = Image.eval(ImageOps.mirror(portrait).rotate(8), lambda level: int(0.6 * level))
    found = faces.recognise(darker, portrait)
    assert found is not None
    assert found.encoding.shape == (128,)
    assert faces.recognise(camera, portrait, threshold=0.5) is None
    both = Image.new("RGB", (768, 512))
    both.paste(camera, (0, 0))
    both.paste(portrait, (512, 128))
    (known,) = faces.encode(portrait)
    met = faces.recognise(both, known, threshold=0.5)
    assert met is not None
    assert met.box[0] > 512
    assert faces.recognise(image.sample("coffee"), known) is None
    with pytest.raises(BadMedia, match="target's picture"):
        faces.recognise(portrait, image.sample("coffee"))
    with pytest.raises(BadValue, match="no encoding"):
        faces.recognise(portrait, faces(portrait)[0])


def test_its_weights_are_free(faces):
    variant = weights.card("face").variant("mtcnn")
    assert (variant.licence, variant.commercial) == ("MIT", "yes")


def test_the_detector_of_wav2lip_finds_boxes(home, tmp_path):
    checkpoints.install("face", "s3fd", {"s3fd": certain_s3fd.save(tmp_path / "s3fd.pth")})
    find = ml4a.load("face", "s3fd")
    grey = np.full((80, 96, 3), 0.5, np.float32)
    found = find(grey)
    assert len(found) > 1
    assert {each.size for each in found} == {(128, 128)}
    assert all(each.points is None and each.score == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-5) for each in found)
    assert find(grey, threshold=0.96) == []
    with pytest.raises(BadValue, match="points"):
        find.align(grey)
