from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ml4a._core.errors import BadValue, UnknownName
from ml4a.weights.schema import SCHEMES, Card, File, Package, Weights
from ml4a.weights.sources import FETCH

SHA = "ab" * 32


def a_file(**changes: Any) -> File:
    good: dict[str, Any] = {
        "name": "net.h5",
        "size": 10,
        "sha256": SHA,
        "format": "keras",
        "sources": ("https://example.org/net.h5",),
    }
    return File(**good | changes)


def a_package(**changes: Any) -> Package:
    good = {
        "name": "Some.Thing",
        "version": "1.0",
        "wheel": "some_thing-1.0-py3-none-any.whl",
        "sha256": SHA,
        "size": 10,
    }
    return Package(**good | changes)  # type: ignore[arg-type]


def some_weights(name: str = "small", **files: File) -> Weights:
    return Weights(name, "MIT", "a test", "yes", files or {"network": a_file()})


def a_card(**changes: Any) -> Card:
    good: dict[str, Any] = {
        "name": "toy",
        "title": "Toy",
        "task": "toy",
        "summary": "For tests.",
        "weights": {"small": some_weights(), "big": some_weights("big")},
        "packages": {},
    }
    return Card(**good | changes)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        ".hidden",
        "C:x",
        "a\nb",
        "a\x00b",
        "a\x7f",
        "a|b",
        "a#b",
        "trailing.",
        "x" * 201,
        "é" * 101,
    ],
)
def test_a_file_name_that_is_not_plain_is_refused(name: str):
    with pytest.raises(BadValue, match=r"^name "):
        a_file(name=name)


@pytest.mark.parametrize("name", ["net.h5", "Größe (2) – final.bin", "x" * 200, "é" * 100, "a b", "-rf", "$(id)"])
def test_any_plain_file_name_will_do(name: str):
    assert a_file(name=name).name == name


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", 0), ("size", -1), ("size", "10"), ("size", 1.5), ("size", True),
        ("sha256", "AB" * 32), ("sha256", "ab" * 31), ("sha256", "../" + "a" * 61), ("sha256", 5), ("sha256", None),
        ("sha256_start", "AB" * 4), ("sha256_start", "ab"), ("sha256_start", "cd" * 4), ("sha256_start", 5),
        ("at_most", 0), ("at_most", None),
        ("format", "pickle"), ("format", None),
        ("sources", ()), ("sources", "https://example.org"), ("sources", ("ftp://example.org",)), ("sources", (1,)),
        ("sources", ("package:x",)), ("sources", ("package:x#",)), ("sources", ("package:#y",)),
        ("sources", ("package:x#../y",)), ("sources", ("package:x#/etc/passwd",)), ("sources", ("package:x#a\\b",)),
        ("sources", ("hf:owner/repo",)), ("sources", ("hf:owner/repo/",)), ("sources", ("hf:owner/repo/x@",)),
        ("sources", ("hf:../repo/x",)), ("sources", ("hf:owner/repo/../x",)), ("sources", ("hf:owner/repo/x@a b",)),
        ("sources", ("hf:owner/repo/x?y",)), ("sources", ("hf:owner/repo/x@../y",)),
        ("sources", ("gdrive:short",)), ("sources", ("gdrive:https://drive.google.com/x",)), ("sources", ("gdrive:",)),
        ("sources", ("https://example.org/a.zip#",)), ("sources", ("https://example.org/a.zip#../x",)),
        ("sources", ("gdrive:0123456789abc#/etc/passwd",)), ("sources", ("hf:owner/repo/x.tar#a\\b",)),
    ],
)  # fmt: skip
def test_a_wrong_value_in_a_file_is_refused_by_its_keys_name(key: str, value: object):
    with pytest.raises(BadValue, match=f"^{key} "):
        a_file(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "-r evil"), ("name", "a b"), ("version", "1.0 --index-url=x"), ("version", ""),
        ("sha256", "x"), ("size", 0),
        ("wheel", "some_thing-1.0.tar.gz"), ("wheel", "other-1.0-py3-none-any.whl"),
        ("wheel", "some_thing-2.0-py3-none-any.whl"), ("wheel", "../some_thing-1.0-py3-none-any.whl"),
        ("wheel", "some_thing-1.0-py3-none-any --evil.whl"),
    ],
)  # fmt: skip
def test_a_wrong_value_in_a_package_is_refused_by_its_keys_name(key: str, value: object):
    with pytest.raises(BadValue, match=f"^{key} "):
        a_package(**{key: value})


def test_a_wheels_name_is_taken_apart_into_its_tags():
    wheel = "some_thing-1.0-2abc-py2.py3-abi3-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl"
    assert a_package(wheel=wheel).tags == (
        ["py2", "py3"],
        ["abi3"],
        ["manylinux_2_24_x86_64", "manylinux_2_28_x86_64"],
    )


@pytest.mark.parametrize(
    "source",
    [
        "hf:lllyasviel/ControlNet/annotator/ckpts/network-bsds500.pth",
        "hf:owner/re.po/some path/x.pth@refs/pr/3",
        "hf:owner/repo/x.zip@main#inside/y.pth",
        "gdrive:1s52ek_4YTDRt_EOkx1FS53u-vJa0c4nu#folder/latest_net_G.pth",
        "https://example.org/files/?p=%2Flast.ckpt&dl=1",
        "file:/mnt/a b/x.tar.gz#y",
    ],
)
def test_sources_of_every_kind_are_accepted(source: str):
    assert a_file(sources=(source,)).sources == (source,)


def test_a_file_without_a_hash_has_a_limit_and_a_key_of_its_own():
    known, unknown = a_file(), a_file(size=None, sha256="", at_most=1000)
    assert (known.limit, unknown.limit, a_file(size=None).limit) == (10, 1000, 2 << 30)
    assert known.key == known.sha256
    assert unknown.key not in (SHA, "", a_file(sha256="", sources=("https://example.org/other",)).key)
    assert some_weights(network=unknown).digest == ""
    assert (some_weights(network=unknown).size, some_weights(network=unknown).limit) == (None, 1000)
    assert some_weights(a=known, b=known).size == 20


def test_commercial_use_is_yes_no_or_unclear():
    with pytest.raises(BadValue, match=r"^commercial 'maybe' is not one of yes, no, unclear"):
        Weights("small", "MIT", "a test", "maybe", {"network": a_file()})


def test_text_with_terminal_escapes_is_refused():
    with pytest.raises(BadValue, match=r"^title "):
        a_card(title="\x1b[2Jboo")


def test_a_source_type_is_one_of_iptcs():
    assert a_card(source_type="trainedAlgorithmicMedia").source_type == "trainedAlgorithmicMedia"
    with pytest.raises(BadValue, match=r"^source_type"):
        a_card(source_type="magic")


def test_a_source_that_names_an_unknown_package_is_refused():
    weights = {"small": some_weights(network=a_file(sources=("package:missing#x",)))}
    with pytest.raises(BadValue, match=r"weights\.small\.files\.network\.sources"):
        a_card(weights=weights)


def test_the_first_weights_are_the_default_and_a_wrong_name_gets_a_hint():
    card = a_card()
    assert card.variant() is card.variant("default") is card.weights["small"]
    assert card.variant("big").name == "big"
    with pytest.raises(UnknownName, match="did you mean 'small'"):
        card.variant("smal")


def test_the_digest_of_one_file_is_its_own_and_of_several_depends_on_each_and_not_on_their_order():
    one, two = a_file(), a_file(sha256="cd" * 32)
    assert some_weights(network=one).digest == SHA
    both = some_weights(a=one, b=two).digest
    assert both == some_weights(b=two, a=one).digest == hashlib.sha256(f"a {SHA}\nb {'cd' * 32}\n".encode()).hexdigest()
    assert both != some_weights(a=two, b=one).digest


def test_every_scheme_that_a_card_may_name_has_its_source():
    assert set(SCHEMES) == set(FETCH)
