"""`gdrive:ID`: a file that someone shares on Google Drive.

Instead of a file, the Drive may answer with a page: that it is too large to be scanned for viruses (the page's form has
the address of the file), that too many people have downloaded it today, or that it is gone or private.
"""

from __future__ import annotations

import contextlib
import html
import re
import urllib.parse
from html.parser import HTMLParser

from ml4a._core import net
from ml4a._core.errors import DownloadFailed
from ml4a.weights.parcel import Parcel
from ml4a.weights.schema import Card

from . import https

DRIVE = "https://drive.google.com/uc"
"""Where a download begins."""

_HOSTS = re.compile(r"(.*\.)?(google|googleusercontent)\.com")
_QUOTA = re.compile(r"quota exceeded|too many users have|download quota", re.IGNORECASE)
_CLOSED = re.compile(r"accounts\.google\.com|sign in|need access|does not exist|not found", re.IGNORECASE)


def fetch(parcel: Parcel, source: str, card: Card) -> None:  # all sources have the same parameters
    """Download the file into the cache.

    Raises:
        DownloadFailed: it cannot be had; today's limit of downloads may be used up.
        BadWeights: it is another file than the card means.
        CannotWrite: the disk is full or read-only.
        Offline: `ML4A_OFFLINE` is set.
    """
    query = urllib.parse.urlencode({"export": "download", "id": source.removeprefix("gdrive:")})
    gone = "the file is gone, or is not shared with everybody"
    https.download(parcel, f"{DRIVE}?{query}", page=behind, advice={401: gone, 403: gone, 404: gone})


def behind(url: str, page: str) -> str:
    """The address of the file behind the page that `url` answered with.

    Raises:
        DownloadFailed: there is none; the message says why, as far as the page does.
    """
    if _QUOTA.search(page):
        raise DownloadFailed(
            "Google Drive gives this file to nobody any more today, because too many people have downloaded it; "
            "try again tomorrow, or open its page in a browser, copy it to a Drive of your own, and download it there"
        )
    form = _Form()
    with contextlib.suppress(AssertionError):  # what the parser raises about declarations that it does not know
        form.feed(page)
    target = urllib.parse.urljoin(url, form.action)
    if form.action and form.fields and _is_drive(target, url):
        return f"{target}?{urllib.parse.urlencode(form.fields)}"
    if _CLOSED.search(page):
        raise DownloadFailed("Google Drive does not show this file to everybody: it is gone, or is not shared")
    raise DownloadFailed(f"{net.shown(url)} is a web page that is not known here instead of the file")


def _is_drive(target: str, page: str) -> bool:
    """Whether a form leads to the Drive itself, and not to where somebody would like it to."""
    there, here = urllib.parse.urlsplit(target), urllib.parse.urlsplit(page)
    if (there.scheme, there.netloc) == (here.scheme, here.netloc):
        return True
    return there.scheme == "https" and bool(_HOSTS.fullmatch(there.hostname or ""))


class _Form(HTMLParser):
    """The form of the page that warns of viruses: its address without query, and its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the form that is called `download-form`, and what is hidden in it."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("id") == "download-form":
            self._inside = True
            self.action, _, query = html.unescape(values.get("action", "")).partition("?")
            self.fields |= dict(urllib.parse.parse_qsl(query))
        elif tag == "input" and self._inside and values.get("name"):
            self.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Leave the form."""
        if tag == "form":
            self._inside = False
