"""What a verb does: load its model, apply it to the sources, say where the results are."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml4a import jobs
from ml4a._core.errors import BadValue
from ml4a._core.files import is_folder
from ml4a.jobs.engine import EngineName
from ml4a.jobs.items import output_name
from ml4a.models import registry
from ml4a.models.registry import Verb

from . import console
from .adapter import STANDARD_STREAM, option
from .compare import Compared

SOME_FAILED = 1
LOAD_OPTIONS = ("weights", "device", "dtype")
SOURCES_HELP = "Pictures, folders, GIFs, films, URLs, `sample:NAME`, `camera:0`, or `-` for standard input."


def common_options() -> list[inspect.Parameter]:
    """The flags of everything that takes pictures, folders and films."""
    output, *others = output_options("File or folder to write; `-` for standard output.")
    return [
        output,
        option("steady", float, 0.0, "Films: hold each frame to the one before it. (between 0 and 1)"),
        option("compare", bool, False, "Show the original beside the result, in one picture or film."),
        *others,
        *worker_options(),
    ]


def worker_options() -> list[inspect.Parameter]:
    """The flags of jobs: who does them."""
    return [
        option("workers", int | None, None, "Do it in so many processes, with one thread each."),
        option("engine", EngineName, "local", "Workers on this machine, or on a Ray cluster."),
        option("address", str | None, None, "Of a Ray cluster; `auto` is the one that this machine belongs to."),
        option("gpus", float, 0.0, "With Ray: the part of a GPU that each worker has."),
        option("worker_memory", str | None, None, "What a worker may hold, as `3G`; what takes more has failed."),
    ]


def worker_settings(options: dict[str, Any]) -> dict[str, Any]:
    """What `worker_options` say, as `jobs.apply` takes it."""
    return {name: options[name] for name in ("workers", "engine", "address", "gpus", "worker_memory")}


def output_options(text: str) -> list[inspect.Parameter]:
    """The flags of everything that writes files: `--output`, of which the text tells, `--overwrite` and `--quiet`."""
    return [
        option("output", str | None, None, text, "--output", "-o"),
        option("overwrite", bool, False, "Replace outputs that exist."),
        option("quiet", bool, False, "Print nothing but errors.", "--quiet", "-q"),
    ]


def preview_options(verb: Verb) -> list[inspect.Parameter]:
    """The flag of verbs that show how far they have come, step by step."""
    if "iterations" not in verb.operation.parameters:
        return []
    return [option("preview", str | None, None, "A picture file that shows what there is so far, again and again.")]


def model_options(candidates: list[Verb]) -> list[inspect.Parameter]:
    """The flags that every verb has, whatever its model."""
    names = ", ".join(verb.model for verb in candidates)
    return [
        option("record", bool, True, "Let outputs carry the record of what made them.", negative="--no-record"),
        option("model", str, candidates[0].model, f"Which model does it: {names}."),
        option("weights", str, "default", "Which of the model's weights (`ml4a models NAME` lists them), or a file."),
        option("device", str, "auto", "`cpu`, `cuda`, `mps` …"),
        option("dtype", str, "auto", "`float32` is exact; `auto` may be faster."),
    ]


def run_verb(verb: Verb, sources: list[str], options: dict[str, Any]) -> int:
    """Run `verb` on `sources`; return the exit status."""
    return run(verb.name, Deferred(verb, options), sources, options)


def load_model(name: str, options: dict[str, Any]) -> Any:
    """A model with the weights, on the device and in the precision that the flags say."""
    return registry.load(name, **{name: options[name] for name in LOAD_OPTIONS})


def run(name: str, worker: Any, sources: list[str], options: dict[str, Any]) -> int:
    """Apply `worker`, a picture → picture callable that knows its `operation`, to `sources`; return the exit status."""
    if not sources and worker.operation.main.required:
        raise BadValue(f"name a picture, a folder or a film: ml4a {name} photo.jpg")
    if not sources and options["compare"]:
        raise BadValue("there is nothing to compare with; leave --compare out")
    worker = Compared(worker) if options["compare"] else worker
    own = {parameter: options[parameter] for parameter in worker.operation.parameters if parameter in options}
    inputs = [sys.stdin.buffer.read() if source == STANDARD_STREAM else source for source in sources]
    source = inputs[0] if len(inputs) == 1 else inputs or None
    if options["output"] == STANDARD_STREAM:
        with console.standard_output(".png") as target:
            _apply(worker, source, target, own, options)
        return 0
    target = options["output"] or default_target(name, source, transparent=worker.operation.transparent)
    summary = _apply(worker, source, target, own, options)
    if not options["quiet"]:
        console.print_summary(summary)
    return SOME_FAILED if summary.failed else 0


def default_target(verb: str, source: Any, *, transparent: bool = False) -> Path:
    """`photos/cat.jpg` becomes `photos/cat-sketch.jpg`; what has no folder of its own goes to the current one.

    What may be `transparent` becomes `photos/cat-cutout.png`.
    """
    if isinstance(source, list):
        return Path(verb)
    if not isinstance(source, str):
        return Path(f"{verb}.png")
    path = Path(source)
    if is_folder(path):
        return path.parent / f"{path.resolve().name}-{verb}"
    local = "://" not in source and not source.startswith(("sample:", "camera:"))
    name = Path(output_name(source, transparent=transparent))
    return (path.parent if local else Path()) / f"{name.stem}-{verb}{name.suffix}"


class Deferred:
    """A verb's model that is loaded at its first call: an input that cannot be read costs no download.

    Args:
        verb: What is done.
        options: As of `load_model`.
    """

    def __init__(self, verb: Verb, options: dict[str, Any]) -> None:
        self.operation = verb.operation
        self.keeps_partial_films = registry.model_class(verb.model).keeps_partial_films
        self._verb = verb
        self._options = {name: options[name] for name in LOAD_OPTIONS}

    @functools.cached_property
    def model(self) -> Any:
        """The model, loaded now."""
        return load_model(self._verb.model, self._options)

    def __call__(self, picture: Any, **parameters: Any) -> Any:
        """Do what the verb does to one picture."""
        return getattr(self.model, self.operation.name)(picture, **parameters)

    def for_film(self) -> Deferred:
        """The same for the frames of one film, in order; the model is loaded once for all films."""
        return _OfFilm(self) if registry.model_class(self._verb.model).remembers_films() else self

    def job_settings(self) -> Any:
        """What a journal tells of it."""
        return [self._verb.model, self.operation.name, self._options]

    def __reduce__(self) -> Any:
        """In another process the model is loaded anew."""
        return Deferred, (self._verb, self._options)

    @property
    def last_record(self) -> Any:
        """The model's; a call has been made before anybody asks."""
        return self.model.last_record


class _OfFilm(Deferred):
    """A verb's model with the memory of one film."""

    def __init__(self, whole: Deferred) -> None:
        self.__dict__.update(whole.__dict__)
        self.__dict__.pop("model", None)
        self._whole = whole

    @functools.cached_property
    def model(self) -> Any:
        """The model, as it is for the frames of this film."""
        return self._whole.model.for_film()

    def film_state(self) -> Any:
        """What the model remembers of the film; None if it cannot tell."""
        tell = getattr(self.model, "film_state", None)
        return None if tell is None else tell()

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Let the model remember what `film_state` told."""
        self.model.set_film_state(state)


def _apply(worker: Any, source: Any, target: Any, own: dict[str, Any], options: dict[str, Any]) -> jobs.Summary:
    with console.progress_bars(quiet=options["quiet"]) as bars:
        preview = options.get("preview")
        on_progress = (
            bars if preview is None else console.with_preview(bars, Path(preview), overwrite=options["overwrite"])
        )
        return jobs.apply(
            worker,
            source,
            target,
            steady=options["steady"],
            overwrite=options["overwrite"],
            record=options.get("record", True),
            on_progress=on_progress,
            **worker_settings(options),
            **own,
        )
