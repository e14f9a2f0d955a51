from __future__ import annotations

import gzip
import random
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from connect_proxy import ConnectProxy
from lying_server import Answer, LyingServer

from ml4a._core import net
from ml4a._core.errors import DownloadFailed, Offline, UnsafeURL

CERTIFICATE = Path(__file__).parents[2] / "data" / "localhost.pem"
BODY = bytes(range(256)) * 40


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML4A_ALLOW_LOOPBACK", "1")


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


@pytest.fixture
def secure_server() -> Iterator[LyingServer]:
    with LyingServer(CERTIFICATE) as running:
        yield running


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server that gives each name's answers one after the other, and then none."""
    answers: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def lying(host: str, port: int, *args: object, **kwargs: object) -> object:
        if host not in answers:
            return real(host, port, *args, **kwargs)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[host].pop(0), port))]

    monkeypatch.setattr(socket, "getaddrinfo", lying)
    return answers


@pytest.mark.usefixtures("loopback")
def test_read_gives_what_the_address_holds(server: LyingServer):
    url = server.put("/a%20b.bin?key=%C3%A9", Answer(BODY))
    assert net.read(url) == BODY
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.usefixtures("loopback")
def test_a_path_that_is_not_ascii_is_encoded(server: LyingServer):
    server.put("/b%C3%A4r.png", Answer(BODY))
    assert net.read(server.url("/bär.png")) == BODY


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.org/x", "data:text/plain,x", "gopher://example.org/", "//example.org/x",
        "http://", "http:///x", "https://example.org:99999/", "https://example.org:0/", "https://exa mple.org/",
        "http://example.org\\@127.0.0.1/", "http://[::1", "https://example.org/\nHost: other", "photo.jpg", "",
        "http://user:secret@example.org/", "http://example.org@127.0.0.1/",
    ],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(url: str):
    with pytest.raises(UnsafeURL) as caught:
        net.read(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "①②⑦.0.0.1"]
)
def test_this_machine_is_refused_however_it_is_spelled(host: str, server: LyingServer):
    server.put("/secret", Answer(BODY))
    with pytest.raises(UnsafeURL):
        net.read(server.url("/secret", host))
    assert server.requests == []


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "http://10.0.0.1/"]
)
@pytest.mark.usefixtures("loopback")
def test_a_redirect_to_a_refused_address_is_refused(target: str, server: LyingServer):
    url = server.put("/", Answer(status=302, headers={"Location": target}))
    with pytest.raises(UnsafeURL):
        net.read(url)


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("target", ["http://[::1", "//[", "http://a]b/", "https://x:y/"])
def test_a_redirect_to_nonsense_is_refused(target: str, server: LyingServer):
    url = server.put("/", Answer(status=302, headers={"Location": target}))
    with pytest.raises(UnsafeURL, match="not an address on the web"):
        net.read(url)


@pytest.mark.usefixtures("loopback")
def test_a_name_is_resolved_once_and_that_address_is_the_one_connected_to(
    server: LyingServer, resolver: dict[str, list[str]]
):
    server.put("/x", Answer(BODY))
    resolver["rebinding.test"] = ["127.0.0.1"]  # a second question would fail
    assert net.read(server.url("/x", "rebinding.test")) == BODY
    assert server.requests[0].headers["Host"] == f"rebinding.test:{server.port}"


@pytest.mark.usefixtures("loopback")
def test_redirects_are_followed_also_relative_ones(server: LyingServer):
    server.put("/end", Answer(BODY))
    server.put("/middle", Answer(status=307, headers={"Location": server.url("/end")}))
    assert net.read(server.put("/deep/start", Answer(status=301, headers={"Location": "../middle"}))) == BODY


@pytest.mark.usefixtures("loopback")
def test_redirects_without_end_are_not_followed_for_ever(server: LyingServer):
    url = server.put("/", Answer(status=302, headers={"Location": "/"}))
    with pytest.raises(DownloadFailed, match="more than 5"):
        net.read(url)
    assert len(server.requests) == 6


@pytest.mark.usefixtures("loopback", "trusted")
def test_a_redirect_from_https_to_http_is_refused(server: LyingServer, secure_server: LyingServer):
    url = secure_server.put("/", Answer(status=302, headers={"Location": server.put("/login", Answer(b"log in!"))}))
    with pytest.raises(UnsafeURL, match="unencrypted"):
        net.read(url)
    assert server.requests == []


@pytest.mark.usefixtures("loopback", "trusted")
def test_https_speaks_to_the_checked_address_but_expects_the_names_certificate(
    secure_server: LyingServer, resolver: dict[str, list[str]]
):
    secure_server.put("/", Answer(BODY))
    resolver |= {"weights.test": ["127.0.0.1"], "impostor.test": ["127.0.0.1"]}
    assert net.read(secure_server.url("/", "weights.test")) == BODY
    with pytest.raises(DownloadFailed, match="no valid certificate"):
        net.read(secure_server.url("/", "impostor.test"))


@pytest.mark.usefixtures("loopback")
def test_a_certificate_that_nobody_vouches_for_is_refused(secure_server: LyingServer):
    url = secure_server.put("/", Answer(BODY))
    with pytest.raises(DownloadFailed, match="is this computer's clock right"):
        net.read(url)


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("lie", [Answer(BODY), Answer(BODY, chunked=True), Answer(BODY, endless=True)])
def test_no_more_than_the_limit_is_read(lie: Answer, server: LyingServer):
    url = server.put("/", lie)
    with pytest.raises(DownloadFailed, match="larger"):
        net.read(url, limit=len(BODY) - 1)


@pytest.mark.usefixtures("loopback")
def test_a_chunked_body_without_a_length_is_read(server: LyingServer):
    assert net.read(server.put("/", Answer(BODY, chunked=True))) == BODY


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_an_encoded_body_is_decoded_and_the_limit_holds_for_the_decoded(encoding, pack, server: LyingServer):
    bomb = bytes(50_000_000)
    url = server.put("/", Answer(pack(bomb), headers={"Content-Encoding": encoding}))
    assert net.read(url, limit=len(bomb)) == bomb
    with pytest.raises(DownloadFailed, match="larger"):
        net.read(url, limit=len(bomb) - 1)


@pytest.mark.usefixtures("loopback")
def test_an_encoding_that_lies_or_was_not_asked_for_is_refused(server: LyingServer):
    with pytest.raises(DownloadFailed, match="but is not"):
        net.read(server.put("/a", Answer(BODY, headers={"Content-Encoding": "gzip"})))
    with pytest.raises(DownloadFailed, match="not asked for"):
        net.read(server.put("/b", Answer(BODY, headers={"Content-Encoding": "br"})))


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(
    "lie",
    [
        Answer(BODY, cut=100),
        Answer(BODY, cut=100, chunked=True),
        Answer(gzip.compress(random.Random(11).randbytes(9999)), cut=5000, headers={"Content-Encoding": "gzip"}),
    ],
)
def test_a_cut_connection_is_no_shorter_body(lie: Answer, server: LyingServer):
    url = server.put("/", lie)
    with pytest.raises(net.ConnectionLost):
        net.read(url)


@pytest.mark.usefixtures("loopback")
def test_a_drip_of_single_bytes_counts_as_a_standstill(server: LyingServer):
    url = server.put("/", Answer(BODY, drip=0.03))
    with pytest.raises(net.ConnectionLost, match="stalled"):
        net.read(url, timeout=0.5)


@pytest.mark.usefixtures("loopback")
def test_a_silent_server_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(net.ConnectionLost, match="stalled"):
        net.read(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.2)


@pytest.mark.usefixtures("loopback")
def test_failures_are_said_in_one_line(server: LyingServer):
    with pytest.raises(DownloadFailed, match="404"):
        net.read(server.url("/missing"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    with pytest.raises(DownloadFailed, match="refused"):
        net.read(f"http://127.0.0.1:{free}/")
    with pytest.raises(DownloadFailed, match="cannot be spoken to securely"):
        net.read(server.url("/").replace("http:", "https:"))


def test_offline_opens_nothing(server: LyingServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    url = server.put("/", Answer(BODY))
    with pytest.raises(Offline):
        net.read(url, public_only=False)
    assert server.requests == []
    monkeypatch.setenv("ML4A_OFFLINE", "0")
    assert net.read(url, public_only=False) == BODY


def through_proxy(url: str) -> bytes:
    with net.stream(url, public_only=False) as response:
        return b"".join(response.chunks())


@pytest.mark.usefixtures("trusted")
def test_trusted_addresses_are_reached_through_the_proxy_of_the_environment(
    secure_server: LyingServer, monkeypatch: pytest.MonkeyPatch
):
    secure_server.put("/", Answer(BODY))
    with ConnectProxy(("127.0.0.1", secure_server.port), "me", "p@ss") as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:p%40ss@127.0.0.1:{proxy.port}")
        assert through_proxy("https://weights.test/") == BODY  # a name that only the proxy can resolve
        assert proxy.asked == ["weights.test:443"]
        monkeypatch.setenv("no_proxy", "localhost")
        assert through_proxy(secure_server.url("/", "localhost")) == BODY
        assert proxy.asked == ["weights.test:443"]


@pytest.mark.usefixtures("trusted")
def test_a_proxys_password_is_never_printed(secure_server: LyingServer, monkeypatch: pytest.MonkeyPatch):
    with ConnectProxy(("127.0.0.1", secure_server.port), "me", "right") as proxy:
        for address in (
            f"http://me:wrong@127.0.0.1:{proxy.port}",
            "http://me:wrong@127.0.0.1:1",
            "socks5://me:wrong@x:1",
        ):
            monkeypatch.setenv("https_proxy", address)
            with pytest.raises(DownloadFailed) as caught:
                through_proxy("https://weights.test/")
            assert "wrong" not in str(caught.value)


def test_public_addresses_are_not_sent_through_a_proxy(monkeypatch: pytest.MonkeyPatch, secure_server: LyingServer):
    with ConnectProxy(("127.0.0.1", secure_server.port), "me", "p") as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:p@127.0.0.1:{proxy.port}")
        with pytest.raises(
            UnsafeURL
        ):  # a proxy would resolve the name by itself, and we could not check where it leads
            net.read("https://127.0.0.1/")
        assert proxy.asked == []


def test_an_address_is_shown_without_its_secrets():
    assert net.shown("https://me:secret@example.org/a\x1b[31mb?token=1#x") == "https://example.org/a?[31mb"


@pytest.mark.usefixtures("loopback")
def test_a_secret_for_one_host_is_not_told_to_the_next(server: LyingServer):
    with LyingServer() as other:
        back = server.put("/back", Answer(BODY))
        there = other.put("/there", Answer(status=302, headers={"Location": back}))
        server.put("/here", Answer(status=302, headers={"Location": there}))
        url = server.put("/start", Answer(status=302, headers={"Location": "/here"}))
        headers = {"Authorization": "Bearer hush", "Range": "bytes=1-"}
        with net.stream(url, headers=headers) as response:
            assert b"".join(response.chunks()) == BODY[1:]
        assert other.requests[0].headers["Range"] == "bytes=1-"
        told = [request.headers.get("Authorization") for request in (*server.requests, *other.requests)]
    assert told == ["Bearer hush", "Bearer hush", None, None]
