"""A label map is a value: its masks, its pictures and its files say what its labels say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ml4a import image, mask, segmentation
from ml4a._core.errors import BadValue, OutputExists, UnknownName
from ml4a.media.segmentation import ADE20K, Label, LabelSet, Segmentation

SKY, TREE, ROAD = 2, 4, 6


@pytest.fixture
def scene() -> Segmentation:
    """Sky above, road below, a tree on the left, and a corner that nobody knows."""
    labels = np.full((30, 50), SKY)
    labels[20:] = ROAD
    labels[5:25, :10] = TREE
    labels[25:, 45:] = -1
    return segmentation.from_array(labels, "ade20k")


@pytest.fixture
def sure(scene: Segmentation) -> Segmentation:
    """With scores: 0.7 for the label itself and the rest for the sky."""
    scores = np.zeros((30, 50, 150), np.float32)
    np.put_along_axis(scores, np.maximum(scene.labels, 0).astype(np.int64)[:, :, None], 0.7, axis=2)
    scores[:, :, SKY] += 0.3
    return Segmentation(scene.labels, ADE20K, scores)


def test_it_knows_what_is_there(scene):
    assert scene.size == (50, 30)
    shares = {label.name: share for label, share in scene.present()}
    assert list(shares) == ["sky", "road", "tree"]
    assert sum(shares.values()) == pytest.approx(1 - 25 / 1500)
    assert shares["tree"] == pytest.approx(200 / 1500)
    assert repr(scene) == "<Segmentation 50x30 of ADE20K: sky 57%, road 28%, tree 13%>"
    assert repr(scene.only("bed")) == "<Segmentation 50x30 of ADE20K: unknown>"


def test_it_is_a_value(scene):
    labels = scene.labels.copy()
    again = segmentation.from_array(labels, ADE20K)
    labels[:] = 0
    assert again == scene
    assert hash(again) == hash(scene)
    assert again != scene.only("sky")
    assert again != segmentation.from_array(scene.labels, "coco_stuff")
    assert scene.labels.dtype == np.int16
    with pytest.raises(ValueError, match="read-only"):
        scene.labels[0, 0] = 1


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        (np.zeros((2, 2)), "whole numbers"),
        (np.zeros((2, 2, 1), int), "height by width"),
        (np.zeros((0, 2), int), "height by width"),
        (np.array(3), "a single value"),
        (np.array([[150]]), "0 to 149, and -1 for unknown; these reach from 150 to 150"),
        (np.array([[-2, 1]]), "from -2 to 1"),
        (np.array([[2**40]]), "0 to 149"),
        (np.array([[True]]), "whole numbers"),
    ],
)
def test_what_is_no_label_map_is_refused(labels, complaint):
    with pytest.raises(BadValue, match=complaint):
        segmentation.from_array(labels, ADE20K)


def test_a_mask_is_where_a_label_is(scene):
    sky = scene.mask("sky")((50, 30))
    np.testing.assert_array_equal(sky[:, :, 0], scene.labels == SKY)
    both = scene.mask("road, tree")(scene.size)
    np.testing.assert_array_equal(both[:, :, 0], np.isin(scene.labels, [TREE, ROAD]))
    assert not scene.mask("bed")(scene.size).any()
    assert scene.mask(["sky", TREE, ADE20K["road"]])(scene.size).sum() == 1475
    assert scene.mask("sky")((25, 15)).shape == (15, 25, 1)
    with pytest.raises(UnknownName, match="did you mean 'tree'"):
        scene.mask("treee")


def test_masks_have_a_channel_for_each_name(scene):
    all_of_them = scene.masks()(scene.size)
    np.testing.assert_array_equal(
        all_of_them.argmax(2)[scene.labels >= 0], scene.masks("sky,road,tree")(scene.size).argmax(2)[scene.labels >= 0]
    )
    assert all_of_them.shape == (30, 50, 3)
    np.testing.assert_array_equal(all_of_them[:, :, 2], scene.labels == TREE)
    two = scene.masks(["tree", ["sky", "road"]])(scene.size)
    np.testing.assert_array_equal(two[:, :, 1], np.isin(scene.labels, [SKY, ROAD]))
    with pytest.raises(BadValue, match="one channel or more"):
        scene.only("bed").masks()
    photo = image.sample("coffee", (50, 30))
    night = mask.composite(Image.new("RGB", photo.size), photo, scene.mask("sky"))
    assert np.asarray(night)[:5].max() == 0
    np.testing.assert_array_equal(np.asarray(night)[25:], np.asarray(photo)[25:])


def test_soft_masks_are_the_networks_scores(sure, scene):
    assert sure.scores.shape == (30, 50, 150)
    sky = sure.mask("sky", soft=True)(sure.size)[:, :, 0]
    assert np.unique(sky) == pytest.approx([0.3, 1.0])
    assert sure.mask("sky,road", soft=True)(sure.size)[29, 0, 0] == pytest.approx(1.0)
    assert sure.masks(["tree", "sky"], soft=True)(sure.size)[10, 3] == pytest.approx([0.7, 0.3])
    asked = []

    def scores(indices):
        asked.append(list(indices))
        return sure.scores[:, :, list(indices)]

    lazy = Segmentation(scene.labels, ADE20K, scores)
    lazy.mask("sky")
    assert asked == []
    np.testing.assert_array_equal(lazy.mask("sky", soft=True)(sure.size)[:, :, 0], sky)
    assert asked == [[SKY]]
    for without in (lambda: scene.scores, lambda: scene.mask("sky", soft=True), lambda: scene.masks(soft=True)):
        with pytest.raises(BadValue, match="no scores"):
            without()
    with pytest.raises(BadValue, match="30×50×150"):
        Segmentation(scene.labels, ADE20K, np.zeros((30, 50, 3)))


def test_only_some_labels(sure):
    sky = sure.only("sky")
    assert set(np.unique(sky.labels)) == {-1, SKY}
    assert sky.mask("tree", soft=True)(sky.size)[10, 3, 0] == pytest.approx(0.7)


def test_other_sizes_are_by_the_nearest_pixel(sure):
    large = sure.resized((150, 90))
    np.testing.assert_array_equal(large.labels, np.repeat(np.repeat(sure.labels, 3, axis=0), 3, axis=1))
    assert large.scores.shape == (90, 150, 150)
    assert sure.resized(15).size == (25, 15)
    np.testing.assert_array_equal(large.resized(30).labels, sure.labels)
    assert sure.resized((50, 30)) == sure
    with pytest.raises(BadValue, match="size must be"):
        sure.resized(0)


def test_another_sets_words(scene):
    labels = scene.labels.copy()
    labels[0, 0] = ADE20K["chandelier"].index
    coco, missing = segmentation.from_array(labels, ADE20K).to("coco_stuff")
    assert [label.name for label in missing] == ["chandelier"]  # and none of those that are not there
    assert coco.labels[0, 0] == -1
    assert coco.labels[29, 49] == -1
    assert [label.name for label, _ in coco.present()] == ["sky-other", "road", "tree"]
    np.testing.assert_array_equal(coco.mask("sky")(coco.size)[1:], scene.mask("sky")(scene.size)[1:])


def test_pictures_are_in_the_sets_colours(scene):
    shown = np.asarray(scene.to_image())
    assert tuple(shown[0, 0]) == ADE20K["sky"].color
    assert tuple(shown[29, 49]) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["pil", "array", "tensor", "path", "grey", "alpha", "palette", "cmyk", "deep"])
def test_an_overlay_is_of_the_photographs_kind(scene, kind, tmp_path):
    photo = image.sample("coffee", (50, 30))
    array = np.asarray(photo, np.float32) / 255
    faint = photo.copy()
    faint.putalpha(Image.linear_gradient("L").resize(photo.size))
    photo.save(tmp_path / "photo.png")
    given = {
        "pil": photo,
        "array": array,
        "tensor": torch.from_numpy(array.transpose(2, 0, 1).copy()),
        "path": tmp_path / "photo.png",
        "grey": photo.convert("L"),
        "alpha": faint,
        "palette": photo.quantize(64),
        "cmyk": photo.convert("CMYK"),
        "deep": (array[:, :, 0] * 65535).astype(np.uint16),
    }[kind]
    covered = scene.overlay(given, 0.5)
    assert type(covered).__name__ == {"array": "ndarray", "deep": "ndarray", "tensor": "Tensor"}.get(kind, "Image")
    before, after = image.to_array(given), image.to_array(covered)
    sky = np.array(ADE20K["sky"].color) / 255
    np.testing.assert_allclose(after[0, 0, :3], (before[0, 0, :3] + sky) / 2, atol=0.6 / 255)
    np.testing.assert_allclose(after[29, 49], before[29, 49], atol=0.6 / 255)  # unknown
    if kind == "alpha":
        np.testing.assert_array_equal(np.asarray(covered)[:, :, 3], np.asarray(faint)[:, :, 3])


def test_an_overlay_fits_any_size_and_leaves_its_photograph_alone(scene):
    photo = np.asarray(image.sample("chelsea"), np.float32) / 255
    before = photo.copy()
    covered = scene.overlay(photo)
    np.testing.assert_array_equal(photo, before)
    assert covered.shape == photo.shape
    np.testing.assert_array_equal(scene.overlay(photo, 0), photo)
    full = scene.overlay(photo, 1)
    np.testing.assert_allclose(
        full[:100, 100:], np.broadcast_to(np.array(ADE20K["sky"].color) / 255, (100, 351, 3)), atol=1e-6
    )
    for opacity in (-0.1, 1.1, "much", float("nan")):
        with pytest.raises(BadValue, match="opacity"):
            scene.overlay(photo, opacity)  # type: ignore[arg-type]


def test_a_legend_shows_colours_names_and_shares(scene):
    legend = scene.legend(200)
    pixels = np.asarray(legend).reshape(-1, 3)
    for name in ("sky", "road", "tree"):
        assert (pixels == ADE20K[name].color).all(1).sum() > 60, name
    assert not (pixels == ADE20K["bed"].color).all(1).any()
    assert (pixels.sum(1) < 200).sum() > 100  # writing
    assert legend.height == 200
    assert legend.size == scene.only("sky").legend(200).size  # the same for every frame of a film
    assert scene.legend(1080).width > legend.width
    crowd = segmentation.from_array(np.arange(150).reshape(10, 15), ADE20K)
    assert crowd.legend(200).size == legend.size
    for height in (15, 20_000, 3.5, True):
        with pytest.raises(BadValue, match="legend's height"):
            scene.legend(height)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(1, 1), (200, 3), (3, 200), (300, 400)])
def test_a_legend_beside_a_picture_leaves_it_as_it_is(scene, size):
    photo = image.sample("chelsea").resize(size)
    photo.putalpha(100)
    sheet = scene.explained(photo)
    assert sheet.height == max(256, size[1])
    np.testing.assert_array_equal(np.asarray(sheet)[: size[1], : size[0]], np.asarray(photo))
    assert (np.asarray(sheet)[:, size[0] :, 3] == 255).all()
    assert isinstance(scene.explained(np.asarray(photo)), np.ndarray)


def test_notebooks_show_it(scene):
    shown = image.load(scene._repr_png_())
    assert shown.width > 50
    assert shown.getpixel((0, 0)) == ADE20K["sky"].color
    assert image.load(scene.resized(2000)._repr_png_()).height == 512


def test_a_file_has_the_same_labels(scene, tmp_path):
    path = scene.save(tmp_path / "new" / "labels.png")
    assert path == tmp_path / "new" / "labels.png"
    with Image.open(path) as saved:
        assert saved.mode == "L"
        assert saved.getpixel((49, 29)) == 255
        assert saved.getpixel((0, 0)) == SKY
    assert segmentation.load(path, "ade20k") == scene
    with pytest.raises(OutputExists):
        scene.save(path, overwrite=False)
    with pytest.raises(BadValue, match=r"\.png"):
        scene.save(tmp_path / "labels.jpg")


def test_a_file_of_many_labels_has_16_bits(tmp_path):
    many = LabelSet(
        "many", tuple(Label(index, f"label {index}", (index % 256, index // 256, 7)) for index in range(700))
    )
    drawn = segmentation.from_array(np.arange(-1, 699).reshape(28, 25), many)
    path = drawn.save(tmp_path / "labels.png")
    assert image.most_bits(path) == 16
    assert image.load_deep(path)[1] == 16
    assert segmentation.load(path, many) == drawn
