"""IDInvert: photographs found in a generator's space, and edited there (Zhu et al., ECCV 2020, arXiv:2004.00049)."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from ml4a._core import devices
from ml4a._core.errors import BadValue, BadWeights, TooLarge, UnknownName
from ml4a._core.kinds import LatentsLike, Picture
from ml4a._core.params import Doc, Range

from ._generating import single
from ._generator import GeneratorModel
from ._generator_parameters import Amount, Direction, Latents, Layers, Truncation, Where
from ._inversion import ITERATIONS, RATE
from ._operation import Seed, current_call, operation

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ._directions import Directions
    from ._inversion import Networks, Search
    from .face import Faces

log = logging.getLogger("ml4a")

_OF_FACES = "ffhq"
_NETWORKS = ("generator", "encoder", "perceptual")
_BYTES_PER_PIXEL = 16_000
"""What a step of the search takes with the official networks, beside what they are themselves."""
_CUTOFF = 8
"""Layers that the original truncates."""
_ALIGNED = 0.04
"""How far a corner may be from where alignment would have it, as a share of the side, to be left there."""

_LATENTS = (".safetensors", ".npy", ".npz")

Method = TypeVar("Method", bound=Callable[..., Any])

Cutoff = Annotated[int | None, Range(0), Doc("Only so many layers are truncated, the coarsest; by default 8.")]
Align = Annotated[
    bool, Doc("With the weights of faces, cut the largest face out as they need it; else the middle is taken.")
]
Iterations = Annotated[int, Range(1, 100_000), Doc("How many steps.")]
Rate = Annotated[float, Range(1e-6, 1), Doc("How far a step goes; a tenth of it where the picture falls apart.")]
Photo = Annotated[Picture | None, Doc("A photograph, which is looked for first, in place of latents.")]
Onto = Annotated[Picture, Doc("The picture that it becomes part of.")]
Center = Annotated[
    tuple[float, ...], Range(0, 1), Doc("The middle of what is taken, from the left and from above: 0.5,0.5.")
]
Size = Annotated[tuple[float, ...], Range(0.01, 1), Doc("Width and height of what is taken, as shares of the side.")]


def _or_a_picture(method: Method) -> Method:
    """Let an operation take a picture where it takes latents, too."""

    @functools.wraps(method)
    def call(self: IDInvert, latents: Any = None, **options: Any) -> Any:
        if options.get("picture") is None and self.is_picture(latents):
            return method(self, **{**options, "latents": None, "picture": latents})
        return method(self, latents, **options)

    return call  # type: ignore[return-value]


class IDInvert(GeneratorModel):
    """Finds photographs of faces, bedrooms or towers in a generator's space, and changes there what they are of.

        gan = ml4a.load("idinvert")
        me = gan.project("me.jpg")                                     # latents; the second time they are there at once
        gan.edit(me, direction="age", amount=2).save("older.png")
        gan.edit("me.jpg", direction="pose", amount=-2)                # or a photograph at once
        gan.diffuse("me.jpg", onto="her.jpg").save("between.png")      # the middle of one face in the other picture
        gan.boundaries                                                 # what the weights can change

    Of faces the largest is cut out as FFHQ's pictures are, which the weights have seen.
    """

    card = "idinvert"

    boundaries: dict[str, Directions]
    """The directions that come with the weights, by name: an amount of 1 moves every layer that one is for by 1."""

    def load(self, files: dict[str, Path]) -> None:
        """Build the generator, and read the boundaries; what finds photographs is built when it is first wanted."""
        self._files = files
        self.network = self._network("generator")
        self.boundaries = {role: self._boundary(path) for role, path in files.items() if role not in _NETWORKS}

    @functools.cached_property
    def networks(self) -> Networks:
        """What finds photographs.

        Raises:
            BadWeights: the encoder is another generator's.
        """
        from ._inversion import Networks

        encoder = self._network("encoder", quick=False)  # where it has many channels, it sees too few pixels to gain
        for name in ("resolution", "num_ws", "w_dim"):
            own, due = getattr(encoder, name), getattr(self.network, name)
            if own != due:
                raise BadWeights(f"the encoder is another generator's: its {name} is {own}, not {due}")
        return Networks(self.network, encoder, self._network("perceptual"))

    @functools.cached_property
    def _faces(self) -> Faces:
        from . import registry

        return registry.load("face", device=str(self.device))

    @operation(examples=("ml4a gan sample 7 --model idinvert -o face.png",))
    def __call__(
        self, latents: Where = None, *, truncation: Truncation = 0.7, cutoff: Cutoff = None, seed: Seed = None
    ) -> Picture:
        """Make a picture of a seed, or of latents.

        Args:
            latents: One of z, w or w+; of w and w+ nothing is truncated.
            truncation: Of what is drawn.
            cutoff: How many layers are truncated.
            seed: Of what is drawn.

        Returns:
            A PIL image of 256×256 pixels.

        Raises:
            BadValue: latents of another network, or several.
        """
        assert seed is not None
        return self.picture(self.styles(single(latents), seed, truncation, cutoff, None))

    @operation()
    def encode(self, picture: Picture, *, align: Align = True) -> Latents:
        """Find a photograph in the generator's space roughly, and at once: as the encoder sees it.

        Args:
            picture: The photograph.
            align: Whether to cut its face out.
        """
        import torch

        from ml4a.media import latents as spaces

        with torch.inference_mode():
            return spaces.Latents(self.networks.encoder.encode(self._square(picture, align)).cpu().numpy(), "w+")

    @operation()
    def project(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, picture: Picture, *, iterations: Iterations = ITERATIONS, rate: Rate = RATE, align: Align = True
    ) -> Latents:
        """Find a photograph in the generator's space: latents that look like it, and that can be edited.

        What was found is kept in the cache: the same photograph is not searched for twice. Ctrl-C gives the best so
        far.

        Args:
            picture: The photograph. Of faces the largest is cut out as FFHQ's pictures are, unless it is so already.
            iterations: How many steps; the library of 2021 took 1000.
            rate: How far a step goes.
            align: Whether to cut its face out; if not, or if there is none, the middle is taken.

        Returns:
            1×14×512 of w+.

        Raises:
            TooLarge: the search needs more memory than there is.
        """
        from ml4a.media import latents as spaces

        from . import _inversion, _kept_inversions

        target = self._square(picture, align)
        parameters = {"iterations": iterations, "rate": rate, "device": self.device.type, "dtype": self.precision}
        digests = {role: self.weights.files[role].sha256 for role in _NETWORKS}
        place = _kept_inversions.place(target.cpu().numpy(), digests, parameters)
        kept = _kept_inversions.find(place, (1, self.network.num_ws, self.network.w_dim))
        if kept is not None:
            return kept
        code, complete = _inversion.run(self._search(target, rate), iterations, self.name)
        found = spaces.Latents(code.cpu().numpy(), "w+")
        if complete:
            _kept_inversions.keep(place, found)
        return found

    @_or_a_picture
    @operation()
    def edit(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        latents: Where = None,
        *,
        picture: Photo = None,
        direction: Direction = "age",
        along: Annotated[LatentsLike | None, Doc("Instead, a direction of your own: a file of latents.")] = None,
        amount: Amount = 1.5,
        layers: Layers = None,
        truncation: Truncation = 0.7,
        seed: Seed = None,
    ) -> Picture:
        """Change what a picture is of: make a face older, a room lighter.

        Args:
            latents: What to edit, as `project` finds it; or a photograph.
            picture: The photograph, which is projected first.
            direction: One of `boundaries`, or one that the library finds (`explore` shows them).
            along: A direction of one's own.
            amount: How far; at 3, little is left of most photographs.
            layers: Only these; by default those that the direction is for.
            truncation: Of what is drawn.
            seed: What to edit, if there is neither picture nor latents.

        Raises:
            BadValue: no such direction, or a layer that there is not; latents and a picture.
        """
        assert seed is not None
        if picture is not None:
            if latents is not None:
                raise BadValue("edit takes latents or a picture, not both")
            latents = self.project(picture)
        ws = self.styles(single(latents), seed, truncation, None, None)
        return self.picture(self._moved(ws, direction, single(along), amount, layers))

    @operation()
    def diffuse(
        self,
        picture: Picture,
        *,
        onto: Onto,
        center: Center = (0.49, 0.57),
        size: Size = (0.43, 0.43),
        iterations: Iterations = ITERATIONS,
        rate: Rate = RATE,
        align: Align = True,
    ) -> Picture:
        """Make one picture of two: a rectangle of the one, into which the other grows.

        Args:
            picture: Of which the rectangle is taken; by default eyes, nose and mouth of a face.
            onto: What is around it, and follows it in light, skin and pose.
            center: x and y of the rectangle's middle.
            size: Its width and height, or both in one number.
            iterations: How many steps.
            rate: How far a step goes.
            align: Whether to cut the faces out of both.

        Returns:
            A picture of the kind that came in, of 256×256 pixels.

        Raises:
            BadValue: the middle is not two numbers, or the size neither one nor two.
        """
        from ml4a.media import image

        from . import _inversion

        sizes = (*size, *size) if len(size) == 1 else size
        if len(center) != 2 or len(sizes) != 2:
            raise BadValue(f"center and size are two numbers each, not {center} and {size}")
        side = self.network.resolution
        mask = _inversion.rectangle(side, (center[0], center[1]), (sizes[0], sizes[1])).to(self.device)
        pasted = self._square(picture, align) * mask + self._square(onto, align) * (1 - mask)
        code, _ = _inversion.run(self._search(pasted, rate, mask), iterations, self.name)
        return image.as_kind(self.arrays(code)[0], current_call().kind)

    def is_picture(self, value: Any) -> bool:
        """Whether what may be a picture or latents is a picture: files by their names, arrays by their shapes."""
        from ml4a.media.latents import Latents

        if value is None or isinstance(value, Latents):
            return False
        if isinstance(value, str | os.PathLike):
            return Path(value).suffix.lower() not in _LATENTS
        shape, network = tuple(getattr(value, "shape", ())), self.network
        return shape[1:] not in ((network.num_ws, network.w_dim), (network.w_dim,), (network.z_dim,))

    def _search(self, target: torch.Tensor, rate: float, mask: torch.Tensor | None = None) -> Search:
        from ._inversion import Search

        needed, budget = self.network.resolution**2 * _BYTES_PER_PIXEL, devices.memory_budget(self.device)
        if needed > budget:
            raise TooLarge(
                f"the search needs {needed / 2**30:.1f} GiB of memory and {budget / 2**30:.1f} GiB may be used; "
                "close other programs, or set ML4A_MEMORY"
            )
        return Search(self.networks, target, mask, rate=rate)

    def _network(self, role: str, *, quick: bool = True) -> Any:
        import torch

        from ml4a import weights
        from ml4a.networks import from_state_dict

        archive = weights.read(self._files[role], self.weights.files[role].format)
        with torch.inference_mode(False):  # whoever calls: gradients go through it
            network = from_state_dict(self.card, archive.arrays())
            return self.place(network) if quick else network.to(self.device)

    def _boundary(self, path: Path) -> Directions:
        from . import _directions

        found, due = _directions.load(path), (1, self.network.num_ws, self.network.w_dim)
        if found.vectors.shape != due or max(found.layers or (0,)) >= self.network.num_ws:
            sizes = ["×".join(map(str, shape)) for shape in (found.vectors.shape, due)]
            raise BadWeights(f"{path.name} is another generator's: a boundary is {sizes[1]} here, and it is {sizes[0]}")
        return found

    def _mapped(
        self, z: np.ndarray[Any, Any], labels: torch.Tensor | None, truncation: float, cutoff: int | None
    ) -> torch.Tensor:
        return super()._mapped(on_sphere(z), labels, truncation, _CUTOFF if cutoff is None else cutoff)

    def _direction(self, name: str) -> Directions:
        if name in self.boundaries:
            return self.boundaries[name]
        if ":" not in name:
            raise UnknownName("direction", name, [*self.boundaries, "sefa:0", "pca:0"])
        return super()._direction(name)

    def _square(self, picture: Any, align: bool) -> torch.Tensor:
        """1×3×H×W in [-1, 1] on the device, of the networks' size."""
        import numpy as np
        import torch

        from ml4a.media import image

        array = np.ascontiguousarray(image.to_array(picture)[:, :, :3])
        side = self.network.resolution
        if align and self.weights.name == _OF_FACES:
            array = self._aligned(array, side)
        square = image.resize(image.crop_to_aspect_ratio(array, 1), (side, side))
        x = torch.from_numpy(square.transpose(2, 0, 1).copy())[None]
        return (2 * x - 1).to(self.device)

    def _aligned(self, array: np.ndarray[Any, Any], side: int) -> np.ndarray[Any, Any]:
        """The largest face as FFHQ's pictures have it; all of a picture that has it so, or has none."""
        from ml4a.media import face as geometry

        found = self._faces(array, most=1)
        if not found:
            log.warning("no face was found, and the middle of the picture is taken; see `ml4a faces`")
            return array
        if _is_aligned(geometry.ffhq_alignment(found[0], side), array.shape, side):
            return array
        return geometry.ffhq(array, found[0], side)


def on_sphere(z: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Latents at the length that normal ones have on average, as the original draws them: N×D to N×D."""
    import numpy as np

    return z * (np.sqrt(z.shape[1], dtype=np.float32) / np.linalg.norm(z, axis=1, keepdims=True))


def _is_aligned(matrix: np.ndarray[Any, Any], shape: Sequence[int], side: int) -> bool:
    """Whether alignment to `side` would hardly move the corners of a picture of H×W×C."""
    import numpy as np

    height, width = shape[:2]
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)], np.float64)
    due = np.array([(0, 0), (side, 0), (0, side), (side, side)])
    return bool(np.abs(corners @ matrix.T - due).max() <= _ALIGNED * side)
