"""`ml4a vqgan …`: pictures as grids of tokens, back again, mixed, and painted from maps of labels."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from ml4a._core import progress
from ml4a._core.errors import BadValue
from ml4a._core.files import refuse_existing
from ml4a.models import registry
from ml4a.models._operation import Operation, recording
from ml4a.models.registry import Verb

from . import console, derived
from .adapter import option, read_picture
from .film import Overwrite, Quiet
from .run import Deferred, common_options, default_target, load_model, run

_MODEL = "taming_transformers"
MODELS = {_MODEL: ("vqgan",)}
"""Which models these commands work with."""
_OPERATIONS = {"reconstruct": "__call__", "mix": "mix", "paint": "paint"}
"""By command, what of the model it does to pictures, folders and films."""
_WEIGHTS = {"paint": "sflckr"}
"""Where the model's default cannot do it."""

Weights = Annotated[
    str, Parameter(help=f"Which weights (`ml4a models {_MODEL}` lists them), or a file; the same for both directions.")
]
Device = Annotated[str, Parameter(help="`cpu`, `cuda`, `mps` …")]
Dtype = Annotated[str, Parameter(help="`float32` is exact; `auto` may be faster.")]


def tokens(
    picture: Annotated[str, Parameter(name="PICTURE", help="A picture, URL, `sample:NAME`, or `-`.")],
    /,
    *,
    size: Annotated[int | None, Parameter(help="Height in pixels to work at; by default the picture's.")] = None,
    weights: Weights = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
    output: Annotated[str | None, Parameter(name=["--output", "-o"], help="A .png file to write.")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Write a picture's tokens to a file: a grey PNG of 16 bits, a pixel for each token.

    It can be changed in other programs: what is copied and moved there is copied and moved in the picture.
    """
    from ml4a.models import _token_files

    target = _token_files.check_name(output or default_target("tokens", picture).with_suffix(".png"))
    refuse_existing(target, overwrite)
    given = read_picture(picture)
    with console.progress_bars(quiet=quiet) as on_progress, progress.listening(on_progress), recording(False):
        model = load_model(_MODEL, {"weights": weights, "device": device, "dtype": dtype})
        found = model.tokens(given, size=size)
    path = _token_files.save(found, target, overwrite=overwrite)
    if not quiet:
        print(path)


def decode(
    file: Annotated[str, Parameter(name="FILE", help="What `ml4a vqgan tokens` wrote.")],
    /,
    *,
    weights: Weights = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
    record: Annotated[
        bool, Parameter(negative="--no-record", help="Let the output carry the record of what made it.")
    ] = True,
    output: Annotated[str | None, Parameter(name=["--output", "-o"], help="A picture file to write.")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Make a picture of a file of tokens."""
    from ml4a.media import image
    from ml4a.models.taming_transformers import load_tokens

    target = Path(output) if output else default_target("decode", file)
    refuse_existing(target, overwrite)
    found = load_tokens(file)
    with console.progress_bars(quiet=quiet) as on_progress, progress.listening(on_progress), recording(record):
        made = load_model(_MODEL, {"weights": weights, "device": device, "dtype": dtype}).decode(found)
    path = image.save(made, target, overwrite=overwrite)
    if not quiet:
        print(path)


_EXAMPLES = {
    "reconstruct": (
        "ml4a vqgan reconstruct photo.jpg --size 256",
        "ml4a vqgan reconstruct clip.mp4 --weights openimages -o tokens.mp4",
    ),
    "tokens": ("ml4a vqgan tokens photo.jpg -o tokens.png",),
    "decode": ("ml4a vqgan decode tokens.png -o photo.png",),
    "mix": ("ml4a vqgan mix photo.jpg --other sample:coffee --amount 0.4",),
    "paint": (
        "ml4a vqgan paint map.png --size 256 --seed 3",
        "ml4a vqgan paint map.png --fast --preview so-far.png -o landscape.png",
    ),
}


def register(app: cyclopts.App) -> None:
    """Add the group `vqgan` to the command line."""
    group = cyclopts.App(name="vqgan", help="Pictures as grids of tokens: there, back, mixed, and painted from labels.")
    operations = registry.model_class(_MODEL).operations()
    for name, of in _OPERATIONS.items():
        about = operations[of]
        command = derived.command(name, about, _options(name), functools.partial(_run, name, about))
        derived.add(group, name, command, _EXAMPLES[name], group="vqgan")
    for command in (tokens, decode):
        group.command(command, help_epilogue=derived.epilogue(_EXAMPLES[command.__name__]))
    app.command(group)


def _options(name: str) -> list[inspect.Parameter]:
    """The flags of a command besides those of its operation."""
    preview = option("preview", str | None, None, "A picture file that shows what there is so far, again and again.")
    return [
        *common_options(),
        *([preview] if name == "paint" else []),
        option("record", bool, True, "Let outputs carry the record of what made them.", negative="--no-record"),
        option("weights", str, _WEIGHTS.get(name, "default"), f"Which weights (`ml4a models {_MODEL}`), or a file."),
        option("device", str, "auto", "`cpu`, `cuda`, `mps` …"),
        option("dtype", str, "auto", "`float32` is exact; `auto` may be faster."),
    ]


def _run(name: str, about: Operation, sources: list[str], options: dict[str, Any]) -> int:
    if not sources:
        raise BadValue(f"name a picture, a folder or a film: ml4a vqgan {name} photo.jpg")
    worker = Deferred(Verb(name, _MODEL, about), options)
    return run(name, worker, sources, options)
