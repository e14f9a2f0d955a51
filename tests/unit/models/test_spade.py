from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import checkpoints
import containers
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import spade as official
from PIL import Image

import ml4a
from ml4a import image, segmentation
from ml4a._core import paths
from ml4a._core.errors import BadValue, BadWeights, TooLarge
from ml4a.models import _spade_files
from ml4a.models.spade import SPADE
from ml4a.ops.semantic_map import edges

SKY, GRASS, SEA, TREE, BOAT, LANTERN, UNKNOWN = range(7)


def options(**changed: Any) -> str:
    """Of a network that was trained at 64×64."""
    return official.options_text(official.OPTIONS["small"] | {"crop_size": 64} | changed)


def installed(folder: Path, **texts: str) -> SPADE:
    """The model with small weights; `texts` replace what is in the files of these roles."""
    files = checkpoints.write("spade", "landscapes", folder, small=True)
    for role, text in ({"options": options()} | texts).items():
        files[role].write_text(text, encoding="utf-8")
    checkpoints.install("spade", "landscapes", files)
    return ml4a.load("spade")


@pytest.fixture(scope="module")
def photos() -> dict[str, Image.Image]:
    """Before a test has an empty home, to which they would have to be brought again."""
    return {name: image.sample(name) for name in ("chelsea", "coffee", "eye", "rocket")}


@pytest.fixture
def model(home, tmp_path) -> SPADE:
    return installed(tmp_path)


@pytest.fixture
def seen(model, monkeypatch) -> list[np.ndarray]:
    """The channels that the network is given, C×H×W, call by call."""
    calls: list[np.ndarray] = []
    draw = model.network.draw

    def remember(what: Any, size: Any, style: Any = None) -> torch.Tensor:
        calls.append(what.dense(*size)[0].numpy())
        return draw(what, size, style)

    monkeypatch.setattr(model.network, "draw", remember)
    return calls


def scene() -> np.ndarray:
    """64×64: sky above grass, with a tree and a lantern."""
    labels = np.full((64, 64), SKY)
    labels[30:] = GRASS
    labels[12:44, 20:36] = TREE
    labels[10:50, 50:54] = LANTERN
    return labels


def test_what_can_be_painted_is_told(model):
    assert model.classes == [*official.SMALL_CLASSES, "unlabeled"]
    assert model.label_set["tree"].color == segmentation.COCO_STUFF["tree"].color
    assert model.label_set["ocean"].name == "sea"  # a word for it that the file does not have
    assert len({label.color for label in model.label_set}) == 7


def test_every_way_to_say_the_same_gives_the_same_picture(model, tmp_path):
    labels = scene()
    said = segmentation.from_array(labels, model.label_set)
    said.to_image().save(tmp_path / "colours.png")
    said.save(tmp_path / "indices.png")
    expected = np.asarray(model(said))
    assert expected.shape == (64, 64, 3)
    for way in (
        said.to_image(),
        tmp_path / "colours.png",
        tmp_path / "indices.png",
        Image.fromarray(labels.astype(np.uint8)),
    ):
        assert np.array_equal(np.asarray(model(way)), expected)
    for array in (labels, labels.astype(np.int16), labels.astype(np.uint16), labels.astype(np.uint8)):
        result = model(array)
        assert result.dtype == np.float32
        assert np.abs(result * 255 - expected).max() <= 0.51


def test_the_network_is_given_labels_and_edges(model, seen):
    labels = scene()
    labels[:5, :5] = -1
    model(labels)
    labels[:5, :5] = UNKNOWN
    expected = np.concatenate([np.eye(7)[labels].transpose(2, 0, 1), edges(torch.from_numpy(labels))[None].numpy()])
    assert np.array_equal(seen[0], expected)
    labels[:5, :5] = 255
    model(labels.astype(np.uint8))
    assert np.array_equal(seen[1], expected)


def test_areas_differ(model):
    flat, other = model(np.zeros((64, 64), np.int64)), model(np.full((64, 64), SEA))
    assert np.abs(flat - other).max() > 0.02
    changed = scene()
    changed[:8, :8] = BOAT
    difference = np.abs(model(changed) - model(scene())).max(axis=2)
    assert difference[:8, :8].max() > 0.02


def test_instances_part_things_that_touch(model, seen):
    boats = np.full((64, 64), BOAT)
    instances = np.zeros((128, 128), np.int32)
    instances[:, 64:] = 1
    parted, whole = model(boats, instances=instances), model(boats)
    assert seen[0][7].sum() == 2 * 64
    assert seen[0][7][:, 31:33].all()
    assert not seen[1][7].any()
    assert not np.array_equal(parted, whole)
    picture = Image.fromarray((instances * 200).astype(np.uint8)).convert("RGB")
    assert np.array_equal(model(boats, instances=picture), parted)


def test_other_sets_of_labels_are_taken_by_name(model, seen, caplog):
    ade = segmentation.ADE20K
    labels = np.full((64, 64), ade["sky"].index)
    labels[32:] = ade["sea"].index
    labels[:, :8] = ade["cradle"].index
    with caplog.at_level(logging.WARNING, "ml4a"):
        picture = model(segmentation.from_array(labels, ade))
    assert isinstance(picture, Image.Image)
    assert [channel.sum() for channel in seen[0][:7]] == [56 * 32, 0, 56 * 32, 0, 0, 0, 8 * 64]
    assert "no cradle" in caplog.text
    assert "sea" not in caplog.text.replace("spade/landscapes", "")


def test_colours_of_no_label_count_for_the_nearest(model, seen, caplog):
    colors = np.asarray(segmentation.from_array(scene(), model.label_set).to_image()).astype(int)
    with caplog.at_level(logging.WARNING, "ml4a"):
        model(np.clip(colors + 3, 0, 255).astype(np.uint8))
    assert "colours of no label" in caplog.text
    model(scene())
    assert np.array_equal(seen[0], seen[1])


@pytest.mark.parametrize(
    ("shape", "size", "result"),
    [
        ((64, 64), None, (64, 64)),
        ((32, 128), None, (128, 32)),
        ((45, 70), None, (80, 51)),
        ((45, 70), 96, (149, 96)),
        ((1, 1), None, (64, 64)),
        ((3, 200), None, (523, 8)),
        ((64, 64), 16, (16, 16)),
    ],
)
def test_the_result_has_the_shape_of_the_map(model, shape, size, result):
    labels = np.arange(shape[0] * shape[1]).reshape(shape) % 6
    picture = model(segmentation.from_array(labels, model.label_set), size=size)
    assert picture.size == result


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1", "I;16"])
def test_pictures_that_are_no_maps_are_painted_too(photos, model, mode):
    picture = photos["coffee"].crop((0, 0, 70, 45))
    picture = (
        Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257) if mode == "I;16" else picture.convert(mode)
    )
    assert picture.mode == mode
    result = model(picture)
    assert result.size == (80, 51)
    assert np.asarray(result).std() > 0.5


def test_transparency_is_kept_and_nothing_else_changes(photos, model):
    photo = photos["chelsea"].crop((100, 80, 164, 144))
    transparent = photo.copy()
    transparent.putalpha(Image.linear_gradient("L").resize(photo.size))
    result = model(transparent)
    assert np.array_equal(np.asarray(result)[:, :, :3], np.asarray(model(photo)))
    assert np.array_equal(np.asarray(result)[:, :, 3], np.asarray(transparent)[:, :, 3])


def test_an_index_without_a_label_is_refused(model):
    with pytest.raises(BadValue, match=r"0 to 6.*12"):
        model(np.full((8, 8), 12))


def test_pictures_that_do_not_fit_into_memory_are_refused(model, monkeypatch):
    monkeypatch.setenv("ML4A_MEMORY", "1000000")
    with pytest.raises(TooLarge, match="--size"):
        model(scene(), size=512)


def test_a_record_is_repeated_to_the_bit(model):
    said = segmentation.from_array(scene(), model.label_set)
    first = model(said, size=80)
    made_by = model.last_record
    assert made_by.inputs[0].size == "64x64"
    assert np.array_equal(np.asarray(model(said, **made_by.parameters, seed=made_by.seed)), np.asarray(first))
    model(scene())
    assert model.last_record.inputs[0].sha256 != made_by.inputs[0].sha256


# -- the texts beside the weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n", "does not say"),
        (options(label_nc="__import__('os')"), "label_nc"),
        (options(label_nc=10**9), "label_nc"),
        (options(label_nc=5), "5 labels.*8 channels"),
        (options(label_nc=9), "9 labels.*8 channels"),
        (options(crop_size="nan"), "crop_size"),
        (options(crop_size=-64), "crop_size"),
        (options(aspect_ratio=0.0), "aspect_ratio"),
        (options(no_instance="maybe"), "no_instance"),
        (options(num_upsampling_layers="most"), "another network"),
        (options(num_upsampling_layers="all"), "normal, more, most"),
    ],
)
def test_broken_options_are_refused(home, tmp_path, text, message):
    with pytest.raises(BadWeights, match=message):
        installed(tmp_path, options=text)


@pytest.mark.parametrize("read", [lambda path: _spade_files.read_options(path, 8), _spade_files.read_classes])
def test_texts_that_are_too_large_are_refused(tmp_path, read):
    path = tmp_path / "some.txt"
    path.write_text(options() + " " * 100_000, encoding="utf-8")
    with pytest.raises(BadWeights, match=r"some\.txt is larger"):
        read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadWeights, match=r"some\.txt is no text"):
        read(path)


@pytest.mark.parametrize(
    "text",
    [
        "\n",
        "{",
        "[1, 2]",
        "{0: __import__('os').system('touch executed')}",
        "{0: 'sky' 'blue'}",
        "{0: 'sky', 1: {}}",
        "{'sky': 0}",
        "{0: 'sky', 1}",
        "{0: '\\x00'}",
        "{0: '\\N{no such}'}",
        "{0: ''}",
        "{0: '" + "a" * 200 + "'}",
        "{" + "".join(f"{number}: 'a', " for number in range(1200)) + "}",
        "{" * 5000 + "}" * 5000,
        "{0: '" + "\\" * 9999 + "'}",
    ],
)
def test_broken_classes_are_refused(home, tmp_path, text):
    with pytest.raises(BadWeights, match="classes_list"):
        installed(tmp_path, classes=text)


def test_classes_are_read_as_python_writes_them(home, tmp_path):
    classes = {0: "it's", 1: 'a "word"', 2: "sky", 3: "sky", 255: "nothing"}
    model = installed(tmp_path, classes=repr(classes).replace(", ", ",\n "))
    assert model.classes == ["it's", 'a "word"', "sky", "sky 3", "label 4", "label 5", "unlabeled"]


@pytest.mark.parametrize(
    ("changed", "unknown", "last_is_edges"),
    [
        ({}, 6, True),
        ({"label_nc": 7, "contain_dontcare_label": False}, None, True),
        ({"label_nc": 7, "no_instance": True}, 7, False),
        ({"label_nc": 7}, 7, False),
        ({"label_nc": 8}, None, False),
        ({"label_nc": 6, "contain_dontcare_label": False}, 6, True),
    ],
)
def test_the_number_of_channels_decides_what_they_are(home, tmp_path, monkeypatch, changed, unknown, last_is_edges):
    model = installed(tmp_path, options=options(**changed))
    assert model.label_set.unknown == unknown
    given = []
    draw = model.network.draw
    monkeypatch.setattr(
        model.network, "draw", lambda what, size, style: given.append(what.dense(*size)) or draw(what, size, style)
    )
    labels = scene()
    labels[:4] = -1
    model(labels)
    ends = edges(torch.from_numpy(labels)).float()
    assert torch.equal(given[0][0, -1], ends) == last_is_edges
    named = given[0][0, :7] if last_is_edges else given[0][0]
    assert (named.sum(0)[:4] == (unknown is not None)).all()


def test_more_doublings_are_taken_from_the_options(home, tmp_path):
    model = installed(tmp_path, options=options(num_upsampling_layers="more", aspect_ratio=2.0, crop_size=128))
    assert model.network.in_multiple == 64
    assert model(scene()[:32]).shape == (64, 128, 3)


# -- styles ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def styled(home, tmp_path) -> SPADE:
    """A model whose network takes a style, and whose card has the network that finds one."""
    files = checkpoints.write("spade", "landscapes", tmp_path, small=True)
    network = official.shapes(channels=8, width=2, hidden=5, cells=4)
    files["options"].write_text(options(), encoding="utf-8")
    official.save("network", files["network"], deterministic.state_dict(network))
    encoder = tmp_path / "encoder.pth"
    containers.save_stream(encoder, containers.tensors(official.state_dict(official.encoder(width=1, latent=16))))
    checkpoints.install("spade", "landscapes", files)
    card = paths.config_dir() / "cards" / "spade.toml"
    further = f'\n[weights.landscapes.files.encoder]\nname = "E.pth"\nformat = "torch"\nsources = ["file:{encoder}"]\n'
    card.write_text(card.read_text(encoding="utf-8") + further, encoding="utf-8")
    return ml4a.load("spade")


def test_a_seed_chooses_a_style(styled):
    first, second, again = (styled(scene(), seed=seed) for seed in (0, 1, 0))
    assert np.array_equal(first, again)
    assert np.abs(first - second).max() > 0.01
    drawn = styled(scene())
    assert np.array_equal(styled(scene(), seed=styled.last_record.seed), drawn)


def test_a_guide_gives_its_style(photos, styled):
    eye, rocket = photos["eye"], photos["rocket"]
    like_eye = styled(scene(), guide=eye, seed=1)
    assert np.array_equal(styled(scene(), guide=eye, seed=2), like_eye)
    assert np.abs(styled(scene(), guide=rocket) - like_eye).max() > 0.001
    assert [item.role for item in styled.last_record.inputs] == ["labels", "guide"]


def test_a_guide_is_refused_where_nothing_knows_styles(photos, model):
    with pytest.raises(BadValue, match="no styles"):
        model(scene(), guide=photos["eye"])
