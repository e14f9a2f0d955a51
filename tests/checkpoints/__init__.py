"""The official checkpoints of models whose weights the package index does not carry, with weights of our own in them.

Each module is a model's: which keys its files have, at the official size (`OFFICIAL`) and at a small one (`SMALL`), and
in which container. `install` has a user's card point to such files, so that a model goes through all that it goes
through with the real ones: card, download, hash, reader, network.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import tomllib
from collections.abc import Callable, Container, Iterable, Mapping
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import deterministic
import pytest

import ml4a
from ml4a._core import paths

Shapes = dict[str, tuple[int, ...]]

MODELS = tuple(module.name for module in pkgutil.iter_modules(__path__))
"""Of which there are checkpoints here."""


def of(model: str) -> ModuleType:
    """The module of a model; it has

    * `OFFICIAL` and `SMALL`: by the name of a card's weights, the tensors by role of a file and key: `{weights: {role:
      Shapes}}`; SMALL needs the default weights only,
    * `save(role, path, state)`: write one file in its container,
    * `NETWORKS`: by builder of `networks.architectures`, the shapes of a small network,
    * `HYPER_PARAMETERS`: by class, what those sizes are called.
    """
    return importlib.import_module(f"{__name__}.{model}")


def write(model: str, weights: str, folder: Path, *, small: bool = False) -> dict[str, Path]:
    """Write a model's files; return them by role."""
    module = of(model)
    files = {}
    for role, shapes in (module.SMALL if small else module.OFFICIAL)[weights].items():
        files[role] = folder / _card(model)["weights"][weights]["files"][role]["name"]
        module.save(role, files[role], deterministic.state_dict(shapes))
    return files


def on_disk(path: Path, member: str) -> str:
    """The source of a file that is where it is."""
    return f"file:{path}"


def install(model: str, weights: str, files: Mapping[str, Path], address: Callable[[Path, str], str] = on_disk) -> None:
    """Have the current home's card of `model` take these files for its `weights`.

    Args:
        model: As the card is called.
        weights: A set of the card; the user's card has no others than are installed.
        files: By role. Roles of the set that are not named keep their sources.
        address: Makes the source of a file and of what its official source has behind `#`, which names the member of
            an archive.
    """
    card = _card(model)
    chosen = card["weights"][weights]
    for role, path in files.items():
        file = chosen["files"][role]
        member = file["sources"][0].partition("#")[2]
        file["sources"] = [address(path, member)]
        if "sha256" in file:
            file["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        if "size" in file:
            file["size"] = path.stat().st_size
        file.pop("sha256_start", None)
    own = paths.config_dir() / "cards" / f"{model}.toml"
    before = tomllib.loads(own.read_text(encoding="utf-8"))["weights"] if own.exists() else {}
    card["weights"] = before | {weights: chosen}
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("\n".join(_toml(card)), encoding="utf-8")


def load(model: str, folder: Path, weights: str = "", **options: Any) -> Any:
    """A model made of small weights, from a home of its own in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(folder / "home"))
        weights = weights or next(iter(of(model).SMALL))
        install(model, weights, write(model, weights, folder, small=True))
        return ml4a.load(model, weights, **options)


def furnish(home: Path, *more: tuple[str, str], only: Container[str] | None = None) -> Path:
    """Make a home with small weights for all models whose own the package index does not carry, and with all others.

    Args:
        home: The folder, a new one.
        *more: Further (model, weights).
        only: Of which models there are small ones; by default of all.
    """
    files, cache = home / "files", home / "cache"
    for shared in ("weights", "samples"):  # what is fetched in the new home stays there
        (cache / shared).mkdir(parents=True)
        for path in (paths.cache_dir() / shared).glob("*"):
            (cache / shared / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(home))
        defaults = [(model, weights) for model, weights in small_defaults().items() if only is None or model in only]
        for model, weights in (*defaults, *more):
            (files / model / weights).mkdir(parents=True)  # sets may have files of the same names
            install(model, weights, write(model, weights, files / model / weights, small=True))
    return home


def small_defaults() -> dict[str, str]:
    """The default weights of each model that has small ones: of those whose own the package index does not carry."""
    defaults = {model: next(iter(_card(model)["weights"])) for model in MODELS}
    return {model: weights for model, weights in defaults.items() if weights in of(model).SMALL}


def digest(shapes: Mapping[str, Iterable[int]]) -> str:
    """A SHA-256 of keys and shapes, in any order: two tables agree in every key if it is the same."""
    lines = sorted(f"{key} {list(shape)}\n" for key, shape in shapes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _card(model: str) -> dict[str, Any]:
    text = resources.files("ml4a.weights").joinpath(f"catalog/{model}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _toml(table: Mapping[str, Any], name: str = "") -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"[{name}]"] if name and plain else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in plain.items()]  # JSON's strings, too, are TOML
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _toml(value, f"{name}.{key}" if name else key)
    return lines
