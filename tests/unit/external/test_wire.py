"""What passes between ml4a and foreign code: whole, or refused; whatever the other side says."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys

import numpy as np
import pytest

from ml4a.external import _wire
from ml4a.external._wire import Block, Broken, Channel, Ended, Packed, encoded, unpacked


def _through(value):
    packed = Packed(value)
    block = Block.new(max(packed.size, 1))
    try:
        packed.write(block)
        return unpacked(json.loads(encoded({"value": packed.form}))["value"], block)
    finally:
        block.close()


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**70),
        1.5,
        math.inf,
        "ü\ud800\x1b",
        b"\x00\xff",
        [],
        [1, [2.0, ("a", None)], {}],
        {"a": 1, 2: {"array": [1]}, (1, 2): "thing"},
        {"thing": 3},
    ],
)
def test_plain_values_come_out_as_they_went_in(value):
    result = _through(value)

    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("dtype", sorted(_wire.DTYPES))
def test_arrays_come_out_as_they_went_in(dtype):
    array = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)

    for each in (array, array[:, ::-1], array.T, array[:0], array[0, 0, 0], array.reshape(2, 3, 4, 1)):
        result = _through([each, each])[1]

        assert result.dtype == array.dtype
        assert result.shape == each.shape or (each.ndim == 0 and result.ndim == 0)
        np.testing.assert_array_equal(result, each)


def test_an_array_of_the_other_byte_order_keeps_its_values():
    np.testing.assert_array_equal(_through(np.arange(5, dtype=">f4")), np.arange(5, dtype="f4"))


def test_results_are_arrays_of_their_own():
    packed = Packed(np.ones(4, "f4"))
    block = Block.new(packed.size)
    packed.write(block)
    result = unpacked(packed.form, block)
    Packed(np.zeros(4, "f4")).write(block)

    assert result.sum() == 4
    result += 1  # may be written to
    block.close()


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, np.zeros(2, "c8"), np.array([None]), np.array(["a"])])
def test_what_cannot_be_passed_is_named(value):
    with pytest.raises(TypeError, match="cannot be passed"):
        Packed([value])


def test_a_list_in_itself_is_refused():
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError, match="deep"):
        Packed(value)


def test_a_message_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="at most"):
        encoded({"text": "a" * _wire.MESSAGE_BYTES})


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"a": 1, "b": 2},
        {"pickle": "gASVAAAAAAAA"},
        {"thing": 1},
        {"tuple": 3},
        {"dict": [1]},
        {"dict": [[1, 2, 3]]},
        {"dict": [[[], 1]]},
        {"bytes": "*"},
        {"bytes": 1},
        {"array": 1},
        {"array": ["float32", [2]]},
        {"array": ["object", [1], 0]},
        {"array": ["O", [1], 0]},
        {"array": [["float32"], [1], 0]},
        {"array": ["float32", [10**6, 10**6], 0]},
        {"array": ["float32", [-1], 0]},
        {"array": ["float32", [1], -4]},
        {"array": ["float32", [1], 64]},
        {"array": ["float32", [17], 0]},
        {"array": ["float32", [True], 0]},
        {"array": ["float32", [1.0], 0]},
        {"array": ["float32", [1 << 70], 0]},
        {"array": ["float32", [0] + [1 << 39] * 3, 0]},
        {"array": ["float32", [1] * 9, 0]},
        {"array": ["float32", "1", 0]},
    ],
)
def test_forms_that_somebody_made_up_are_refused(form):
    block = Block.new(64)
    with pytest.raises(Broken):
        unpacked([form], block)
    block.close()


def test_forms_that_lie_too_deep_are_refused():
    form: object = 1
    for _ in range(500):
        form = [form]
    with pytest.raises(Broken, match="deep"):
        unpacked(form)


def test_many_arrays_of_the_same_memory_are_counted_each():
    block = Block.new(64)
    with pytest.raises(Broken, match="accepted"):
        unpacked([{"array": ["uint8", [64], 0]}] * 4, block, limit=128)
    block.close()


def test_an_array_without_memory_is_refused():
    with pytest.raises(Broken, match="no memory"):
        unpacked({"array": ["float32", [1], 0]})


@pytest.mark.skipif(sys.platform != "linux", reason="memory is sealed on Linux only")
@pytest.mark.parametrize("size", [0, 1 << 30])
def test_the_other_side_can_neither_shorten_nor_grow_a_block(size):
    block = Block.new(4096)
    code = "import os, sys; os.ftruncate(int(sys.argv[1]), int(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(block.handle), str(size)]

    ended = subprocess.run(command, pass_fds=[block.handle], capture_output=True, text=True, check=False)

    assert "PermissionError" in ended.stderr
    block.write(np.ones(4096, "u1"), 0)
    block.close()


def test_a_block_without_a_mapping_holds_the_same(monkeypatch):
    """As where memory cannot be sealed."""
    monkeypatch.setattr(_wire.sys, "platform", "other")
    array = np.random.default_rng(0).random((5, 7, 3))

    np.testing.assert_array_equal(_through({"a": [array[:2], array]})["a"][1], array)
    block = Block.new(64)
    block.size = 1 << 20  # shortened by the other side
    with pytest.raises(Broken, match="too soon"):
        block.read("uint8", [1000], 0)
    block.close()


def _pair() -> tuple[Channel, socket.socket]:
    near, far = socket.socketpair()
    return Channel(near), far


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", Ended),
        (b"\x00\x00", Ended),
        (b"\x00\x00\x00\x05hello", Broken),
        (b"\x00\x00\x00\x02\xff\xfe", Broken),
        (b"\x00\x00\x00\x02[]", Broken),
        (b"\x00\x00\x00\x04null", Broken),
        (b"\xff\xff\xff\xff", Broken),
        (b"GET / HTTP/1.1\r\n\r\n", Broken),
        (b"\x00\x03\x0d\x40" + b"[" * 200000, Broken),
        (b"\x00\x00\x27\x10" + b'{"a":' + b"9" * 9994 + b"}", Broken),
    ],
)
def test_what_is_no_message_is_refused(sent, error):
    channel, far = _pair()
    far.sendall(sent)
    far.close()
    with pytest.raises(error):
        channel.receive(seconds=5)
    channel.close()


def test_a_message_that_comes_in_drops_is_not_waited_for_forever():
    channel, far = _pair()
    with far:
        far.sendall(b"\x00")
        with pytest.raises(TimeoutError):
            channel.receive(seconds=0.05)
    channel.close()


def test_who_is_not_trusted_can_hand_over_no_files(tmp_path):
    channel, far = _pair()
    with far, (tmp_path / "file").open("wb") as file:
        socket.send_fds(far, [b"\x00\x00\x00\x02{}"], [file.fileno()])

        assert channel.receive(seconds=5) == ({}, None)
    channel.close()
