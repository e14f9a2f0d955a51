"""What every call of a model shares: arguments, kinds, alpha, seed, record.

`@operation` wraps a method. Around the method's own few lines it

* binds the arguments and holds them to their declared bounds,
* loads paths and URLs, and remembers the kind of the main picture so that the result is of the same kind (a PIL image
  where the picture may be left out, and was),
* draws a seed where the method takes one and none was given,
* writes the record of what was done.
"""

from __future__ import annotations

import functools
import inspect
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from ml4a._core import limits
from ml4a._core import record as records
from ml4a._core.errors import BadValue
from ml4a._core.params import Doc, Parameter, Range, check, kind_of_result, parameters

from . import _media

if TYPE_CHECKING:
    from ml4a.media.image import KindName

    from ._base import Model

Seed = Annotated[int | None, Range(0, 2**63 - 1), Doc("Of all chance; by default another one each time.")]
"""Of operations that leave something to chance: drawn where none is given, and recorded."""

Method = TypeVar("Method", bound=Callable[..., Any])

_recording: ContextVar[bool] = ContextVar("recording", default=True)


@dataclass(frozen=True, slots=True)
class Operation:
    """What `@operation` knows of a method, for the registry and the command line."""

    name: str
    verb: str | None
    summary: str
    """First paragraph of its docstring."""
    examples: tuple[str, ...]
    """Lines of shell, for `--help`."""
    parameters: dict[str, Parameter]
    gives: str | None = "picture"
    """The kind of its result, if that is a medium."""
    transparent: bool = False
    """Whether its results may be transparent, so that files are better named for formats that can hold that."""

    @property
    def media(self) -> list[Parameter]:
        """The parameters that are pictures, styles, films, sounds or texts; the first is the main one."""
        return [parameter for parameter in self.parameters.values() if parameter.kind is not None]

    @property
    def main(self) -> Parameter:
        """What the result is made of: of a picture, it has the kind. What is not required may be left out."""
        return self.media[0]


@dataclass(slots=True)
class Call:
    """One call under way: what `to_tensor` learned and `to_picture` needs."""

    main: str
    """The parameter whose kind the result has."""
    values: dict[str, Any]
    kind: KindName = "pil"
    alpha: Any = None
    """H×W float32 in [0, 1], or None for an opaque picture."""
    resolved: dict[str, Any] = field(default_factory=dict)
    """Parameters that the method settled itself, such as the tile size; recorded, so that a repeat is exact."""


_calls: ContextVar[Call | None] = ContextVar("call", default=None)


def current_call() -> Call:
    """The call under way in this thread."""
    call = _calls.get()
    if call is None:
        raise RuntimeError("to_tensor and to_picture belong inside a method marked @operation")
    return call


def operation(
    *, verb: str | None = None, examples: tuple[str, ...] = (), transparent: bool = False
) -> Callable[[Method], Method]:
    """Mark a method of a model as one of its operations; `verb` puts it on the command line."""

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def call(self: Model, *args: Any, **kwargs: Any) -> Any:
            about = describe(call)
            values = bind(about, method, self, args, kwargs)
            inputs = load_media(about, values)
            current = Call(about.main.name, values, _kind(about.main, values[about.main.name]))
            token = _calls.set(current)
            try:
                result = method(self, **values)
            finally:
                _calls.reset(token)
            return _attached(self, about, current, inputs, result) if recording_enabled() else result

        call.__operation__ = (method.__name__, verb, examples, transparent)  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


@functools.cache
def describe(method: Callable[..., Any]) -> Operation:
    """What the command line and the studio need to know of an operation."""
    name, verb, examples, transparent = method.__operation__  # type: ignore[attr-defined]
    summary = inspect.getdoc(method).partition("\n\n")[0]  # type: ignore[union-attr]
    plain = inspect.unwrap(method)
    return Operation(name, verb, summary, examples, parameters(plain), kind_of_result(plain), transparent)


def bind(
    about: Operation, method: Callable[..., Any], model: Any, args: tuple[Any, ...], kwargs: Any
) -> dict[str, Any]:
    """The values of every parameter, checked; a missing seed is drawn.

    Raises:
        BadValue: a parameter is missing, unknown, or out of its bounds.
    """
    try:
        bound = inspect.signature(method).bind(model, *args, **kwargs)
    except TypeError as error:
        raise BadValue(f"{type(model).__name__}.{about.name}: {error}") from None
    bound.apply_defaults()
    values = {name: check(parameter, bound.arguments[name]) for name, parameter in about.parameters.items()}
    if "seed" in values and values["seed"] is None:
        values["seed"] = secrets.randbelow(2**32)
    return values


@contextmanager
def recording(enabled: bool) -> Iterator[None]:
    """Leave records out inside: the frames of a film need not be hashed one by one."""
    token = _recording.set(enabled)
    try:
        yield
    finally:
        _recording.reset(token)


def recording_enabled() -> bool:
    """Whether calls in this thread write records now."""
    return _recording.get() and records.enabled()


def _kind(main: Parameter, picture: Any) -> KindName:
    from ml4a.media import image

    if main.kind not in ("picture", "pictures", "style") or (picture is None and not main.required):
        return "pil"
    return image.kind_of(picture)


def load_media(about: Operation, values: dict[str, Any]) -> list[records.Input]:
    """Replace paths and URLs by what is there, and describe all media as a record's inputs.

    Raises:
        Ml4aError: something cannot be read, or is too much.
    """
    inputs = []
    hashing = recording_enabled()
    for parameter in about.media:
        given = _media.fetched(parameter, values[parameter.name])
        values[parameter.name] = _media.loaded(parameter, given)
        if hashing:
            inputs += _media.as_inputs(parameter, given, values[parameter.name])
    if len(inputs) > limits.ITEMS:  # for which a record has no room
        raise BadValue(f"{about.name} takes at most {limits.ITEMS} pictures together, not {len(inputs)}")
    return inputs


def _attached(model: Model, about: Operation, call: Call, inputs: list[records.Input], result: Any) -> Any:
    """The result with a record of what made it, if it is of a kind that can carry one; `last_record` has it anyway."""
    from PIL import Image

    from ml4a.media import provenance

    settled = {name: value for name, value in call.resolved.items() if name in about.parameters}
    record = model.last_record = record_of(model, about, {**call.values, **settled}, inputs)
    if isinstance(result, Image.Image):
        provenance.mark(result, record)
        return result
    with_record = getattr(result, "with_record", None)  # a clip or a sound has it
    return result if with_record is None else with_record(record)


def record_of(model: Model, about: Operation, values: dict[str, Any], inputs: list[records.Input]) -> records.Record:
    """What makes the result of a call: its values as `bind` and `load_media` leave them, and what the latter tells."""
    left_out = {item.role for item in inputs}
    left_out |= set() if about.main.kind == "text" else {about.main.name}
    left_out |= {parameter.name for parameter in about.parameters.values() if not parameter.recorded}
    plain = {name: value for name, value in values.items() if name not in left_out}
    return records.Record(
        model=model.name,
        operation=about.name,
        weights=model.weights.name,
        digests={role: file.sha256 for role, file in model.weights.files.items()},
        parameters={name: _plain(value) for name, value in plain.items() if name != "seed"},
        seed=plain.get("seed"),
        device=model.device.type,
        dtype=model.precision,
        inputs=tuple(inputs),
        versions=records.versions(*model.depends_on) | _threads(model),
        source_type=model.about.source_type,
    )


def _threads(model: Model) -> dict[str, str]:
    """How many threads compute on a processor: sums come in another order with other numbers of them."""
    torch = sys.modules.get("torch")
    return {} if torch is None or model.device.type != "cpu" else {"threads": str(torch.get_num_threads())}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str | tuple) else str(value)
