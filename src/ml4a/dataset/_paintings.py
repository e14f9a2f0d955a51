"""What the lists of WikiArt say of paintings: the JSON that its own pages load, and the pages themselves."""

from __future__ import annotations

import html
import json
import re
import unicodedata
import urllib.parse
from dataclasses import dataclass
from typing import Any

_PICTURE = re.compile(r"https?://[^\s\"'<>\\]{1,500}?\.(?:jpe?g|png)(?![a-z0-9])", re.IGNORECASE)
_LONGEST = 300
"""Characters of a title."""
_LONGEST_NAME = 150
"""Bytes of a file's name without its suffix."""
_YEAR = re.compile(r"(?<!\d)(1[0-9]{3}|20[0-9]{2})(?!\d)")
_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class Painting:
    """A painting as a list has it. All of it is what a stranger wrote."""

    image: str
    """The address of the picture, in full size."""
    title: str = ""
    artist: str = ""
    year: str = ""
    page: str = ""
    """The address of its page."""

    @property
    def caption(self) -> str:
        """Title, artist and year, as far as they are known."""
        return ", ".join(part for part in (self.title, self.artist, self.year) if part)

    @property
    def file_name(self) -> str:
        """`artist_title-1889.jpg`: plain, and never twice the same for paintings of two artists."""
        artist, title, suffix = _parts(self.image)
        if self.year and self.year not in title and _YEAR.fullmatch(self.year):
            title = f"{title}-{self.year}"
        name = _plain(f"{artist}_{title}" if artist else title)
        name = name.encode()[:_LONGEST_NAME].decode(errors="ignore")
        return f"{name.strip('._-') or 'painting'}{suffix}"


def from_json(text: str, base: str) -> list[Painting] | None:
    """The paintings of a list that was asked for as JSON; None if the answer is something else.

    Args:
        text: The answer.
        base: The address that links are relative to.
    """
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(listed, dict) or "Paintings" not in listed:
        return None
    rows = listed["Paintings"] or []
    found = [_from_row(row, base) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [painting for painting in found if painting is not None]


def from_html(text: str) -> list[Painting]:
    """The paintings whose pictures a page names; artist and title are guessed from the addresses."""
    plain = html.unescape(text).replace("\\/", "/")
    found = dict.fromkeys(match[0] for match in _PICTURE.finditer(plain))
    return [_from_address(image) for image in found if _is_painting(image)]


def full_size(image: str) -> str:
    """The address of the original of a reduced picture, which has `!Large.jpg` or the like behind it."""
    return image.partition("!")[0]


def _from_row(row: dict[str, Any], base: str) -> Painting | None:
    image = full_size(_text(row.get("image"), 1000))
    if not _is_painting(image):
        return None
    page = _text(row.get("paintingUrl"), 1000)
    try:
        page = urllib.parse.urljoin(base, page) if page else ""
    except ValueError:
        page = ""
    return Painting(image, _text(row.get("title")), _text(row.get("artistName")), _text(row.get("year")), page)


def _from_address(image: str) -> Painting:
    artist, title, _ = _parts(image)
    year = _YEAR.findall(title)
    words = re.sub(rf"[-_]*{year[-1]}$", "", title) if year else title
    return Painting(image, _words(words), _words(artist).title(), year[-1] if year else "")


def _is_painting(image: str) -> bool:
    """Whether an address is one of a picture of a painting, and not of the site's own decoration."""
    try:
        path = urllib.parse.urlsplit(image).path
    except ValueError:
        return False
    return "/images/" in path and path.lower().endswith(_SUFFIXES)


def _parts(image: str) -> tuple[str, str, str]:
    """Artist, title and suffix, as the address of a picture has them."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(image).path)
    folders = path.rpartition("/images/")[2].split("/")
    stem, _, suffix = folders[-1].rpartition(".")
    return folders[0] if len(folders) > 1 else "", stem, f".{suffix.lower()}"


def _plain(text: str) -> str:
    """`text` as a part of a file's name on any system."""
    return re.sub(r"[^\w().-]+", "-", unicodedata.normalize("NFC", text))


def _words(slug: str) -> str:
    return " ".join(re.sub(r"[-_]+", " ", slug).split())[:_LONGEST]


def _text(value: Any, most: int = _LONGEST) -> str:
    """A text or a number in one line; what is something else is left out."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    line = " ".join(str(value).split())
    return "".join(character for character in line if character.isprintable())[:most]
