"""Finding and reading cards: the user's own in `<config>/cards/`, which come first, ours in `catalog/`, plug-ins'.

docs/design.md shows what a card looks like; `schema` says what each key means.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ml4a._core import paths
from ml4a._core.devices import say_once
from ml4a._core.errors import BadValue, UnknownName

from . import pins, plugins
from .plugins import Plugin
from .schema import Card, File, Package, Weights

log = logging.getLogger("ml4a")

_CATALOG = Path(__file__).parent / "catalog"
_Part = TypeVar("_Part", Card, File, Package, Weights)


def card(name: str) -> Card:
    """The card of the model `name`.

    Raises:
        UnknownName: there is none.
        BadValue: the card is wrong, or a plug-in's is missing; the message names the plug-in, the file and the key.
    """
    found = _files()
    if name in found:
        return _read_of(found[name])
    if name in plugins.installed():
        raise plugins.without_card(plugins.installed()[name])
    raise UnknownName("card", name, found)


def cards() -> dict[str, Card]:
    """All cards by name. What the user or a plug-in has spoilt, a card or a pin, is left out, and said to be."""
    every = {}
    for name, path in _files().items():
        if path.parent == _CATALOG:
            _ours(path)  # ours are right, or it is our mistake
        try:
            every[name] = _read_of(path)
        except BadValue as error:
            if _plugin_of(path) is None:
                log.warning("left out: %s", error)
            else:
                say_once(f"left out: {error}")
    return every


def of_plugin(plugin: Plugin) -> Card:
    """The card that a plug-in brings itself, also where the user has another; the user's where it brings none.

    Raises:
        BadValue: there is no card, or it is wrong; the message names the plug-in.
    """
    path = plugin.card
    return card(plugin.name) if path is None else _read_of(path)


def resolve(spec: str) -> tuple[Card, Weights]:
    """`"hed"` or `"hed/bsds"` to the card and the weights that are meant.

    Raises:
        UnknownName: no such card, or no such weights on it.
    """
    name, slash, variant = spec.partition("/")
    about = card(name)
    return about, about.variant(variant if slash else "default")


def notice(about: Card, variant: Weights) -> str:
    """The licence in one line: `"hed/bsds: MIT, commercial use: yes — the wheel's own licence file"`."""
    terms = f"{variant.licence}, commercial use: {variant.commercial}"
    return f"{about.name}/{variant.name}: {terms} — {variant.licence_source}"


def read(path: Path) -> Card:
    """Read one card. Where it does not know a file's SHA-256, that of the first download, if any, is filled in.

    Raises:
        BadValue: a key is unknown, missing or wrong; the message names the file and the key.
    """
    return _completed(_ours(path) if path.parent == _CATALOG else _read(path))


def _read_of(path: Path) -> Card:
    """`read`, whose errors say whose card it is, if that is neither ours nor the user's."""
    plugin = _plugin_of(path)
    try:
        return read(path)
    except BadValue as error:
        if plugin is None:
            raise
        raise BadValue(f"the card of {plugin.distribution} is wrong: {plugins.shown(error)}") from None


def _plugin_of(path: Path) -> Plugin | None:
    """The plug-in whose card this is."""
    plugin = plugins.installed().get(path.stem)
    return plugin if plugin is not None and path == plugin.card else None


@functools.cache
def _ours(path: Path) -> Card:
    """A card of the catalogue, which does not change while we run."""
    return _read(path)


def _read(path: Path) -> Card:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadValue(f"{path} is not a readable card: {error}") from None
    packages = {
        name: _make(Package, table, f"{path}: packages.{name}", name=name)
        for name, table in _tables(data.pop("packages", {}), f"{path}: packages")
    }
    weights = {
        name: _weights(name, table, f"{path}: weights.{name}")
        for name, table in _tables(data.pop("weights", {}), f"{path}: weights")
    }
    if isinstance(data.get("verbs"), list):
        data["verbs"] = tuple(data["verbs"])
    return _make(Card, data, f"{path}: card", name=path.stem, packages=packages, weights=weights)


def _completed(about: Card) -> Card:
    """The card, with what is held to since their first download of files whose SHA-256 it does not know."""
    if all(file.sha256 for weights in about.weights.values() for file in weights.files.values()):
        return about
    weights = {
        name: dataclasses.replace(each, files={role: pins.known(file) for role, file in each.files.items()})
        for name, each in about.weights.items()
    }
    return dataclasses.replace(about, weights=weights)


def _files() -> dict[str, Path]:
    """Every card's path by name."""
    of_plugins = {plugin.name: path for plugin in plugins.installed().values() if (path := plugin.card) is not None}
    folders = (_CATALOG, paths.config_dir() / "cards")
    return of_plugins | {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def _weights(name: str, table: dict[str, Any], where: str) -> Weights:
    files = {}
    for role, keys in _tables(table.pop("files", {}), f"{where}.files"):
        if isinstance(keys.get("sources"), list):
            keys["sources"] = tuple(keys["sources"])
        files[role] = _make(File, keys, f"{where}.files.{role}")
    return _make(Weights, table, where, name=name, files=files)


def _tables(value: object, where: str) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
        raise BadValue(f"{where} is not a table of tables")
    return list(value.items())


def _make(part: type[_Part], keys: Mapping[str, Any], where: str, **given: Any) -> _Part:
    """A dataclass from a table's keys, which must be its fields, apart from those that are given."""
    fields = {field.name: field for field in dataclasses.fields(part) if field.name not in given}
    unknown = sorted(keys.keys() - fields)
    if unknown:
        raise BadValue(f"{where}.{unknown[0]} is not a key of cards; known are {', '.join(fields)}")
    missing = [name for name, field in fields.items() if name not in keys and field.default is dataclasses.MISSING]
    if missing:
        raise BadValue(f"{where}.{missing[0]} is missing")
    try:
        return part(**given, **keys)
    except BadValue as error:
        raise BadValue(f"{where}.{error}") from None
