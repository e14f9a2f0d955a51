"""Data sets as a whole: what is made of which inputs, where it is, and that it is the same whoever makes it."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from picture_files import png_bomb
from PIL import Image, ImageFilter
from small_data_sets import SIZE, VARIED, build, contents, files, photo, pixels, write_photos

from ml4a._core.errors import BadValue, OutputExists, UnknownName
from ml4a.dataset import Augmentation, Selection, actions
from ml4a.media import image


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Nothing here is about machines that lose their power: let files go to the disk when they like."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def photos(tmp_path) -> Path:
    return write_photos(tmp_path / "photos")


def test_pairs_line_up_pixel_by_pixel(photos, tmp_path):
    target = tmp_path / "out"
    summary = build(photos, target, size=SIZE, actions=["posterize"], layout="split", augmentation=VARIED)
    assert (summary.target, summary.kept, summary.pictures, summary.rejected) == (target, 6, {"": 12}, [])
    assert len(files(target)) == 24
    for name in files(target / "train_A"):
        processed, original = pixels(target / "train_A" / name), pixels(target / "train_B" / name)
        assert processed.shape == (18, 24, 3)
        due = actions.posterize(original.astype(np.float32) / 255)
        np.testing.assert_array_equal(processed, np.rint(due * 255).astype(np.uint8))
        assert (processed != original).any()


def test_pairs_in_one_picture(photos, tmp_path):
    build(photos, tmp_path / "two", size=SIZE, actions=["posterize"], layout="split")
    build(photos, tmp_path / "one", size=SIZE, actions=["posterize"], layout="combined")
    for name in files(tmp_path / "one"):
        parts = [pixels(tmp_path / "two" / f"train_{side}" / name) for side in "AB"]
        np.testing.assert_array_equal(pixels(tmp_path / "one" / name), np.concatenate(parts, axis=1))


def test_of_pairs_in_one_picture_the_original_has_the_size_of_what_was_made(photos, tmp_path):
    def twice(picture):
        return image.resize(picture, (48, 36), "nearest")

    build(photos, tmp_path / "one", size=SIZE, actions=[twice], layout="combined")
    build(photos, tmp_path / "two", size=SIZE, actions=[twice], layout="split")
    assert pixels(tmp_path / "one" / "f00000_a.png").shape == (36, 96, 3)
    assert pixels(tmp_path / "two/train_A/f00000_a.png").shape == (36, 48, 3)
    assert pixels(tmp_path / "two/train_B/f00000_a.png").shape == (18, 24, 3)


def test_processed_pictures_alone_and_the_formats(photos, tmp_path):
    build(photos, tmp_path / "png")
    build(photos, tmp_path / "jpg", format="jpg")
    build(photos, tmp_path / "poor", format="jpg", quality=30)
    assert files(tmp_path / "png") == [f"f0000{number}_{'abcdef'[number]}.png" for number in range(6)]
    np.testing.assert_array_equal(pixels(tmp_path / "png" / "f00002_c.png"), pixels(photos / "c.png"))
    good, poor = (tmp_path / folder / "f00002_c.jpg" for folder in ("jpg", "poor"))
    assert good.read_bytes().startswith(b"\xff\xd8")
    assert good.stat().st_size > 1.5 * poor.stat().st_size
    assert np.abs(pixels(good).astype(int) - pixels(photos / "c.png")).mean() < 3


def test_the_same_seed_makes_the_same_bytes_and_another_makes_others(photos, tmp_path):
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        build(photos, tmp_path / name, size=SIZE, augmentation=VARIED, test_share=0.4, seed=seed)
    assert contents(tmp_path / "one") == contents(tmp_path / "again")
    assert contents(tmp_path / "one") != contents(tmp_path / "other")
    drawn = build(photos, tmp_path / "drawn", size=SIZE, augmentation=VARIED, test_share=0.4, seed=None).seed
    build(photos, tmp_path / "redrawn", size=SIZE, augmentation=VARIED, test_share=0.4, seed=drawn)
    assert contents(tmp_path / "drawn") == contents(tmp_path / "redrawn")


def test_other_inputs_change_no_copy(photos, tmp_path):
    build(photos, tmp_path / "all", size=SIZE, augmentation=VARIED)
    (photos / "d.png").unlink()
    build(photos, tmp_path / "fewer", size=SIZE, augmentation=VARIED)
    one = {name[7:]: digest for name, digest in contents(tmp_path / "all").items()}
    assert all(one[name[7:]] == digest for name, digest in contents(tmp_path / "fewer").items())


@pytest.mark.slow
def test_workers_are_other_processes_and_make_the_same_bytes(photos, tmp_path):
    made, processes = [], tmp_path / "processes"
    processes.mkdir()

    def noted(picture):
        (processes / str(os.getpid())).touch()
        return 1 - picture

    for workers in (None, 2):
        target = tmp_path / str(workers)
        summary = build(
            photos, target, size=SIZE, actions=["trace", noted], augmentation=VARIED, test_share=0.4,
            container="webdataset", shard_size=3, workers=workers, selection=Selection(duplicates=2),
        )  # fmt: skip
        made.append((contents(target), summary.pictures, summary.kept))
        assert (str(os.getpid()) in files(processes)) == (workers is None)
        (processes / str(os.getpid())).unlink(missing_ok=True)
    assert 1 <= len(files(processes)) <= 2
    assert made[0] == made[1]
    assert len(made[0][0]) == 4


@pytest.mark.slow
def test_networks_make_the_same_bytes_in_workers(tmp_path):
    """Several threads would add up in another order, by which this very picture differs."""
    import torch

    (tmp_path / "photos").mkdir()
    image.sample("chelsea").save(tmp_path / "photos" / "chelsea.png")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for workers in (None, 1):
            build(tmp_path / "photos", tmp_path / str(workers), size=192, actions=["sketch"], seed=3, workers=workers)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert "ML4A_MEMORY" not in os.environ
    assert contents(tmp_path / "None") == contents(tmp_path / "1")


def test_the_first_ones_or_any(photos, tmp_path):
    build(photos, tmp_path / "first", max_count=2)
    assert files(tmp_path / "first") == ["f00000_a.png", "f00001_b.png"]
    chosen = []
    for seed in range(4):
        build(photos, tmp_path / str(seed), max_count=3, shuffle=True, seed=seed)
        chosen.append(files(tmp_path / str(seed)))
    assert all(len(each) == 3 for each in chosen)
    assert len(set(map(tuple, chosen))) > 1
    assert all(int(name[1:6]) == "abcdef".index(name[7]) for each in chosen for name in each)


def test_small_large_blurred_and_repeated_pictures_are_left_out(photos, tmp_path):
    photo(7, (30, 90)).save(photos / "g.png")
    photo(2).filter(ImageFilter.GaussianBlur(4)).save(photos / "h.png")
    photo(1).resize((44, 38)).save(photos / "i.jpg", quality=80)
    summary = build(photos, tmp_path / "sizes", selection=Selection(min_size=40, max_size=85))
    assert dict(summary.rejected) == {
        "g.png": "it has 30x90 px and the least is 40",
        "i.jpg": "it has 44x38 px and the least is 40",
    }
    summary = build(photos, tmp_path / "large", selection=Selection(max_size=85))
    assert summary.rejected == [("g.png", "it has 30x90 px and the most is 85")]
    summary = build(photos, tmp_path / "sharp", selection=Selection(min_sharpness=20))
    assert [name for name, _ in summary.rejected] == ["h.png"]
    assert "its sharpness is" in summary.rejected[0][1]
    summary = build(photos, tmp_path / "single", selection=Selection(duplicates=6, min_sharpness=20))
    assert [name for name, _ in summary.rejected] == ["h.png", "i.jpg"]
    assert summary.rejected[1][1] == "it looks like b.png"
    assert [name[7] for name in files(tmp_path / "single")] == list("abcdefg")


@pytest.mark.parametrize(
    ("name", "value"), [("min_size", -1), ("max_size", 0), ("min_sharpness", -2), ("duplicates", 40)]
)
def test_limits_out_of_range(name, value):
    with pytest.raises(BadValue, match=name):
        Selection(**{name: value})


def test_what_is_no_picture_is_left_out_and_the_rest_goes_on(photos, tmp_path):
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:500])
    (photos / "c.png").write_text("<html>404</html>")
    (photos / "d.png").write_bytes(png_bomb())
    (photos / "e.png").unlink()
    os.mkfifo(photos / "e.png")
    summary = build(photos, tmp_path / "out", selection=Selection(duplicates=0))
    reasons = dict(summary.rejected)
    assert files(tmp_path / "out") == ["f00000_a.png", "f00004_f.png"]
    assert "b.png is broken or cut short" in reasons["b.png"]
    assert "c.png is" in reasons["c.png"]
    assert "the limit is" in reasons["d.png"]
    assert len(reasons) == 3


def test_an_action_that_fails_on_one_picture(photos, tmp_path):
    def picky(picture):
        if abs(picture.mean() - np.asarray(photo(3)).mean() / 255) < 1e-4:
            raise ValueError("too dark")
        return picture

    summary = build(photos, tmp_path / "out", actions=[picky])
    assert "d.png" in dict(summary.rejected)
    assert "ValueError: too dark" in dict(summary.rejected)["d.png"]
    assert summary.kept == 5


def test_nothing_that_is_good(photos, tmp_path):
    with pytest.raises(BadValue, match=r"none of 6 inputs .* a\.png: it has 48x40 px and the least is 999"):
        build(photos, tmp_path / "out", selection=Selection(min_size=999))
    assert not (tmp_path / "out").exists()


def test_a_picture_stays_on_its_side_when_others_come(photos, tmp_path):
    for number in range(6, 14):
        photo(number).save(photos / f"p{number}.png")
    (photos / "same.png").write_bytes((photos / "p7.png").read_bytes())

    def sides(target: str) -> dict[str, str]:
        build(photos, tmp_path / target, size=SIZE, test_share=0.3, augmentation=Augmentation(2))
        return {name.split("_", 2)[2]: name.split("/")[0] for name in files(tmp_path / target)}

    before = sides("before")
    for number in range(20, 26):
        photo(number).save(photos / f"a{number}.png")
    after = sides("after")
    assert {name: after[name] for name in before} == before
    assert set(before.values()) == {"train", "test"}
    assert before["same.png"] == before["p7.png"]
    assert len(files(tmp_path / "before")) == 2 * len(before)  # no copy is on the other side


def test_a_single_picture_and_a_list(photos, tmp_path):
    build(photos / "c.png", tmp_path / "one")
    assert files(tmp_path / "one") == ["f00000_c.png"]
    build([photos / "d.png", str(photos / "a.png")], tmp_path / "two")
    assert files(tmp_path / "two") == ["f00000_d.png", "f00001_a.png"]
    with pytest.raises(BadValue, match="labels are the folders"):
        build(photos / "c.png", tmp_path / "none", labels=True)


def test_every_nth_picture(photos, tmp_path):
    summary = build(photos, tmp_path / "out", test_share=0.34, split="regular", layout="split")
    assert files(tmp_path / "out" / "test") == [
        f"test_{side}/{name}" for side in "AB" for name in ("f00001_b.png", "f00004_e.png")
    ]
    assert summary.pictures == {"train": 4, "test": 2}


def test_classes_and_captions(photos, tmp_path):
    for name in "abc":
        (photos / f"{name}.txt").write_text(f"The letter {name}.")
    for folder, names in (("zebra", "ad"), ("ape", "bce")):
        (photos / folder).mkdir()
        for name in names:
            for path in photos.glob(f"{name}.*"):
                path.rename(photos / folder / path.name)
    (photos / "f.png").unlink()
    summary = build(photos, tmp_path / "out", labels=True, captions=True)
    assert summary.classes == ["ape", "zebra"]
    labels = json.loads((tmp_path / "out" / "dataset.json").read_text())["labels"]
    assert labels == [
        ["f00000_b.png", 0],
        ["f00001_c.png", 0],
        ["f00002_e.png", 0],
        ["f00003_a.png", 1],
        ["f00004_d.png", 1],
    ]
    assert (tmp_path / "out" / "f00003_a.txt").read_text().strip() == "The letter a."
    assert not (tmp_path / "out" / "f00004_d.txt").exists()
    build(photos, tmp_path / "plain", labels=True)
    assert not list((tmp_path / "plain").glob("*.txt"))
    with pytest.raises(BadValue, match="a list of pictures have none"):
        build([photos / "ape" / "b.png"], tmp_path / "list", labels=True)


def test_a_zip_for_stylegan(photos, tmp_path):
    build(photos, tmp_path / "set.zip", size=16, container="zip")
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        assert names == [f"00000/img0000000{number}.png" for number in range(6)]
        assert Image.open(io.BytesIO(archive.read(names[0]))).size == (16, 16)
    assert files(tmp_path) == [*(f"photos/{name}.png" for name in "abcdef"), "set.zip"]
    for wrong in ({"size": 24}, {"size": (16, 32)}, {"layout": "split"}, {"format": "jpg"}):
        with pytest.raises(BadValue, match="StyleGAN"):
            build(photos, tmp_path / "other.zip", **{"size": 16, "container": "zip", **wrong})


def test_shards_in_the_order_of_the_inputs(photos, tmp_path):
    build(photos, tmp_path / "out", size=SIZE, container="webdataset", shard_size=4, layout="split")
    assert files(tmp_path / "out") == ["train-000000.tar", "train-000001.tar"]
    members = []
    for shard in files(tmp_path / "out"):
        with tarfile.open(tmp_path / "out" / shard) as tar:
            members += tar.getnames()
    assert members == [f"f0000{number}_{'abcdef'[number]}.{side}.png" for number in range(6) for side in "ab"]


def test_the_report_is_beside_the_data_set(photos, tmp_path):
    (photos / "g.png").write_text("no picture")
    summary = build(photos, tmp_path / "out", report=True, test_share=0.3, layout="split", actions=["posterize"])
    assert summary.report == tmp_path / "out-report" / "report.html"
    told = json.loads((tmp_path / "out-report" / "report.json").read_text())
    assert (told["kept"], told["rejected"]) == (6, 1)
    assert told["settings"]["seed"] == 1
    assert told["settings"]["actions"] == ["posterize"]
    assert {(each["width"], each["height"]) for each in told["entries"] if each["outcome"] == "kept"} == {(48, 40)}
    assert pixels(tmp_path / "out-report" / "sheet.jpg").shape[1] > 300
    with pytest.raises(OutputExists, match="out-report exists"):
        (tmp_path / "out").rename(tmp_path / "elsewhere")
        build(photos, tmp_path / "out", report=True)


def test_what_is_there_is_not_replaced_unless_asked(photos, tmp_path):
    build(photos, tmp_path / "out", test_share=0.3, layout="split")
    before = contents(tmp_path / "out")
    with pytest.raises(OutputExists, match="out has"):
        build(photos, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    (tmp_path / "out" / "notes.md").write_text("mine")
    build(photos, tmp_path / "out", max_count=2, overwrite=True)
    assert files(tmp_path / "out") == ["f00000_a.png", "f00001_b.png", "notes.md"]
    with pytest.raises(OutputExists, match="in the input itself"):
        build(photos, photos)


def test_mistakes_are_told_before_any_work(photos, tmp_path):
    for wrong, error, words in (
        ({"actions": ["nothing"]}, UnknownName, "no action named"),
        ({"layout": "pairs"}, UnknownName, "layout"),
        ({"container": "rar"}, UnknownName, "container"),
        ({"test_share": 1.5}, BadValue, "test_share"),
        ({"quality": 101}, BadValue, "quality"),
        ({"max_count": 0}, BadValue, "max_count"),
        ({"workers": 0}, BadValue, "workers"),
        ({"size": "large"}, BadValue, "size"),
        ({"face_smooth": 0.5}, BadValue, "face_smooth"),
        ({"face_smooth": 0.5, "face_crop": 0.5}, BadValue, "face_smooth is for films"),
        ({"every": 1.0}, BadValue, "every is for films"),
        ({"address": "auto"}, BadValue, "ray"),
        ({"engine": "cloud"}, UnknownName, "engine"),
        ({"split": "random"}, UnknownName, "split"),
        ({"shard_size": 0}, BadValue, "shard_size"),
    ):
        with pytest.raises(error, match=words):
            build(photos, tmp_path / "out", **wrong)
        assert not (tmp_path / "out").exists(), wrong
