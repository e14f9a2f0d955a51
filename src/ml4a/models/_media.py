"""What is given for a parameter that is a medium: loaded, and told of in a record."""

from __future__ import annotations

from typing import Any

from ml4a._core import limits
from ml4a._core.errors import BadValue
from ml4a._core.params import Parameter
from ml4a._core.record import Input


def loaded(parameter: Parameter, value: Any) -> Any:
    """The picture, the tuple of pictures or the style that `value` is, read from wherever it is.

    Raises:
        BadValue: no picture at all, or too many.
        BadMedia: it cannot be read.
    """
    from . import styles

    if parameter.kind == "style":
        value = styles.read(value)
    if value is None or isinstance(value, styles.Blend):
        return value
    if parameter.kind != "pictures":
        return _picture(value)
    several = value if isinstance(value, tuple | list) else (value,)
    if not 1 <= len(several) <= limits.ITEMS:
        raise BadValue(f"{parameter.name} must be 1 to {limits.ITEMS} pictures, not {len(several)}")
    return tuple(_picture(each) for each in several)


def as_inputs(parameter: Parameter, value: Any) -> list[Input]:
    """What `loaded` gave as a record's inputs: none for what was left out, or for a style that is no picture."""
    from ml4a.media import provenance

    from . import styles

    if value is None or isinstance(value, styles.Blend):
        return []
    several = value if parameter.kind == "pictures" else (value,)
    return [provenance.as_input(_seen(each), role(parameter.name, number)) for number, each in enumerate(several)]


def role(name: str, number: int) -> str:
    """The role of a parameter's picture in a record, counted from 0: `"style"`, `"style.2"`, `"style.3"`."""
    return name if number == 0 else f"{name}.{number + 1}"


def _picture(value: Any) -> Any:
    from ml4a.media import image

    if not image.is_loaded(value):
        return image.load(value)
    image.kind_of(value)
    return value


def _seen(medium: Any) -> Any:
    """What a record's hash is made of: pictures, and the numbers of label maps as they are."""
    import numpy as np

    from ml4a.media import image

    if hasattr(medium, "to_image"):
        return medium.to_image()
    if isinstance(medium, np.ndarray) and medium.dtype.kind in "iu" and medium.dtype not in (np.uint8, np.uint16):
        return medium
    return medium if image.kind_of(medium) == "pil" else image.to_array(medium)
