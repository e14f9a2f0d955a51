"""`hf:OWNER/REPO/PATH[@REVISION]`: a file in a repository on the Hugging Face Hub, or on what `HF_ENDPOINT` names.

`HF_TOKEN`, if set, is sent there and nowhere else: where the answer is a redirect to a file server, it stays behind.
"""

from __future__ import annotations

import os
import re
import urllib.parse

from ml4a._core.errors import DownloadFailed
from ml4a.weights.parcel import Parcel
from ml4a.weights.schema import Card

from . import https

_HUB = "https://huggingface.co"


def fetch(parcel: Parcel, source: str, card: Card) -> None:  # all sources have the same parameters
    """Download the file into the cache.

    Raises:
        DownloadFailed: it cannot be had.
        BadWeights: it is another file than the card means.
        CannotWrite: the disk is full or read-only.
        Offline: `ML4A_OFFLINE` is set.
    """
    owner, repository, path = source.removeprefix("hf:").split("/", 2)
    terms = f"the repository is private, gone, or wants its terms accepted at {_HUB}/{owner}/{repository}"
    token = _token()
    closed = f"{terms} by the owner of HF_TOKEN" if token else f"{terms}; then set HF_TOKEN to an access token"
    https.download(
        parcel,
        address(source),
        headers={"Authorization": f"Bearer {token}"} if token else {},
        advice={401: closed, 403: closed, 404: f"{owner}/{repository} has no file {path}"},
    )


def address(source: str) -> str:
    """The URL that a source stands for."""
    owner, repository, path = source.removeprefix("hf:").split("/", 2)
    path, _, revision = path.partition("@")
    hub = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _HUB
    return f"{hub}/{owner}/{repository}/resolve/{urllib.parse.quote(revision or 'main', '')}/{urllib.parse.quote(path)}"


def _token() -> str:
    token = os.environ.get("HF_TOKEN", "").strip()
    if re.fullmatch(r"[\x21-\x7e]*", token) is None:
        raise DownloadFailed("HF_TOKEN is not an access token: it has blanks or other odd characters in it")
    return token
