"""Which cases of a parametrised test the quick tier runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def quick(values: Iterable[Any], count: int = 1, *, rows: bool = False) -> list[Any]:
    """The values, of which all after the first `count` are slow; of several arguments at once, they are rows."""
    cases = [pytest.param(*each) if rows else pytest.param(each) for each in values]
    return cases[:count] + [pytest.param(*case.values, marks=pytest.mark.slow) for case in cases[count:]]
