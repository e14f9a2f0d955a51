"""The commands that tell: models, inspect, repeat, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ml4a import weights
from ml4a._core.devices import say_once
from ml4a._core.errors import BadValue
from ml4a._core.record import Record
from ml4a.media import sources
from ml4a.models import registry
from ml4a.weights import plugins

from . import gan, glow, moving, vqgan

Output = Annotated[str | None, Parameter(name=["--output", "-o"], help="Where to write; by default beside the file.")]


def models(name: str | None = None, /) -> None:
    """List the models, or tell all about one: its verbs, parameters, weights and licences."""
    if name is None:
        _list_models()
    else:
        _describe_model(name)


def inspect(
    file: str, /, *, json: Annotated[bool, Parameter(negative="", help="Print the record as JSON.")] = False
) -> None:
    """Print what made a picture, a film or a sound: model, weights, parameters, seed, inputs."""
    from ml4a.jobs import read_record

    record = read_record(file)
    if json:
        print(record.to_json())
        return
    for line in _record_lines(record):
        print(line)


def repeat(file: str, /, *inputs: str, output: Output = None) -> None:
    """Make FILE again from its record. Inputs are found by their content among INPUTS and beside FILE."""
    from ml4a import jobs

    from . import console

    with console.progress_bars() as on_progress:
        path, notes = jobs.repeat(Path(file), [Path(each) for each in inputs], output, on_progress=on_progress)
    for note in notes:
        console.warn(note)
    print(path)


def doctor() -> None:
    """Tell what this machine can do, what is slow about it, and how to mend that."""
    from ml4a.models.doctor import examine

    findings = examine()
    for finding in findings:
        print(f"{finding.what:<10} {finding.value}")
        if finding.advice:
            print(f"{'':<10} ! {finding.advice}")
    ailing = sum(bool(finding.advice) for finding in findings)
    print(f"\n{ailing} thing{'s' * (ailing != 1)} to mend" if ailing else "\nall is well")


def demo(folder: str = "gallery", /) -> None:
    """Make a gallery: a page of works by every model, each beside the line that made it."""
    from ml4a import gallery

    from . import console

    with console.progress_bars() as on_progress:
        page = gallery.build(Path(folder), on_progress=on_progress)
    print(f"Open {page} in a browser.")


COMMANDS = (models, inspect, repeat, doctor, demo)

_ELSEWHERE = {**moving.MODELS, **gan.MODELS, **glow.MODELS, **vqgan.MODELS}
"""The commands that are no verbs of their own, by model."""


def _list_models() -> None:
    rows = []
    for name in registry.names():
        try:
            about = weights.card(name)
        except BadValue as error:  # a plug-in's, or of the user's own
            say_once(f"left out: {error}")
            continue
        own = (verb for verb, candidates in registry.verbs().items() if name in [each.model for each in candidates])
        verbs = ", ".join(sorted({*own, *_ELSEWHERE.get(name, ())}))
        variant = about.variant("default")
        rows.append((name, verbs, about.summary + _from(name), variant.licence, variant.commercial))
    heads = ("model", "verbs", "what it does", "licence", "commercial use")
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    for row in [heads, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _describe_model(name: str) -> None:
    model = registry.model_class(name)
    about = weights.card(model.card)
    print(f"{name}: {about.title}{_from(name)}\n{about.summary}\n{about.paper}\n")
    for operation in model.operations().values():
        call = f"ml4a {operation.verb}" if operation.verb else f"{name}.{operation.name}"
        print(f"{call}: {operation.summary}")
        for parameter in operation.parameters.values():
            if not parameter.required and parameter is not operation.main:
                bounds = f" ({parameter.range})" if parameter.range else ""
                print(f"  {parameter.name} = {parameter.default!r}: {parameter.doc}{bounds}")
    print("\nweights:")
    for variant in about.weights.values():
        size = f"{variant.size / 1e6:.1f} MB" if variant.size is not None else f"up to {variant.limit / 1e6:.0f} MB"
        here = "in the cache" if weights.find(f"{model.card}/{variant.name}") else "downloaded on first use"
        print(f"  {variant.name}: {size}, {here}; {weights.notice(about, variant)}")


def _from(name: str) -> str:
    """The package that a plug-in's model comes from, to go behind its name."""
    plugin = plugins.installed().get(name)
    return "" if plugin is None else f" (from {plugin.distribution})"


def _record_lines(record: Record, indent: str = "") -> list[str]:
    lines = [
        f"{indent}model      {record.model} ({record.operation}), weights {record.weights}",
        *(f"{indent}           {role} {digest}" for role, digest in record.digests.items()),
        *(f"{indent}{name:<10} {sources.printable(str(value))}" for name, value in record.parameters.items()),
        f"{indent}computed   on {record.device} in {record.dtype}",
    ]
    if record.seed is not None:
        lines.append(f"{indent}seed       {record.seed}")
    if record.steady:
        lines.append(f"{indent}steady     {record.steady}")
    lines.append(f"{indent}versions   " + ", ".join(f"{name} {version}" for name, version in record.versions.items()))
    for item in record.inputs:
        lines.append(f"{indent}input      {item.role}: {item.size} {item.kind} {item.sha256}")
        if item.record is not None:
            lines.extend(_record_lines(item.record, indent + "    "))
    return lines
