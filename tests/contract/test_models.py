from __future__ import annotations

import functools
import inspect

import checkpoints
import pytest
from clauses import clauses_of, recognition

from ml4a.models import registry
from ml4a.networks.architectures import ARCHITECTURES

LIGHT = {"real_esrgan": "animevideo"}
"""Weights that compute sooner than a model's default: they keep clauses in the quick tier in its stead."""
HEAVY = {
    "deepdream": ("errors", "nothing", "precision", "record"),
    "face": ("errors", "what"),
    "idinvert": ("errors", "record", "what"),
    "neural_style": ("errors", "films", "precision", "threads", "tiling"),
    "real_esrgan": ("errors", "transparency", "what"),
    "semantic_segmentation": ("precision", "threads"),
    "stylegan": ("errors",),
    "stylegan3": ("errors", "record", "what"),
    "style_transfer": (
        *("errors", "films", "grey", "kinds", "precision", "purity", "record", "threads", "tiling", "transparency"),
    ),
    "torch_dreams": ("errors", "kinds", "record"),
    "wav2lip": ("errors",),
}
"""Clauses that take a model seconds, and that others of its kind keep in the quick tier."""


def walk():
    """Each model, or its light weights, with each clause."""
    pairs = [(name, clause) for name in registry.names() for clause in clauses_of(registry.model_class(name))]
    for name, clause in pairs:
        heavy = [pytest.mark.slow] * (clause.__name__ in HEAVY.get(name, ()))
        if name in LIGHT and clause.__name__ != "transparency":  # light ones change the tones that it looks at
            yield pytest.param(
                f"{name}/{LIGHT[name]}", clause, id=f"{name}/{LIGHT[name]}-{clause.__name__}", marks=heavy
            )
            heavy = [pytest.mark.slow]
        yield pytest.param(name, clause, id=f"{name}-{clause.__name__}", marks=heavy)


SMALL = checkpoints.small_defaults()


def test_the_registry_has_exactly_these_models():
    assert registry.names() == [
        "fast_style",
        "real_esrgan",
        "esrgan",
        "hed",
        "photosketch",
        "cartoonization",
        "basnet",
        "semantic_segmentation",
        "face_parsing",
        "spade",
        "flownet",
        "face",
        "speech",
        "tacotron2",
        "wav2lip",
        "stylegan",
        "stylegan3",
        "idinvert",
        "glow",
        "taming_transformers",
        "style_transfer",
        "deepdream",
        "torch_dreams",
        "neural_style",
    ]


def test_the_verbs_are_exactly_these_and_their_defaults():
    assert {verb: candidates[0].model for verb, candidates in registry.verbs().items()} == {
        "style": "fast_style",
        "styles": "fast_style",
        "upscale": "real_esrgan",
        "sketch": "hed",
        "cartoonize": "cartoonization",
        "cutout": "basnet",
        "segment": "semantic_segmentation",
        "paint": "spade",
        "faces": "face",
        "align": "face",
        "anonymize": "face",
        "speak": "speech",
        "lipsync": "wav2lip",
        "dream": "deepdream",
    }


@functools.cache
def loaded(name: str, variant: str, **options):
    return registry.load(name, variant, **options)


@pytest.fixture(scope="module")
def small_home(tmp_path_factory):
    """A home with small weights for all models whose own the package index does not carry."""
    return checkpoints.furnish(tmp_path_factory.mktemp("contract") / "home")


@pytest.mark.parametrize(("walked", "clause"), list(walk()))
def test_a_model_keeps_the_clause(walked, clause, request, monkeypatch):
    name, _, variant = walked.partition("/")
    if name in SMALL:
        monkeypatch.setenv("ML4A_HOME", str(request.getfixturevalue("small_home")))
    extra = {fixture: request.getfixturevalue(fixture) for fixture in list(inspect.signature(clause).parameters)[2:]}
    clause(registry.model_class(name), functools.partial(loaded, name, variant or "default"), **extra)


ROWS = [(name, row) for name, rows in ARCHITECTURES.items() for row in rows]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name}, {row.builder}" for name, row in ROWS])
def test_every_network_is_recognised_by_its_weights(name, row, tmp_path):
    recognition(name, row, tmp_path)
