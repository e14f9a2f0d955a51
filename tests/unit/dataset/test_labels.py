"""Classes by folders and by StyleGAN's file; captions by sidecars and lists."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ml4a._core.errors import BadMedia, BadValue, NotFound, TooLarge
from ml4a.dataset import labels


def touched(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


def test_classes_are_the_first_folders_in_the_order_of_plain_strings(tmp_path):
    files = touched(tmp_path, "cats/b.png", "Zebras/a.png", "cats/deep/er/a.png", "ants/x.png")
    names, numbers = labels.from_folders(tmp_path, files)
    assert names == ["Zebras", "ants", "cats"]
    assert [numbers[file] for file in files] == [2, 0, 2, 1]


def test_pictures_beside_the_folders_have_no_class(tmp_path):
    files = touched(tmp_path, "cats/a.png", "b.png", "c.png", "d.png")
    with pytest.raises(BadValue, match=r"b\.png and 2 others would have no class.*move"):
        labels.from_folders(tmp_path, files)
    with pytest.raises(BadValue, match=r"b\.png would have no class"):
        labels.from_folders(tmp_path, files[:2])


def test_stylegans_file_is_read_and_wins_over_folders(tmp_path):
    files = touched(tmp_path, "00000/img00000000.png", "00000/img00000001.png")
    assert labels.of(tmp_path, files) == (["00000"], dict.fromkeys(files, 0))
    rows = [["00000/img00000000.png", 6], ["00000/img00000001.png", 0]]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": rows}))
    names, numbers = labels.of(tmp_path, files)
    assert numbers == {files[0]: 6, files[1]: 0}
    assert names == list("0123456")
    (tmp_path / "dataset.json").write_text('{"labels": null}')
    assert labels.of(tmp_path, files) == ([], {})


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 100_000,
        '{"labels": {"a.png": 0}}',
        '{"labels": [["a.png"]]}',
        '{"labels": [["a.png", [0.5, 0.5]]]}',
        '{"labels": [["a.png", true]]}',
        '{"labels": [["a.png", -1]]}',
        '{"labels": [["a.png", 1000000000000]]}',
        '{"labels": [[0, "a.png"]]}',
    ],
)
def test_other_files_of_labels_are_told_of(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(BadMedia, match=r"dataset\.json"):
        labels.from_file(tmp_path, touched(tmp_path, "a.png"))


def test_a_picture_that_the_list_of_labels_forgot_is_named(tmp_path):
    files = touched(tmp_path, "a.png", "b.png")
    with pytest.raises(NotFound):
        labels.from_file(tmp_path, files)
    (tmp_path / "dataset.json").write_text('{"labels": [["a.png", 1]]}')
    assert labels.from_file(tmp_path, files[:1]) == {files[0]: 1}
    with pytest.raises(BadValue, match=r"nothing of b\.png"):
        labels.from_file(tmp_path, files)


def test_labels_that_are_written_are_read_again(tmp_path):
    files = touched(tmp_path, "é.png", "b.png")
    (tmp_path / "dataset.json").write_text(labels.to_json([("é.png", 3), ("b.png", 0)]), "utf-8")
    assert labels.from_file(tmp_path, files) == {files[0]: 3, files[1]: 0}


def test_one_picture_without_a_class_leaves_all_without(tmp_path):
    assert json.loads(labels.to_json([("a.png", 1), ("b.png", None)])) == {"labels": None}
    assert json.loads(labels.to_json([])) == {"labels": None}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tom.txt", " A cat.\n"),
        ("tom.caption", "A cat."),
        ("tom.json", '{"caption": "A cat."}'),
        ("tom.json", '"A cat."'),
        ("metadata.jsonl", '{"file_name": "tom.png", "text": "A cat."}\n\n{"file_name": "b.png", "label": 1}\n'),
        ("captions.json", '{"tom.png": "A cat.", "b.png": {"caption": "Not a cat."}}'),
        ("../metadata.jsonl", '{"file_name": "cats/tom.png", "text": "A cat."}'),
        ("../captions.json", '{"cats/tom.png": {"text": "A cat."}}'),
    ],
)
def test_captions_are_found_beside_a_picture_and_in_lists(tmp_path, name, text):
    picture, other = touched(tmp_path, "cats/tom.png", "cats/lily.png")
    (picture.parent / name).write_text(text, "utf-8-sig")
    assert labels.caption_of(picture, tmp_path) == "A cat."
    assert labels.caption_of(other, tmp_path) is None


def test_the_nearest_caption_counts(tmp_path):
    (picture,) = touched(tmp_path, "cats/tom.png")
    (tmp_path / "captions.json").write_text('{"cats/tom.png": "root"}')
    assert labels.caption_of(picture) is None  # without a root, nothing above is looked at
    assert labels.caption_of(picture, tmp_path) == "root"
    (picture.parent / "metadata.jsonl").write_text('{"file_name": "tom.png", "text": "folder"}')
    assert labels.caption_of(picture, tmp_path) == "folder"
    (picture.parent / "tom.txt").write_text("beside")
    assert labels.caption_of(picture, tmp_path) == "beside"


def test_a_list_that_has_changed_is_read_again(tmp_path):
    (picture,) = touched(tmp_path, "tom.png")
    captions = tmp_path / "captions.json"
    for text in ("One.", "Two.", "A third."):
        captions.write_text(json.dumps({"tom.png": text}))
        os.utime(captions, ns=(len(text), hash(text) % 10**9))
        assert labels.caption_of(picture) == text


def test_what_says_nothing_is_no_caption(tmp_path):
    (picture,) = touched(tmp_path, "tom.png")
    (tmp_path / "tom.json").write_text('{"exposure": 0.1}')
    assert labels.caption_of(picture) is None
    (tmp_path / "tom.txt").write_text(" \n")
    assert labels.caption_of(picture) is None


@pytest.mark.parametrize(
    ("name", "data", "error", "message"),
    [
        ("tom.txt", b"\xff\xfe\x00", BadMedia, "not a text in UTF-8"),
        ("tom.txt", b"x" * (65 << 10), TooLarge, "64 KiB"),
        ("tom.json", b"{", BadMedia, "not JSON"),
        ("metadata.jsonl", b'{"file_name": "a.png"}\n3\n', BadMedia, "no JSON object"),
        ("metadata.jsonl", b'{"file_name": "a.png"', BadMedia, "not JSON"),
        ("captions.json", b"[]", BadMedia, "not an object"),
    ],
)
def test_broken_captions_are_told_of(tmp_path, name, data, error, message):
    (picture,) = touched(tmp_path, "tom.png")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=message):
        labels.caption_of(picture)


def test_files_about_pictures_are_known():
    about = ["dataset.json", "a.txt", "A.TXT", "a.caption", "metadata.jsonl", "captions.json", "a.json"]
    assert all(labels.is_about_pictures(Path(name)) for name in about)
    assert not labels.is_about_pictures(Path("a.png"))
    assert not labels.is_about_pictures(Path("metadata.png"))
