"""`ml4a dataset wikiart`: what it asks for, where it writes, what it says."""

from __future__ import annotations

import cyclopts
import pytest
from wikiart_site import WikiArtSite

from ml4a._core.errors import BadValue, Offline
from ml4a.cli import dataset as commands
from ml4a.dataset import _visits
from ml4a.dataset import wikiart as downloads

SLUGS = ["hokusai/the-wave", "hokusai/red-fuji", "hiroshige/rain"]


@pytest.fixture
def site(server, tmp_path, monkeypatch) -> WikiArtSite:
    """The site in the place of the real one; the current folder is empty."""
    playing = WikiArtSite(server)
    monkeypatch.setenv("ML4A_ALLOW_LOOPBACK", "1")
    monkeypatch.setattr(_visits, "PAUSE", 0.0)
    monkeypatch.setattr(downloads, "SITE", playing.base)
    monkeypatch.chdir(tmp_path)
    playing.paintings(SLUGS, per=1)
    return playing


def run(*arguments: str) -> None:
    app = cyclopts.App(result_action="return_value")
    commands.register(app)
    app(["dataset", "wikiart", *arguments], exit_on_error=False, print_error=False)


def test_the_files_are_on_standard_output_and_the_rest_on_standard_error(site, capsys, tmp_path):
    (tmp_path / "notes.txt").touch()
    run("--genre", "landscape", "--max", "2")
    said = capsys.readouterr()
    assert said.out.split() == ["landscape/hokusai_the-wave-1890.jpg", "landscape/hokusai_red-fuji-1890.jpg"]
    assert "copyright" in said.err
    assert site.pictures_asked() == SLUGS[:2]
    run("--genre", "landscape")
    said = capsys.readouterr()
    assert said.out.split() == ["landscape/hiroshige_rain-1890.jpg"]
    assert "2 pictures were there before" in said.err


def test_pages_output_and_silence(site, capsys, tmp_path):
    run("--genre", "landscape", "--pages", "1", "-o", "here/deeper", "--quiet")
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "here" / "deeper" / "hokusai_the-wave-1890.jpg").exists()
    assert len(site.pictures_asked()) == 1


def test_a_style_is_another_list(site):
    with pytest.raises(BadValue, match="the style 'landscape'; it has abstract-expressionism"):
        run("--style", "landscape")
    assert site.asked("/en/paintings-by-style/landscape?json=2&page=1") == 1


@pytest.mark.parametrize("arguments", [(), ("--genre", "a", "--style", "b")])
def test_one_of_genre_and_style_is_named(arguments):
    with pytest.raises(BadValue, match="a genre or a style"):
        run(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--pause", "0.2"), "pause"), (("--max", "0"), "max_count"), (("--pages", "0"), "pages")],
)
def test_numbers_out_of_bounds_are_told_of(site, arguments, message):
    with pytest.raises(BadValue, match=message):
        run("--genre", "landscape", *arguments)
    assert site.server.requests == []


def test_without_a_network_it_says_so(site, monkeypatch):
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    with pytest.raises(Offline):
        run("--genre", "landscape")
