"""Our own cards: what each has to say, and that none of the design's models is forgotten."""

from __future__ import annotations

import re

import pytest

from ml4a import weights
from ml4a.weights import Card, File, formats
from ml4a.weights.schema import FORMATS, OPAQUE

NAMES = {
    *("basnet", "cartoonization", "deepdream", "esrgan", "real_esrgan", "flownet", "glow", "idinvert", "neural_style"),
    *("photosketch", "semantic_segmentation", "spade", "style_transfer", "stylegan", "stylegan3", "tacotron2"),
    *("taming_transformers", "torch_dreams", "wav2lip"),
    *("fast_style", "hed", "speech", "face_parsing", "face"),
    "lpips",
    "samples",
}
CARDS = weights.cards()
FILES = [
    (f"{card.name}/{variant.name}/{role}", file)
    for card in CARDS.values()
    for variant in card.weights.values()
    for role, file in variant.files.items()
]


def test_there_is_a_card_for_every_model_of_the_design_and_for_nothing_else():
    assert set(CARDS) == NAMES


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_card_says_what_the_user_wants_to_know(card: Card):
    assert card == weights.card(card.name)
    assert card.summary.endswith((".", "…"))
    assert card.source.startswith("https://")
    if card.name != "samples":
        assert re.search(r"\b(19|20)\d\d\b", card.paper), "a paper has a year"
        assert card.source_type or card.task == "distance", "it makes things"
    for variant in card.weights.values():
        assert variant.name in weights.notice(card, variant)
        assert len(variant.licence_source) > 10, "a licence has to be stated somewhere"
        if re.search(r"-NC\b|NVIDIA|not commercial", variant.licence):
            assert variant.commercial == "no"
        if variant.licence == "none stated":
            assert variant.commercial in ("no", "unclear")


@pytest.mark.parametrize(("spec", "file"), FILES, ids=[spec for spec, _ in FILES])
def test_a_file_is_known_by_its_hash_or_the_card_says_that_it_is_not(spec: str, file: File):
    name, variant, _ = spec.split("/")
    if not file.sha256:
        note = CARDS[name].weights[variant].note
        assert "SHA-256" in note or file.format == "text"
        assert file.limit <= 8_000_000_000
    assert not (file.sha256 and file.sha256_start), "the whole says it already"
    assert len(set(file.sources)) == len(file.sources)
    assert not any(source.startswith(("http:", "file:")) for source in file.sources)


def test_a_hash_means_the_same_bytes_everywhere():
    sizes: dict[str, set[int | None]] = {}
    for _, file in FILES:
        if file.sha256:
            sizes.setdefault(file.sha256, set()).add(file.size)
    assert all(len(found) == 1 for found in sizes.values())


def test_an_address_means_the_same_file_everywhere():
    """Or the pin of the one would be held against the other."""
    meant: dict[str, set[str]] = {}
    for _, file in FILES:
        for source in file.sources:
            meant.setdefault(source, set()).add(f"{file.name} {file.sha256}")
    assert [source for source, names in meant.items() if len(names) > 1] == []


def test_every_format_has_its_reader():
    assert {file.format for _, file in FILES} <= {*formats.FORMATS, *OPAQUE, "picture"}
    assert set(formats.FORMATS) <= set(FORMATS)


def test_the_three_first_models_have_the_variants_and_roles_that_they_promise():
    assert list(CARDS["real_esrgan"].weights)[:3] == ["x4plus", "anime", "animevideo"]
    assert set(CARDS["real_esrgan"].variant().files) == {"param", "bin"}
    assert set(CARDS["hed"].variant("bsds").files) == {"network"}
    assert set(CARDS["fast_style"].variant("magenta").files) == {"predict", "transform", "styles26"}


def test_what_the_package_index_has_is_the_default_where_the_design_says_so():
    for name in ("real_esrgan", "hed", "fast_style", "face", "speech", "samples"):
        for file in CARDS[name].variant().files.values():
            assert file.sources[0].startswith("package:")
