"""Models that other packages bring: found without being imported, then as if built in."""

from __future__ import annotations

import logging
import sys

import numpy as np
import plugin_files
import pytest
import toy_card
from PIL import Image
from tiers import quick

import ml4a
from ml4a import weights
from ml4a._core import devices
from ml4a._core.errors import BadPlugin, BadValue, UnknownName
from ml4a.cli import main
from ml4a.jobs import read_record, repeat
from ml4a.models import registry
from ml4a.weights import plugins


def forget():
    for cached in (plugins.installed, registry.verbs, registry.model_class, devices.say_once):
        cached.cache_clear()


@pytest.fixture
def site(home, tmp_path, monkeypatch):
    """A folder of installed packages, and a way to look at it anew."""
    folder, marks = tmp_path / "site", tmp_path / "marks"
    folder.mkdir()
    marks.mkdir()
    (tmp_path / "share.txt").write_text("0.5")
    monkeypatch.setenv(plugin_files.MARKS, str(marks))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 6), (200, 100, 50)).save("photo.png")
    forget()
    yield folder
    forget()
    for name in [name for name in sys.modules if name.startswith("toy_")]:
        if str(folder) in (sys.modules[name].__file__ or ""):
            del sys.modules[name]


@pytest.fixture
def darken(site, tmp_path):
    """A plug-in that works, with a verb of its own."""
    card = plugin_files.card(tmp_path / "share.txt", verbs=("darken",))
    return plugin_files.install(site, "darken", plugin_files.model("darken", "darken"), card=card)


def imported(tmp_path):
    return {path.name for path in (tmp_path / "marks").iterdir()}


def left_out(caplog):
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def test_all_names_of_ours_are_taken():
    catalog = {path.stem for path in weights.card_files._CATALOG.glob("*.toml")}  # type: ignore[attr-defined]
    assert set(registry.BUILT_IN) <= catalog


@pytest.mark.usefixtures("darken")
def test_a_model_is_known_without_being_imported_and_loaded_by_name(tmp_path):
    assert registry.names() == [*registry.BUILT_IN, "darken"]
    assert [verb.model for verb in registry.verbs()["darken"]] == ["darken"]
    assert weights.card("darken").variant().licence == "MIT"
    assert "darken/half" in {item.spec for item in weights.inventory()}
    assert imported(tmp_path) == set()
    result = ml4a.load("darken")(np.full((4, 4, 3), 0.8, np.float32), times=2)
    assert np.allclose(result, 0.2)
    assert imported(tmp_path) == {"toy_darken"}
    with pytest.raises(UnknownName, match="did you mean 'darken'"):
        ml4a.load("darkn")


@pytest.mark.usefixtures("darken")
def test_a_verb_of_a_plug_in_makes_files_with_records_that_repeat(tmp_path, capsys):
    assert main(["darken", "photo.png", "--times", "2", "-o", "dark.png"]) == 0
    assert capsys.readouterr().out == "dark.png\n"
    assert Image.open("dark.png").getpixel((0, 0)) == (50, 25, 13)
    assert (read_record("dark.png").model, read_record("dark.png").parameters["times"]) == ("darken", 2)
    repeat("dark.png", target="again.png")
    assert np.array_equal(np.asarray(Image.open("again.png")), np.asarray(Image.open("dark.png")))
    assert main(["darken", "photo.png", "--times", "10", "-o", "no.png"]) == 2
    assert capsys.readouterr().err == "ml4a: times must be between 1 and 9, not 10\n"


@pytest.mark.usefixtures("darken")
def test_it_is_shown_with_the_package_that_it_comes_from(tmp_path, capsys):
    main(["models"])
    main(["weights", "list", "darken"])
    main(["--help"])
    text = capsys.readouterr().out
    assert "Makes pictures darker, for tests. (from toy-darken 1.0)" in text
    assert "darken/half" in text
    assert text.count("toy-darken 1.0") == 2
    assert imported(tmp_path) == set()
    main(["models", "darken"])
    main(["darken", "--help"])
    text = capsys.readouterr().out
    assert "darken: Toy (from toy-darken 1.0)" in text
    assert "times = 1: How often. (between 1 and 9)" in text
    assert "Usage: ml4a darken SOURCE... [OPTIONS]" in text
    assert "ml4a darken photo.jpg" in text


def test_a_plug_in_joins_a_built_in_verb_behind_ours(site, tmp_path, capsys):
    card = plugin_files.card(tmp_path / "share.txt", verbs=("upscale",))
    plugin_files.install(site, "shrink", plugin_files.model("shrink", "upscale"), card=card)
    assert [verb.model for verb in registry.verbs()["upscale"]] == ["real_esrgan", "esrgan", "shrink"]
    main(["upscale", "--help"])
    assert "shrink" in capsys.readouterr().out
    assert imported(tmp_path) == set()
    assert main(["upscale", "photo.png", "--model", "shrink", "--times", "1", "-o", "out.png"]) == 0
    assert Image.open("out.png").getpixel((0, 0)) == (100, 50, 25)


def test_a_card_beside_a_lone_module_is_found(site, tmp_path):
    (site / "toy_alone.py").write_text(plugin_files.model("alone", "alone"))
    (site / "alone.toml").write_text(plugin_files.card(tmp_path / "share.txt", verbs=("alone",)))
    plugin_files.install(site, "other", "", distribution="toy-alone", points="[ml4a.models]\nalone = toy_alone:Toy\n")
    assert "alone" in registry.verbs()
    assert np.allclose(ml4a.load("alone")(np.ones((4, 4, 3), np.float32)), 0.5)


@pytest.mark.usefixtures("darken")
def test_a_card_of_the_users_own_gives_other_weights_and_the_verbs_stay(tmp_path):
    toy_card.write_files(
        {"share": b"0.25"}, {"share": [f"file:{tmp_path / 'own.txt'}"]}, name="darken", names={"share": "own.txt"}
    )
    (tmp_path / "own.txt").write_text("0.25")
    assert "darken" in registry.verbs()
    assert np.allclose(ml4a.load("darken", "small")(np.ones((4, 4, 3), np.float32)), 0.25)


def test_a_card_of_a_plug_in_never_replaces_one_of_ours(site, tmp_path, caplog):
    before = weights.card("hed")
    card = plugin_files.card(tmp_path / "share.txt", verbs=("sketch",))
    plugin_files.install(site, "hed", plugin_files.model("hed", "sketch"), card=card)
    plugin_files.install(site, "lpips", plugin_files.model("lpips", "sketch"), card=card)
    forget()
    assert weights.card("hed") == before
    assert registry.model_class("hed").__module__ == "ml4a.models.hed"
    assert [verb.model for verb in registry.verbs()["sketch"]] == ["hed", "photosketch"]
    assert left_out(caplog) == [
        "left out 'hed' of toy-hed 1.0: ml4a has a card named hed itself",
        "left out 'lpips' of toy-lpips 1.0: ml4a has a card named lpips itself",
    ]


BROKEN = {
    "no such import": ("import nowhere_at_all", "importing toy_broken fails: ModuleNotFoundError: No module named"),
    "no Python": ("def f(:", "importing toy_broken fails: SyntaxError"),
    "exits": ("raise SystemExit(3)", "importing toy_broken fails: SystemExit: 3"),
    "escapes": ("raise ValueError('\\x1b[31m' + 'x' * 999)", r"ValueError: \x1b[31mxxx"),
    "no class": ("", "has no attribute 'Toy'"),
    "a number": ("Toy = 3", "Toy is no class of models"),
    "no model": ("class Toy: card = 'broken'", "Toy is no class of models"),
    "no card's name": ("import ml4a.plugin\nclass Toy(ml4a.plugin.Model): pass", "is None where 'broken' is due"),
    "another's card": (plugin_files.model("hed", "x"), "the card of Toy is 'hed' where 'broken' is due"),
    "no annotation": (
        plugin_files.model("broken", "x").replace("picture: Picture", "picture: Nowhere"),
        "its operations cannot be read: NameError",
    ),
    "no medium": (
        plugin_files.model("broken", "x").replace("picture: Picture", "picture: int"),
        "its operation __call__ takes no picture",
    ),
    "another verb": (
        plugin_files.model("broken", "another"),
        "has no operation of the verb break-it, which its card tells of",
    ),
}


@pytest.mark.parametrize(("code", "words"), quick(BROKEN.values(), 4, rows=True), ids=BROKEN)
def test_what_is_broken_is_one_line_when_it_is_asked_for(code, words, site, tmp_path, capsys, caplog):
    plugin_files.install(site, "broken", code, card=plugin_files.card(tmp_path / "share.txt", verbs=("break-it",)))
    assert registry.names()[-1] == "broken"
    assert main(["break-it", "photo.png", "-o", "out.png"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ml4a: broken of toy-broken 1.0 ")
    assert words in error
    assert error.count("\n") == 1
    assert len(error) < 500
    assert caplog.records == []
    if "another" not in code:
        with pytest.raises(BadPlugin):
            ml4a.load("broken")


@pytest.mark.parametrize(
    ("card", "words"),
    quick(
        [
            (None, r"toy-broken 1.0 brings broken without a card; broken.toml is due in .*toy_broken"),
            ("title = ", r"the card of toy-broken 1.0 is wrong: .*broken.toml is not a readable card"),
            ("colour = 3", r"the card of toy-broken 1.0 is wrong: .*broken.toml: card.colour is not a key of cards"),
            ("verbs = ['--help']", r"the card of toy-broken 1.0 is wrong: .*verbs '--help' is not of the form"),
            ("verbs = 'x'", r"the card of toy-broken 1.0 is wrong: .*verbs is not a list of verbs"),
        ],
        3,
        rows=True,
    ),
)
def test_a_wrong_card_is_said_once_and_others_are_read(card, words, site, tmp_path, caplog, capsys):
    good = plugin_files.card(tmp_path / "share.txt")
    if card is not None and card != "title = ":
        card = good.replace("verbs = []", "").replace("task =", f"{card}\n        task =")
    plugin_files.install(site, "broken", "", card=card)
    for arguments in (["models"], ["weights", "list"]):
        assert main(arguments) == 0
    assert "hed" in capsys.readouterr().out
    (message,) = left_out(caplog)
    assert message.startswith("left out: ")
    with pytest.raises(BadValue, match=words):
        weights.card("broken")
