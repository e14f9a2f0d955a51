from __future__ import annotations

import functools
import inspect

import pytest
from clauses import CLAUSES, recognition

from ml4a.models import registry
from ml4a.networks.architectures import ARCHITECTURES


def test_the_registry_has_exactly_these_models():
    assert registry.names() == ["fast_style", "real_esrgan", "hed"]


def test_the_verbs_are_exactly_these_and_their_defaults():
    assert {verb: candidates[0].model for verb, candidates in registry.verbs().items()} == {
        "style": "fast_style",
        "styles": "fast_style",
        "upscale": "real_esrgan",
        "sketch": "hed",
    }


@functools.cache
def loaded(name: str, **options):
    return registry.load(name, **options)


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
@pytest.mark.parametrize("name", registry.names())
def test_a_model_keeps_the_clause(name, clause, request):
    extra = {fixture: request.getfixturevalue(fixture) for fixture in list(inspect.signature(clause).parameters)[2:]}
    clause(registry.model_class(name), functools.partial(loaded, name), **extra)


ROWS = [(name, row) for name, rows in ARCHITECTURES.items() for row in rows]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name}, {row.builder}" for name, row in ROWS])
def test_every_network_is_recognised_by_its_weights(name, row, tmp_path):
    recognition(name, row, tmp_path)
