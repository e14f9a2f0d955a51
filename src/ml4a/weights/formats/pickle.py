"""A pickle read as data: its opcodes are interpreted here, and nothing it names is ever imported.

A pickle is a program for a small stack machine that may call any function it names. This machine runs the same
programs, but each name stands for what `find` returns for it: a function or value of our own. A name that `find` does
not know ends the reading with `UnsafeWeights`; so files with unknown classes are read by another `find`, not by
another machine.

The opcodes are documented in the standard library's `pickletools`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from ..._core.errors import BadWeights, UnsafeWeights
from .pickle_budget import LARGEST_STEPS, Budget
from .pickle_keys import check_key
from .pickle_names import Find
from .pickle_stream import Stream, broken, decoded

_LARGEST_MARKS = 1000

_BYTE, _SHORT, _LONG = struct.Struct("<B"), struct.Struct("<I"), struct.Struct("<Q")
_NUMBERS = {b"J": struct.Struct("<i"), b"M": struct.Struct("<H"), b"G": struct.Struct(">d")}
_INTEGERS = {b"\x8a": _BYTE, b"\x8b": _SHORT}
_TEXTS = {b"\x8c": _BYTE, b"X": _SHORT, b"\x8d": _LONG}
_BYTES = {b"C": _BYTE, b"B": _SHORT, b"\x8e": _LONG, b"\x96": _LONG}
_PYTHON2_STRINGS = {b"U": _BYTE, b"T": _SHORT}
_CONSTANTS: dict[bytes, Any] = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}
_CONTAINERS: dict[bytes, Callable[[], Any]] = {b"]": list, b"}": dict, b"\x8f": set}
_TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
_STOP = ord(".")

_Handler: TypeAlias = Callable[[Any, bytes], None]
_HANDLERS: list[tuple[_Handler, bytes, int] | None] = [None] * 256
"""By opcode: its handler, the opcode as bytes, and the steps that it counts for."""


def _on(*codes: bytes, steps: int = 1) -> Callable[[_Handler], _Handler]:
    """Let the decorated method handle these opcodes; it is told which one it was."""

    def register(handler: _Handler) -> _Handler:
        for code in codes:
            _HANDLERS[code[0]] = handler, code, steps
        return handler

    return register


class Unpickler:
    """The stack machine.

    Args:
        data: the pickle, or several one after the other.
        find: what stands for the names in it.
        persistent_load: what stands for a persistent id: how torch refers to the bytes of its tensors.
        position: where in `data` to begin.
        budget: that of the file, if `data` is only part of it.
    """

    def __init__(
        self,
        data: memoryview,
        find: Find,
        persistent_load: Callable[[Any], Any] | None = None,
        position: int = 0,
        budget: Budget | None = None,
    ) -> None:
        self._stream = Stream(data, position)
        self._budget = budget or Budget.of(data)
        self._find = find
        self._persistent_load = persistent_load
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._floor = 0
        self._memo: dict[int, Any] = {}

    @property
    def position(self) -> int:
        """Where the next pickle begins."""
        return self._stream.position

    def load(self) -> Any:
        """Read the next pickle.

        Raises:
            UnsafeWeights: it asks for something that `find` refuses.
            BadWeights: it is broken, cut short, or longer than `LARGEST_STEPS`.
        """
        self._stack, self._marks, self._memo, self._floor = [], [], {}, 0
        budget, next_byte = self._budget, self._stream.byte
        while budget.steps > 0:
            opcode = next_byte()
            if opcode == _STOP:
                return self._pop()
            known = _HANDLERS[opcode]
            if known is None:
                raise broken(f"there is no opcode {opcode:#04x}")
            handler, code, steps = known
            budget.steps -= steps
            handler(self, code)
        raise BadWeights(f"its pickle has more than {LARGEST_STEPS} steps, more than any weights need")

    # -- The stack -----------------------------------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        self._need(1)
        return self._stack.pop()

    def _peek(self) -> Any:
        if len(self._stack) == self._floor:
            raise broken("it takes more than there is")
        return self._stack[-1]

    def _top(self, kind: type) -> Any:
        top = self._peek()
        if not isinstance(top, kind):
            raise broken(f"it fills a {type(top).__name__} as a {kind.__name__}")
        return top

    def _need(self, count: int) -> None:
        if len(self._stack) - count < self._floor:
            raise broken("it takes more than there is")

    def _pop_mark(self) -> list[Any]:
        if not self._marks:
            raise broken("a mark is missing")
        mark = self._marks.pop()
        self._floor = self._marks[-1] if self._marks else 0
        values = self._stack[mark:]
        del self._stack[mark:]
        return values

    @_on(b"(")
    def _mark(self, code: bytes) -> None:
        if len(self._marks) == _LARGEST_MARKS:
            raise BadWeights(f"its pickle is nested more than {_LARGEST_MARKS} deep, deeper than any weights need")
        self._floor = len(self._stack)
        self._marks.append(self._floor)

    @_on(b"0")
    def _drop(self, code: bytes) -> None:
        self._pop()

    @_on(b"1")
    def _drop_mark(self, code: bytes) -> None:
        self._pop_mark()

    @_on(b"2")
    def _duplicate(self, code: bytes) -> None:
        self._push(self._peek())

    # -- The memo ------------------------------------------------------------------------------------------------------

    @_on(b"q")
    def _put_short(self, code: bytes) -> None:
        self._memo[self._stream.byte()] = self._peek()

    @_on(b"r")
    def _put(self, code: bytes) -> None:
        self._memo[int(self._stream.number(_SHORT))] = self._peek()

    @_on(b"p", steps=2)
    def _put_line(self, code: bytes) -> None:
        self._memo[check_key(self._stream.line_integer())] = self._peek()

    @_on(b"\x94")
    def _memoize(self, code: bytes) -> None:
        self._memo[len(self._memo)] = self._peek()

    @_on(b"h")
    def _get_short(self, code: bytes) -> None:
        self._recall(self._stream.byte())

    @_on(b"j")
    def _get(self, code: bytes) -> None:
        self._recall(int(self._stream.number(_SHORT)))

    @_on(b"g", steps=2)
    def _get_line(self, code: bytes) -> None:
        self._recall(self._stream.line_integer())

    def _recall(self, index: int) -> None:
        if index not in self._memo:
            raise broken("it refers to something that is not there")
        self._stack.append(self._memo[index])

    # -- Plain values --------------------------------------------------------------------------------------------------

    @_on(b"\x80")
    def _protocol(self, code: bytes) -> None:
        version = self._stream.byte()
        if version > 5:
            raise BadWeights(f"its pickle is of protocol {version}, newer than is known")

    @_on(b"\x95")
    def _frame(self, code: bytes) -> None:
        self._stream.number(_LONG)  # only says how much a reader may buffer

    @_on(*_CONSTANTS)
    def _constant(self, code: bytes) -> None:
        self._push(_CONSTANTS[code])

    @_on(b"K")
    def _byte(self, code: bytes) -> None:
        self._push(self._stream.byte())

    @_on(*_NUMBERS)
    def _number(self, code: bytes) -> None:
        self._push(self._stream.number(_NUMBERS[code]))

    @_on(*_INTEGERS)
    def _integer(self, code: bytes) -> None:
        self._push(self._stream.long(_INTEGERS[code]))

    @_on(b"I", b"L", steps=2)
    def _line_integer(self, code: bytes) -> None:
        self._push(self._stream.line_integer())

    @_on(b"F", steps=2)
    def _line_float(self, code: bytes) -> None:
        self._push(self._stream.line_float())

    @_on(*_TEXTS)
    def _text(self, code: bytes) -> None:
        self._push(decoded(self._stream.counted(_TEXTS[code]), "utf-8"))

    @_on(b"V", steps=2)
    def _line_text(self, code: bytes) -> None:
        self._push(self._stream.line("raw-unicode-escape"))

    @_on(*_BYTES)
    def _bytes(self, code: bytes) -> None:
        # A view of the file where it is worth it: these are the elements of arrays, up to all of the file.
        self._push(self._stream.counted_view(_BYTES[code]))

    @_on(*_PYTHON2_STRINGS)
    def _python2_string(self, code: bytes) -> None:
        self._push_python2_string(self._stream.counted(_PYTHON2_STRINGS[code]))

    @_on(b"S", steps=2)
    def _line_string(self, code: bytes) -> None:
        self._push_python2_string(self._stream.line_string())

    def _push_python2_string(self, data: bytes) -> None:
        # Python 2 did not tell texts from bytes. Names are ASCII; what is not, is an array's bytes.
        self._push(data.decode("ascii") if data.isascii() else data)

    # -- Containers ----------------------------------------------------------------------------------------------------

    @_on(*_CONTAINERS)
    def _container(self, code: bytes) -> None:
        self._push(_CONTAINERS[code]())

    @_on(*_TUPLES)
    def _short_tuple(self, code: bytes) -> None:
        count = _TUPLES[code]
        self._need(count)
        self._stack[-count:] = [tuple(self._stack[-count:])]

    @_on(b"t")
    def _tuple(self, code: bytes) -> None:
        self._push(tuple(self._pop_mark()))

    @_on(b"l")
    def _list(self, code: bytes) -> None:
        self._push(self._pop_mark())

    @_on(b"d")
    def _dict(self, code: bytes) -> None:
        items = self._pop_mark()
        self._push({})
        self._fill_dict(items)

    @_on(b"\x91")
    def _frozenset(self, code: bytes) -> None:
        self._push(frozenset(map(check_key, self._pop_mark())))

    @_on(b"a")
    def _append(self, code: bytes) -> None:
        self._fill_list([self._pop()])

    @_on(b"e")
    def _appends(self, code: bytes) -> None:
        self._fill_list(self._pop_mark())

    @_on(b"s")
    def _set_item(self, code: bytes) -> None:
        value, key = self._pop(), self._pop()
        self._fill_dict([key, value])

    @_on(b"u")
    def _set_items(self, code: bytes) -> None:
        self._fill_dict(self._pop_mark())

    @_on(b"\x90")
    def _add_items(self, code: bytes) -> None:
        values = self._pop_mark()
        self._top(set).update(map(check_key, values))

    def _fill_list(self, values: Iterable[Any]) -> None:
        self._top(list).extend(values)

    def _fill_dict(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise broken("a key has no value")
        table = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            table[check_key(key)] = value

    # -- Names and calls -----------------------------------------------------------------------------------------------

    @_on(b"c", steps=2)
    def _global(self, code: bytes) -> None:
        self._push(self._find(self._stream.line(), self._stream.line()))

    @_on(b"\x93")
    def _stack_global(self, code: bytes) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise broken("a name is not a text")
        self._push(self._find(module, name))

    @_on(b"\x82", b"\x83", b"\x84")
    def _extension(self, code: bytes) -> None:
        raise UnsafeWeights("it asks for a registered extension, which no weights need; nothing was run")

    @_on(b"R", b"\x81")
    def _reduce(self, code: bytes) -> None:
        arguments, target = self._pop(), self._pop()
        self._call(target, arguments)

    @_on(b"\x92")
    def _new_object_with_keywords(self, code: bytes) -> None:
        keywords, arguments, target = self._pop(), self._pop(), self._pop()
        if keywords != {}:
            raise BadWeights("its pickle calls something with keywords, which no weights need")
        self._call(target, arguments)

    @_on(b"i", steps=2)
    def _instance(self, code: bytes) -> None:
        target = self._find(self._stream.line(), self._stream.line())
        self._call(target, tuple(self._pop_mark()))

    @_on(b"o")
    def _object(self, code: bytes) -> None:
        target, *arguments = self._pop_mark() or [None]
        self._call(target, tuple(arguments))

    def _call(self, target: Any, arguments: Any) -> None:
        # What is callable on this stack came from `find`: everything else is data that this machine made.
        if not callable(target) or not isinstance(arguments, tuple):
            raise broken("it calls something that is not a function")
        self._budget.hand(arguments)
        try:
            self._push(target(*arguments))
        except TypeError:
            raise broken(f"the arguments of {getattr(target, '__name__', target)} are wrong") from None

    @_on(b"b")
    def _build(self, code: bytes) -> None:
        state, target = self._pop(), self._peek()
        # Of its type: what stands for a class may be a class, whose own set_state is not meant.
        set_state = getattr(type(target), "set_state", None)
        if set_state is None:
            raise UnsafeWeights(f"it sets attributes of a {type(target).__name__}; nothing was run")
        self._budget.hand(state)
        set_state(target, state)

    @_on(b"P", b"Q")
    def _persistent(self, code: bytes) -> None:
        identity = self._stream.line() if code == b"P" else self._pop()
        if self._persistent_load is None:
            raise BadWeights("its pickle refers to something outside of itself")
        self._push(self._persistent_load(identity))
