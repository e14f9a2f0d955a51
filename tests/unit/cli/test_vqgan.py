"""`ml4a vqgan …` with small networks, and what it makes of what it is given."""

from __future__ import annotations

import checkpoints
import numpy as np
import pytest
from PIL import Image

import ml4a
from ml4a import image, segmentation
from ml4a._core.record import Record
from ml4a.cli import main
from ml4a.media import video
from ml4a.models.taming_transformers import load_tokens

pytestmark = pytest.mark.xdist_group("taming")


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """A home with both kinds of weights, and the folder to work in, with two pictures and a map."""
    folder = tmp_path_factory.mktemp("vqgan")
    photo = image.sample("chelsea")
    work = folder / "work"
    work.mkdir()
    for name, left in (("a", 100), ("b", 180)):
        photo.crop((left, 80, left + 64, 128)).save(work / f"{name}.png")
    labels = np.full((32, 64), segmentation.COCO_STUFF["sky"].index)
    labels[16:] = segmentation.COCO_STUFF["grass"].index
    segmentation.from_array(labels, "coco_stuff").to_image().save(work / "map.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(folder / "home"))
        for weights in ("imagenet", "sflckr"):
            files = folder / weights
            files.mkdir()
            written = checkpoints.write("taming_transformers", weights, files, small=True)
            checkpoints.install("taming_transformers", weights, written)
    return folder


@pytest.fixture
def work(furnished, tmp_path, monkeypatch):
    """The folder to work in, with nothing in it that other tests made."""
    monkeypatch.setenv("ML4A_HOME", str(furnished / "home"))
    folder = tmp_path / "work"
    folder.mkdir()
    for path in (furnished / "work").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(folder)
    return folder


def pixels(path) -> np.ndarray:
    return np.asarray(image.load(path))


def record_of(path: str) -> Record:
    return Record.from_json(image.read_record_text(path) or "")


def test_a_picture_goes_through_tokens_in_one_step_and_in_two(work, capsys):
    assert main(["vqgan", "reconstruct", "a.png"]) == 0
    assert main(["vqgan", "tokens", "a.png"]) == 0
    assert main(["vqgan", "decode", "a-tokens.png", "-o", "two.png"]) == 0
    assert capsys.readouterr().out.split() == ["a-reconstruct.png", "a-tokens.png", "two.png"]
    assert load_tokens("a-tokens.png").shape == (3, 4)
    assert np.array_equal(pixels("a-reconstruct.png"), pixels("two.png"))
    assert np.array_equal(pixels("two.png"), np.asarray(ml4a.load("taming_transformers")("a.png")))
    assert record_of("two.png").operation == "decode"
    assert record_of("a-reconstruct.png").operation == "__call__"


@pytest.mark.slow
def test_tokens_that_were_changed_by_hand_are_decoded(work):
    main(["vqgan", "tokens", "a.png", "--size", "32", "-q", "-o", "tokens.png"])
    with Image.open("tokens.png") as opened:
        turned = np.asarray(opened)[:, ::-1]
    Image.fromarray(np.ascontiguousarray(turned)).save("turned.png")
    assert main(["vqgan", "decode", "turned.png", "--no-record", "-o", "turned-back.png"]) == 0
    due = ml4a.load("taming_transformers").decode(turned.astype(int))
    assert np.array_equal(pixels("turned-back.png"), np.asarray(due))
    assert image.read_record_text("turned-back.png") is None


@pytest.mark.slow
def test_two_pictures_are_mixed(work):
    assert main(["vqgan", "mix", "a.png", "--other", "b.png", "--amount", "0.3", "-o", "mixed.png"]) == 0
    due = ml4a.load("taming_transformers").mix("a.png", other="b.png", amount=0.3)
    assert np.array_equal(pixels("mixed.png"), np.asarray(due))
    assert main(["repeat", "mixed.png", "-o", "again.png"]) == 0
    assert np.array_equal(pixels("again.png"), pixels("mixed.png"))


@pytest.mark.slow
def test_a_map_is_painted_with_previews_and_painted_again(work):
    command = ["vqgan", "paint", "map.png", "--size", "64", "--seed", "5", "--top-k", "9", "--preview", "so-far.png"]
    assert main([*command, "-o", "painted.png"]) == 0
    painter = ml4a.load("taming_transformers", "sflckr")
    assert np.array_equal(pixels("painted.png"), np.asarray(painter.paint("map.png", size=64, seed=5, top_k=9)))
    assert pixels("so-far.png").shape == (64, 128, 3)
    found = record_of("painted.png")
    assert (found.weights, found.seed, found.parameters["top_k"]) == ("sflckr", 5, 9)
    assert main(["repeat", "painted.png", "-o", "again.png"]) == 0
    assert np.array_equal(pixels("again.png"), pixels("painted.png"))


@pytest.mark.slow
def test_films_go_through_tokens_frame_by_frame(work):
    video.from_frames([image.load("a.png"), image.load("b.png")], rate=5).save("clip.mp4")
    assert main(["vqgan", "reconstruct", "clip.mp4", "-q", "-o", "tokens.mp4"]) == 0
    made = video.open("tokens.mp4")
    assert (made.size, len(list(made.frames()))) == ((64, 48), 2)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["decode", "a.png", "-o", "b2.png"], "a.png holds no tokens"),
        (["tokens", "a.png", "-o", "tokens.jpg"], "saved as .png"),
        (["tokens", "a.png", "-o", "b.png"], "b.png exists"),
        (["reconstruct"], "ml4a vqgan reconstruct photo.jpg"),
        (["paint", "map.png", "--weights", "imagenet", "-o", "x.png"], "do not paint"),
        (["paint", "map.png", "--temperature", "-1", "-o", "x.png"], "temperature"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(work, capsys, command, message):
    assert main(["vqgan", *command]) in (1, 2)
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert not (work / "x.png").exists()
