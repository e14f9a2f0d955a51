"""What the terminal shows while work goes on. Everything but results goes to standard error."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ml4a._core.progress import Interrupted, OnProgress, Progress

if TYPE_CHECKING:
    from rich.progress import TaskID

    from ml4a.jobs import Summary


@contextlib.contextmanager
def progress_bars(*, quiet: bool = False) -> Iterator[OnProgress]:
    """Yield a listener that draws a bar per stage; without a terminal, or when quiet, it draws nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda event: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(event: Progress) -> None:
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(event.stage, total=event.total, amount="", speed="")
            task = tasks[event.stage]
            bars.update(task, completed=event.done, total=event.total, amount=amount(event))
            rate = bars.tasks[bars.task_ids.index(task)].speed
            if rate is not None and event.unit == "B":
                bars.update(task, speed=f"{rate / 1e6:.1f} MB/s")

        yield show


def with_preview(on_progress: OnProgress, path: Path, *, overwrite: bool) -> OnProgress:
    """A listener that also writes each preview to a file, over the one before; nobody ever reads half a picture.

    Raises:
        OutputExists: there is a file already, and it may not be replaced.
        BadValue: no picture can be written under that name.
    """
    from ml4a._core import files

    files.refuse_existing(path, overwrite)

    def listen(event: Progress) -> None:
        if event.preview is not None:
            from ml4a.media import image

            image.save(event.preview, path, overwrite=True)
        on_progress(event)

    return listen


def amount(event: Progress) -> str:
    """`"3/20 frames"`, `"12.0/55.7 MB"`."""
    scale, unit, form = (1e6, "MB", ".1f") if event.unit == "B" else (1, event.unit, ".0f")
    total = "" if event.total is None else f"/{event.total / scale:{form}}"
    return f"{event.done / scale:{form}}{total} {unit}".strip()


@contextlib.contextmanager
def standard_output(suffix: str) -> Iterator[Path]:
    """Yield where to write a file, which then goes to standard output; after Ctrl-C, the best so far."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"result{suffix}"
        interrupted = False
        try:
            yield path
        except Interrupted:
            interrupted = True
        sys.stdout.buffer.write(path.read_bytes())
        sys.stdout.buffer.flush()
        if interrupted:
            raise Interrupted("standard output")


def warn(message: str) -> None:
    """One line on standard error."""
    print(f"ml4a: {message}", file=sys.stderr)


def print_table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Rows of cells below their heads on standard output, each column as wide as its longest."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    for row in [heads, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_layers(layers: Mapping[str, int]) -> None:
    """A network's layers on standard output, with how many channels each has."""
    width = max(map(len, layers))
    for name, channels in layers.items():
        print(f"{name:<{width}}  {channels}")


def print_summary(summary: Summary) -> None:
    """The outputs on standard output, one a line, for other programs; what failed on standard error."""
    for path in summary.done:
        print(path)
    if summary.resumed:
        warn(f"{summary.resumed} were done before, by a job that was stopped")
    for label, reason in summary.failed:
        warn(f"{label}: {reason}")
    if summary.failed:
        total = len(summary.done) + len(summary.failed)
        warn(f"{len(summary.failed)} of {total} failed")
