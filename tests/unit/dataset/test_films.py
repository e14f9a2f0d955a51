"""Data sets of films, and of faces that are followed through them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from film_files import numbered, numbers, pan, write_film
from PIL import Image
from small_data_sets import build, contents, files, pixels

from ml4a.dataset import Augmentation, Selection
from ml4a.media import image


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Nothing here is about machines that lose their power: let files go to the disk when they like."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", numbered(24, 48, 36), rate=8)


def test_a_film_to_its_last_frame(film, tmp_path):
    """In 2021 a run over a whole film ended in an error."""
    summary = build(film, tmp_path / "out")
    assert summary.kept == 24
    names = files(tmp_path / "out")
    assert (names[0], names[-1]) == ("f00000_frame000000.png", "f00023_frame000023.png")
    assert numbers(pixels(tmp_path / "out" / name) / np.float32(255) for name in names) == list(range(24))


def test_frames_of_a_film_apart_and_divided_by_stretches(film, tmp_path):
    build(film, tmp_path / "few", every=1.0)
    assert files(tmp_path / "few") == ["f00000_frame000000.png", "f00001_frame000008.png", "f00002_frame000016.png"]
    build(film, tmp_path / "out", test_share=0.25)
    assert files(tmp_path / "out" / "test") == [f"f000{n}_frame0000{n}.png" for n in range(18, 24)]
    build(film, tmp_path / "regular", test_share=0.25, split="regular")
    assert [int(name[1:6]) for name in files(tmp_path / "regular" / "test")] == list(range(3, 24, 4))
    build(film, tmp_path / "any", shuffle=True, max_count=5, seed=3)
    chosen = [int(name[1:6]) for name in files(tmp_path / "any")]
    assert len(chosen) == 5
    assert chosen != list(range(5))


def test_frames_that_look_alike_are_left_out(tmp_path):
    frames = pan(4, 64, 48, step=16).repeat(4, axis=0)
    film = write_film(tmp_path / "film.mp4", frames, rate=8)
    summary = build(film, tmp_path / "out", selection=Selection(duplicates=4))
    assert summary.kept == 4
    assert [int(name[1:6]) // 4 for name in files(tmp_path / "out")] == [0, 1, 2, 3]
    assert dict(summary.rejected)["frame000005"] == "it looks like frame000004"


@pytest.mark.slow
def test_crops_around_a_face(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    astronaut = image.sample("astronaut")
    astronaut.save(folder / "a.png")
    Image.new("RGB", (200, 200), "grey").save(folder / "b.png")
    summary = build(folder, tmp_path / "out", size=64, face_crop=0.6, augmentation=Augmentation(centered=True))
    assert summary.rejected == [("b.png", "no face was found in it")]
    face = pixels(tmp_path / "out" / "f00000_a.png").astype(int)
    due = np.asarray(astronaut.crop((180, 60, 270, 175)).resize((64, 64))).astype(int)
    assert abs(face.mean() - due.mean()) < 25
    whole = np.asarray(astronaut.resize((64, 64))).astype(int)
    assert np.abs(face - due).mean() < np.abs(face - whole).mean()


@pytest.mark.slow
@pytest.mark.xdist_group("dlib")
def test_only_pictures_of_the_target(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    image.sample("astronaut").crop((96, 0, 352, 256)).save(folder / "a.png")
    image.sample("camera").crop((150, 70, 310, 230)).save(folder / "b.png")
    assert build(folder, tmp_path / "anybody", face_crop=0.6).kept == 2
    summary = build(folder, tmp_path / "she", face_crop=0.6, target_face="sample:astronaut")
    assert summary.rejected == [("b.png", "the target's face was not found in it")]


@pytest.mark.slow
def test_the_crop_follows_the_face_of_a_film_whatever_the_workers(tmp_path):
    astronaut = np.asarray(image.sample("astronaut"))[40:240, 60:360]
    frames = np.stack([np.roll(astronaut, -20 * number, axis=1)[:, :240] for number in range(4)])
    film = write_film(tmp_path / "film.mp4", frames, rate=8)
    made = {}
    for smooth, workers in ((1.0, None), (0.3, None), (0.3, 2)):
        target = tmp_path / f"{smooth}-{workers}"
        build(film, target, size=48, face_crop=0.6, face_smooth=smooth, workers=workers)
        made[smooth, workers] = contents(target)
    assert len(made[1.0, None]) == 4
    assert made[0.3, None] == made[0.3, 2]
    assert made[0.3, None]["f00000_frame000000.png"] == made[1.0, None]["f00000_frame000000.png"]
    assert made[0.3, None]["f00003_frame000003.png"] != made[1.0, None]["f00003_frame000003.png"]
