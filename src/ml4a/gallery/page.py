"""The gallery's page, from templates that lie beside this file."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any

from ml4a._core import extras

from .work import Work

SOUND_SUFFIXES = (".mp3", ".wav")
FILM_SUFFIXES = (".mp4", ".webm")


def render(
    works: Sequence[Work],
    done: Mapping[str, Mapping[str, Any]],
    absent: Sequence[Work] = (),
    *,
    originals: Mapping[str, str],
    finished: bool,
) -> str:
    """The page with the works that are done; until it is finished, it reloads itself.

    Args:
        works: All works that are made, in order.
        done: By file name: seconds and record of those that are there.
        absent: Works whose weights or packages are not here.
        originals: File name of each original by its sample's name.
        finished: Whether all are there.
    """
    sections = [_section(work, done[work.file], originals) for work in works if work.file in done]
    waiting = (
        "" if finished else f"<p class=waiting>{len(sections)} of {len(works)} works done; the next is being made …</p>"
    )
    refresh = "" if finished else '<meta http-equiv="refresh" content="2">'
    more = "\n".join(map(_absent, absent))
    more = f"<section><h2>More, once what they need is here</h2><dl>{more}</dl></section>" if more else ""
    return _template("page.html").substitute(
        refresh=refresh, works="\n".join(sections), waiting=waiting, more=more if finished else ""
    )


def _section(work: Work, entry: Mapping[str, Any], originals: Mapping[str, str]) -> str:
    record, original = entry["record"], ""
    if work.original is not None:
        medium = _medium(originals[work.original], f"original: {work.original}")
        original = f"<figure>{medium}<figcaption>original</figcaption></figure>"
    return _template("work.html").substitute(
        title=html.escape(work.title),
        original=original,
        result=_medium(work.file, work.title),
        shell=html.escape(work.shell),
        python=html.escape(work.python),
        facts="".join(
            f"<dt>{html.escape(name)}<dd>{html.escape(value)}" for name, value in _facts(record, entry["seconds"])
        ),
    )


def _absent(work: Work) -> str:
    packages = [] if work.extra is None or extras.installed(work.extra) else [f'pip install "ml4a[{work.extra}]"']
    lines = [*packages, *(f"ml4a weights fetch {spec}" for spec in work.needs), work.shell]
    return f"<dt>{html.escape(work.title)}<dd><pre>{html.escape(chr(10).join(lines))}</pre>"


def _facts(record: Mapping[str, Any], seconds: float) -> list[tuple[str, str]]:
    if not record:  # no model had a part in it, or records are switched off
        return [("made in", f"{seconds:.1f} s")]
    parameters = dict(record.get("parameters", {}))
    if record.get("steady"):
        parameters["steady"] = record["steady"]
    plain = ", ".join(f"{name} {value}" for name, value in parameters.items() if value is not None) or "none"
    return [
        ("model", f"{record['model']}/{record['weights']}"),
        ("parameters", plain),
        ("seed", str(record.get("seed", "none: nothing is random"))),
        ("made in", f"{seconds:.1f} s on {record['device']}, {record['dtype']}"),
    ]


def _medium(file: str, text: str) -> str:
    name, label = html.escape(file), html.escape(text)
    if file.endswith(FILM_SUFFIXES):
        return f'<video src="{name}" title="{label}" controls autoplay muted loop playsinline></video>'
    if file.endswith(SOUND_SUFFIXES):
        return f'<audio src="{name}" title="{label}" controls></audio>'
    return f'<a href="{name}"><img src="{name}" alt="{label}" loading=lazy></a>'


def _template(name: str) -> Template:
    return Template(resources.files("ml4a.gallery").joinpath(name).read_text(encoding="utf-8"))
