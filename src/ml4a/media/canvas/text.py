"""Scores as text, and back; text may come from anywhere."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from ml4a._core.errors import BadValue, UnknownName
from ml4a.media import _value

from ._warp import Warp

_MOST_TEXT = 64 << 20
"""Characters."""
_MOST_LEVELS = 100
"""Of YAML: reading it is recursive."""


def dumps(score: Warp, format: Literal["yaml", "json"] = "yaml") -> str:
    """A score as text that people can read and change.

        print(canvas.dumps(zoom(1.02) @ rotate(0.01)))

    Raises:
        BadValue: the score holds a picture, a flow or a mask of pixels, which text cannot; or it is no score.
        UnknownName: no such format.
    """
    if not isinstance(score, Warp):
        raise BadValue(f"a score is a warp such as zoom(1.02), not {type(score).__name__}")
    data = score.to_data()
    if format == "json":
        return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if format != "yaml":
        raise UnknownName("format", str(format), ("yaml", "json"))
    import yaml

    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def loads(text: str) -> Warp:
    """The score that `dumps` wrote, from YAML or JSON.

    Of YAML mappings, lists, numbers and text are read; anchors, aliases and tags are refused.

    Raises:
        BadValue: it is no score, in one line that names the place.
    """
    if not isinstance(text, str) or len(text) > _MOST_TEXT:
        raise BadValue(f"the text of a score has up to {_MOST_TEXT:,} characters")
    return from_data(_json(text) if text.lstrip().startswith("{") else _yaml(text))


def from_data(data: Any, where: str = "the score") -> Warp:
    """The score that `Warp.to_data` wrote. The data may come from anywhere.

    Args:
        data: One name with its parameters, such as `{"zoom": {"factor": 1.02}}`.
        where: What to call it in messages.

    Raises:
        BadValue: it is no score, in one line that names the place.
    """
    return _value.from_data(Warp, data, where)


def _json(text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise BadValue(f"the score has {constant}, which is no number")

    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=refuse)
    except json.JSONDecodeError:
        return _yaml(text)  # in which names need no quotes
    except (RecursionError, ValueError) as error:
        raise error if isinstance(error, BadValue) else BadValue("the score has too many levels or digits") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise BadValue(f"the score has {max(names, key=names.count)!r} twice in one place")
    return found


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.load(text, _plain_loader())  # noqa: S506  # a SafeLoader that reads even less
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise BadValue(f"the score is no YAML: {line}{' '.join(str(error.problem).split())}") from None
    except yaml.YAMLError as error:
        raise BadValue(f"the score is no YAML: {' '.join(str(error).split())}") from None
    except (RecursionError, ValueError) as error:
        raise error if isinstance(error, BadValue) else BadValue("the score has too many levels or digits") from None


def _plain_loader() -> Any:
    """A loader of mappings, lists, numbers, true, false, null and text, and of nothing else."""
    import yaml

    class Loader(yaml.SafeLoader):
        level = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise BadValue(f"the score has an anchor or alias in line {event.start_mark.line + 1}; write it out")
            if getattr(event, "tag", None) is not None:
                raise BadValue(f"the score has a tag, {event.tag}, in line {event.start_mark.line + 1}; leave it out")
            self.level += 1
            if self.level > _MOST_LEVELS:
                raise BadValue(f"the score has more than {_MOST_LEVELS} levels, which none of ours has")
            node = super().compose_node(parent, index)
            self.level -= 1
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            return _unique(
                [(str(self.construct_object(key)), self.construct_object(value, deep)) for key, value in node.value]
            )

    # YAML 1.2's core schema: no dates, no base 60, no "on" and "no".
    Loader.yaml_implicit_resolvers = {}
    for tag, pattern, first in (
        ("bool", r"true|false", "tf"),
        ("null", r"null|~|", ["n", "~", ""]),
        ("int", r"[-+]?[0-9]{1,300}", "-+0123456789"),
        ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), list(first))
    return Loader
