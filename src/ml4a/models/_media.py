"""What is given for a parameter that is a medium: loaded, and told of in a record."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, BinaryIO

from ml4a._core import limits
from ml4a._core.errors import BadMedia, BadValue, TooLarge
from ml4a._core.params import Parameter
from ml4a._core.record import Input, digest


def fetched(parameter: Parameter, value: Any) -> Any:
    """A film or sound that is given by its address as bytes, fetched once for all that is done with it; else `value`.

    Raises:
        UnsafeURL, DownloadFailed, TooLarge: see `ml4a._core.net.read`.
    """
    from ml4a.media import sources

    of_address = parameter.kind in ("film", "sound") and isinstance(value, str) and sources.is_url(value)
    return sources.locate(value) if of_address else value


def loaded(parameter: Parameter, value: Any) -> Any:
    """The picture, the tuple of pictures, the style, film, sound or text that `value` is, read from wherever it is.

    Raises:
        BadValue: nothing of that kind, or too many.
        BadMedia: it cannot be read.
    """
    from . import styles

    if parameter.kind == "style":
        value = styles.read(value)
    if (value is None and parameter.kind != "text") or isinstance(value, styles.Blend):  # a text is never left out
        return value
    if parameter.kind in _LOADERS:
        return _LOADERS[parameter.kind](value)
    several = value if isinstance(value, tuple | list) else (value,)
    if not 1 <= len(several) <= limits.ITEMS:
        raise BadValue(f"{parameter.name} must be 1 to {limits.ITEMS} pictures, not {len(several)}")
    return tuple(_picture(each) for each in several)


def as_inputs(parameter: Parameter, given: Any, value: Any) -> list[Input]:
    """What was given and `loaded` as a record's inputs: none for what was left out, or is told of as a parameter."""
    from . import styles

    if value is None or isinstance(value, styles.Blend):
        return []
    if parameter.kind == "text":
        return [] if is_recorded_whole(given) else [_text_input(parameter.name, given, value)]
    if parameter.kind == "sound":
        return [_sound_input(parameter.name, given, value)]
    if parameter.kind == "latents":
        return [_latents_input(parameter.name, given, value)]
    if parameter.kind == "film":
        return [_film_input(parameter.name, given, value)]
    several = value if parameter.kind == "pictures" else (value,)
    return [_picture_input(role(parameter.name, number), each) for number, each in enumerate(several)]


def is_recorded_whole(text: Any) -> bool:
    """Whether a record holds the text that was given, rather than its hash only."""
    return isinstance(text, str) and len(text) <= limits.RECORDED_TEXT


def role(name: str, number: int) -> str:
    """The role of a parameter's picture in a record, counted from 0: `"style"`, `"style.2"`, `"style.3"`."""
    return name if number == 0 else f"{name}.{number + 1}"


def _picture(value: Any) -> Any:
    from ml4a.media import image

    if not image.is_loaded(value):
        return image.load(value)
    image.kind_of(value)
    return value


def _film(value: Any) -> Any:
    from ml4a.media import image, sources, video

    if isinstance(value, video.Clip) or image.is_loaded(value):
        return value
    found = value if isinstance(value, bytes) else sources.locate(value)
    return video.open(found) if video.is_film(found) else image.load(found)


def _sound(value: Any) -> Any:
    from ml4a.media import audio

    return audio.load(value)


def _latents(value: Any) -> Any:
    from ml4a.media import latents

    return latents.as_latents(value)


def _text(value: Any) -> str:
    if isinstance(value, Path):
        return _read_text(value)
    if not isinstance(value, str):
        raise BadValue(f"a text is a str or the pathlib.Path of a text file, not {type(value).__name__}")
    return value


_LOADERS = {
    "style": _picture,
    "picture": _picture,
    "film": _film,
    "sound": _sound,
    "text": _text,
    "latents": _latents,
}


def _read_text(path: Path) -> str:
    from ml4a.media import sources

    with sources.open_file(path) as file:
        return text_of(file, sources.shown(path))


def text_of(file: BinaryIO, name: str) -> str:
    """All of an open text file, which errors call `name`.

    Raises:
        TooLarge: more than `limits.TEXT_BYTES`.
        BadMedia: it is not in UTF-8.
    """
    data = file.read(limits.TEXT_BYTES + 1)
    if len(data) > limits.TEXT_BYTES:
        raise TooLarge(f"{name} is larger than {limits.TEXT_BYTES >> 20} MiB, the most a text may have")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadMedia(f"{name} is no text in UTF-8; save it as plain text first") from None


def _picture_input(role: str, value: Any) -> Input:
    from ml4a.media import provenance

    return provenance.as_input(_seen(value), role)


def _text_input(role: str, given: Any, text: str) -> Input:
    content = given.read_bytes() if isinstance(given, Path) else text.encode(errors="replace")
    return Input(role, "file", digest(content), f"{len(text)}x1")


def _sound_input(role: str, given: Any, sound: Any) -> Input:
    size = f"{len(sound.samples)}x{sound.channels}"
    if given is not sound:
        return Input(role, "file", _file_digest(given), size)
    samples = digest(f"{sound.rate} {sound.samples.shape}".encode(), memoryview(sound.samples).cast("B"))
    return Input(role, "pixels" if sound.record is None else "result", samples, size, record=sound.record)


def _latents_input(role: str, given: Any, latents: Any) -> Input:
    size = f"{len(latents)}x{latents.values[0].size}"
    if isinstance(given, str | os.PathLike):
        return Input(role, "file", _file_digest(given), size, record=latents.record)
    values = digest(f"{latents.space} {latents.values.shape}".encode(), memoryview(latents.values).cast("B"))
    return Input(role, "pixels" if latents.record is None else "result", values, size, record=latents.record)


def _film_input(role: str, given: Any, film: Any) -> Input:
    from ml4a.media import provenance, video

    if not isinstance(film, video.Clip):
        return _picture_input(role, film)
    size = f"{film.size[0]}x{film.size[1]}"
    if given is not film:
        return Input(role, "file", _file_digest(given), size)
    with contextlib.closing(film.frames()) as frames:
        first = next(frames, None)  # all frames would take as long as the work itself
    if first is None:
        raise BadMedia(f"{film.source.header.name} holds no frame that can be decoded; it may be cut short")
    seen = provenance.pixels_digest(first.array)
    return Input(role, "pixels" if film.record is None else "result", seen, size, record=film.record)


def _file_digest(source: Any) -> str:
    import hashlib

    from ml4a.media import sources

    found = source if isinstance(source, bytes) else sources.locate(source)
    with sources.open_file(found) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _seen(medium: Any) -> Any:
    """What a record's hash is made of: pictures, and the numbers of label maps as they are."""
    import numpy as np

    from ml4a.media import image

    if hasattr(medium, "to_image"):
        return medium.to_image()
    if isinstance(medium, np.ndarray) and medium.dtype.kind in "iu" and medium.dtype not in (np.uint8, np.uint16):
        return medium
    return medium if image.kind_of(medium) == "pil" else image.to_array(medium)
