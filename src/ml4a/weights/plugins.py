"""Models that other packages bring, as their metadata tell: nothing of theirs is imported to find them.

A package names its models in the entry-point group `ml4a.models` (`imagine = "ml4a_imagine:Imagine"`), and has the card
of each, `imagine.toml`, in the folder of its top-level package, or beside its module if that is a single file.

What is wrong with one is said once, on the log, and the others go on.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml4a._core.devices import say_once
from ml4a._core.errors import BadValue

from .schema import normalised

ENTRY_POINTS = "ml4a.models"

_SECTION = re.compile(rf"^\s*\[\s*{re.escape(ENTRY_POINTS)}\s*\]", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PLACE = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)\s*:\s*(?P<attribute>[A-Za-z_]\w*)", re.ASCII)
_NAMELESS = "a package without a name"
_LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Plugin:
    """A model of another package."""

    name: str
    """Of the model, its card and its entry point."""
    module: str
    attribute: str
    """Of the class, in the module."""
    distribution: str
    """The package as installed: `"ml4a-imagine 1.0"`."""

    @property
    def card(self) -> Path | None:
        """Where its card lies, found without importing the package; None if there is none."""
        paths = (folder / f"{self.name}.toml" for folder in _folders(self.module))
        return next((path for path in paths if path.is_file()), None)


@functools.cache
def installed() -> dict[str, Plugin]:
    """The plug-ins' models by name, in the order of names; those that cannot be told from others are left out."""
    found: dict[str, Plugin] = {}
    for plugin in sorted(_declared(), key=lambda each: (each.name, each.distribution)):
        if plugin.name in _ours():
            leave_out(plugin.name, plugin.distribution, f"ml4a has a card named {plugin.name} itself")
        elif plugin.name in found:
            other = found[plugin.name].distribution
            leave_out(plugin.name, plugin.distribution, f"{other} has a model of that name, too")
        else:
            found[plugin.name] = plugin
    return found


def leave_out(name: str, distribution: str, why: object) -> None:
    """Say, once, that something of a plug-in is left out, and whose it is."""
    say_once(f"left out '{shown(name)}' of {distribution}: {why}")


def shown(text: object) -> str:
    """A text of somebody else's in one line, cut, and without characters that steer a terminal."""
    line = " ".join(str(text).split())
    cut = line[:_LONGEST_TEXT] + "…" * (len(line) > _LONGEST_TEXT)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)


def _ours() -> set[str]:
    return {path.stem for path in (Path(__file__).parent / "catalog").glob("*.toml")}


def _declared() -> Iterator[Plugin]:
    """Each entry point that is well formed; of two copies of a distribution on the path, the first counts."""
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except (OSError, ValueError):  # not even text: nobody can say whether it is a plug-in
            continue
        if _SECTION.search(text) is None:
            continue
        label = _label(distribution)
        name = normalised(label.rpartition(" ")[0])
        if label == _NAMELESS or name not in seen:
            seen.add(name)
            yield from _plugins(distribution, label)


def _plugins(distribution: importlib.metadata.Distribution, label: str) -> Iterator[Plugin]:
    try:
        points = [point for point in distribution.entry_points if point.group == ENTRY_POINTS]
    except Exception as error:  # a line that is no entry point, of whatever group
        leave_out("everything", label, f"its entry points cannot be read ({shown(error)})")
        return
    for point in points:
        place = _PLACE.fullmatch(point.value.strip())
        if _NAME.fullmatch(point.name) is None:
            leave_out(point.name, label, "a model's name is lower-case letters, digits and _")
        elif place is None:
            what = f"its entry point is not of the form package.module:Class, {shown(point.value)!r}"
            leave_out(point.name, label, what)
        else:
            yield Plugin(point.name, place["module"], place["attribute"], label)


def _label(distribution: importlib.metadata.Distribution) -> str:
    """Name and version, as `"ml4a-imagine 1.0"`."""
    try:
        return shown(f"{distribution.metadata['Name']} {distribution.version}")
    except Exception:  # no metadata, or broken ones
        return _NAMELESS


def _folders(module: str) -> list[Path]:
    """The folders of the top-level package that a module is in; finding it does not import it."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except Exception:  # of a module without a spec, or of somebody's import hook
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(folder) for folder in spec.submodule_search_locations]
    return [Path(spec.origin).parent] if spec.has_location and spec.origin else []


def without_card(plugin: Plugin) -> BadValue:
    """The error of a plug-in that has no card, or none that is found."""
    folders = " or ".join(map(str, _folders(plugin.module))) or f"the package of {plugin.module}, which is not there"
    due = f"{plugin.name}.toml is due in {folders}"
    return BadValue(f"{plugin.distribution} brings {plugin.name} without a card; {due}")
