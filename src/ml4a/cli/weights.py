"""`ml4a weights …`: list, fetch, add, verify, remove and find pretrained weights."""

from __future__ import annotations

import json as _json
import sys
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from ml4a import weights
from ml4a._core.errors import BadValue, NotFound
from ml4a.weights import plugins

from . import console

DAMAGED = 1
HELP = """Pretrained weights: list them, fetch them, add files got by hand, verify, remove.

NAME is a model's, NAME/WEIGHTS one of its sets of weights: `hed`, `real_esrgan/anime`.
"""

Name = Annotated[str, Parameter(help="`hed` for a model's default weights, `real_esrgan/anime` for these.")]
Json = Annotated[bool, Parameter(negative="", show_default=False, help="Print JSON.")]
Quiet = Annotated[
    bool,
    Parameter(name=["--quiet", "-q"], negative="", show_default=False, help="Print nothing but results and errors."),
]


def build() -> cyclopts.App:
    """The commands below `ml4a weights`."""
    app = cyclopts.App(name="weights", help=HELP, help_format="markdown")
    for command, name, example in (
        (list_weights, "list", ("ml4a weights list", "ml4a weights list --here", "ml4a weights list real_esrgan")),
        (fetch, "fetch", ("ml4a weights fetch hed", "ml4a weights fetch real_esrgan/anime fast_style")),
        (add, "add", ("ml4a weights add basnet.pth", "ml4a weights add basnet.pth --as basnet/duts")),
        (verify, "verify", ("ml4a weights verify", "ml4a weights verify hed")),
        (remove, "remove", ("ml4a weights remove real_esrgan/anime", "ml4a weights remove --unused --yes")),
        (path, "path", ("ml4a weights path hed", "ml4a weights path real_esrgan/anime --json")),
    ):
        app.command(command, name=name, help_epilogue="Examples:\n\n" + "\n".join(f"    {line}" for line in example))
    return app


def list_weights(
    name: Annotated[str | None, Parameter(help="Of this model only.")] = None,
    /,
    *,
    here: Annotated[bool, Parameter(negative="", show_default=False, help="Only what is in the cache.")] = False,
    json: Json = False,
) -> None:
    """List all weights: size, whether they are in the cache, licence, commercial use."""
    items = [item for item in weights.inventory() if name in (None, item.card.name) and (item.here or not here)]
    if not items and name is not None:
        weights.card(name)  # says what it could have been
    if json:
        print(_json.dumps([_fields(item) for item in items], indent=2))
        return
    console.print_table(("weights", "size", "here", "licence", "commercial use"), [_row(item) for item in items])
    known = sum(item.weights.size or 0 for item in items)
    unknown = sum(item.weights.size is None for item in items)
    present = sum(item.complete for item in items)
    more = f" and {unknown} of unknown size" if unknown else ""
    print(f"\n{_sets(len(items))}, {size_of(known)}{more}; {present} in the cache, {size_of(_present(items))}")


def fetch(*names: Name, quiet: Quiet = False) -> None:
    """Download weights into the cache, where they are not there yet, and print their paths."""
    if not names:
        raise BadValue("name weights to fetch: ml4a weights fetch hed")
    with console.progress_bars(quiet=quiet) as on_progress:
        found = [weights.fetch(name, on_progress=on_progress) for name in names]
    for files in found:
        for file in files.values():
            print(file)


def add(
    file: Annotated[str, Parameter(help="A weights file, got by hand. It stays where it is.")],
    /,
    *,
    as_: Annotated[
        str,
        Parameter(
            name="--as", show_default=False, help="What it is, where no card knows its SHA-256: MODEL/WEIGHTS/ROLE."
        ),
    ] = "",
    quiet: Quiet = False,
) -> None:
    """Copy a weights file into the cache: known by its SHA-256, or by --as where nobody has published one."""
    with console.progress_bars(quiet=quiet) as on_progress:
        places = weights.add(file, as_, on_progress=on_progress)
    for place in places:
        print(f"{file} is {place}")


def verify(
    name: Annotated[str, Parameter(show_default=False, help="By default, everything.")] = "", /, *, quiet: Quiet = False
) -> int:
    """Hash the files in the cache from end to end; damaged ones are named, and fetched anew at their next use."""
    with console.progress_bars(quiet=quiet) as on_progress:
        verdicts = weights.verify(name, on_progress=on_progress)
    damaged = [verdict for verdict in verdicts if verdict.problem]
    for verdict in damaged:
        console.warn(f"{', '.join(verdict.specs) or verdict.path}: {verdict.problem}")
    total = size_of(sum(verdict.size for verdict in verdicts))
    print(f"{len(verdicts)} file{'s' * (len(verdicts) != 1)}, {total}: " + _judgement(len(damaged)))
    return DAMAGED if damaged else 0


def remove(
    *names: Annotated[str, Parameter(help="`hed` for all weights of a model, `real_esrgan/anime` for these.")],
    unused: Annotated[
        bool, Parameter(negative="", show_default=False, help="What no card names, and broken downloads.")
    ] = False,
    all_: Annotated[
        bool, Parameter(name="--all", negative="", show_default=False, help="The whole cache of weights.")
    ] = False,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="", show_default=False, help="Do not ask.")] = False,
) -> None:
    """Remove weights from the cache. They can be fetched again."""
    if not (names or unused or all_):
        raise BadValue("name weights to remove (ml4a weights remove hed), or give --unused or --all")
    removal = weights.removal(*names, unused=unused, everything=all_)
    for file in removal.shared:
        console.warn(f"kept: {file} needs it too")
    if not removal.files:
        print("nothing to remove")
        return
    for file in removal.files:
        print(file)
    what = f"{len(removal.files)} file{'s' * (len(removal.files) != 1)}, {size_of(removal.size)}"
    if not (yes or _agreed(f"Remove {what}?")):
        print("nothing removed")
        return
    removal.run()
    print(f"removed {what}")


def path(name: Name, /, *, json: Json = False) -> None:
    """Print where weights lie in the cache; nothing is downloaded."""
    files = weights.find(name)
    if files is None:
        raise NotFound(f"{name} is not in the cache (or not all of it); get it by: ml4a weights fetch {name}")
    if json:
        print(_json.dumps({role: str(file) for role, file in files.items()}, indent=2))
        return
    for file in files.values():
        print(file)


def size_of(count: int) -> str:
    """`"12.3 MB"`, `"1.2 GB"`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _row(item: weights.Item) -> tuple[str, ...]:
    size = item.weights.size
    shown = f"< {size_of(item.weights.limit)}" if size is None else size_of(size)
    here = "yes" if item.complete else "in part" if item.here else "no"
    plugin = plugins.installed().get(item.card.name)
    whose = "" if plugin is None else f"  (from {plugin.distribution})"
    return item.spec, shown, here, item.weights.licence, item.weights.commercial + whose


def _fields(item: weights.Item) -> dict[str, Any]:
    plugin = plugins.installed().get(item.card.name)
    return ({} if plugin is None else {"plugin": plugin.distribution}) | {
        "weights": item.spec,
        "task": item.card.task,
        "size": item.weights.size,
        "here": item.complete,
        "bytes_here": item.here,
        "licence": item.weights.licence,
        "licence_source": item.weights.licence_source,
        "commercial": item.weights.commercial,
        "sha256": {role: file.sha256 or None for role, file in item.weights.files.items()},
    }


def _present(items: list[weights.Item]) -> int:
    """Bytes in the cache; a file that two sets share counts once."""
    files = {
        file.sha256: (file.size or 0)
        for item in items
        for file in item.weights.files.values()
        if item.complete and file.sha256
    }
    return sum(files.values())


def _sets(count: int) -> str:
    return f"{count} set{'s' * (count != 1)} of weights"


def _judgement(damaged: int) -> str:
    return "all sound" if not damaged else f"{damaged} damaged"


def _agreed(question: str) -> bool:
    """Ask on a terminal; a program has to say `--yes`."""
    if not (sys.stdin and sys.stdin.isatty()):
        raise BadValue(f"{question} Say --yes, as there is no terminal to ask on")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
