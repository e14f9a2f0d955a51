"""Run records in the metadata of films and sounds, by FFmpeg's names.

A record is JSON under a tag of its own. WAV has a closed list of tags: there it is the comment, behind a word of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ml4a._core import limits
from ml4a._core.errors import BadMedia

TAG = "ml4a"
_COMMENT = "comment"
_PREFIX = "ml4a record "
_CLOSED = ("wav",)
"""FFmpeg's names of containers that drop tags which are not on their list."""


def of(text: str, muxer: str) -> dict[str, str]:
    """The tags that carry a record's JSON in a container that `muxer` writes."""
    return {_COMMENT: _PREFIX + text} if muxer in _CLOSED else {TAG: text, _COMMENT: "made with ml4a"}


def find(tables: Iterable[Mapping[str, str]], name: str) -> str | None:
    """The JSON of the record in the first of a file's tables of tags that has one, unchecked.

    Args:
        tables: Of the container, and of its streams: Ogg's tags are on its stream.
        name: What an error calls the file.

    Raises:
        BadMedia: it is larger than any of ours.
    """
    text = next((found for table in tables if (found := _in(table)) is not None), None)
    if text is not None and len(text) > limits.RECORD_BYTES:
        most = limits.RECORD_BYTES >> 10
        raise BadMedia(f"{name} carries a record of more than {most} KiB, which none of ours has")
    return text


def _in(tags: Mapping[str, str]) -> str | None:
    for key, value in tags.items():
        if key.lower() == TAG:
            return value
        if key.lower() == _COMMENT and value.startswith(_PREFIX):
            return value.removeprefix(_PREFIX)
    return None
