"""How much of anything from outside is accepted before it is refused.

Plain constants: raise one for your own pictures with `ml4a._core.limits.PICTURE_PIXELS = …`.
"""

PICTURE_PIXELS = 200_000_000
"""Pixels of one decoded picture (14142 × 14142). Checked against the header, before decoding."""

PICTURE_BYTES = 1 << 30
"""Bytes of a picture file."""

URL_BYTES = 256 << 20
"""Bytes of a picture read from a URL, whatever its Content-Length says."""

FILM_STREAMS = 32
"""Streams in a film's container."""

FILM_SECONDS = 24 * 3600
"""Length of a film by its own header."""

TEXT_BYTES = 4 << 20
"""Bytes of a text to be spoken: a long novel has one million."""

RECORDED_TEXT = 5000
"""Characters of a text that a record holds whole; of longer ones it has the hash."""

ITEMS = 64
"""Pictures or values that one parameter may be a list of; also the pictures that a call takes together."""

RECORD_BYTES = 256 << 10
"""Bytes of a run record read back from a file."""

REPOSITORY_BYTES = 2 << 30
"""Bytes of a repository of other people's code, both as it is sent and as files."""

REPOSITORY_FILES = 100_000
"""Files in such a repository."""

EXTERNAL_BYTES = 1 << 30
"""Bytes of the arrays that one call hands to a process of foreign code, and of those that it gives back."""
