"""`python -m benchmarks [NAME …]`: all of `RACES`, or those."""

from __future__ import annotations

import importlib
import sys

RACES = (
    "style",
    "synthesis",
    "upscale",
    "sketch",
    "networks",
    "film",
    "canvas",
    "noise",
    "mask",
    "color",
    "audio",
    "voices",
    "stylegan",
    "stylegan3",
    "vqgan",
    "weights",
    "jobs",
)


def main(names: list[str]) -> None:
    from ml4a.models.doctor import examine

    for finding in examine():
        print(f"{finding.what:<10} {finding.value} {finding.advice}")
    for name in names or RACES:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
