from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ml4a._core.errors import BadValue
from ml4a._core.record import Input, Record, enabled, versions

SHA = "ab" * 32


def example() -> Record:
    return Record(
        model="fast_style",
        operation="__call__",
        weights="magenta",
        digests={"transform": SHA},
        parameters={"strength": 0.5, "style": "3:0.5,12:0.5", "size": None, "thin": False},
        seed=0,
        device="cpu",
        dtype="float32",
        inputs=(Input("picture", "file", SHA, "512x384", {"size": 768}),),
        versions={"ml4a": "1.0.0a1", "torch": "2.13.0+cpu"},
        source_type="algorithmicallyEnhanced",
        steady=0.5,
    )


def test_a_record_survives_the_round_trip():
    assert Record.from_json(example().to_json()) == example()


def test_a_chain_of_records_survives_the_round_trip():
    chained = replace(example(), inputs=(Input("picture", "result", SHA, "512x384", record=example()),))
    assert Record.from_json(chained.to_json()) == chained


def test_lists_and_inputs_up_to_64_survive_the_round_trip():
    pictures = tuple(Input(f"style.{number}", "pixels", SHA, "8x8") for number in range(64))
    long = replace(example(), parameters={"weights": (0.5,) * 64, "layers": ("a", "b")}, inputs=pictures)
    assert Record.from_json(long.to_json()) == long


def test_half_characters_survive_the_round_trip_and_can_be_written():
    odd = replace(example(), parameters={"text": "caf\udce9 \ud83d naïve 夜 \\udce9"})
    assert Record.from_json(odd.to_json().encode().decode()) == odd


def test_versions_are_those_that_are_here():
    assert versions("hypothesis", "no-such-package").keys() == versions().keys() | {"hypothesis"}


def test_a_seed_of_zero_is_a_seed():
    assert Record.from_json(example().to_json()).seed == 0


def altered(**changes) -> str:
    return json.dumps({**json.loads(example().to_json()), **changes})


def nested(depth: int) -> str:
    data = json.loads(example().to_json())
    data.pop("format")
    for _ in range(depth):
        data = {**data, "inputs": [{"role": "picture", "kind": "result", "sha256": SHA, "size": "1x1", "record": data}]}
    return json.dumps({"format": 1, **data})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{" * 100_000,
        "[" * 100_000,
        " " * 300_000,
        altered(format=2),
        altered(surprise=1),
        altered(model="../../etc/passwd"),
        altered(model="os.system('x')"),
        altered(model=["a"]),
        altered(operation="x\n"),
        altered(seed=-1),
        altered(seed=2**64),
        altered(seed=True),
        altered(steady=2),
        altered(steady="1"),
        altered(source_type="camera"),
        altered(digests={"a": "short"}),
        altered(digests=[1]),
        altered(parameters={"a": {"b": 1}}),
        altered(parameters={"a": 10**30}),
        altered(parameters={"a": "x" * 6000}),
        altered(parameters={"a": [[1]]}),
        altered(parameters={str(n): n for n in range(1000)}),
        altered(inputs=[{"role": "picture", "kind": "url", "sha256": SHA, "size": "1x1"}]),
        altered(inputs=[{"role": "picture", "kind": "file", "sha256": SHA, "size": "1x1", "path": "/etc/passwd"}]),
        altered(inputs=[{}] * 100),
        altered(inputs=[{"role": f"s.{n}", "kind": "pixels", "sha256": SHA, "size": "1x1"} for n in range(65)]),
        altered(inputs=[{"role": "../style", "kind": "pixels", "sha256": SHA, "size": "1x1"}]),
        altered(parameters={"a": [1] * 65}),
        nested(20),
        example().to_json().replace("0.5", "NaN", 1),
    ],
)
def test_a_hostile_record_is_refused(text):
    with pytest.raises(BadValue, match="the record"):
        Record.from_json(text)


def test_records_can_be_switched_off(monkeypatch):
    assert enabled()
    monkeypatch.setenv("ML4A_RECORD", "0")
    assert not enabled()
