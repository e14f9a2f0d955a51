"""What data sets are made of: files in order, frames of films, pictures of every kind as RGB."""

from __future__ import annotations

import random

import numpy as np
import picture_files
import pytest
from film_files import numbered, numbers, write_film
from PIL import Image

from ml4a._core.errors import BadMedia, BadValue, NotFound
from ml4a.dataset import inputs
from ml4a.media import video


def everything(number: int) -> bool:
    return True


def save(path, *, seed: int = 0, size=(20, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture_files.scene(*size, seed=seed)).save(path)
    return path


def test_files_in_the_order_of_their_characters(tmp_path):
    for name in ("b.jpg", "z10.png", "z9.png", "Z.png", "é.png"):
        save(tmp_path / name)
    found = list(inputs.open_source(tmp_path).inputs(everything))
    assert [each.key for each in found] == ["Z.png", "b.jpg", "z10.png", "z9.png", "é.png"]
    assert [each.number for each in found] == [0, 1, 2, 3, 4]
    assert [each.name for each in found] == ["Z", "b", "z10", "z9", "é"]


def test_what_is_no_input(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "folder" / "b.png")
    save(tmp_path / ".hidden" / "c.png")
    for name in (".DS_Store", "a.txt", "metadata.jsonl", "dataset.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "notes.md").write_text("no picture, but it has its number")
    assert [each.key for each in inputs.open_source(tmp_path).inputs(everything)] == ["a.png", "notes.md"]
    deep = inputs.open_source(tmp_path, recursive=True).inputs(everything)
    assert [each.key for each in deep] == ["a.png", "folder/b.png", "notes.md"]


def test_only_what_is_wanted_is_read(tmp_path):
    for name in "abcd":
        save(tmp_path / f"{name}.png", seed=ord(name))
    (tmp_path / "c.png").write_bytes(b"")
    source = inputs.open_source(tmp_path)
    assert source.count() == source.expected() == 4
    read = list(source.read({0, 2, 3}.__contains__))
    assert [each.input.key for each in read] == ["a.png", "c.png", "d.png"]
    assert read[0].content == (tmp_path / "a.png").read_bytes()
    assert read[1].content is None
    assert "c.png is empty" in read[1].reason
    assert read[0].digest != read[2].digest
    assert [each.input.number for each in source.read(everything, 2)] == [0, 1]


def test_names_that_no_file_can_have_everywhere(tmp_path):
    save(tmp_path / 'who? "me":\n<script>.png')
    save(tmp_path / ("夜" * 80 + ".png"))
    first, second = inputs.open_source(tmp_path).inputs(everything)
    assert first.name == "who_ _me____script_"
    assert second.name == "夜" * (160 // 3)
    assert first.key.endswith("<script>.png")


def test_a_list_of_files(tmp_path):
    files = [save(tmp_path / "b.png"), str(save(tmp_path / "a.png"))]
    assert [each.name for each in inputs.open_source(files).inputs(everything)] == ["b", "a"]
    with pytest.raises(BadValue, match="a list of them has a ndarray"):
        inputs.open_source([np.zeros((4, 4, 3))])


def test_nothing_to_begin_with(tmp_path):
    with pytest.raises(NotFound, match="nowhere"):
        inputs.open_source(tmp_path / "nowhere")
    with pytest.raises(NotFound, match="no files in"):
        inputs.open_source(tmp_path)
    save(tmp_path / "cats" / "a.png")
    with pytest.raises(NotFound, match="--labels"):
        inputs.open_source(tmp_path)
    with pytest.raises(BadValue, match="not of a int"):
        inputs.open_source(7)
    with pytest.raises(BadValue, match="every is for films"):
        inputs.open_source([tmp_path / "cats" / "a.png"], every=2)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", numbered(24), rate=8)


def test_all_frames_of_a_film_to_the_last(film):
    source = inputs.open_source(film)
    read = list(source.read(everything))
    assert source.count() == source.expected() == 24
    assert numbers(each.content.astype(np.float32) / 255 for each in read) == list(range(24))
    assert [read[3].input.name, read[23].input.name] == ["frame000003", "frame000023"]
    assert read[12].input.second == pytest.approx(1.5)
    assert read[0].content.dtype == np.uint8
    assert len({each.digest for each in read}) == 24


def test_a_frame_every_so_many_seconds(film):
    source = inputs.open_source(film, every=0.5)
    read = list(source.read(everything))
    assert [each.input.name for each in read] == [f"frame{number:06d}" for number in range(0, 24, 4)]
    assert [each.input.number for each in read] == list(range(6))
    assert source.count() == 6
    assert source.expected() is None
    assert [each.input.number for each in source.read({1, 4}.__contains__)] == [1, 4]
    assert len(list(inputs.open_source(video.open(film), every=0.75).read(everything))) == 4


def test_a_film_is_read_no_further_than_wanted(film):
    def pictures():
        for number in range(1000):
            assert number < 20, "the film was read to its end"
            yield np.zeros((8, 8, 3), np.float32)

    clip = video.from_frames(pictures, count=1000)
    assert len(list(inputs.open_source(clip).read(everything, 5))) == 5


def test_the_first_ones_or_any():
    rng = random.Random(5)
    assert inputs.choose(6, 3, False, rng) == [0, 1, 2]
    assert inputs.choose(6, None, False, rng) == list(range(6))
    any_three = inputs.choose(6, 3, True, rng)
    assert len(set(any_three)) == 3
    assert sorted(inputs.choose(6, 9, True, rng)) == list(range(6))


def test_pictures_of_every_kind_become_rgb():
    grey = picture_files.png(picture_files.scene(6, 5, 1))
    deep = picture_files.png(picture_files.deep_scene(6, 5))
    clear = np.zeros((5, 6, 4), np.uint8)
    clear[:, :3] = (255, 0, 0, 255)
    for content, first, last in (
        (grey, None, None),
        (deep, None, None),
        (picture_files.png(clear), (255, 0, 0), (255, 255, 255)),
        (clear, (255, 0, 0), (255, 255, 255)),
    ):
        picture = inputs.picture_of(content, "a.png")
        assert (picture.mode, picture.size) == ("RGB", (6, 5))
        if first is not None:
            assert (picture.getpixel((0, 0)), picture.getpixel((5, 0))) == (first, last)
    close = np.asarray(inputs.picture_of(deep, "a.png")).astype(int) - picture_files.deep_scene(6, 5) / 257
    assert np.abs(close).max() < 1.01


def test_photographs_come_upright():
    scene = picture_files.scene(6, 5)
    lying = picture_files.png(picture_files.stored(scene, 6), picture_files.png_chunk(b"eXIf", picture_files.exif(6)))
    np.testing.assert_array_equal(np.asarray(inputs.picture_of(lying, "a.png")), scene)


def test_what_cannot_be_read_is_named():
    with pytest.raises(BadMedia, match=r"^cat\.jpg is"):
        inputs.picture_of(b"<html>not found</html>", "cat.jpg")
