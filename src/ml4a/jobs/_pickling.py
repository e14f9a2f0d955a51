"""What is sent to workers."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from ml4a._core.errors import BadValue


def pickled(value: Any, what: str, dumps: Callable[[Any], bytes] | None = None) -> bytes:
    """`value` for another process of ours: functions of scripts and notebooks, and models, which are loaded there anew.

    Raises:
        BadValue: it cannot be sent.
    """
    import cloudpickle

    try:
        return (dumps or cloudpickle.dumps)(value)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise BadValue(f"{what} cannot be sent to workers ({error}); leave the workers out, or load it there") from None
