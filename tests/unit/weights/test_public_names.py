from __future__ import annotations

import importlib
import pkgutil
import types

from ml4a import weights


def test_importing_a_module_of_the_package_hides_none_of_its_functions():
    """A module `fetch.py` would, once imported, take the place of `weights.fetch`."""
    for module in pkgutil.walk_packages(weights.__path__, "ml4a.weights."):
        importlib.import_module(module.name)
    modules = {name for name in weights.__all__ if isinstance(getattr(weights, name), types.ModuleType)}
    assert modules == {"formats"}
