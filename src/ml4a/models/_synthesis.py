"""What models that optimise a picture share: the network that looks, runs that are kept and resumed, and films."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

from ml4a._core import devices
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture, Pictures
from ml4a._core.params import Doc, Range, Unrecorded

from ._base import PictureModel, check_fits, resized
from ._operation import current_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from ml4a.synthesis.engine import Synthesis
    from ml4a.synthesis.film import Carried, Memory

Size = Annotated[
    int | None,
    Range(16),
    Doc("Height of the result in pixels; by default the picture's own, if its longer side is 512 or less then."),
]
StyleWeights = Annotated[tuple[float, ...] | None, Range(), Doc("Weight of each style: 2,1; by default all are equal.")]
KeepColors = Annotated[bool, Doc("Keep the picture's own colours; take only light and dark from the result.")]
Staying = Annotated[
    float, Range(low=0), Doc("Films: how strongly a frame is held to the one before it, carried along the motion.")
]
Resume = Annotated[
    str | None,
    Unrecorded(),
    Doc("A file for the run's state, written now and then, at the end and on Ctrl-C; if it is there, the run goes on."),
]

_LONGEST_SIDE = 512
_SECONDS_BETWEEN_SAVES = 30


class SynthesisModel(PictureModel):
    """Base of models that make a picture step by step, as a network that looks at it would have it.

    Of a film, each frame begins where the frame before it has come to, carried along the motion.
    """

    keeps_partial_films = True
    film_memory = "memory"
    auto_dtype = "fast_float32"
    """In bfloat16 losses are within 1 %, and steps faster still where the machine has it; but pixels drift apart."""
    networks: ClassVar[tuple[str, ...]]
    """Names of networks that its weights may be of."""

    def load(self, files: dict[str, Path]) -> None:
        """Build the network that looks; which one it is, its keys say."""
        from ml4a import weights
        from ml4a.networks import feature_network

        archive = weights.read(files["network"], self.weights.files["network"].format)
        self.network = self.place(feature_network(archive.arrays(), *self.networks))
        self.memory: Memory | None = None

    def for_film(self) -> Self:
        """The same model with a memory of its own: what is called with the frames of one film, one after the other."""
        from ml4a.synthesis.film import Memory

        other = copy.copy(self)
        other.memory = Memory()
        return other

    def layers(self) -> dict[str, int]:
        """The names of the network's layers, in the order of computation, and how many channels each has."""
        return self.network.layers()

    def tensors(self, pictures: Pictures) -> list[torch.Tensor]:
        """Each of a parameter's pictures as `to_tensor` gives it."""
        return [self.to_tensor(each) for each in cast("tuple[Picture, ...]", pictures)]

    def carried(self, x: torch.Tensor) -> Carried | None:
        """Of a film, what the frame before has become, moved to where `x` is; None at its beginning and after a cut."""
        return None if self.memory is None else self.memory.carried(x)

    def remember(self, x: torch.Tensor | None, result: torch.Tensor) -> None:
        """Of a film, keep a frame and its result, both 1×3×h×w, for the frame after it."""
        if self.memory is not None and x is not None:
            self.memory.keep(x, result)

    def made(self, synthesis: Synthesis, resume: str | None = None, *, at_once: int | None = None) -> torch.Tensor:
        """Run a synthesis to its end, or to Ctrl-C, and give its picture: 1×3×H×W RGB on the CPU.

        Args:
            synthesis: The run.
            resume: The file of its state.
            at_once: The longest side that the network sees at a time, where it sees the picture in pieces.

        Raises:
            TooLarge: the network would need more memory than there is for the largest stage.
            BadValue: `resume` names a file that holds another run, or no run.
        """
        for stage in synthesis.stages:
            width, height = (side if at_once is None else min(side, at_once) for side in stage.size)
            check_fits(width, height, self.network.bytes_per_pixel, devices.memory_budget(self.device))
        if resume is None:
            return synthesis.run(self.name).float().cpu()
        if self.memory is not None:
            raise BadValue("resume is for pictures; of a film, what there is is kept, and trim makes the rest")
        from ml4a.synthesis.kept import Kept

        with Kept(Path(resume), synthesis, self._run(), _SECONDS_BETWEEN_SAVES) as kept:
            return synthesis.run(self.name, kept.step).float().cpu()

    def _run(self) -> Mapping[str, Any]:
        """What a run that is gone on with must have in common with this one."""
        from ml4a.media import provenance

        call = current_call()
        media = {
            name: [provenance.pixels_digest(each) for each in (value if isinstance(value, tuple) else (value,))]
            for name, value in call.values.items()
            if hasattr(value, "__array_interface__") or hasattr(value, "size")
        }
        plain = {
            name: str(value) for name, value in call.values.items() if name not in media and "iterations" not in name
        }
        plain.pop("resume", None)
        digests = {role: file.sha256 for role, file in self.weights.files.items()}
        return {"model": self.name, "weights": digests, **plain, **media}


def working_size(size: tuple[int, int], height: int | None) -> tuple[int, int]:
    """Width and height of a result for a picture of that size: of the height asked for, or at most 512 px long."""
    from ml4a.synthesis.schedule import fitting

    width, tall = size
    return fitting(size, _LONGEST_SIDE) if height is None else (max(1, round(width * height / tall)), height)


def with_colors_of(x: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    """`result` with the colours of `x`: its light and dark alone. 1×3×H×W RGB in [0, 1], `x` of any size."""
    from ml4a.ops.color import luma

    x = resized(x, (result.shape[3], result.shape[2]))
    return (x + luma(result) - luma(x)).clamp(0, 1)
