"""The canvas and the masks of the library of 2021 against ours, at 512×512.

`make bench-original` clones it (github.com/ml4a/ml4a, f35ad31) outside of this tree; `ML4A_ORIGINAL` is where.
It needs PyPI's `noise`.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ml4a.media import image, mask
from ml4a.media.canvas import classic

from .race import race

SIZE = (512, 512)
PACKAGE = "ml4a_of_2021"
UNUSED = ("models", "utils.downloads", "utils.console")
UNNEEDED = ("IPython", "moviepy", "moviepy.editor", "requests", "sklearn", "sklearn.cluster", "tqdm")
"""What its modules import and these functions do not call."""

WARPS: dict[str, dict[str, Any]] = {
    "zoom and rotation": {"zoom": 1.02, "rot_const": 0.03},
    "rotation by distance": {"rot_dst": 0.0001},
    "spiral": {"spiral_margin": 0.02, "spiral_periods": 4},
    "noise, as in the notebook": {"noise_rate": (0.52, 0.35), "noise_margin": (2.4, 4.3)},
    "noise, fine": {"noise_rate": (2.0, 3.0), "noise_margin": (3.0, 5.0)},
    "all operations": {
        "center": (0.33, 0.61),
        "shift": (0.1, -0.2),
        "stretch": (1.3, 0.7),
        "zoom": 1.2,
        "expand": 1.0,
        "rot_const": 0.3,
        "rot_ang": 0.1,
        "rot_dst": 0.002,
        "spiral_margin": 0.2,
        "spiral_periods": 5,
        "noise_rate": (2.0, 3.0),
        "noise_margin": (3.0, 5.0),
    },
}
MASKS: dict[str, dict[str, Any]] = {
    "arcs": {"type": "arcs", "num_channels": 3, "radius": 0.25, "period": 10, "blend": 0.4},
    "rects": {"type": "rects", "num_channels": 3, "p1": (0.1, 0.2), "p2": (0.9, 0.7), "period": 10, "blend": 0.3},
}


def main() -> None:
    root = os.environ.get("ML4A_ORIGINAL")
    if not root or not (Path(root) / "ml4a/canvas/canvas.py").is_file():
        sys.exit("set ML4A_ORIGINAL to a checkout of the library of 2021; make bench-original makes one")
    original_canvas, original_mask = load_original(Path(root))
    picture = np.asarray(image.load("sample:astronaut", size=SIZE))
    for name, mod in WARPS.items():
        race(
            f"{name}, {SIZE[0]}x{SIZE[1]}",
            {
                "ml4a, as in a film": lambda mod=mod: classic(picture, mod),
                "ml4a, the first frame": lambda mod=mod: first_frame(lambda: classic(picture, mod)),
                "ml4a of 2021": lambda mod=mod: original_canvas.modify_canvas(picture, dict(mod), to_pil=False),
            },
            rounds=3,
        )
    for name, config in MASKS.items():
        race(
            f"mask of {name}, {SIZE[0]}x{SIZE[1]}",
            {
                "ml4a": lambda config=config: mask.classic(config, SIZE, 3),
                "ml4a of 2021": lambda config=config: original_mask.get_mask(dict(config), SIZE, 3),
            },
            rounds=3,
        )


def first_frame(make: Callable[[], Any]) -> Any:
    """Call `make` with nothing kept from the call before."""
    module = importlib.import_module("ml4a.media.canvas.classic")
    for name in ("_unmasked", "_winds"):
        getattr(module, name).cache_clear()
    return make()


def load_original(root: Path) -> tuple[Any, Any]:
    """The modules canvas and mask of a checkout."""
    package = types.ModuleType(PACKAGE)
    package.__path__ = [str(root / "ml4a")]
    sys.modules[PACKAGE] = package
    for name in UNUSED:
        sys.modules[f"{PACKAGE}.{name}"] = Dummy(name)
    for name in UNNEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = Dummy(name)
    return importlib.import_module(f"{PACKAGE}.canvas.canvas"), importlib.import_module(f"{PACKAGE}.canvas.mask")


class Dummy(types.ModuleType):
    """A module in which every name is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


if __name__ == "__main__":
    main()
