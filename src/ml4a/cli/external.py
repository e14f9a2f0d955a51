"""`ml4a external …`: other people's repositories: list, add, remove, look at them."""

from __future__ import annotations

import json as _json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts
from cyclopts import Parameter

from ml4a._core.errors import BadValue, Ml4aError, Untrusted

from . import console
from .weights import Json, Quiet, size_of

if TYPE_CHECKING:
    from ml4a.external import Repository

HELP = """Other people's repositories: fetched once, kept to one commit, run only if you trust them.

SOURCE is `github:OWNER/NAME@COMMIT`, an https or ssh address that git knows with `@COMMIT`, or a folder. A tag, a
branch or nothing in place of the commit is looked up once, and what it means then is kept to.
"""

SourceOrName = Annotated[
    str, Parameter(help="`github:OWNER/NAME@COMMIT`, a git address, a folder, or a name that `list` shows.")
]


def build() -> cyclopts.App:
    """The commands below `ml4a external`."""
    app = cyclopts.App(name="external", help=HELP, help_format="markdown")
    for command, name, example in (
        (list_repositories, "list", ("ml4a external list", "ml4a external list --json")),
        (
            add,
            "add",
            (
                "ml4a external add github:pytorch/vision@v0.20.0 --as vision",
                "ml4a external add ~/code/pix2pix --trust",
                "ml4a external add vision --update",
            ),
        ),
        (remove, "remove", ("ml4a external remove vision",)),
        (info, "info", ("ml4a external info vision", "ml4a external info github:pytorch/vision@v0.20.0 --json")),
    ):
        app.command(command, name=name, help_epilogue="Examples:\n\n" + "\n".join(f"    {line}" for line in example))
    return app


def list_repositories(*, json: Json = False) -> None:
    """List the repositories that were added: commit, whether their code may run, size, licence, source."""
    from ml4a import external

    found = external.known()
    if json:
        print(_json.dumps([_brief(each) for each in found], indent=2))
        return
    if not found:
        print("no repositories; ml4a external add SOURCE adds one")
        return
    console.print_table(("name", "commit", "trusted", "size", "licence", "source"), [_row(each) for each in found])


def add(
    source: SourceOrName,
    /,
    *,
    as_: Annotated[str, Parameter(name="--as", show_default=False, help="What it is to be called.")] = "",
    trust: Annotated[bool, Parameter(negative="", show_default=False, help="Allow its code to run, unasked.")] = False,
    update: Annotated[
        bool, Parameter(negative="", show_default=False, help="Take what its branch or tag means today.")
    ] = False,
    submodules: Annotated[
        bool, Parameter(negative="", show_default=False, help="Fetch the repositories in it, too.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Fetch a repository, show what it is, and ask whether its code may run: it would run with your rights."""
    from ml4a import external

    if not trust and not _can_ask():
        raise Untrusted(
            f"{source} is other people's code, which would run with your rights, on your files and network; "
            "say --trust to allow it, as there is no terminal to ask on"
        )
    with console.progress_bars(quiet=quiet) as on_progress:
        found = external.add(
            source, name=as_, trust=trust, update=update, submodules=submodules, on_progress=on_progress
        )
    if not found.trusted:
        for line in _description(found):
            print(line)
        print("\nLoading it runs its code with your rights, on your files and network.")
        if _agreed(f"Trust this {'commit' if found.commit else 'folder'}?"):
            found = external.add(found.name, trust=True)
    trusted = "trusted" if found.trusted else "not trusted, nothing of it will run"
    print(f"{found.name}: {found.source}{f' at {found.commit[:12]}' if found.commit else ''}, {trusted}")


def remove(
    *names: Annotated[str, Parameter(help="As `list` shows them; or sources.")],
) -> None:
    """Forget repositories, that they were trusted, and what was fetched. Folders of your own stay."""
    from ml4a import external

    if not names:
        raise BadValue("name a repository to remove: ml4a external remove vision")
    for name in names:
        external.remove(name)
        print(f"removed {name}")


def info(source: SourceOrName, /, *, json: Json = False, quiet: Quiet = False) -> None:
    """Tell what a repository offers and needs. It is fetched if need be; nothing of it runs."""
    from ml4a import external

    with console.progress_bars(quiet=quiet) as on_progress:
        found = external.add(source, on_progress=on_progress)
    if json:
        print(_json.dumps(_fields(found), indent=2))
        return
    for line in _description(found):
        print(line)
    print()
    offers = _offers(found)
    if isinstance(offers, str):
        print(offers)
        return
    print("entry points:" if offers else "no entry points; use import_module")
    for entry in offers:
        print(f"  {entry.name}{entry.signature}")
        if entry.summary:
            print(f"      {_printable(entry.summary)}")


def _brief(found: Repository) -> dict[str, Any]:
    size = _size(found)
    return {
        "name": found.name,
        "source": found.source,
        "commit": found.commit or None,
        "trusted": found.trusted,
        "path": str(found.path),
        "here": found.path.is_dir(),
        "size": size,
        "licence": found.licence().guess if found.path.is_dir() else None,
    }


def _fields(found: Repository) -> dict[str, Any]:
    offers = _offers(found)
    return {
        **_brief(found),
        "dependencies": [] if isinstance(offers, str) else found.dependencies(),
        "missing": [] if isinstance(offers, str) else found.missing(),
        "notes": _notes(found) + ([offers] if isinstance(offers, str) else []),
        "entry_points": []
        if isinstance(offers, str)
        else [{"name": each.name, "signature": each.signature, "doc": each.doc} for each in offers],
    }


def _row(found: Repository) -> tuple[str, ...]:
    here = found.path.is_dir()
    size = _size(found)
    return (
        found.name,
        found.commit[:12] or "-",
        "yes" if found.trusted else "no",
        ("-" if found.commit == "" else "broken" if size is None else size_of(size)) if here else "gone",
        found.licence().guess if here else "-",
        found.source,
    )


def _size(found: Repository) -> int | None:
    """Bytes of a checkout's files; None for a folder of one's own, and for what is not there."""
    try:
        manifest = found.manifest() if found.path.is_dir() else None
    except Untrusted:
        return None
    return None if manifest is None else manifest.size


def _description(found: Repository) -> list[str]:
    licence = found.licence()
    manifest = found.manifest()
    lines = [f"{found.name}: {found.source}"]
    if manifest is not None:
        lines += [
            f"commit   {found.commit}",
            f"size     {size_of(manifest.size)} in {len(manifest.files)} files",
        ]
    said = f" ({licence.file} begins: {licence.first_line})" if licence.file else ""
    lines += [
        f"folder   {found.path}",
        f"licence  {licence.guess}{said}",
        f"trusted  {'yes' if found.trusted else 'no'}",
    ]
    offers = _offers(found)
    if not isinstance(offers, str):
        names = ", ".join(each.name for each in offers)
        lines += [f"offers   {_printable(names)}"] if names else []
        lines += _needs(found)
    return lines + [f"note     {note}" for note in _notes(found)]


def _needs(found: Repository) -> list[str]:
    missing = found.missing()
    needed = sorted({*found.dependencies(), *missing})
    lines = [f"needs    {_printable(', '.join(needed))}"] if needed else []
    if missing:
        lines.append(f"missing  {_printable(', '.join(missing))}; {found.how_to_install(missing)}")
    return lines


def _notes(found: Repository) -> list[str]:
    manifest = found.manifest()
    notes = []
    if manifest is not None and manifest.submodules:
        notes.append("it has submodules, which were not fetched; --submodules fetches them")
    if manifest is not None and manifest.pointers:
        notes.append(f"{manifest.pointers} of its files are pointers of Git LFS, whose content was not fetched")
    return notes


def _offers(found: Repository) -> list[Any] | str:
    """Its entry points, or why they cannot be told."""
    try:
        return found.entry_points()
    except Ml4aError as error:
        return str(error)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
