from __future__ import annotations

import ipaddress
import socket

import pytest

from ml4a._core import addresses
from ml4a._core.errors import DownloadFailed, UnsafeURL

INSIDE = [
    "127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
    "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1",
    "2001::1", "::127.0.0.1",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_allowed(address: str):
    assert not addresses.is_allowed(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_public_address_is_allowed(address: str):
    assert addresses.is_allowed(ipaddress.ip_address(address))


def test_the_loopback_and_nothing_else_inside_can_be_allowed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ML4A_ALLOW_LOOPBACK", "1")
    allowed = [address for address in INSIDE if addresses.is_allowed(ipaddress.ip_address(address))]
    assert allowed == ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::"]


@pytest.mark.parametrize(
    "host",
    ["2130706433", "134744072", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.1", "1.2.3", "127.0.0.1.", "999.1.1.1"],
)
@pytest.mark.parametrize("public_only", [True, False])
def test_a_number_posing_as_a_host_is_refused(host: str, public_only: bool):
    with pytest.raises(UnsafeURL, match="number"):
        addresses.resolve(host, 80, public_only=public_only)


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch):
    def resolver(host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with pytest.raises(UnsafeURL, match=r"10\.0\.0\.1"):
        addresses.resolve("two-faced.test", 80)
    assert addresses.resolve("two-faced.test", 80, public_only=False) == ["8.8.8.8", "10.0.0.1"]


def test_a_name_that_does_not_exist_is_a_failed_download():
    with pytest.raises(DownloadFailed, match="cannot be found"):
        addresses.resolve("nowhere.invalid", 80)


def test_a_name_of_a_thousand_letters_is_refused():
    with pytest.raises(UnsafeURL, match="too long"):
        addresses.resolve("a" * 1000, 80)
