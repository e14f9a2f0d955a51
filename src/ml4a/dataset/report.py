"""What a data set has become: a page to look at, the same for programs, and a sheet of pictures from all over it.

The page is one file without scripts, and loads nothing. What comes from outside – names of files, reasons – is text in
it and can be nothing else.
"""

from __future__ import annotations

import base64
import collections
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Literal

import numpy as np

from ml4a._core import files
from ml4a._core.errors import Ml4aError
from ml4a._core.kinds import Picture
from ml4a.media import image
from ml4a.media.sources import printable

PAGE, DATA, SHEET = "report.html", "report.json", "sheet.jpg"
SHOWN = 48
"""Pictures on the sheet, at most: from all over the data set."""
ROWS = 500
"""Rejects that the page names; all are in `report.json`."""

_CELL, _COLUMNS, _MARGIN = 160, 8, 6
_QUALITY = 85
_BARS = 16
_CHART, _BASE = (420, 150), 20
"""Of a histogram, in pixels, and what is below its bars."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one input picture."""

    name: str
    outcome: Literal["kept", "rejected"]
    reason: str = ""
    """Why it was rejected."""
    width: int = 0
    height: int = 0
    """Of the input, in pixels; 0 if nobody knows."""
    part: str = ""
    """"train" or "test"; "" in a data set that is not divided."""
    label: int | None = None
    sharpness: float | None = None
    """As `filters.sharpness` measures it."""


def write(
    folder: Path,
    entries: Sequence[Entry],
    samples: Sequence[Picture],
    settings: Mapping[str, Any],
    *,
    overwrite: bool = True,
) -> Path:
    """Write `report.html`, `report.json` and `sheet.jpg` into `folder`.

    Args:
        folder: Made if it is missing.
        entries: All inputs, in order.
        samples: Pictures of the data set, of which `SHOWN` from all over are on the sheet; those that cannot be read
            are left out.
        settings: How it was made, as JSON values.
        overwrite: Whether the report of the data set that was there before is replaced.

    Returns:
        The page.

    Raises:
        OutputExists: there is a report, and it is to stay.
        CannotWrite: the disk is full or read-only.
    """
    for name in (PAGE, DATA, SHEET):
        files.refuse_existing(folder / name, overwrite)
    sheet = _sheet(samples)
    if sheet is not None:
        _save(folder / SHEET, sheet, overwrite)
    _save(folder / DATA, f"{json.dumps(_data(entries, settings), indent=1)}\n".encode(), overwrite)
    _save(folder / PAGE, _page(entries, sheet, settings).encode(), overwrite)
    return folder / PAGE


def _save(path: Path, data: bytes, overwrite: bool) -> None:
    with files.atomic(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)


def _data(entries: Sequence[Entry], settings: Mapping[str, Any]) -> dict[str, Any]:
    kept, rejected = _divided(entries)
    return {
        "kept": len(kept),
        "rejected": len(rejected),
        "parts": dict(collections.Counter(entry.part for entry in kept)),
        "classes": {str(label): count for label, count in sorted(_classes(kept).items())},
        "reasons": dict(collections.Counter(entry.reason for entry in rejected).most_common()),
        "settings": dict(settings),
        "entries": [asdict(entry) for entry in entries],
    }


def _divided(entries: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    both: dict[str, list[Entry]] = {"kept": [], "rejected": []}
    for entry in entries:
        both[entry.outcome].append(entry)
    return both["kept"], both["rejected"]


def _classes(kept: Iterable[Entry]) -> collections.Counter[int]:
    return collections.Counter(entry.label for entry in kept if entry.label is not None)


def _sheet(samples: Sequence[Picture]) -> bytes | None:
    """The contact sheet as JPEG; None if there is no picture."""
    chosen = [samples[index] for index in _spread(len(samples), SHOWN)]
    cells = [cell for cell in map(_cell, chosen) if cell is not None]
    if not cells:
        return None
    return image.encode(image.grid(cells, columns=_COLUMNS, margin=_MARGIN), ".jpg", quality=_QUALITY)


def _spread(count: int, most: int) -> list[int]:
    """At most so many of the first `count` numbers, from all over them."""
    return sorted({index * count // most for index in range(most)}) if count > most else list(range(count))


def _cell(picture: Picture) -> np.ndarray[Any, Any] | None:
    """A picture reduced to fit into a white square; None if it cannot be read."""
    try:
        array = image.to_array(picture)
    except Ml4aError:
        return None
    height, width = array.shape[:2]
    scale = min(1.0, _CELL / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    fitted = image.resize(array, size)
    cell = np.ones((_CELL, _CELL, 3), np.float32)
    left, top = (_CELL - size[0]) // 2, (_CELL - size[1]) // 2
    alpha = fitted[:, :, 3:] if fitted.shape[2] == 4 else 1.0
    cell[top : top + size[1], left : left + size[0]] = fitted[:, :, :3] * alpha + (1 - np.asarray(alpha))
    return cell


def _page(entries: Sequence[Entry], sheet: bytes | None, settings: Mapping[str, Any]) -> str:
    kept, rejected = _divided(entries)
    template = Template(resources.files("ml4a.dataset").joinpath(PAGE).read_text(encoding="utf-8"))
    return template.substitute(
        kept=f"{len(kept):,}",
        summary=f"{len(entries):,} looked at, {len(kept):,} kept, {len(rejected):,} rejected.",
        sheet="" if sheet is None else _embedded(sheet),
        charts="\n".join(_charts(kept)),
        parts=_counts("Parts", "part", collections.Counter(entry.part for entry in kept if entry.part)),
        classes=_counts("Classes", "class", _classes(kept)),
        rejects=_rejects(rejected),
        settings="\n".join(f"<tr><th>{_text(name)}<td>{_text(_shown(value))}" for name, value in settings.items()),
    )


def _embedded(sheet: bytes) -> str:
    data = base64.b64encode(sheet).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="Pictures from all over the data set">'


def _charts(kept: Sequence[Entry]) -> list[str]:
    measured = [entry for entry in kept if entry.width and entry.height]
    sharpness = [entry.sharpness for entry in kept if entry.sharpness is not None and math.isfinite(entry.sharpness)]
    return [
        _histogram("Shorter side, in pixels", [min(entry.width, entry.height) for entry in measured]),
        _histogram("Width divided by height", [entry.width / entry.height for entry in measured]),
        *([_histogram("Sharpness", sharpness)] if sharpness else []),
    ]


def _histogram(title: str, values: Sequence[float]) -> str:
    """How many pictures have which value, as a drawing."""
    if not values:
        return f"<figure><figcaption>{title}: nothing was measured</figcaption></figure>"
    low, high = min(values), max(values)
    if low == high:
        return f"<figure><figcaption>{title}: {low:.4g} in all pictures</figcaption></figure>"
    counts, edges = np.histogram(values, _BARS, (low, high))
    width, height = _CHART
    step, room = width / _BARS, height - _BASE
    bars = []
    for number, count in enumerate(counts):
        tall = room * count / counts.max()
        about = f"{edges[number]:.4g} to {edges[number + 1]:.4g}: {count}"
        bars.append(
            f'<rect x="{number * step + 1:.1f}" y="{room - tall:.1f}" width="{step - 2:.1f}" height="{tall:.1f}">'
            f"<title>{about}</title></rect>"
        )
    ends = (
        f'<text x="0" y="{height - 5}">{low:.4g}</text>'
        f'<text x="{width}" y="{height - 5}" text-anchor="end">{high:.4g}</text>'
    )
    drawing = f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(bars)}{ends}</svg>'
    return f"<figure>{drawing}<figcaption>{title}; the highest bar is {counts.max():,}</figcaption></figure>"


def _counts(title: str, what: str, counts: Mapping[Any, int]) -> str:
    if not counts:
        return ""
    rows = "\n".join(
        f'<tr><td>{_text(str(name))}<td class="number">{count:,}' for name, count in sorted(counts.items())
    )
    return f"<h2>{title}</h2>\n<table>\n<tr><th>{what}<th>pictures\n{rows}\n</table>"


def _rejects(rejected: Sequence[Entry]) -> str:
    if not rejected:
        return ""
    shown = "\n".join(f"<tr><td>{_text(entry.name)}<td>{_text(entry.reason)}" for entry in rejected[:ROWS])
    rest = len(rejected) - ROWS
    more = f'\n<p class="note">{rest:,} more are in {DATA}.</p>' if rest > 0 else ""
    return f"<h2>Rejected</h2>\n<table>\n<tr><th>file<th>reason\n{shown}\n</table>{more}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(text: str) -> str:
    """A text of unknown origin as HTML: it cannot begin a tag, end an attribute, or turn what follows it around."""
    return html.escape(printable(text))
