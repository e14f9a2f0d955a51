from __future__ import annotations

import numpy as np
import onnx
import pytest

from ml4a._core.errors import BadWeights
from ml4a.weights.formats.protobuf import Message


def message(data: bytes) -> Message:
    return Message(memoryview(data))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)])
def test_integers_come_out_as_the_library_wrote_them(value):
    assert message(onnx.AttributeProto(i=value).SerializeToString()).integer(3, default=7) == value


def test_every_kind_of_field_is_read():
    attribute = onnx.AttributeProto(
        name="näme", f=1.5, s=b"bytes", floats=[1, 2.5], ints=[1, -2, 300], strings=[b"a", b""], t={"name": "inner"}
    )
    found = message(attribute.SerializeToString())
    assert found.text(1) == "näme"
    assert found.numbers(2, "<f4").tolist() == [1.5]
    assert bytes(found.buffer(4)) == b"bytes"
    assert found.numbers(7, "<f4").tolist() == [1, 2.5]
    assert found.integers(8) == [1, -2, 300]
    assert found.texts(9) == ["a", ""]
    inner = found.message(5)
    assert inner is not None
    assert inner.text(8) == "inner"


MINUS_ONE = b"\xff" * 9 + b"\x01"


@pytest.mark.parametrize("data", [b"\x08\x03\x08\xac\x02\x08" + MINUS_ONE, b"\x0a\x0d\x03\xac\x02" + MINUS_ONE])
def test_integers_are_read_one_by_one_or_packed(data):
    assert list(onnx.TensorProto.FromString(data).dims) == [3, 300, -1]
    assert message(data).integers(1) == [3, 300, -1]


def test_fields_that_are_not_there_have_defaults():
    found = message(b"")
    assert (found.integer(1), found.integer(1, 7), found.text(1), found.texts(1), found.messages(1)) == (
        0,
        7,
        "",
        [],
        [],
    )
    assert found.message(1) is None
    assert bytes(found.buffer(1)) == b""
    assert 1 not in found


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x08",
        b"\x08\x80",
        b"\x08" + b"\xff" * 11,
        b"\x0d\x00\x00",
        b"\x09\x00",
        b"\x0b",
        b"\x0f",
        b"\x0a" + b"\xff" * 9 + b"\x01",
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(BadWeights, match="cut short"):
        message(data)


@pytest.mark.parametrize(
    "ask",
    [
        lambda found: found.text(1),
        lambda found: found.texts(2),
        lambda found: found.numbers(3, "<f4"),
        lambda found: found.message(4),
        lambda found: found.messages(1),
    ],
)
def test_a_field_of_another_kind_than_asked_for_is_refused(ask):
    found = message(b"\x08\x01\x12\x01\xff\x1a\x03abc\x22\x00\x22\x00")
    with pytest.raises(BadWeights):
        ask(found)


def test_nesting_is_bounded():
    data = b""
    for _ in range(40):
        size = np.array([len(data) & 0x7F | 0x80, len(data) >> 7], np.uint8).tobytes()
        data = b"\x0a" + size + data
    found = message(data)
    with pytest.raises(BadWeights, match="nested more than 32 deep"):
        while found is not None:
            found = found.message(1)


def test_the_number_of_fields_is_bounded_over_all_messages():
    inner = b"\x08\x01" * 1000
    found = message(b"".join(b"\x0a\xd0\x0f" + inner for _ in range(1001)))
    with pytest.raises(BadWeights, match="more fields than any model of its size"):
        found.messages(1)


def test_packed_integers_count_as_fields():
    with pytest.raises(BadWeights, match="more fields than any model of its size"):
        message(b"\x0a\x81\x89\x7a" + bytes(2_000_001)).integers(1)
