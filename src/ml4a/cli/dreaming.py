"""`ml4a dream`: dreams of pictures and films, and zooms that go on and on."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4a._core.errors import BadValue
from ml4a.models import registry
from ml4a.models.registry import Verb

from . import console
from .adapter import STANDARD_STREAM, option, read_picture
from .canvas import read_amount
from .film import save_made
from .run import default_target, load_model, run_verb

if TYPE_CHECKING:
    from ml4a.media.video import Clip

VERB = "dream"

_ZOOM = "zoom"
"""The operation that makes films without an end; a model of this verb may lack it."""
_AMOUNTS = {
    "zoom": "A film: factor from frame to frame; above 1 goes in, below 1 out.",
    "rotate": "A film: radians from frame to frame, counter-clockwise.",
    "shift_x": "A film: to the right from frame to frame; the shorter side is 1.",
    "shift_y": "A film: down from frame to frame; the same.",
}
_AT_REST = {"zoom": 1.0, "rotate": 0.0, "shift_x": 0.0, "shift_y": 0.0}


def options(verb: Verb) -> list[inspect.Parameter]:
    """The command's flags besides those that every verb has: a list of layers, and films without an end."""
    found = [option("layers", bool, False, "List the network's layers, and how many channels each has.")]
    if _ZOOM not in registry.model_class(verb.model).operations():
        return found
    return [
        *found,
        *(option(name, str | None, None, text) for name, text in _AMOUNTS.items()),
        option("seconds", float | None, None, "A film: its length; by default 10."),
        option("rate", float | None, None, "A film: frames per second; by default 24."),
        option("refresh", float | None, None, "A film: share of the picture laid over every frame, up to 1."),
        option("seamless", bool, False, "A film: let the last frame lead to the first."),
        option("sound", str | None, None, "A file whose sound the film gets."),
    ]


def run(verb: Verb, sources: list[str], given: dict[str, Any]) -> int:
    """Make the dream, or the film, or the list; return the exit status."""
    film = {each.name: given.pop(each.name) for each in options(verb)}
    film = {name: value for name, value in film.items() if value not in (None, False)}
    if film.pop("layers", False):
        console.print_layers(load_model(verb.model, given).layers())
    elif film:
        _make_film(verb, sources, given, film)
    else:
        return run_verb(verb, sources, given)
    return 0


def _make_film(verb: Verb, sources: list[str], given: dict[str, Any], film: dict[str, Any]) -> None:
    from ml4a.media import video
    from ml4a.models._operation import recording

    known = registry.model_class(verb.model).operations()
    if len(sources) > 1 or any(each != STANDARD_STREAM and video.is_film(each) for each in sources):
        raise BadValue("a film without an end begins with one picture, or with none")
    if given["steady"] or given["compare"]:
        raise BadValue("--steady and --compare are for films that there are")
    if given["preview"] is not None:
        raise BadValue("--preview is for pictures; Ctrl-C keeps the film as far as it is")
    if given["output"] == STANDARD_STREAM:
        raise BadValue("a film needs a name: -o dream.mp4")
    source = sources[0] if sources else None
    target = Path(given["output"] or default_target(VERB, source).with_suffix(".mp4"))
    own = {name: given[name] for name in known[_ZOOM].parameters if name in given}
    sound = film.get("sound")

    def make(seed: int) -> Clip:
        picture = None if source is None else read_picture(source)
        clip = _film(load_model(verb.model, given), picture, {**own, "seed": seed}, film)
        return clip if sound is None else clip.with_sound(sound)

    with recording(given["record"]):
        save_made(make, target, [VERB, *sources], {**given, **film}, seed=own["seed"])


def _film(model: Any, picture: Any, own: dict[str, Any], film: dict[str, Any]) -> Clip:
    """The clip; where an amount follows a sound, its record tells so, and cannot be repeated."""
    from ml4a.media import canvas

    rest = {name: film[name] for name in ("seconds", "rate", "refresh", "seamless") if name in film}
    if not any(name in film for name in _AMOUNTS):
        return model.zoom(picture, **rest, **own)
    rate = film.get("rate", float(model.operations()[_ZOOM].parameters["rate"].default))
    given = {name: read_amount(name.replace("_", "-"), film[name], rate) for name in _AMOUNTS if name in film}
    if all(isinstance(value, float) for value in given.values()):
        return model.zoom(picture, **_AT_REST | given, **rest, **own)
    moves = _AT_REST | given
    warp = canvas.compose(
        canvas.zoom(moves["zoom"]), canvas.rotate(moves["rotate"]), canvas.shift(moves["shift_x"], moves["shift_y"])
    )
    clip: Clip = model.along(picture, warp=warp, **rest, **own)
    if clip.record is None:
        return clip
    told = {name: _without_file(film[name]) for name in given}
    return clip.with_record(replace(clip.record, parameters={**clip.record.parameters, **told}))


def _without_file(text: str) -> str:
    """`1..1.1@song.mp3:bass` as `1..1.1@bass`: records name no files."""
    bounds, _, sound = text.partition("@")
    return f"{bounds}@{sound.rpartition(':')[2]}" if ":" in sound else bounds
