"""Which hosts may be spoken to: names are resolved once, and every address behind them is checked.

An address on the web that leads to this machine or into its network would let a web page, a record or a playlist read
what only this machine may read. Whoever connects must use the addresses that `resolve` returned and not the name,
or a second answer of the name server could lead elsewhere.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket

from .errors import DownloadFailed, UnsafeURL

_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LONGEST_NAME = 253

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def resolve(host: str, port: int, *, public_only: bool = True) -> list[str]:
    """The addresses behind `host`, in the order to try them.

    Args:
        host: A name in ASCII, or an IPv4 or IPv6 address without brackets.
        port: The port to be connected to.
        public_only: Refuse addresses of private networks and of this machine (which `ML4A_ALLOW_LOOPBACK=1` allows).

    Raises:
        UnsafeURL: one of them is not public, or the host is a number in disguise.
        DownloadFailed: the name cannot be found.
    """
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise UnsafeURL(f"{host!r} is a number posing as a host; write the address as 1.2.3.4") from None
    if len(host) > _LONGEST_NAME:
        raise UnsafeURL(f"{host[:40]!r}… is too long for the name of a host")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise DownloadFailed(f"the host {host!r} cannot be found; is the name right, is there a network?") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if public_only and not is_allowed(ipaddress.ip_address(address)):
            raise UnsafeURL(
                f"{host!r} leads to {address}, inside this machine or its network; save the file and give its path"
            )
    return addresses


def is_allowed(address: Address) -> bool:
    """Whether `address` is on the public internet, or on this machine where `ML4A_ALLOW_LOOPBACK=1` allows that."""
    if isinstance(address, ipaddress.IPv6Address):
        address = _embedded(address) or address
    if address.is_loopback:
        return os.environ.get("ML4A_ALLOW_LOOPBACK") == "1"
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a gateway would make of `address`."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
