"""Pictures and a film that come with ml4a, wherever a path is taken: `sample:NAME`.

The photographs are public domain or CC0 and fetched like weights, through the verified cache. The style pictures are
painted by our own code, and the detail and the film made from photographs, when they are first asked for.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ml4a import weights
from ml4a._core import files, paths, record
from ml4a._core.errors import UnknownName

from . import _pan, paint

_CARD = "samples"
_EYE = (112, 62, 240, 158)
"""The cat's left eye in `chelsea`: left, top, right, bottom."""
_DERIVED = {"eye": "chelsea", "pan": "coffee"}
"""The photograph that a sample is made from."""


def names() -> list[str]:
    """All samples: photographs, style pictures, `eye` (a small detail, to enlarge) and `pan` (a film)."""
    return sorted([*photographs(), *paintings(), *_DERIVED])


def photographs() -> list[str]:
    """The photographs."""
    return list(weights.card(_CARD).weights)


def paintings() -> list[str]:
    """The style pictures."""
    return paint.names()


def path(name: str) -> Path:
    """The sample as a local file, fetched or made if need be.

    Raises:
        UnknownName: no sample has this name.
        DownloadFailed: it needs a photograph that is not in the cache and cannot be had.
        CannotWrite: the cache cannot be written.
    """
    if name in paintings():
        return _made(f"{name}.png", lambda target: paint.paint(name).save(target))
    if name == "eye":
        return _made("eye.png", functools.partial(_crop_eye, path(_DERIVED[name])))
    if name == "pan":
        return _made("pan.mp4", functools.partial(_pan.render, path(_DERIVED[name])))
    if name in photographs():
        return weights.fetch(f"{_CARD}/{name}")["photograph"]
    raise UnknownName("sample", name, names())


def cached() -> list[Path]:
    """The samples that are here already, as files; nothing is fetched or made."""
    found = [weights.find(f"{_CARD}/{name}") for name in photographs()]
    made = (paths.cache_dir() / "samples" / _edition()).glob("[!.]*")
    return [*(files["photograph"] for files in found if files), *sorted(made)]


def _crop_eye(photograph: Path, target: Path) -> None:
    with Image.open(photograph) as photo:
        photo.convert("RGB").crop(_EYE).save(target)


def _made(file: str, make: Callable[[Path], object]) -> Path:
    """The file in the cache; made by `make` the first time, and again once the code that makes it has changed."""
    place = paths.cache_dir() / "samples" / _edition() / file
    if not place.is_file():
        with files.atomic(place, overwrite=True) as temporary:
            make(temporary)
    return place


@functools.cache
def _edition() -> str:
    """A name for this version of the code that makes samples, and of the libraries that it draws with."""
    sources = [Path(__file__), Path(_pan.__file__), *sorted(Path(paint.__file__).parent.glob("*.py"))]
    total = hashlib.sha256(repr(sorted(record.versions().items())).encode())
    for source in sources:
        total.update(source.read_bytes())
    return total.hexdigest()[:12]
