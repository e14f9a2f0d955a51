"""Channels that are known to be worth a dream: themes such as birds, and the good ones of each layer."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from ml4a._core.errors import BadValue

_FILE = Path(__file__).with_name("bookmarks.toml")
_STEM = {f"A{number}": f"conv2d{number - 1}" for number in (1, 2, 3)}
_CONVS = ("1x1", "3x3_bottleneck", "3x3", "5x5_bottleneck", "5x5", "pool_reduce")
_BLOCKS = dict(zip("BCDEFGHJK", ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"), strict=True))
_HEADS = {"L1": "head0_bottleneck", "L2": "head1_bottleneck"}

_IN_BLOCKS = {
    f"{letter}{number}": f"mixed{block}_{conv}"
    for letter, block in _BLOCKS.items()
    for number, conv in enumerate(_CONVS, start=1)
}
SHORT = {short: f"{layer}_pre_relu" for short, layer in (_STEM | _IN_BLOCKS | _HEADS).items()}
"""Short names of InceptionV1's layers, from A1 to L2."""


def names(network: str) -> list[str]:
    """The bookmarks that there are for a network, named by its class."""
    table = _tables().get(network, {})
    return [*table.get("themes", {}), *table.get("layers", {})]


def channels(network: str, bookmark: str) -> list[tuple[str, int]]:
    """The layers and channels of a bookmark.

    Raises:
        BadValue: there is no such bookmark for this network; the message lists them.
    """
    if bookmark not in names(network):
        known = ", ".join(names(network)) or "none; name a layer, and a channel of it"
        others = " and ".join(other for other in _tables() if bookmark in names(other))
        hint = f", but for {others}" if others else ""
        raise BadValue(f"there is no bookmark {bookmark!r} for {network}{hint}; there are: {known}")
    table = _tables()[network]
    if bookmark in table.get("layers", {}):
        return [(SHORT.get(bookmark, bookmark), number) for number in table["layers"][bookmark]]
    theme: str = table["themes"][bookmark]
    parts = (part.rpartition(":") for part in theme.split())
    return [(SHORT.get(layer, layer), int(number)) for layer, _, numbers in parts for number in numbers.split(",")]


@functools.cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
