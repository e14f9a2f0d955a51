"""`--compare` shows the original beside the result."""

from __future__ import annotations

import checkpoints
import numpy as np

from ml4a import image, jobs
from ml4a.cli import main
from ml4a.media import video


def test_a_picture_is_beside_its_result(tmp_path):
    source, both, alone = (tmp_path / name for name in ("photo.png", "both.png", "alone.png"))
    image.sample("chelsea").crop((100, 60, 180, 120)).save(source)
    assert main(["sketch", str(source), "-o", str(both), "--compare", "--quiet"]) == 0
    assert main(["sketch", str(source), "-o", str(alone), "--quiet"]) == 0
    left, right = np.hsplit(np.asarray(image.load(both)), 2)
    assert np.array_equal(left, np.asarray(image.load(source)))
    assert np.array_equal(right, np.asarray(image.load(alone)))
    assert jobs.read_record(both).model == "hed"


def test_a_larger_result_has_the_original_at_its_own_size(tmp_path):
    source, both = tmp_path / "photo.png", tmp_path / "both.png"
    image.sample("chelsea").crop((100, 60, 130, 80)).save(source)
    assert main(["upscale", str(source), "--weights", "animevideo", "-o", str(both), "--compare", "--quiet"]) == 0
    assert image.load(both).size == (2 * 4 * 30, 4 * 20)


def test_a_film_is_beside_its_result(tmp_path):
    source, both = tmp_path / "film.mp4", tmp_path / "both.mp4"
    frames = np.random.default_rng(0).random((4, 48, 64, 3)).astype(np.float32)
    video.from_frames(lambda: iter(frames), 25, count=4).save(source)
    assert (
        main(["match-color", str(source), "--reference", "sample:waves", "-o", str(both), "--compare", "--quiet"]) == 0
    )
    clip = video.open(both)
    assert clip.size == (128, 48)
    first = next(iter(clip))
    assert np.abs(first[:, :64] - next(iter(video.open(source)))).mean() < 0.06
    assert np.abs(first[:, :64] - first[:, 64:]).mean() > 0.07


def test_what_is_so_by_default_can_be_switched_off(tmp_path, monkeypatch):
    folder = tmp_path / "files"
    folder.mkdir()
    image.sample("chelsea").crop((100, 60, 180, 120)).save(tmp_path / "photo.png")
    monkeypatch.setenv("ML4A_HOME", str(tmp_path / "home"))
    checkpoints.install("basnet", "duts", checkpoints.write("basnet", "duts", folder, small=True))
    monkeypatch.chdir(tmp_path)
    for name, flags in {"clean": [], "raw": ["--no-clean"], "coarse": ["--no-refine", "--no-clean"]}.items():
        assert main(["cutout", "photo.png", "-o", f"{name}.png", "--quiet", *flags]) == 0
    clean, raw, coarse = (np.asarray(image.load(tmp_path / f"{name}.png")) for name in ("clean", "raw", "coarse"))
    assert np.array_equal(raw[:, :, :3], np.asarray(image.load(tmp_path / "photo.png")))
    assert not np.array_equal(clean[:, :, :3], raw[:, :, :3])
    assert np.array_equal(clean[:, :, 3], raw[:, :, 3])
    assert not np.array_equal(coarse[:, :, 3], raw[:, :, 3])
