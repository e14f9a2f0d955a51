"""Paintings from a site that is slow, busy, broken and hostile: politely, each once, and whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from lying_server import Answer, LyingServer
from tiers import quick
from wikiart_site import LIST, WikiArtSite, jpeg

from ml4a._core.errors import BadValue, Cancelled, DownloadFailed, Offline, OutputExists, UnsafeURL
from ml4a._core.progress import Cancel
from ml4a.dataset import _paintings, _visits, labels, wikiart

MONET = ["claude-monet/haystacks-1890", "claude-monet/poplars", "claude-monet/the-seine-1891"]


@pytest.fixture
def site(server, monkeypatch) -> WikiArtSite:
    monkeypatch.setenv("ML4A_ALLOW_LOOPBACK", "1")
    monkeypatch.setattr(_visits, "PAUSE", 0.0)
    monkeypatch.setattr(_visits, "LONGEST_PAUSE", 0.05)
    return WikiArtSite(server)


def download(site: WikiArtSite, folder: Path, **options):
    return wikiart.download("genre", "landscape", folder, base=site.base, **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def manifest(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text("utf-8").splitlines()]


def test_all_lists_are_read_and_every_picture_is_kept_with_what_is_known(site, tmp_path):
    site.paintings(MONET, per=2)
    summary = download(site, tmp_path / "set")
    files = ["claude-monet_haystacks-1890.jpg", "claude-monet_poplars-1890.jpg", "claude-monet_the-seine-1891-1890.jpg"]
    assert [path.name for path in summary.done] == files
    assert (summary.failed, summary.resumed) == ([], 0)
    assert names(tmp_path / "set") == {*files, "metadata.jsonl"}
    assert (tmp_path / "set" / files[0]).read_bytes() == jpeg(len(MONET[0]))  # as it came, the full size
    row = manifest(tmp_path / "set")[0]
    assert row == {
        "file_name": files[0],
        "text": "Haystacks 1890, Claude Monet, 1890",
        "image": site.server.url(site.path(MONET[0])),
        "title": "Haystacks 1890",
        "artist": "Claude Monet",
        "year": "1890",
        "page": f"{site.base}/en/claude-monet/haystacks-1890",
        "licence": row["licence"],
    }
    assert "copyright" in row["licence"]
    assert labels.caption_of(tmp_path / "set" / files[1]) == "Poplars, Claude Monet, 1890"
    assert [request.path for request in site.server.requests] == [
        "/robots.txt", f"{LIST}?json=2&page=1", site.path(MONET[0]), site.path(MONET[1]),
        f"{LIST}?json=2&page=2", site.path(MONET[2]), f"{LIST}?json=2&page=3",
    ]  # fmt: skip
    assert all(request.headers["User-Agent"].startswith("ml4a/") for request in site.server.requests)


@pytest.mark.parametrize("answer", [Answer(b"<html>no json</html>"), Answer(status=404), Answer(b"[1]"), Answer(b"{")])
def test_pages_are_read_where_there_is_no_json(site, tmp_path, answer):
    for slug in MONET:
        site.image(slug)
    site.server.put(f"{LIST}?json=2&page=1", answer)
    site.html_lists(MONET[:2], [MONET[1], MONET[2]])
    summary = download(site, tmp_path / "set")
    assert [path.name for path in summary.done] == [
        "claude-monet_haystacks-1890.jpg", "claude-monet_poplars.jpg", "claude-monet_the-seine-1891.jpg",
    ]  # fmt: skip
    assert site.pictures_asked() == MONET
    assert [row["text"] for row in manifest(tmp_path / "set")] == [
        "haystacks, Claude Monet, 1890", "poplars, Claude Monet", "the seine, Claude Monet, 1891",
    ]  # fmt: skip
    assert site.asked("/Content/logo.jpg") == 0


def test_what_is_there_is_not_asked_for_again(site, tmp_path):
    site.paintings(MONET[:2])
    download(site, tmp_path / "set")
    (tmp_path / "set" / "claude-monet_poplars-1890.jpg").unlink()
    site.paintings(MONET)
    summary = download(site, tmp_path / "set")
    assert [path.name for path in summary.done] == [
        "claude-monet_poplars-1890.jpg", "claude-monet_the-seine-1891-1890.jpg",
    ]  # fmt: skip
    assert summary.resumed == 1
    assert site.pictures_asked() == [*MONET[:2], *MONET[1:]]
    assert len(manifest(tmp_path / "set")) == 3


def test_there_can_be_enough(site, tmp_path):
    site.paintings(MONET, per=1)
    assert len(download(site, tmp_path / "two", max_count=2).done) == 2
    assert site.pictures_asked() == MONET[:2]
    assert len(download(site, tmp_path / "two", max_count=2).done) == 0
    assert len(download(site, tmp_path / "two", max_count=3).done) == 1
    assert len(download(site, tmp_path / "pages", pages=2).done) == 2
    assert site.asked(f"{LIST}?json=2&page=4") == 0


# -- Manners -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines", [("\ufeffUser-agent: *", "Disallow: /"), ("User-agent: ml4a", "Disallow: /en/paintings-by")]
)
def test_what_robots_txt_forbids_is_not_asked_for(site, tmp_path, lines):
    site.paintings(MONET)
    site.robots(*lines)
    with pytest.raises(DownloadFailed, match=r"robots\.txt of 127\.0\.0\.1 does not let programs read"):
        download(site, tmp_path / "set")
    assert [request.path for request in site.server.requests] == ["/robots.txt"]


def test_what_is_meant_for_others_holds_for_others(site, tmp_path):
    site.paintings(MONET)
    site.robots("User-agent: badbot", "Disallow: /", "", "User-agent: *", "Disallow: /private/")
    assert len(download(site, tmp_path / "set").done) == 3


def test_pages_are_read_where_the_json_is_forbidden(site, tmp_path):
    site.paintings(MONET)
    site.html_lists(MONET)
    site.robots("User-agent: *", f"Disallow: {LIST}?json")
    assert len(download(site, tmp_path / "set").done) == 3
    assert not any("json" in request.path for request in site.server.requests)


def test_forbidden_pictures_stop_it_at_the_first(site, tmp_path):
    site.paintings(MONET)
    site.robots("User-agent: *", "Disallow: /00129/")
    with pytest.raises(DownloadFailed, match="does not let programs"):
        download(site, tmp_path / "set")
    assert site.pictures_asked() == []


@pytest.mark.parametrize(("status", "message"), [(403, "does not let programs"), (503, "answered 503")])
def test_a_robots_txt_that_cannot_be_read_is_not_passed_over(site, tmp_path, status, message):
    site.paintings(MONET)
    site.server.put("/robots.txt", Answer(status=status))
    with pytest.raises(DownloadFailed, match=message):
        download(site, tmp_path / "set")
    assert {request.path for request in site.server.requests} == {"/robots.txt"}


@pytest.mark.parametrize("line", ["Crawl-delay: 3600", "Request-rate: 1/3600"])
def test_a_site_that_wants_hours_between_requests_is_left_alone(site, tmp_path, line):
    site.paintings(MONET)
    site.robots("User-agent: *", line, "Disallow: /private/")
    with pytest.raises(DownloadFailed, match="3600 s between two requests"):
        download(site, tmp_path / "set")
    assert site.pictures_asked() == []


def test_there_is_a_pause_between_requests(site, tmp_path, monkeypatch):
    monkeypatch.setattr(_visits, "PAUSE", 0.05)
    site.paintings(MONET)
    started = time.monotonic()
    download(site, tmp_path / "set")
    assert time.monotonic() - started >= 0.05 * (len(site.server.requests) - 1)


@pytest.mark.slow
def test_the_sites_own_pause_is_kept(site, tmp_path):
    site.paintings(MONET[:1])
    site.robots("User-agent: *", "Crawl-delay: 1", "Disallow: /private/")
    started = time.monotonic()
    download(site, tmp_path / "set")
    assert time.monotonic() - started >= 2  # three requests follow the robots.txt


@pytest.mark.slow
def test_a_busy_site_is_left_alone_for_as_long_as_it_wants(site, tmp_path, monkeypatch):
    monkeypatch.setattr(_visits, "LONGEST_PAUSE", 5.0)
    site.paintings(MONET)
    site.image(MONET[1], Answer(status=429, headers={"Retry-After": "1"}), Answer(jpeg()))
    started = time.monotonic()
    assert len(download(site, tmp_path / "set").done) == 3
    assert time.monotonic() - started >= 1
    assert site.asked(site.path(MONET[1])) == 2


def test_nobody_waits_for_days(site, tmp_path):
    site.paintings(MONET)
    site.image(MONET[1], Answer(status=503, headers={"Retry-After": "99999999"}), Answer(jpeg()))
    site.image(MONET[2], Answer(status=429, headers={"Retry-After": "Fri, 31 Dec 2199 23:59:59 GMT"}))
    summary = download(site, tmp_path / "set")
    assert len(summary.done) == 2
    assert summary.failed == [("claude-monet_the-seine-1891-1890.jpg", summary.failed[0][1])]
    assert "answered 429" in summary.failed[0][1]
    assert site.asked(site.path(MONET[2])) == _visits.TRIES


def test_a_site_that_gives_nothing_is_left_alone(site, tmp_path):
    slugs = [f"artist/painting-{number}" for number in range(50)]
    site.paintings(slugs)
    for slug in slugs:
        site.image(slug, Answer(status=403))
    with pytest.raises(DownloadFailed, match=r"20 pictures in a row .*answered 403"):
        download(site, tmp_path / "set")
    assert len(site.pictures_asked()) == 20


def test_a_pause_below_a_second_is_refused(tmp_path):
    with pytest.raises(BadValue, match="pause"):
        wikiart.download("genre", "landscape", tmp_path / "set", pause=0.5)


# -- What is broken ----------------------------------------------------------------------------------------------------


def test_a_picture_that_was_cut_is_asked_for_again(site, tmp_path):
    site.paintings(MONET)
    site.image(MONET[0], Answer(jpeg(5), cut=300), Answer(jpeg(5)))
    summary = download(site, tmp_path / "set")
    assert len(summary.done) == 3
    assert summary.done[0].read_bytes() == jpeg(5)


@pytest.mark.parametrize(
    ("answer", "reason"),
    quick(
        [
            (Answer(b"<!DOCTYPE html><p>Log in."), "a web page"),
            (Answer(jpeg()[:-200]), "broken or cut short"),
            (Answer(jpeg(), cut=200), "cut off"),
            (Answer(b""), "is empty"),
            (Answer(status=404), "answered 404"),
            (
                Answer(status=302, headers={"Location": "http://10.0.0.1/secret.jpg"}),
                "inside this machine or its network",
            ),
            (Answer(status=302, headers={"Location": "file:///etc/passwd"}), "only http and https"),
        ],
        3,
        rows=True,
    ),
)
def test_what_is_no_picture_is_not_kept(site, tmp_path, answer, reason):
    site.paintings(MONET)
    site.image(MONET[1], answer)
    summary = download(site, tmp_path / "set")
    assert len(summary.done) == 2
    assert len(summary.failed) == 1
    assert reason in summary.failed[0][1]
    assert len(names(tmp_path / "set")) == 3
    assert len(manifest(tmp_path / "set")) == 2
    site.image(MONET[1])
    assert len(download(site, tmp_path / "set").done) == 1  # another day it may be there


def test_a_page_without_end_is_given_up(site, tmp_path, monkeypatch):
    monkeypatch.setattr(wikiart, "_LIST_BYTES", 1 << 20)
    for path in (f"{LIST}?json=2&page=1", f"{LIST}/1"):
        site.server.put(path, Answer(b"<p>and on and on" * 1000, endless=True))
    with pytest.raises(DownloadFailed, match="larger than the 1 MiB"):
        download(site, tmp_path / "set")


def test_a_list_without_end_is_given_up(site, tmp_path):
    site.paintings(MONET)
    rows = json.dumps({"Paintings": [site.row(slug) for slug in MONET]}).encode()
    for number in range(1, 10):
        site.server.put(f"{LIST}?json=2&page={number}", Answer(rows))
    assert len(download(site, tmp_path / "set").done) == 3
    assert site.asked(f"{LIST}?json=2&page=3") == 0


def test_paintings_of_the_same_name_are_kept_apart(site, tmp_path):
    site.paintings([])
    paths = ["/1/images/a/moon.jpg", "/2/images/a/moon.jpg", "/3/images/a/MOON.jpg", "/4/images/b/moon.jpg"]
    urls = [site.server.put(path, Answer(jpeg(number))) for number, path in enumerate(paths)]
    site.json_lists([site.row("a/moon", image=url, year="") for url in urls])
    download(site, tmp_path / "set")
    assert names(tmp_path / "set") == {"a_moon.jpg", "a_moon-2.jpg", "a_MOON-3.jpg", "b_moon.jpg", "metadata.jsonl"}
    assert len({(tmp_path / "set" / row["file_name"]).read_bytes() for row in manifest(tmp_path / "set")}) == 4


# -- What is hostile ---------------------------------------------------------------------------------------------------


def test_nothing_is_asked_of_other_sites(site, tmp_path):
    site.paintings(MONET)
    with LyingServer() as other:
        elsewhere = other.put("/images/a/b.jpg", Answer(jpeg()))
        rows = [
            site.row(MONET[0], image=elsewhere),
            site.row(MONET[0], image=elsewhere.replace("127.0.0.1", "localhost")),
            site.row(MONET[0], image=site.base.replace("127.0.0.1", "user@127.0.0.1") + "/images/a/b.jpg"),
            site.row(MONET[0], image="https://192.168.0.1/images/a/b.jpg"),
            site.row(MONET[0], image="https://[/images/a/b.jpg"),
            site.row(MONET[1]),
        ]
        site.json_lists(rows)
        summary = download(site, tmp_path / "set")
        assert [path.name for path in summary.done] == ["claude-monet_poplars-1890.jpg"]
        assert summary.failed == []
        assert other.requests == []
        # Nor is what it is redirected to kept.
        site.image(MONET[2], Answer(status=302, headers={"Location": elsewhere}))
        site.json_lists([site.row(MONET[2])])
        summary = download(site, tmp_path / "set")
        assert "leads away from 127.0.0.1" in summary.failed[0][1]


def test_hostile_lists_do_no_harm(site, tmp_path):
    good = site.image("x/y")
    rows = [
        None, 7, {}, {"image": 3}, {"image": None}, {"image": "https://"}, {"image": f"{site.base}/images/"},
        site.row("x/y", image=good, title="\x1b[2J<b>\u202e\ud800T\n\nitle" * 100, artistName=[1], year=True),
    ]  # fmt: skip
    site.json_lists(rows)  # type: ignore[list-item]
    assert len(download(site, tmp_path / "set").done) == 1
    (row,) = manifest(tmp_path / "set")
    assert row["title"].isprintable()
    assert len(row["title"]) <= 300
    assert (row["artist"], row["year"]) == ("", "")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("https://x/images/a/b.jpg", "a_b.jpg"),
        (
            "https://x/images/vincent-van-gogh/the-starry-night-1889(1).JPG",
            "vincent-van-gogh_the-starry-night-1889(1).jpg",
        ),
        ("https://x/images/%2e%2e%2f%2e%2e/%2fetc%2fpasswd.jpg", "passwd.jpg"),
        ("https://x/images/..%5c..%5cwindows/a%00b%0a.png", "windows_a-b.png"),
        ("https://x/images/.hidden/..jpg", "hidden.jpg"),
        ("https://x/images/a/%D0%9C%D0%BE%D0%BD%D0%B5.jpg", "a_Моне.jpg"),
        ("https://x/images/a/" + "%D0%9C" * 300 + ".jpg", "a_" + "М" * 74 + ".jpg"),
        ("https://x/images/.jpg", "painting.jpg"),
    ],
)
def test_names_of_files_are_plain(image, name):
    found = _paintings.Painting(image).file_name
    assert found == name
    assert Path(found).name == found


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://www.wikiart.org/en/a", True),
        ("https://uploads5.wikiart.org/00129/images/a/b.jpg", True),
        ("https://use2-uploads8.wikiart.org/images/a/b.jpg", True),
        ("https://wikiart.org/a", True),
        ("http://uploads5.wikiart.org/images/a/b.jpg", False),
        ("https://wikiart.org.evil.com/images/a/b.jpg", False),
        ("https://evilwikiart.org/images/a/b.jpg", False),
        ("https://evil.com/wikiart.org/images/a/b.jpg", False),
        ("https://wikiart.org@evil.com/images/a/b.jpg", False),
        ("https://evil.com\\@wikiart.org/images/a/b.jpg", False),
        ("https://uploads.wikiart.org:8443/images/a/b.jpg", False),
        ("https://uploads.wikiart.org:x/images/a/b.jpg", False),
        ("ftp://wikiart.org/images/a/b.jpg", False),
        ("file:///images/a/b.jpg", False),
    ],
)
def test_only_the_site_and_its_uploads_are_its_own(url, ours):
    visitor = _visits.Visitor(wikiart.SITE, lambda: None)
    assert visitor.owns(url) is ours
    if not ours:
        with pytest.raises(UnsafeURL):
            visitor.read(url, 100)


def test_old_links_are_followed_encrypted():
    visitor = _visits.Visitor(wikiart.SITE, lambda: None)
    assert (
        visitor.encrypted("http://uploads5.wikiart.org/images/a/b.jpg") == "https://uploads5.wikiart.org/images/a/b.jpg"
    )


# -- Being stopped -----------------------------------------------------------------------------------------------------


def test_a_stopped_download_says_what_it_has(site, tmp_path):
    site.paintings(MONET)
    cancel = Cancel()

    def listen(event) -> None:
        if event.done == 1:
            cancel.cancel()

    with pytest.raises(Cancelled):
        download(site, tmp_path / "set", on_progress=listen, cancel=cancel)
    assert [row["file_name"] for row in manifest(tmp_path / "set")] == ["claude-monet_haystacks-1890.jpg"]
    assert len(download(site, tmp_path / "set").done) == 2


def test_a_note_that_was_cut_off_is_made_again(site, tmp_path):
    site.paintings(MONET)
    download(site, tmp_path / "set")
    notes = tmp_path / "set" / ".wikiart.jsonl"
    notes.write_bytes(notes.read_bytes()[:-20])
    summary = download(site, tmp_path / "set")
    assert (summary.done, summary.resumed) == ([], 2)
    assert site.pictures_asked() == MONET
    assert notes.read_bytes().count(b"\n") == len(manifest(tmp_path / "set")) == 3


_KILLED = """
import sys
from ml4a.dataset import _visits, wikiart
_visits.PAUSE = 0.0
wikiart.download("genre", "landscape", sys.argv[1], base=sys.argv[2])
"""


@pytest.mark.slow
def test_a_killed_download_goes_on_without_asking_twice(site, tmp_path):
    site.paintings(MONET)
    half, again = threading.Event(), Answer(jpeg(9))
    site.image(MONET[2], Answer(jpeg(9), pause=half), again)
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path / "set"), site.base])
    try:
        deadline = time.monotonic() + 60
        while site.asked(site.path(MONET[2])) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        half.set()
    assert "claude-monet_the-seine-1891-1890.jpg" not in names(tmp_path / "set")
    summary = download(site, tmp_path / "set")
    assert (len(summary.done), summary.resumed) == (1, 2)
    assert [site.asked(site.path(slug)) for slug in MONET] == [1, 1, 2]
    assert len(manifest(tmp_path / "set")) == 3


# -- What cannot be ----------------------------------------------------------------------------------------------------


def test_a_genre_that_the_site_does_not_have_is_told_of(site, tmp_path):
    with pytest.raises(BadValue, match=r"no paintings of the genre 'landscape'; it has abstract, "):
        download(site, tmp_path / "set")
    site.json_lists([])
    with pytest.raises(BadValue, match="no paintings"):
        download(site, tmp_path / "set")


@pytest.mark.parametrize("name", ["", "../robots.txt", "a/b", "a?b", "a b", "x" * 200, "a.b"])
def test_names_that_lead_elsewhere_are_refused(name, tmp_path):
    with pytest.raises(BadValue, match="WikiArt's addresses"):
        wikiart.download("style", name, tmp_path / "set")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("base", ["wikiart.org", "ftp://wikiart.org", "https://", "https://[", "https://a:b"])
def test_a_base_is_an_address(tmp_path, base):
    with pytest.raises(BadValue, match="no address"):
        wikiart.download("genre", "landscape", tmp_path / "set", base=base)


def test_other_files_are_not_mixed_with(site, tmp_path):
    site.paintings(MONET)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputExists, match="other files"):
        download(site, tmp_path)
    with pytest.raises(OutputExists, match="is a file"):
        download(site, tmp_path / "mine.txt")
    assert names(tmp_path) == {"mine.txt"}
    assert site.server.requests == []


def test_nothing_is_asked_without_a_network(site, tmp_path, monkeypatch):
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    with pytest.raises(Offline):
        download(site, tmp_path / "set")
    assert site.server.requests == []
