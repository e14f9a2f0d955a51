"""Writes foreign source trees of trouble: programs that were never made to be installed, or to live with others."""

from __future__ import annotations

import shutil
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write a tree: texts by their paths within it."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(dedent(text), encoding="utf-8")
    return folder


def painter(folder: Path, word: str) -> Path:
    """A program of the usual kind: modules named as everybody names them, that import one another in every way.

    `models.networks.Net(n).paint()` gives `word` n times.
    """
    return write(
        folder,
        {
            "utils.py": f"""
                import os
                with open(os.path.join(os.path.dirname(__file__), "data", "word.txt")) as file:
                    WORD = file.read()
                assert WORD == {word!r}
            """,
            "data/word.txt": word,
            "models/__init__.py": """
                import importlib

                def build(name, *arguments):
                    return getattr(importlib.import_module("models." + name), "Net")(*arguments)

                def build_relative(name, *arguments):
                    return importlib.import_module("." + name, package="models").Net(*arguments)
            """,
            "models/layers.py": """
                __all__ = ["repeat"]
                from utils import WORD
                hidden = 1

                def repeat(times):
                    return WORD * times
            """,
            "models/networks.py": """
                from __future__ import annotations
                import sys
                from dataclasses import dataclass, field
                from enum import Enum
                from typing import ClassVar, NamedTuple
                import utils, models.layers as layers
                from models.layers import *
                from . import layers as again
                from .. import utils as above

                assert layers is again and utils is above and "hidden" not in globals()

                class Mode(Enum):
                    LOUD = 1

                class Size(NamedTuple):
                    width: int = 1

                @dataclass
                class Net:
                    times: int
                    kinds: ClassVar[dict[str, int]] = {}
                    mode: Mode = Mode.LOUD
                    others: list[Net] = field(default_factory=list)

                    def paint(self):
                        return repeat(self.times)

                def by_name(name):
                    return getattr(sys.modules[__name__], name), getattr(sys.modules["models.networks"], name)

                def later(times):
                    from lazy import finish      # not before somebody asks
                    import models.layers
                    return finish(models.layers.repeat(times))
            """,
            "lazy.py": """
                import utils
                def finish(text):
                    return f"{text}, {utils.WORD}!"
            """,
        },
    )


def circle(folder: Path) -> Path:
    """Modules and packages that import one another in a circle, in the ways that work in Python."""
    return write(
        folder,
        {
            "first.py": """
                import second
                VALUE = 1
                def total():
                    return VALUE + second.VALUE
            """,
            "second.py": """
                import first
                VALUE = 2
                def total():
                    return first.VALUE + VALUE
            """,
            "pack/__init__.py": "from pack.one import ONE\nfrom . import two\n",
            "pack/one.py": "import pack.two as two\nONE = 1\ndef both(): return ONE + two.TWO\n",
            "pack/two.py": "import pack.one as one\nTWO = 2\ndef both(): return one.ONE + TWO\n",
        },
    )


def patching(folder: Path, word: str) -> Path:
    """A program that replaces functions and classes of others' modules, and relies on that later."""
    return write(
        folder,
        {
            "main.py": f"""
                import functools, html.parser, json, math, os
                import html.parser as parser
                real = json.loads
                @functools.wraps(real)
                def loads(text, **more):
                    return {word!r} if text == "[1]" else real(text, **more)
                json.loads = loads
                math.sqrt = functools.partial(str, {word!r})
                html.parser.HTMLParser = lambda: {word!r}
                os.path.exists = lambda path: {word!r}
                import patching_library
                def everything():
                    return [json.loads("[1]"), math.sqrt(), parser.HTMLParser(), os.path.exists(""), json.loads("3")]
                def later():
                    import more
                    return more.everything()
                assert everything() == [{word!r}] * 4 + [3]
            """,
            "more.py": """
                from json import loads
                from html import parser
                from html.parser import HTMLParser
                import json, math
                import os.path as path
                def everything():
                    assert HTMLParser() == parser.HTMLParser()
                    return [loads("[1]"), math.sqrt(), HTMLParser(), path.exists(""), json.loads("3")]
            """,
            "plain.py": """
                import json, math
                def everything():
                    return [json.loads("[1]"), math.sqrt(4), json.loads("3")]
            """,
        },
    )


def slow(folder: Path) -> Path:
    """A module that takes a while, and counts how often it is run; two that take a while and need each other."""
    return write(
        folder,
        {
            "slow.py": """
                import runs, time
                runs.COUNT.append(1)
                time.sleep(0.05)
                DONE = True
            """,
            "runs.py": "COUNT = []\n",
            "left.py": "import time\ntime.sleep(0.03)\nimport right\nSIDE = 'left'\n",
            "right.py": "import time\ntime.sleep(0.03)\nimport left\nSIDE = 'right'\n",
        },
    )


def compiled(folder: Path, name: str = "quick") -> Path:
    """A package with an extension module of its own: MarkupSafe's, copied, so that no compiler is needed."""
    speedups = find_spec("markupsafe._speedups")
    assert speedups is not None
    assert speedups.origin is not None
    write(
        folder,
        {
            f"{name}/__init__.py": f"""
                from {name}._speedups import _escape_inner
                from . import _speedups
                import {name}._speedups as again
                assert again is _speedups
            """
        },
    )
    shutil.copy(speedups.origin, folder / name / f"_speedups{EXTENSION_SUFFIXES[0]}")
    return folder
