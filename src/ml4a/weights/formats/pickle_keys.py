"""What may be a key of a table, or an element of a set, in a pickle."""

from __future__ import annotations

from typing import Any

from ..._core.errors import BadWeights
from .pickle_classes import Class

_LONGEST_KEY, _LARGEST_KEY = 1000, 1 << 60


def check_key(key: Any) -> Any:
    """`key`, if it can be the key of a table or an element of a set.

    Raises:
        BadWeights: it is neither text nor number. (Hashing a tuple that is nested deep enough overflows the C stack.)
    """
    if isinstance(key, str | bytes):
        # Names of tensors are put together of keys, and one key may be used again and again.
        if len(key) > _LONGEST_KEY:
            raise BadWeights(f"its pickle uses a text of {len(key)} characters as a key")
        return key
    if isinstance(key, int):
        # Multiples of 2**61 - 1 have one hash: a table of them is slower with each.
        if abs(key) > _LARGEST_KEY:
            raise BadWeights("its pickle uses an integer larger than any index as a key")
        return key
    if key is None or isinstance(key, float | Class):
        return key
    raise BadWeights(f"its pickle uses a {type(key).__name__} as a key")
