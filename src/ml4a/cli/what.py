"""`ml4a what FILE`: what a weights file is, without running anything in it."""

from __future__ import annotations

import dataclasses
import json as _json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ml4a._core.errors import BadValue

if TYPE_CHECKING:
    from ml4a.models.what import Network, Report

UNUSABLE = 1
_SHOWN = 3
_LONGEST = 100


def what(
    *files: Annotated[str, Parameter(help="Weights files, or whatever you wonder about.")],
    json: Annotated[bool, Parameter(negative="", show_default=False, help="Print JSON: one report a line.")] = False,
) -> int:
    """Tell what a weights file is: format, network, size, licence, or why it is unsafe. Nothing in it is run.

    The exit status is 0 if all files are weights that can be read, 1 if one is unsafe, broken or no weights.
    """
    if not files:
        raise BadValue("name a file: ml4a what net.pth")
    reports = list(_reports(files))
    for number, report in enumerate(reports):
        if json:
            print(_json.dumps(dataclasses.asdict(report), ensure_ascii=False, allow_nan=False))
        else:
            print("\n" * (number > 0) + "\n".join(_lines(report)))
    return 0 if all(report.verdict == "readable" for report in reports) else UNUSABLE


def _reports(files: tuple[str, ...]) -> Iterator[Report]:
    """One for each file; one for both where two of them are one network's."""
    from ml4a.models.what import examine  # it needs NumPy, which the command line can do without

    told: set[Path] = set()
    for file in files:
        if Path(file).resolve() not in told:
            report = examine(file)
            told.update(Path(each.path).resolve() for each in report.files)
            yield report


def _lines(report: Report) -> Iterator[str]:
    last = ""
    for label, text in _rows(report):
        yield f"{label if label != last else '':<10} {text}".rstrip()
        last = label


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    if not report.files:
        yield "file", report.path
    for file in report.files:
        yield "file", f"{file.path}, {file.size:,} bytes"
        yield "file", f"SHA-256 {file.sha256}"
    yield "kind", report.kind
    for network in report.networks:
        yield "network", _network(network)
    if report.verdict == "readable":
        types = ", ".join(f"{count} {dtype}" for dtype, count in report.dtypes.items())
        yield "tensors", f"{report.tensors} with {report.parameters:,} numbers{f' ({types})' * bool(types)}"
    for known in report.known:
        roles = "" if known.roles == ("network",) else f" ({', '.join(known.roles)})"
        yield "known as", f"{known.weights}{roles}: {known.title}"
        yield "licence", f"{known.licence}, commercial use: {known.commercial} — {known.licence_source}"
    if report.verdict == "readable" and not report.known:
        yield "licence", "unknown: no card has this SHA-256"
    for name, value in report.metadata.items():
        yield "metadata", f"{name}: {_short(value)}"
    if report.not_finite:
        names = ", ".join(map(repr, report.not_finite[:_SHOWN])) + ", …" * (len(report.not_finite) > _SHOWN)
        yield "warning", f"{len(report.not_finite)} of its tensors have NaN or infinities in them: {names}"
    yield "verdict", _verdict(report)


def _network(network: Network) -> str:
    name = f"{network.network} ({network.name})"
    if network.fault:
        return f"none; it looks like {name}, but: {network.fault}"
    sizes = ", ".join(f"{key} {_short(value)}" for key, value in network.hyper_parameters.items())
    where = f", below {network.taken_off.rstrip('.')!r}" if network.taken_off else ""
    return f"{name}: {sizes}; {network.parameters:,} parameters{where}"


def _verdict(report: Report) -> str:
    match report.verdict:
        case "readable":
            return "readable"
        case "unsafe":
            return f"unsafe, because {report.reason}"
        case verdict:
            return f"{verdict}: {report.reason}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else _json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
