"""`ml4a dataset wikiart`: paintings of a genre or a style."""

from __future__ import annotations

from typing import Annotated

import cyclopts
from cyclopts import Parameter

from ml4a._core.errors import BadValue

from . import console, derived

EXAMPLES = (
    "ml4a dataset wikiart --genre landscape --max 200 -o landscapes/",
    "ml4a dataset wikiart --style ukiyo-e -o prints/",
    "ml4a dataset build landscapes/ set/ --size 256 --captions --duplicates 4",
)


def wikiart(
    *,
    genre: Annotated[str | None, Parameter(help="As WikiArt's addresses have it: landscape, still-life …")] = None,
    style: Annotated[str | None, Parameter(help="Likewise: impressionism, ukiyo-e …")] = None,
    output: Annotated[
        str | None, Parameter(name=["--output", "-o"], help="Folder to write; by default it is named by the genre.")
    ] = None,
    max_count: Annotated[
        int | None, Parameter(name=["--max-count", "--max"], help="Pictures in the folder at most; by default all.")
    ] = None,
    pages: Annotated[int, Parameter(help="Lists to read at most; one has some 60 paintings.")] = 1000,
    pause: Annotated[float | None, Parameter(help="Seconds between two requests, 1 or more; by default 1.")] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Print nothing but errors.")] = False,
) -> None:
    """Download paintings from WikiArt: slowly, by its robots.txt, each once.

    What is in the folder already is not asked for again, so that a download that was stopped goes on. Many paintings
    are not free; the page of each says what may be done with it.
    """
    from ml4a.dataset import wikiart as site

    if (genre is None) == (style is None):
        raise BadValue("name a genre or a style: ml4a dataset wikiart --genre landscape")
    name = genre or style or ""
    with console.progress_bars(quiet=quiet) as on_progress:
        summary = site.download(
            "style" if genre is None else "genre",
            name,
            output or name,
            max_count=max_count,
            pages=pages,
            pause=pause,
            base=site.SITE,
            on_progress=on_progress,
        )
    if quiet:
        return
    console.print_summary(summary)
    if summary.resumed:
        console.warn(f"{summary.resumed} pictures were there before")
    console.warn(site.NOTE)


def add(group: cyclopts.App) -> None:
    """Make it a command of `ml4a dataset`."""
    usage = "Usage: ml4a dataset wikiart (--genre NAME | --style NAME) [OPTIONS]"
    group.command(wikiart, usage=usage, help_epilogue=derived.epilogue(EXAMPLES))
