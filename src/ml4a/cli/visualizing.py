"""`ml4a visualize`: what a network's layers look for, a sheet for a layer."""

from __future__ import annotations

from typing import Any

import cyclopts

from ml4a.models import registry
from ml4a.models.registry import Verb

from . import console, derived
from .adapter import flag, option, positional
from .run import Deferred, common_options, load_model, model_options, run

_MODEL = "torch_dreams"
_FILMS = ("steady", "compare")
"""Flags of what is for films and pictures."""


def register(app: cyclopts.App) -> None:
    """Add `visualize` to the command line."""
    operations = registry.model_class(_MODEL).operations()
    layer, start = (operations["sheet"].parameters[name] for name in ("layer", "picture"))
    given = {"picture": start.doc, "every": operations["sheet"].parameters["every"].doc}
    further = [each for each in common_options() if each.name not in _FILMS]
    further += [
        each for each in model_options([Verb("visualize", _MODEL, operations["sheet"])]) if each.name != "model"
    ]
    parameters = [
        positional("layer", layer.doc, required=False),
        option("every", bool, False, given["every"], "--all"),
        option("picture", str | None, None, given["picture"]),
        *(flag(each) for name, each in operations["sheet"].parameters.items() if name not in {*given, "layer"}),
        *further,
    ]
    visualize = derived.function("visualize", _HELP, parameters, _visualize)
    derived.add(app, "visualize", visualize, _EXAMPLES, sources="[LAYER]")


_HELP = """Show what a layer of a network looks for: each of its channels as a picture, on one sheet.

Without LAYER, list the layers and how many channels each has. One channel alone is a picture without a sheet.
"""

_EXAMPLES = (
    "ml4a visualize",
    "ml4a visualize blocks.10 -o sheet.png",
    "ml4a visualize blocks.10 --channel 1,4,9 --size 192 --iterations 200 -o three.png",
    "ml4a visualize blocks.7 --all --seed 1 -o layer.png",
    "ml4a visualize Mixed_6b --weights inception_v3 -o sheet.png",
)


def _visualize(layer: str | None, *, picture: str | None, **options: Any) -> int:
    if layer is None:
        console.print_layers(load_model(_MODEL, options).layers())
        return 0
    alone = options["channel"] is not None and len(options["channel"]) == 1
    operation = registry.model_class(_MODEL).operations()["__call__" if alone else "sheet"]
    sources = [] if picture is None else [picture]
    worker = Deferred(Verb("visualize", _MODEL, operation), options)
    status = run("visualize", worker, sources, {**options, "layer": layer, **dict.fromkeys(_FILMS, 0)})
    if options["channel"] is None and not options["every"] and not options["quiet"]:
        _tell_of_more(worker.model.layers()[layer])
    return status


def _tell_of_more(count: int) -> None:
    from ml4a.models.torch_dreams import FIRST

    if count > FIRST:
        console.warn(f"these are channels 0 to {FIRST - 1} of {count}; --all shows all, --channel 16,17 these")
