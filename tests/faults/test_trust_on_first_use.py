"""Files without a published SHA-256: what came first counts ever after, and nothing that is not the file ever does."""

from __future__ import annotations

import gzip
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import toy_card
from lying_server import Answer, LyingServer
from toy_download import DATA, HALF, SHA256, files_in_cache, partials, ranges

from ml4a import weights
from ml4a._core.errors import BadWeights, CannotWrite, DownloadFailed, Offline
from ml4a.weights import cache
from ml4a.weights.sources import https

pytestmark = pytest.mark.usefixtures("home", "impatient")

ETAG = {"ETag": '"one"'}


def card(*sources: str, more: str = "") -> Path:
    return toy_card.write(DATA, *sources, known=False, more=more)


def test_the_first_download_is_recorded_and_said_and_found_again(server: LyingServer, caplog: pytest.LogCaptureFixture):
    expected = card(server.put("/net", Answer(DATA)))
    assert weights.find("toy") is None
    assert weights.card("toy").variant().digest == ""
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert weights.fetch("toy") == weights.fetch("toy") == {"network": expected}
    assert [SHA256 in message for message in caplog.messages] == [False, True]  # the licence, and the hash: each once
    assert weights.find("toy") == {"network": expected}
    assert weights.card("toy").variant().digest == SHA256
    assert len(server.requests) == 1


def test_another_file_later_is_refused_with_the_way_out(server: LyingServer, home: Path):
    url = server.put("/net", Answer(DATA), Answer(DATA[::-1]))
    card(url)
    weights.fetch("toy")["network"].unlink()
    with pytest.raises(
        BadWeights, match=f"but should have {SHA256[:12]}…, as it had when it first came; if you trust"
    ) as caught:
        weights.fetch("toy")
    (pin,) = (home / "config" / "pins").glob("*.toml")
    assert f"delete {pin}" in str(caught.value)
    assert files_in_cache() == []
    pin.unlink()
    assert weights.fetch("toy")["network"].read_bytes() == DATA[::-1]


def test_the_start_of_a_hash_is_held_to(server: LyingServer):
    card(
        server.put("/net", Answer(DATA[::-1])), server.put("/far", Answer(DATA)), more=f'sha256_start = "{SHA256[:8]}"'
    )
    assert weights.fetch("toy")["network"].read_bytes() == DATA
    assert files_in_cache() == ["toy.bin"]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(b"<html>quota"), DownloadFailed, "is a web page instead of the file"),
        (Answer(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), BadWeights, "git-lfs pointer"),
        (Answer(b"", headers={"Content-Length": "0"}), BadWeights, "/net is empty"),
        (Answer(DATA, headers={"Content-Length": ""}), DownloadFailed, "does not say how long the file is"),
        (Answer(DATA, cut=HALF, headers={"Content-Length": ""}), DownloadFailed, "does not say how long the file is"),
        (Answer(DATA, cut=HALF, chunked=True, ranges=False), DownloadFailed, "broke the connection"),
        (Answer(b"", chunked=True), BadWeights, "/net is empty"),
        (Answer(DATA, headers={"Content-Length": str(3 << 30)}), BadWeights, "more than the 2147483648 that are"),
        (Answer(DATA, endless=True, headers={"Transfer-Encoding": "identity"}), BadWeights, "are accepted"),
    ],
    ids=["page", "pointer", "empty", "no length", "cut", "cut chunks", "no chunks", "too long", "endless"],
)  # fmt: skip
def test_what_is_not_the_file_never_counts(
    answer: Answer, error: type[Exception], words: str, server: LyingServer, home: Path
):
    card(server.put("/net", answer), more="at_most = 5000000" if answer.endless else "")
    with pytest.raises(error, match=words):
        weights.fetch("toy")
    assert [name for name in files_in_cache() if not name.endswith((".part", ".version"))] == []
    assert not (home / "config" / "pins").exists()


def test_chunks_that_end_properly_are_a_whole_file(server: LyingServer):
    expected = card(server.put("/net", Answer(DATA, chunked=True)))
    assert weights.fetch("toy")["network"] == expected


def test_a_download_is_continued_only_where_the_server_tells_versions_apart(server: LyingServer):
    card(server.put("/net", Answer(DATA, cut=HALF, headers=ETAG), Answer(DATA, headers=ETAG)))
    weights.fetch("toy")["network"].unlink()
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert server.requests[1].headers["If-Range"] == '"one"'
    server.requests.clear()
    toy_card.write(DATA, server.put("/dumb", Answer(DATA[::-1], cut=HALF), Answer(DATA)), known=False)
    assert weights.fetch("toy")["network"].read_bytes() == DATA
    assert ranges(server) == [None, None]


def test_a_download_that_came_encoded_is_not_continued(server: LyingServer):
    """The server counts the bytes that it sends, and not those that were decoded and kept."""
    headers = {"Content-Encoding": "gzip", "ETag": '"one"'}
    packed = gzip.compress(DATA)
    card(server.put("/net", Answer(packed, cut=HALF, headers=headers), Answer(packed, headers=headers)))
    assert weights.fetch("toy")["network"].read_bytes() == DATA
    assert ranges(server) == [None, None]


def test_the_version_is_kept_for_the_next_process(server: LyingServer):
    broken = [Answer(DATA, cut=HALF, headers=ETAG), *[Answer(status=503)] * (https.TRIES - 1)]
    card(server.put("/net", *broken, Answer(DATA, headers=ETAG)))
    with pytest.raises(DownloadFailed):
        weights.fetch("toy")
    assert list(partials().values()) == [HALF]
    assert weights.fetch("toy")["network"].read_bytes() == DATA
    assert server.requests[-1].headers["If-Range"] == '"one"'
    assert ranges(server)[-1] == f"bytes={HALF}-"
    assert files_in_cache() == ["toy.bin"]


@pytest.mark.parametrize("planted", [b"\r\nX-Evil: 1", b"\xff\xfe", b"x" * 100_000, b'"other"'])
def test_a_planted_version_can_do_no_harm(planted: bytes, server: LyingServer):
    key = weights.card("toy").variant().files["network"].key if card(server.put("/net", Answer(DATA))) else ""
    cache.root().mkdir(parents=True)
    (cache.root() / f"{key}.0.part").write_bytes(DATA[::-1][:HALF])
    (cache.root() / f"{key}.0.version").write_bytes(planted)
    assert weights.fetch("toy")["network"].read_bytes() == DATA
    assert "X-Evil" not in server.requests[0].headers


def test_a_download_that_was_complete_is_not_transferred_again(server: LyingServer):
    """Killed between the last byte and the renaming; the server answers 416 to the question for more."""
    card(server.put("/net", Answer(DATA, headers=ETAG)))
    key = weights.card("toy").variant().files["network"].key
    cache.root().mkdir(parents=True)
    (cache.root() / f"{key}.0.part").write_bytes(DATA)
    (cache.root() / f"{key}.0.version").write_text('"one"')
    assert weights.fetch("toy")["network"].read_bytes() == DATA
    assert ranges(server) == [f"bytes={len(DATA)}-"]


def test_of_two_processes_one_transfers_and_both_agree(server: LyingServer):
    import threading

    event = threading.Event()
    expected = card(server.put("/net", Answer(DATA, pause=event), Answer(DATA)))
    code = "from ml4a import weights; print(weights.fetch('toy')['network'])"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    while not partials():
        event.wait(0.02)
    event.set()
    outputs = [process.communicate()[0] for process in processes]
    assert outputs == [f"{expected}\n"] * 2
    assert len(server.requests) == 1


def test_a_disk_without_room_is_noticed_when_the_server_tells_the_size(server: LyingServer):
    card(server.put("/net", Answer(DATA, headers={"Content-Length": str(10**16)})), more=f"at_most = {10**17}")
    with pytest.raises(CannotWrite, match="too full"):
        weights.fetch("toy")
    assert files_in_cache() == []


def test_settings_that_cannot_be_written_are_an_error_and_nothing_is_kept(server: LyingServer, home: Path):
    card(server.put("/net", Answer(DATA)))
    (home / "config" / "pins").write_text("in the way")
    with pytest.raises(CannotWrite, match="cannot write to the settings"):
        weights.fetch("toy")
    assert weights.find("toy") is None


def test_offline_says_how_to_hand_the_file_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    card("https://example.org/net")
    with pytest.raises(Offline, match=r"hand it over: ml4a weights add toy\.bin --as toy/small/network"):
        weights.fetch("toy")
