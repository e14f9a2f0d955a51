"""The hub, the Drive, archives and mirrors, played by a local server that lies: the right file or one clear line."""

from __future__ import annotations

import gzip
import hashlib
import html
import random
from pathlib import Path

import pytest
import toy_card
from archives import tarred, zipped
from lying_server import Answer, LyingServer
from toy_download import DATA, HALF, SHA256, fetch, files_in_cache, partials, ranges

from ml4a import weights
from ml4a._core.errors import BadWeights, DownloadFailed, Offline
from ml4a.weights import cache
from ml4a.weights.sources import google_drive, https

pytestmark = pytest.mark.usefixtures("home", "impatient")

ID = "1s52ek_4YTDRt_EOkx1FS53u-vJa0c4nu"
DRIVE = f"/uc?export=download&id={ID}"
HUB = "/owner/repo/resolve/main/deep/net.pth"


@pytest.fixture
def hub(server: LyingServer, monkeypatch: pytest.MonkeyPatch) -> LyingServer:
    """The server as the hub."""
    monkeypatch.setenv("HF_ENDPOINT", server.url("/"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return server


@pytest.fixture
def drive(server: LyingServer, monkeypatch: pytest.MonkeyPatch) -> LyingServer:
    """The server as the Drive."""
    monkeypatch.setattr(google_drive, "DRIVE", server.url("/uc"))
    return server


def page(text: str) -> Answer:
    return Answer(text.encode(), headers={"Content-Type": "text/html; charset=utf-8"}, ranges=False)


def warning(action: str) -> Answer:
    """The Drive's page about a file that is too large to be scanned for viruses."""
    return page(f"""<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>
        <form action="/search"><input name="q" value="elsewhere"></form>
        <p>Google Drive can't scan this file for viruses. basnet.pth (332M) is too large. Still download?</p>
        <form id="download-form" action="{html.escape(action)}" method="get">
        <input type="submit" value="Download anyway"/><input type="hidden" name="id" value="{ID}">
        <input type="hidden" name="export" value="download"><input type="hidden" name="confirm" value="t">
        <input type="hidden" name="uuid" value="3f&amp;a b"></form></body></html>""")


CONFIRMED = f"/download?authuser=0&id={ID}&export=download&confirm=t&uuid=3f%26a+b"


def test_a_file_of_the_hub_is_continued_where_the_hub_has_sent_us(hub: LyingServer):
    hub.put(HUB, Answer(status=302, headers={"Location": "/store/blob?signature=1"}))
    hub.put(
        "/store/blob?signature=1",
        Answer(DATA, cut=HALF, headers={"ETag": '"x"'}),
        Answer(DATA, headers={"ETag": '"x"'}),
    )
    fetch("hf:owner/repo/deep/net.pth")
    assert ranges(hub)[-1] == f"bytes={HALF}-"
    assert files_in_cache() == ["toy.bin"]


def test_a_revision_and_odd_names_are_part_of_the_address(hub: LyingServer):
    hub.put("/owner/repo/resolve/refs%2Fpr%2F3/a%20b.pth", Answer(DATA))
    fetch("hf:owner/repo/a b.pth@refs/pr/3")


def test_the_token_goes_to_the_hub_and_nowhere_else(hub: LyingServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", " hf_hush\n")
    with LyingServer() as store:
        far = store.put("/blob", Answer(DATA, cut=HALF), Answer(DATA))
        hub.put(HUB, Answer(status=307, headers={"Location": "/moved"}))
        hub.put("/moved", Answer(status=302, headers={"Location": far}))
        fetch("hf:owner/repo/deep/net.pth")
        assert [request.headers.get("Authorization") for request in hub.requests] == ["Bearer hf_hush"] * 4
        assert [request.headers.get("Authorization") for request in store.requests] == [None, None]
        assert ranges(store)[-1] == f"bytes={HALF}-"


@pytest.mark.parametrize(
    ("status", "token", "words"),
    [
        (401, "", "wants its terms accepted at https://huggingface.co/owner/repo; then set HF_TOKEN"),
        (403, "hf_hush", "wants its terms accepted at https://huggingface.co/owner/repo by the owner of HF_TOKEN"),
        (404, "", "owner/repo has no file deep/net.pth"),
    ],
)
def test_what_the_hub_refuses_is_explained(
    status: int, token: str, words: str, hub: LyingServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", token)
    hub.put(HUB, Answer(b"no", status=status))
    with pytest.raises(DownloadFailed) as caught:
        fetch("hf:owner/repo/deep/net.pth")
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)
    assert files_in_cache() == []


def test_a_token_that_would_smuggle_in_a_header_is_refused_and_not_shown(
    hub: LyingServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "hush\r\nX-Evil: 1")
    with pytest.raises(DownloadFailed, match="HF_TOKEN is not an access token") as caught:
        fetch("hf:owner/repo/deep/net.pth")
    assert "hush" not in str(caught.value)
    assert hub.requests == []


def test_an_unencrypted_hub_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    with pytest.raises(DownloadFailed, match=r"http://hub\.example/.* is not encrypted"):
        fetch("hf:owner/repo/deep/net.pth")


def test_a_small_file_of_the_drive_comes_at_once(drive: LyingServer):
    drive.put(DRIVE, Answer(status=303, headers={"Location": "/download?id=x"}))
    drive.put("/download?id=x", Answer(DATA))
    fetch(f"gdrive:{ID}")


@pytest.mark.parametrize("action", ["/download?authuser=0", "relative", "absolute"])
def test_the_page_about_viruses_is_passed_by_its_own_form(action: str, drive: LyingServer):
    action = {"relative": "download?authuser=0", "absolute": drive.url("/download?authuser=0")}.get(action, action)
    drive.put(DRIVE, warning(action))
    drive.put(CONFIRMED.replace("authuser=0&", "authuser=0&"), Answer(DATA, cut=HALF), Answer(DATA))
    fetch(f"gdrive:{ID}")
    assert [request.path for request in drive.requests] == [DRIVE, CONFIRMED, CONFIRMED]
    assert ranges(drive)[-1] == f"bytes={HALF}-"


def test_a_download_from_the_drive_is_continued_by_the_next_run(drive: LyingServer):
    drive.put(DRIVE, warning("/download?authuser=0"))
    drive.put(CONFIRMED, Answer(DATA, cut=HALF), *[Answer(status=503)] * (https.TRIES - 1), Answer(DATA))
    with pytest.raises(DownloadFailed):
        fetch(f"gdrive:{ID}")
    assert list(partials().values()) == [HALF]
    fetch(f"gdrive:{ID}")
    assert ranges(drive)[-1] == f"bytes={HALF}-"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "<html><title>Google Drive - Quota exceeded</title><p>Sorry, you can't download this file at this time.",
            "because too many people have downloaded it; try again tomorrow",
        ),
        ("<html><p>Too many users have viewed or downloaded this file recently.", "too many people"),
        ("<html><title>Sign in</title><a href='https://accounts.google.com/x'>", "it is gone, or is not shared"),
        ("<html><p>Sorry, the file you have requested does not exist.", "it is gone, or is not shared"),
        ("<html>We are redecorating.", "is a web page that is not known here"),
        ("<html><form id='download-form'></form>", "is a web page that is not known here"),
        ("<html><form id='download-form' action='//evil.example/x'><input name=a value=b></form>", "not known here"),
        ("<html><form id='download-form' action='file:///etc/passwd'><input name=a value=b></form>", "not known here"),
        (
            "<html><form id='download-form' action='https://google.com.evil.example/x'><input name=a></form>",
            "not known",
        ),
        ("", "is a web page that is not known here"),
        ("<html><![x[ <![ y>", "is a web page that is not known here"),
        ("<" * 65_000, "is a web page that is not known here"),
    ],
)
def test_what_the_drive_says_instead_of_the_file_is_said_in_words(text: str, words: str, drive: LyingServer):
    drive.put(DRIVE, page(text))
    with pytest.raises(DownloadFailed, match=words):
        fetch(f"gdrive:{ID}")
    assert files_in_cache() == []


@pytest.mark.parametrize(
    ("action", "followed"),
    [
        ("https://drive.usercontent.google.com/download", True),
        ("/download", True),
        ("https://doc-0k-docs.googleusercontent.com/x", True),
        ("http://drive.usercontent.google.com/download", False),
        ("https://drive.usercontent.google.com@evil.example/x", False),
        ("https://evilgoogle.com/x", False),
        ("javascript:alert(1)", False),
    ],
)
def test_only_the_drive_itself_is_followed_and_only_encrypted(action: str, followed: bool):
    text = f"<form id='download-form' action='{action}'><input name='id' value='1'></form>"
    here = "https://drive.usercontent.google.com/download?id=1"
    if followed:
        assert google_drive.behind(here, text).startswith("https://")
    else:
        with pytest.raises(DownloadFailed, match="is a web page that is not known here"):
            google_drive.behind(here, text)


def test_a_page_behind_the_page_behind_the_page_is_not_followed(drive: LyingServer):
    drive.put(DRIVE, warning("/uc"))
    again = f"/uc?id={ID}&export=download&confirm=t&uuid=3f%26a+b"
    drive.put(again, warning("/uc"))
    with pytest.raises(DownloadFailed, match="is a web page instead of the file"):
        fetch(f"gdrive:{ID}")
    assert len(drive.requests) == 3


def test_a_page_without_end_is_not_read_to_its_end(drive: LyingServer):
    drive.put(DRIVE, Answer(b"<p>" * 1000, endless=True, headers={"Content-Type": "text/html"}))
    with pytest.raises(DownloadFailed, match="is a web page that is not known here"):
        fetch(f"gdrive:{ID}")


@pytest.mark.parametrize("status", [403, 404])
def test_a_file_of_the_drive_that_is_gone_is_said_to_be(status: int, drive: LyingServer):
    drive.put(DRIVE, Answer(b"no", status=status))
    with pytest.raises(DownloadFailed, match="the file is gone, or is not shared with everybody"):
        fetch(f"gdrive:{ID}")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_member_of_an_archive_on_the_web_is_taken_out(make, server: LyingServer, tmp_path: Path):
    packed = make(tmp_path / "x", {"readme": b"hello", "inside/net.pth": DATA}).read_bytes()
    etag = {"ETag": '"x"'}
    url = server.put("/a.zip", Answer(packed, cut=HALF, headers=etag), Answer(packed, headers=etag))
    fetch(f"{url}#net.pth")
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert files_in_cache() == ["toy.bin"]


def test_a_member_of_an_archive_on_the_drive_the_hub_or_the_disk_is_taken_out(
    drive: LyingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    archive = zipped(tmp_path / "x.zip", {"net.pth": DATA})
    monkeypatch.setenv("HF_ENDPOINT", drive.url("/"))
    drive.put(DRIVE, warning("/download?authuser=0"))
    for path in (CONFIRMED, "/owner/repo/resolve/main/x.zip"):
        drive.put(path, Answer(archive.read_bytes()))
    for source in (f"gdrive:{ID}", "hf:owner/repo/x.zip", f"file:{archive}"):
        fetch(f"{source}#net.pth").unlink()
    assert archive.exists()


def test_one_download_of_an_archive_brings_what_any_card_names(server: LyingServer, tmp_path: Path):
    packed = tarred(tmp_path / "x", {"a/net.pth": DATA, "b/net.pth": DATA[::-1], "c/net.pth": b"c"}).read_bytes()
    url = server.put("/all.tar.gz", Answer(packed))
    expected = toy_card.write(DATA[::-1], f"{url}#b/net.pth", name="other")
    toy_card.write(b"d", f"{url}#c/net.pth", name="wrong")
    fetch(f"{url}#a/net.pth")
    assert weights.find("other") == {"network": expected}
    assert weights.find("wrong") is None
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"other.pth": DATA}, "a.zip: it has no member net.pth"),
        ({"net.pth": DATA[::-1]}, f"toy.bin has SHA-256 .*should have {SHA256[:12]}"),
        ({"net.pth": bytes(5_000_000)}, "toy.bin has 3000001 bytes, but should have 3000000"),
        ({"a/net.pth": DATA, "b/net.pth": DATA}, "2 of its members are called net.pth"),
    ],
    ids=["missing", "another", "bomb", "twice"],
)
def test_a_wrong_archive_leaves_nothing_behind(
    members: dict[str, bytes], words: str, server: LyingServer, tmp_path: Path
):
    url = server.put("/a.zip", Answer(zipped(tmp_path / "x", members).read_bytes()))
    with pytest.raises(BadWeights, match=words):
        fetch(f"{url}#net.pth")
    assert files_in_cache() == []
    good = server.put("/b.zip", Answer(zipped(tmp_path / "x", {"net.pth": DATA}).read_bytes()))
    fetch(f"{url}#net.pth", f"{good}#net.pth")


def test_an_archive_that_broke_off_without_a_version_is_started_anew(server: LyingServer, tmp_path: Path):
    """Nobody knows its SHA-256, so that nothing would tell that its parts are of two versions."""
    packed = zipped(tmp_path / "x", {"net.pth": DATA}).read_bytes()
    fetch(server.put("/a.zip", Answer(packed, cut=HALF), Answer(packed)) + "#net.pth")
    assert ranges(server) == [None, None]


def test_mirrors_are_tried_after_the_cards_sources(server: LyingServer, home: Path):
    server.put("/mirror/net.bin", Answer(DATA[::-1]))
    server.put(f"/folder/{SHA256}/toy.bin", Answer(DATA))
    gone = server.url("/gone/net.bin")
    (home / "config").mkdir(parents=True)
    (home / "config" / "mirrors.toml").write_text(
        f'folders = ["{server.url("/folder/")}"]\n[prefixes]\n"{server.url("/gone/")}" = ["{server.url("/mirror/")}"]'
    )
    fetch(gone)
    assert [request.path for request in server.requests] == [
        "/gone/net.bin",
        "/mirror/net.bin",
        f"/folder/{SHA256}/toy.bin",
    ]
    assert files_in_cache() == ["toy.bin"]


def test_the_cache_of_another_machine_is_a_mirror(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    other = tmp_path / "other" / SHA256
    other.mkdir(parents=True)
    (other / "toy.bin").write_bytes(DATA)
    (home / "config").mkdir(parents=True)
    (home / "config" / "mirrors.toml").write_text(f'folders = ["file:{tmp_path}/other"]')
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    fetch("https://example.org/gone")


@pytest.mark.parametrize("source", [f"gdrive:{ID}", "hf:owner/repo/x", "https://example.org/a.zip#net.pth"])
def test_offline_no_source_opens_a_socket(source: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    monkeypatch.setattr("socket.socket", None)
    with pytest.raises(Offline, match=f"put toy.bin .* at {cache.root()}"):
        fetch(source)


def test_a_redirect_to_a_file_of_this_machine_is_not_followed(server: LyingServer, tmp_path: Path):
    (tmp_path / "mine").write_bytes(DATA)
    for target in (f"file://{tmp_path}/mine", f"file:{tmp_path}/mine", "ftp://example.org/x", "data:,x"):
        url = server.put("/net", Answer(status=302, headers={"Location": target}))
        with pytest.raises(DownloadFailed, match="is not opened: only http and https are"):
            fetch(url)
    assert files_in_cache() == []


def test_a_bomb_that_a_server_inflates_is_stopped_where_the_card_ends(server: LyingServer):
    """Also where the card knows no size."""
    bomb = Answer(gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})
    toy_card.write(DATA, server.put("/net", bomb), known=False, more="at_most = 1000000")
    with pytest.raises(BadWeights, match="longer than the 1000000 bytes that are accepted"):
        weights.fetch("toy")
    assert files_in_cache() == []


def test_the_right_file_from_the_second_mirror_is_taken(server: LyingServer):
    fetch(
        server.put("/one", Answer(random.Random(3).randbytes(len(DATA)))),
        server.put("/two", Answer(DATA, headers={"Content-Length": "5"})),
        server.put("/three", Answer(DATA)),
    )
    assert files_in_cache() == ["toy.bin"]
    assert (
        hashlib.sha256(cache.path_of(weights.card("toy").variant().files["network"]).read_bytes()).hexdigest() == SHA256
    )  # type: ignore[union-attr]
