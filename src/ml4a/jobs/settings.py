"""What a job does, as its journal tells it, so that only the same job goes on with it."""

from __future__ import annotations

import hashlib
import json
import types
from typing import Any

from ml4a._core.record import digest
from ml4a.models import _media
from ml4a.models._base import Model
from ml4a.models._operation import Operation


def described(model: Any) -> Any:
    """What a callable is: of a model its weights, of a function its code; or what it says of itself."""
    told = getattr(model, "job_settings", None)
    if told is not None:
        return told()
    owner = getattr(model, "__self__", model)
    if isinstance(owner, Model):
        weights = {role: file.sha256 for role, file in owner.weights.files.items()}
        name = getattr(model, "__name__", "__call__")
        return {"model": owner.name, "operation": name, "weights": weights, "dtype": owner.precision}
    code = getattr(model, "__code__", None)
    name = getattr(model, "__qualname__", type(model).__qualname__)
    return name if code is None else f"{name} {_code_digest(code)}"


def parameters_of(known: Operation | None, parameters: dict[str, Any]) -> dict[str, Any]:
    """The values of parameters, media by their hashes."""
    return {name: _told(known, name, value) for name, value in sorted(parameters.items())}


def _told(known: Operation | None, name: str, value: Any) -> Any:
    if known is not None and (parameter := known.parameters[name]).kind is not None:
        inputs = _media.as_inputs(parameter, value, value)
        if inputs:
            return [item.sha256 for item in inputs]
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        pass
    if hasattr(value, "tobytes"):
        return digest(value.tobytes())
    return repr(value) if type(value).__repr__ is not object.__repr__ else type(value).__qualname__


def _code_digest(code: types.CodeType) -> str:
    """Of what a function does, wherever it stands."""
    hashed = hashlib.sha256()

    def add(part: types.CodeType) -> None:
        hashed.update(part.co_code + repr(part.co_names).encode())
        for constant in part.co_consts:
            if isinstance(constant, types.CodeType):
                add(constant)
            else:
                constant = sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
                hashed.update(repr(constant).encode())

    add(code)
    return hashed.hexdigest()[:16]
