"""Servers that lie, break off or stall: each download ends in the right file or in one line that says why."""

from __future__ import annotations

import gzip
import hashlib
import time
from pathlib import Path

import pytest
import toy_card
from connect_proxy import ConnectProxy
from lying_server import Answer, LyingServer
from toy_download import DATA, HALF, SHA256, fetch, files_in_cache, partials, ranges

from ml4a import weights
from ml4a._core.errors import BadWeights, DownloadFailed
from ml4a._core.progress import Progress
from ml4a.weights import cache
from ml4a.weights.sources import https

CERTIFICATE = Path(__file__).parents[1] / "data" / "localhost.pem"


pytestmark = pytest.mark.usefixtures("home", "impatient")


def leave_half_a_download(server: LyingServer) -> str:
    """Break off in the middle, as often as there are tries; the next request gets an honest answer."""
    cut = [Answer(DATA, cut=HALF), *[Answer(DATA[:HALF], status=503)] * (https.TRIES - 1)]
    url = server.put("/net", *cut, Answer(DATA))
    with pytest.raises(DownloadFailed):
        fetch(url)
    server.requests.clear()
    assert list(partials().values()) == [HALF]
    return url


def test_a_cut_connection_is_continued(server: LyingServer):
    fetch(server.put("/net", Answer(DATA, cut=HALF), Answer(DATA)))
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert files_in_cache() == ["toy.bin"]


def test_a_download_that_broke_off_is_continued_by_the_next_run(server: LyingServer):
    url = leave_half_a_download(server)
    fetch(url)
    assert ranges(server) == [f"bytes={HALF}-"]
    assert files_in_cache() == ["toy.bin"]


def test_a_connection_cut_again_and_again_is_an_error_in_the_end(server: LyingServer):
    url = server.put("/net", Answer(DATA, cut=1000, ranges=False))
    with pytest.raises(DownloadFailed, match="cut off after 1000 of 3000000 bytes"):
        fetch(url)
    assert len(server.requests) == https.TRIES


def test_many_cuts_are_survived_if_each_brings_something(server: LyingServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(https, "_PROGRESS", 100_000)
    fetch(server.put("/net", Answer(DATA, cut=250_000)))
    assert len(server.requests) == 12


def test_a_server_that_ignores_ranges_starts_anew_without_doubling_bytes(server: LyingServer):
    fetch(server.put("/net", Answer(DATA, cut=HALF), Answer(DATA, ranges=False)))
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "wrong", ["bytes 0-2999999/3000000", "bytes 1500000-2999999/4000000", "bytes 5-9/10", "nonsense", ""]
)
def test_another_range_than_asked_for_is_thrown_away(wrong: str, server: LyingServer):
    lie = Answer(DATA[HALF:], status=206, headers={"Content-Range": wrong})
    fetch(server.put("/net", Answer(DATA, cut=HALF), lie, Answer(DATA)))
    assert ranges(server) == [None, f"bytes={HALF}-", None]


def test_a_complete_partial_is_verified_and_used_without_a_request(server: LyingServer):
    url = leave_half_a_download(server)
    (partial,) = partials()
    partial.write_bytes(DATA)
    fetch(url)
    assert server.requests == []


@pytest.mark.parametrize("left", [DATA + b"x", DATA[::-1], DATA[::-1][:HALF]], ids=["too long", "wrong", "wrong half"])
def test_a_partial_that_is_too_long_or_wrong_is_started_anew(left: bytes, server: LyingServer):
    url = leave_half_a_download(server)
    (partial,) = partials()
    partial.write_bytes(left)
    fetch(url)
    assert files_in_cache() == ["toy.bin"]


def test_a_range_beyond_a_file_that_shrank_is_started_anew(server: LyingServer):
    fetch(server.put("/net", Answer(DATA, cut=HALF), Answer(DATA[:1000]), Answer(DATA)))
    assert ranges(server) == [None, f"bytes={HALF}-", None]


def test_a_file_that_changed_between_tries_is_started_anew(server: LyingServer):
    old = Answer(DATA[::-1], cut=HALF, headers={"ETag": '"old"'})
    fetch(server.put("/net", old, Answer(DATA, headers={"ETag": '"new"'})))
    assert server.requests[1].headers["If-Range"] == '"old"'


def test_a_weak_etag_is_not_trusted_but_the_date_is(server: LyingServer):
    headers = {"ETag": 'W/"weak"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    fetch(server.put("/net", Answer(DATA, cut=HALF, headers=headers), Answer(DATA, headers=headers)))
    assert server.requests[1].headers["If-Range"] == headers["Last-Modified"]
    assert ranges(server)[1] == f"bytes={HALF}-"


def test_parts_of_two_versions_are_noticed_by_the_hash_and_started_anew(server: LyingServer):
    """A server without ETag and date, whose file has changed in the middle of the download."""
    fetch(server.put("/net", Answer(DATA[::-1], cut=HALF), Answer(DATA)))
    assert ranges(server) == [None, f"bytes={HALF}-", None]


def test_a_wrong_file_is_deleted_and_the_next_source_asked(server: LyingServer):
    fetch(server.put("/wrong", Answer(DATA[::-1])), server.put("/right", Answer(DATA)))
    assert files_in_cache() == ["toy.bin"]


def test_a_wrong_file_everywhere_is_told_with_both_hashes_and_all_sources(server: LyingServer):
    sources = [server.put("/one", Answer(DATA[::-1])), server.put("/two", Answer(b"x" * len(DATA)))]
    with pytest.raises(BadWeights) as caught:
        fetch(*sources)
    message = str(caught.value)
    for part in (*sources, SHA256[:12], hashlib.sha256(DATA[::-1]).hexdigest()[:12], "toy.bin", str(cache.root())):
        assert part in message
    assert "\n" not in message
    assert files_in_cache() == []


def test_each_sources_reason_is_told(server: LyingServer, tmp_path: Path):
    sources = [server.url("/gone"), f"file:{tmp_path}/nothing", server.put("/forbidden", Answer(status=403))]
    with pytest.raises(DownloadFailed) as caught:
        fetch(*sources)
    for part in ("/gone answered 404", f"{tmp_path}/nothing is not a file", "/forbidden answered 403"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "page",
    [
        Answer(b"<html>Log in</html>" + bytes(len(DATA) - 19), headers={"Content-Type": "text/html; charset=utf-8"}),
        Answer(b"\n <!DOCTYPE html><html>Quota exceeded" + bytes(len(DATA) - 37)),
        Answer(b"<html>Log in</html>", headers={"Content-Type": "text/html"}),
    ],
)
def test_a_web_page_in_place_of_the_file_is_recognised(page: Answer, server: LyingServer):
    with pytest.raises(DownloadFailed, match="is a web page instead of the file"):
        fetch(server.put("/net", page))
    assert files_in_cache() == []


def test_a_login_page_does_not_spoil_what_was_downloaded_before(server: LyingServer):
    url = leave_half_a_download(server)
    page = Answer(b"<html>Log in</html>", headers={"Content-Type": "text/html"}, ranges=False)
    server.put("/net", page, Answer(DATA))
    with pytest.raises(DownloadFailed, match="web page"):
        fetch(url)
    fetch(url)
    assert ranges(server) == [f"bytes={HALF}-"] * 2


def test_a_redirect_to_an_unencrypted_address_is_refused(server: LyingServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with LyingServer(CERTIFICATE) as secure:
        url = secure.put("/net", Answer(status=302, headers={"Location": server.put("/portal", Answer(DATA))}))
        with pytest.raises(DownloadFailed, match="redirects to unencrypted"):
            fetch(url)
    assert server.requests == []


def test_a_file_behind_a_redirect_is_continued_there(server: LyingServer):
    server.put("/far", Answer(DATA, cut=HALF), Answer(DATA))
    fetch(server.put("/net", Answer(status=302, headers={"Location": "/far"})))
    assert ranges(server)[-1] == f"bytes={HALF}-"


def test_unencrypted_addresses_are_for_this_machine_only():
    with pytest.raises(DownloadFailed, match="not encrypted"):
        fetch("http://example.org/net")


@pytest.mark.parametrize("when", ["3600", "Fri, 31 Dec 9999 23:59:59 GMT", "soon", ""])
def test_a_busy_server_is_waited_for_but_not_for_an_hour(when: str, server: LyingServer):
    busy = [Answer(status=429, headers={"Retry-After": when}), Answer(status=503, headers={"Retry-After": when})]
    fetch(server.put("/net", *busy, Answer(DATA)))
    assert len(server.requests) == 3


def test_as_long_as_a_busy_server_asks_for_is_waited_and_a_little_more_by_chance(
    server: LyingServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(https, "LONGEST_PAUSE", 20.0)
    asked: list[tuple[float, float]] = []

    def most(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    monkeypatch.setattr(https.random, "uniform", most)
    start = time.monotonic()
    fetch(server.put("/net", Answer(status=503, headers={"Retry-After": "1"}), Answer(DATA)))
    assert time.monotonic() - start >= 1.25
    assert asked == [(1, 1.25)]


def test_pauses_double_and_are_never_the_same_for_everybody(server: LyingServer, monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []
    monkeypatch.setattr(https._Transfer, "_wait", lambda _, seconds: pauses.append(seconds))
    with pytest.raises(DownloadFailed):
        fetch(server.put("/net", Answer(DATA, cut=10)))
    assert pauses == [https.PAUSE * factor for factor in (1, 2, 4)]


def test_a_certificate_that_nobody_vouches_for_is_refused(server: LyingServer):
    with LyingServer(CERTIFICATE) as secure:
        with pytest.raises(DownloadFailed, match=r"has no valid certificate .* is this computer's clock right"):
            fetch(secure.put("/net", Answer(DATA)))
        assert secure.requests == []
    assert files_in_cache() == []


def test_the_proxy_of_the_environment_is_used_and_its_password_not_printed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with LyingServer(CERTIFICATE) as secure, ConnectProxy(("127.0.0.1", secure.port), "me", "hush") as proxy:
        secure.put("/net", Answer(DATA))
        monkeypatch.setenv("https_proxy", f"http://me:wrong-hush@127.0.0.1:{proxy.port}")
        with pytest.raises(DownloadFailed) as caught:
            fetch("https://weights.test/net")
        assert "hush" not in str(caught.value)
        monkeypatch.setenv("https_proxy", f"http://me:hush@127.0.0.1:{proxy.port}")
        fetch("https://weights.test/net")
        assert proxy.asked == ["weights.test:443"]


def test_a_server_that_stays_busy_is_left_for_the_next_source(server: LyingServer):
    fetch(server.put("/busy", Answer(status=503)), server.put("/free", Answer(DATA)))
    assert [request.path for request in server.requests] == ["/busy"] * https.TRIES + ["/free"]


@pytest.mark.slow
def test_a_drip_of_single_bytes_is_given_up_and_continued_elsewhere(server: LyingServer):
    slow = server.put("/slow", Answer(DATA, drip=0.03))
    fetch(slow, server.put("/fast", Answer(DATA)))
    assert server.requests[-1].path == "/fast"
    assert ranges(server)[-1] is not None


@pytest.mark.parametrize("answer", [Answer(DATA, chunked=True), Answer(DATA, headers={"Content-Length": ""})])
def test_a_body_without_a_length_is_taken(answer: Answer, server: LyingServer):
    fetch(server.put("/net", answer))


def test_a_body_without_a_length_that_ends_early_is_continued(server: LyingServer):
    fetch(server.put("/net", Answer(DATA, cut=HALF, headers={"Content-Length": ""}), Answer(DATA)))
    assert ranges(server) == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize(
    "lie",
    [
        Answer(DATA, endless=True),
        Answer(DATA + b"x", chunked=True),
        Answer(DATA + b"x", headers={"Content-Length": ""}),
    ],
)
def test_no_more_is_saved_than_the_card_says(lie: Answer, server: LyingServer):
    with pytest.raises(BadWeights, match="longer than the 3000000 bytes"):
        fetch(server.put("/net", lie))
    assert files_in_cache() == []


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1, 10**15])
def test_another_length_than_the_cards_is_refused_before_the_body(size: int, server: LyingServer):
    with pytest.raises(BadWeights, match=f"has {size} bytes, but should have 3000000"):
        fetch(server.put("/net", Answer(DATA, headers={"Content-Length": str(size)})))


def test_an_encoded_body_is_decoded_and_started_anew_after_a_cut(server: LyingServer):
    packed = Answer(gzip.compress(DATA), headers={"Content-Encoding": "gzip"})
    cut = Answer(packed.body, headers=packed.headers, cut=HALF)
    fetch(server.put("/net", cut, packed))
    assert ranges(server)[-1] is None
    assert files_in_cache() == ["toy.bin"]


def test_a_decoded_body_is_capped_too(server: LyingServer):
    bomb = gzip.compress(bytes(20_000_000))
    with pytest.raises(BadWeights, match="longer than"):
        fetch(server.put("/net", Answer(bomb, headers={"Content-Encoding": "gzip"})))


def test_secrets_in_an_address_are_not_printed(server: LyingServer):
    with pytest.raises(DownloadFailed) as caught:
        fetch(server.url("/net?token=hush"), "https://me:hush@example.org/net")
    assert "hush" not in str(caught.value)
    assert "carries a user name" in str(caught.value)


@pytest.mark.parametrize("file_name", ["ünï cødé 文件.bin", "x" * 196 + ".bin", "-rf", "$(id)", "a b; rm -r x"])
def test_odd_file_names_are_only_names(file_name: str, server: LyingServer):
    path = toy_card.write(DATA, server.put("/net", Answer(DATA)), file_name=file_name)
    assert weights.fetch("toy")["network"] == path
    assert path.name == file_name


def test_progress_goes_up_to_the_size_and_is_not_counted_twice(server: LyingServer):
    url = server.put("/net", Answer(DATA, cut=HALF), Answer(DATA))
    toy_card.write(DATA, url)
    told: list[Progress] = []
    weights.fetch("toy", on_progress=told.append)
    received = [progress.done for progress in told if progress.stage == "downloading toy.bin"]
    assert received == sorted(received)
    assert received[-1] == len(DATA)
    assert {(progress.total, progress.unit) for progress in told} == {(len(DATA), "B")}
