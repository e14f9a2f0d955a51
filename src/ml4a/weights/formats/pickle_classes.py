"""Classes that are not imported: an object of theirs is kept as the class's name and the object's state.

Training programs pickle whole modules: WaveGlow's file holds one, StyleGAN's files hold three, and Lightning's
checkpoints hold callbacks and settings beside the weights. A module's tensors are in its state, under names that
torch gives them, so they can be had without its class.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ..._core.errors import BadWeights

_PLACES = (
    # torch's own
    *(r"torch\.nn\.modules", r"torch\.nn\.parallel", r"torch\.nn\.utils\.(weight|spectral)_norm", r"torch\.optim"),
    # programs that save more than weights
    *(r"torchvision\.models", r"pytorch_lightning", r"lightning(_fabric)?", r"omegaconf"),
)
_CLASSES = (
    *(r"glow\.(WaveGlow|WN|Invertible1x1Conv)", r"dnnlib\.tflib\.network\.Network", r"argparse\.Namespace"),
    *(rf"{place}(\.\w+)*\.[A-Z]\w*" for place in _PLACES),
)
KEPT = re.compile("|".join(_CLASSES), re.ASCII)
"""Classes, each with its module in front, whose objects are kept as data: those that known weights files name."""

_LARGEST_DEPTH = 100
_LARGEST_PARTS = 20_000
_NAMESPACE = "argparse.Namespace"


@dataclass(frozen=True)
class Class:
    """What stands for a class; a call makes what stands for an object of it."""

    name: str
    """With its module in front."""

    def __call__(self, *arguments: Any) -> Instance:
        """An empty object: what its class would do with the arguments is not known."""
        return Instance(self.name)

    def __str__(self) -> str:
        return self.name


class Instance(dict[Any, Any]):
    """What stands for an object: its class's name, its state, and its items if it is a kind of table."""

    def __init__(self, name: str, state: Any = None) -> None:
        super().__init__()
        self.name = name
        self.state: dict[Any, Any] = {}
        self.set_state(state)

    def set_state(self, state: Any) -> None:
        """Take over the attributes; of an object with slots they come as a pair of tables."""
        for table in state if isinstance(state, tuple) else (state,):
            if isinstance(table, dict):
                self.state |= table

    @property
    def is_module(self) -> bool:
        """Whether it has the parts of a torch.nn.Module."""
        return all(isinstance(self.state.get(part), dict) for part in ("_parameters", "_buffers", "_modules"))

    def table(self) -> dict[Any, Any]:
        """The object as a plain table.

        Of a module these are its tensors by dotted name, as in its state_dict(), `"class"`, `"attributes"` (its own
        numbers and texts) and, if it was saved with them, `"init"` (the keywords it was made with). Of anything else
        these are `"class"` and its items, if it has any.

        Raises:
            BadWeights: a module contains itself, or has too many parts.
        """
        if not self.is_module:
            return {"class": self.name, **self, **(self.state if self.name == _NAMESPACE else {})}
        about: dict[Any, Any] = {"class": self.name, "attributes": dict(filter(_is_scalar, self.state.items()))}
        if "_init_kwargs" in self.state:
            about["init"] = self.state["_init_kwargs"]
        return about | _Walk().tensors(self)


def _is_scalar(item: tuple[Any, Any]) -> bool:
    name, value = item
    own = isinstance(name, str) and not name.startswith("_")  # not torch's book-keeping
    return own and (value is None or isinstance(value, bool | int | float | str))


@dataclass
class _Walk:
    """Through a module and its parts."""

    found: dict[str, Any] = field(default_factory=dict)
    left: int = _LARGEST_PARTS

    def tensors(self, module: Instance, prefix: str = "", depth: int = 0) -> dict[str, Any]:
        self._spend(1)
        if depth > _LARGEST_DEPTH:
            raise BadWeights(f"its modules are nested more than {_LARGEST_DEPTH} deep; the file is broken or hostile")
        # What state_dict() leaves out: a buffer that can be computed again.
        passing = module.state.get("_non_persistent_buffers_set", ())
        for part in ("_parameters", "_buffers"):
            self._spend(len(module.state[part]))
            for name, value in module.state[part].items():
                if value is not None and not (isinstance(passing, set | frozenset) and name in passing):
                    self.found[f"{prefix}{name}"] = value
        for name, child in module.state["_modules"].items():
            if isinstance(child, Instance) and child.is_module:
                self.tensors(child, f"{prefix}{name}.", depth + 1)
            elif child is not None:
                raise BadWeights(f"its module {prefix}{name} is none")
        return self.found

    def _spend(self, parts: int) -> None:
        self.left -= parts
        if self.left < 0:
            raise BadWeights(f"its modules have more than {_LARGEST_PARTS} parts, more than any weights need")
