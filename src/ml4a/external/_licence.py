"""Which licence a source tree seems to be under; a guess, for people who then read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ._git import plain

_FILE = re.compile(r"(licen[cs]e|copying|unlicense)([._-].*)?", re.IGNORECASE)
_LONGEST = 20_000  # bytes

_SIGNS = (
    ("AGPL-3.0", r"GNU AFFERO GENERAL PUBLIC LICENSE"),
    ("LGPL", r"GNU LESSER GENERAL PUBLIC LICENSE"),
    ("GPL-3.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 3"),
    ("GPL-2.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 2"),
    ("Apache-2.0", r"Apache License,?\s+Version 2\.0"),
    ("MPL-2.0", r"Mozilla Public License,?\s+(v\. |Version )2\.0"),
    ("CC-BY-NC", r"Creative Commons.{0,40}Attribution-NonCommercial"),
    ("CC-BY", r"Creative Commons.{0,40}Attribution"),
    ("NVIDIA, not commercial", r"NVIDIA.{0,400}non-?commercial"),
    ("MIT", r"Permission is hereby granted, free of charge|\bMIT License"),
    ("BSD", r"Redistribution and use in source and binary forms"),
    ("public domain", r"released into the public domain|CC0 1\.0"),
)
"""What a licence is told by, the more particular ones first."""


@dataclass(frozen=True, slots=True)
class Licence:
    """What a tree's licence file says."""

    guess: str
    """`"MIT"` …; `"unknown"` where there is no such file, or none that is known."""
    file: str = ""
    first_line: str = ""


def guess(tree: Path) -> Licence:
    """The licence of a tree, by the file at its top that is called so."""
    names = sorted(path.name for path in tree.iterdir() if _FILE.fullmatch(path.name) and path.is_file())
    if not names:
        return Licence("unknown")
    with (tree / names[0]).open("rb") as file:
        text = file.read(_LONGEST).decode(errors="replace")
    found = next((name for name, sign in _SIGNS if re.search(sign, text, re.IGNORECASE | re.DOTALL)), "unknown")
    return Licence(found, plain(names[0]), plain(text.strip().partition("\n")[0], 80))
