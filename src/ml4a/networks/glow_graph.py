"""A frozen graph of Glow that is run as it is written, where it does more than the network that is known here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch

from ml4a._core.errors import BadWeights

from .glow import Glow
from .glow_latents import MultiScale
from .graph_interpreter import Interpreter, Node

_IMAGE, _LABEL, _SMALL = "input/image", "input/label", "input/downsampled_image"
_TOP = "model/truediv_4"
_PICTURE = "model_1/Cast_1"
_GREY = 128
"""Of the small picture, which the original's demonstration always fed."""
_SHADES = 256
_LARGEST = 1 << 24
"""Numbers in a picture."""
_RELATIVE = 1e-3
_STEPS = 16
"""Operations between a picture and its rounded form, at most."""


class GraphGlow(MultiScale):
    """The published graph, with labels of 0 and an even small picture, as the original's demonstration runs it.

    It is slow, computes on the processor, and sees as many shades as the graph lets through: of CelebA-HQ 32. The noise
    that stands for the others is left out: it is 0.5, its mean.

    Args:
        nodes: The graph's steps but for its constants.
        arrays: These by name.

    Raises:
        BadWeights: it lacks what the published graph has.
    """

    def __init__(self, nodes: Iterable[Node], arrays: Mapping[str, np.ndarray]) -> None:
        graph = Interpreter(nodes, arrays)
        levels = 1
        while f"model/pool{levels - 1}/truediv_1" in graph.nodes:
            levels += 1
        image = graph.nodes.get(_IMAGE)
        size = (image.attributes.get("shape") if image else None) or ()
        if (
            len(size) != 4
            or min(size[1:]) < 1
            or any(name not in graph.nodes for name in (_TOP, _PICTURE, *_placeholders(levels)))
        ):
            raise BadWeights(f"the graph has no {_IMAGE!r}, {_TOP!r} and {_PICTURE!r}, as the published one has")
        if math.prod(size[1:]) > _LARGEST:
            raise BadWeights(f"the graph is for pictures of {size[2]}x{size[1]} px, which no Glow is")
        super().__init__(levels, int(size[3]))
        self._graph = graph
        self._latents = [*(f"model/pool{level}/truediv_1" for level in range(levels - 1)), _TOP]
        self._drawn = [name for name in sorted(graph.needs(self._latents)) if self._is(name, "RandomUniform")]
        self._unrounded, self._scale = self._before_rounding()

    @torch.no_grad()
    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """As that of `Glow`, after x has been rounded to 256 shades, and by the graph to its own."""
        self.check_picture(x)
        shades = ((x.cpu() + 0.5) * _SHADES - 0.5).round().clamp(0, _SHADES - 1)
        given = {**self._conditions(len(x)), _IMAGE: shades.to(torch.uint8).permute(0, 2, 3, 1)}
        given |= {name: torch.tensor(0.5) for name in self._drawn}
        return tuple(each.permute(0, 3, 1, 2).to(x.device) for each in self._graph.run(self._latents, given))

    @torch.no_grad()
    def decode(self, latents: Sequence[torch.Tensor]) -> torch.Tensor:
        """As that of `Glow`: what the graph computes before it rounds it."""
        self.check_latents(latents)
        noise = (each.cpu().permute(0, 2, 3, 1) for each in latents)
        given = self._conditions(len(latents[0])) | dict(zip(_placeholders(self.levels), noise, strict=True))
        (found,) = self._graph.run([self._unrounded], given)
        return (found * (self._scale / _SHADES) - 0.5).permute(0, 3, 1, 2).to(latents[0].device)

    def agrees_with(self, network: Glow) -> bool:
        """Whether the first step does in the graph what it does in a network of its weights; all steps are alike.

        Of graphs whose levels have one step, nothing is known.
        """
        ends = [self._before_step(number) for number in (0, 1)]
        if None in ends:
            return True
        _, *size = self._graph.nodes[_IMAGE].attributes["shape"]
        shades = torch.randint(0, _SHADES, (1, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        before, after = self._graph.run([str(end) for end in ends], {**self._conditions(1), _IMAGE: shades})
        made = network.step(before.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return torch.allclose(made, after, rtol=_RELATIVE, atol=_RELATIVE * float(after.std()))

    def _before_step(self, number: int) -> str | None:
        """The tensor that a step of the first level begins with."""
        for name, node in self._graph.nodes.items():
            if name.startswith(f"model/0/{number}/actnorm_center/") and node.op in ("Add", "AddV2", "BiasAdd"):
                return next((each for each in self._graph.inputs(name) if not self._graph.is_constant(each)), None)
        return None

    def _conditions(self, count: int) -> dict[str, torch.Tensor]:
        given = {_LABEL: torch.zeros(count, dtype=torch.int32)}
        small = self._graph.nodes.get(_SMALL)
        if small is not None:
            sides = (small.attributes.get("shape") or (-1, 128, 128, 3))[1:]
            given[_SMALL] = torch.full((count, *sides), _GREY, dtype=torch.uint8)
        return given

    def _is(self, name: str, op: str) -> bool:
        node = self._graph.nodes.get(name)
        return node is not None and node.op == op

    def _before_rounding(self) -> tuple[str, float]:
        """The tensor that is rounded to a picture, and by what the rounded one is multiplied to be in 256 shades."""
        name, scale = _PICTURE, 1.0
        for _ in range(_STEPS):
            inputs = self._graph.inputs(name)
            moving = [each for each in inputs if not self._graph.is_constant(each)]
            if len(moving) != 1:
                break
            if self._is(name, "Floor"):
                return moving[0], scale
            if self._is(name, "Mul"):
                (value,) = self._graph.run([each for each in inputs if each not in moving])
                scale *= float(value.reshape(-1)[0])
            name = moving[0]
        raise BadWeights(f"the graph's {_PICTURE!r} is not rounded as the published one's is")


def _placeholders(levels: int) -> list[str]:
    return ["Placeholder", *(f"Placeholder_{level}" for level in range(1, levels))]
