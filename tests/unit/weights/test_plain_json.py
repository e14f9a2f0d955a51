from __future__ import annotations

import json

import numpy as np
import pytest

from ml4a._core.errors import BadWeights
from ml4a.weights.formats import Tensor
from ml4a.weights.formats.graph import Node
from ml4a.weights.plain_json import decode, encode

VALUES = [
    *(None, True, False, 0, -(2**70), 1.5, float("inf"), "text", "\ud800", b"\x00\xff", 1 + 2j),
    *(
        [],
        (),
        {},
        set(),
        [1, [2, (3, None)]],
        {"a": 1, 2: "b", None: [3], b"c": 1.5, True: ()},
        {1, 2},
        frozenset("a"),
    ),
    Node("Conv", "c", ("x", "w"), ("y",), {"strides": [1, 2], "shape": (None, "n")}),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_the_same(value):
    found = decode(json.loads(json.dumps(encode(value, []), allow_nan=False)), [])
    assert found == value
    assert type(found) is type(value)


def test_tensors_are_handed_out_and_put_back():
    tensor, tensors = Tensor.from_numpy(np.ones(3)), []
    written = encode({"state": [{"momentum": tensor}]}, tensors)
    assert tensors == [tensor]
    assert decode(json.loads(json.dumps(written)), tensors) == {"state": [{"momentum": tensor}]}


def test_what_no_reader_returns_is_refused():
    with pytest.raises(BadWeights, match="hold a object"):
        encode([object()], [])


DEEP: list = ["list", []]
for _ in range(300):
    DEEP = ["list", [DEEP]]


@pytest.mark.parametrize(
    "written",
    [
        *({}, [], ["list"], ["unknown", []], ["tensor", 5], ["tensor", "a"], ["bytes", "?"], ["bytes", 5]),
        *(["table", [[1]]], ["table", 5], ["node", [1]], ["complex", ["a"]], ["float", "x"], ["set", [["list", []]]]),
        *(["table", [[["list", []], 1]]], [["list"], []], DEEP),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_was_not_written_here_is_refused(written):
    with pytest.raises(BadWeights, match="metadata are broken"):
        decode(written, [])
