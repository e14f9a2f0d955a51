"""From numbers to pictures: what all operations of a generator are made of."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ml4a._core import devices
from ml4a._core.errors import BadValue, TooLarge, UnknownName

from ._base import Model

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ml4a._core.kinds import LatentsLike
    from ml4a.media.audio import Sound
    from ml4a.media.latents import Latents
    from ml4a.media.video import Clip

    from ._directions import Directions

_FRAMES_AT_ONCE = {"cpu": 1}
_ON_OTHER_DEVICES = 8
_FINDERS = ("sefa", "pca")
SEEDS = 2**32
"""How many there are: of NumPy's `RandomState`."""


class Generating(Model):
    """Base of `GeneratorModel`: w of seeds and latents, pictures and films of w.

    `network` is as `ml4a.networks` says of generators: `map` makes w of z, `synthesize` makes pictures of w.
    """

    network: Any

    def map(
        self,
        latents: LatentsLike | None = None,
        *,
        seed: int | None = None,
        truncation: float = 1.0,
        cutoff: int | None = None,
        label: int | tuple[int, ...] | None = None,
    ) -> Latents:
        """The w+ of latents, or of a seed: what makes up a picture, layer by layer.

        Args:
            latents: Of any space; w and w+ are not truncated.
            seed: Of z, if there are no latents.
            truncation: 1 is all there is, 0 is the average.
            cutoff: How many layers are truncated, the coarsest first.
            label: The class, or several of which the mean is taken.
        """
        from ml4a.media import latents as space

        given = None if latents is None else space.as_latents(latents)
        seed = secrets.randbelow(SEEDS) if seed is None else seed
        labels = (label,) if isinstance(label, int) else label
        return space.Latents(self.styles(given, seed, truncation, cutoff, labels).cpu().numpy(), "w+")

    def styles(
        self,
        latents: Latents | None,
        seed: int,
        truncation: float,
        cutoff: int | None,
        label: tuple[int, ...] | None,
        places: np.ndarray[Any, Any] | None = None,
    ) -> torch.Tensor:
        """N×num_ws×w_dim of latents or a seed; `places` in [0, 1] blend the labels of a film."""
        import torch

        given = self.drawn([seed]) if latents is None else latents
        if given.space == "z":
            return self._mapped(given.values, self._labels(label, len(given), seed, places), truncation, cutoff)
        due = (self.network.num_ws, self.network.w_dim)
        shape = given.values.shape[1:]
        if shape != due[-len(shape) :]:
            sizes = ["×".join(map(str, each)) for each in (shape, due[-len(shape) :])]
            raise BadValue(f"these latents are N×{sizes[0]}; {self.weights.name} takes N×{sizes[1]} of {given.space}")
        ws = torch.from_numpy(given.values.copy()).to(self.device)
        return ws if given.space == "w+" else ws[:, None].repeat(1, due[0], 1)

    def given(self, latents: Any, seeds: tuple[int, ...] | None, example: str) -> Latents:
        """What to go through: latents, or the z of seeds.

        Raises:
            BadValue: neither is there, or both.
        """
        if (latents is None) == (seeds is None):
            raise BadValue(f"name what to go through: seeds, or latents ({example})")
        return latents if seeds is None else self.drawn(seeds)

    def drawn(self, seeds: Iterable[int]) -> Latents:
        """The z of several seeds."""
        import numpy as np

        from ml4a.media import latents as spaces

        return spaces.Latents(np.concatenate([spaces.random(1, self.network.z_dim, seed=seed) for seed in seeds]))

    def _mapped(
        self, z: np.ndarray[Any, Any], labels: torch.Tensor | None, truncation: float, cutoff: int | None
    ) -> torch.Tensor:
        import torch

        if z.shape[1] != self.network.z_dim:
            raise BadValue(f"these z are N×{z.shape[1]}; {self.weights.name} takes N×{self.network.z_dim}")
        with torch.inference_mode():
            ws = self.network.map(torch.from_numpy(z.copy()).to(self.device), labels)
            return self.network.truncate(ws, truncation, cutoff)

    def _labels(
        self, label: tuple[int, ...] | None, count: int, seed: int, places: np.ndarray[Any, Any] | None = None
    ) -> torch.Tensor | None:
        """N×c_dim: of one class; of several their mean, or, at `places`, from one to the next."""
        import numpy as np
        import torch

        classes = self.network.c_dim
        if not classes:
            if label is not None:
                raise BadValue(f"the weights {self.weights.name!r} know no classes; leave the label out")
            return None
        chosen = (int(np.random.RandomState(seed).randint(classes)),) if label is None else label
        if max(chosen) >= classes:
            raise BadValue(f"label must be 0 to {classes - 1}, not {max(chosen)}")
        one_hot = np.eye(classes, dtype=np.float32)[list(chosen)]
        if places is None or len(chosen) == 1:
            found = np.repeat(one_hot.mean(axis=0, keepdims=True), count, axis=0)
        else:
            way = places * (len(chosen) - 1)
            before = np.minimum(way.astype(int), len(chosen) - 2)
            share = (way - before)[:, None].astype(np.float32)
            found = (1 - share) * one_hot[before] + share * one_hot[before + 1]
        return torch.from_numpy(found).to(self.device)

    def _checked_layers(self, layers: tuple[int, ...]) -> list[int]:
        if max(layers) >= self.network.num_ws:
            raise BadValue(f"layers are numbered from 0 to {self.network.num_ws - 1}; there is no {max(layers)}")
        return list(layers)

    def _by_layers(self, bands: list[torch.Tensor]) -> torch.Tensor:
        """The layers of each from coarse to fine, in as many parts as there are."""
        import torch

        parts = [torch.tensor_split(ws, len(bands), dim=1)[number] for number, ws in enumerate(bands)]
        return torch.cat(parts, dim=1)

    def _moved(
        self,
        ws: torch.Tensor,
        direction: str,
        along: Latents | None,
        amount: float,
        layers: tuple[int, ...] | None,
    ) -> torch.Tensor:
        """N×num_ws×w_dim, moved along a direction by its name or of one's own."""
        from . import _directions

        chosen = None if layers is None else self._checked_layers(layers)
        found = self._direction(direction) if along is None else _directions.own(self.network, along)
        return _directions.moved(ws, found, amount, chosen)

    def _direction(self, name: str) -> Directions:
        """A direction by its name; models whose weights have directions of their own know more names.

        Raises:
            BadValue: there is no such direction.
        """
        kind, _, number = name.partition(":")
        if kind not in _FINDERS or not number.isdecimal():
            raise BadValue(f"a direction is called sefa:0, sefa:1 …, pca:0, pca:1 …, not {name[:80]!r}")
        return self._found(kind)[int(number)]

    def _found(self, kind: str) -> Directions:
        """All directions of a kind; they are facts about the network, and take seconds to find."""
        from . import _directions

        if kind not in _FINDERS:
            raise UnknownName("kind of directions", kind, _FINDERS)
        known = self.__dict__.setdefault("_directions", {})
        if kind not in known:
            known[kind] = getattr(_directions, kind)(self.network)
        return known[kind]

    def target(self, picture: Any) -> torch.Tensor:
        """A picture as the network would make it: 1×3×R×R in [0, 1], the square in its middle, on the CPU."""
        import torch

        from ml4a.media import image

        side = self.network.resolution
        square = image.crop_to_aspect_ratio(image.to_array(picture)[:, :, :3], 1)
        return torch.from_numpy(image.resize(square, (side, side)).transpose(2, 0, 1).copy())[None].clamp(0, 1)

    def synthesize(self, ws: torch.Tensor, **options: Any) -> torch.Tensor:
        """Pictures of w+: N×num_ws×w_dim to N×3×H×W, RGB, nominally in [-1, 1].

        Raises:
            TooLarge: they need more memory than there is.
        """
        import torch

        needed, budget = len(ws) * self.network.bytes_per_picture, devices.memory_budget(self.device)
        if needed > budget:
            raise TooLarge(
                f"{len(ws)} pictures of {self.network.resolution} px need {needed / 2**30:.1f} GiB of memory and "
                f"{budget / 2**30:.1f} GiB may be used; set ML4A_MEMORY, or take smaller weights"
            )
        with torch.inference_mode():
            return self.network.synthesize(ws.to(self.device), **options)

    def picture(self, ws: torch.Tensor, **options: Any) -> Any:
        """The PIL image of 1×num_ws×w_dim."""
        return self.picture_of(self.synthesize(ws, **options))

    def picture_of(self, x: torch.Tensor) -> Any:
        """The PIL image of 1×3×H×W in [-1, 1]."""
        from ml4a.media import image

        return image.as_kind(_arrays(x)[0], "pil")

    def arrays(self, ws: torch.Tensor, **options: Any) -> np.ndarray[Any, Any]:
        """The pictures of N×num_ws×w_dim as N×H×W×3 float32 in [0, 1]."""
        return _arrays(self.synthesize(ws, **options))

    def film(self, draw: Callable[[slice], torch.Tensor], frames: int, rate: float, sound: Sound | None = None) -> Clip:
        """A clip whose frames are made when they are asked for: `draw` gives some of them, N×3×H×W in [-1, 1]."""
        from ml4a.media import video

        together = _FRAMES_AT_ONCE.get(self.device.type, _ON_OTHER_DEVICES)
        return video.from_frames(_Frames(draw, frames, together), rate, sound=sound)

    @staticmethod
    def places(some: slice, frames: int) -> np.ndarray[Any, Any]:
        """Where each frame is in the film: 0 is its beginning, 1 its end."""
        import numpy as np

        return np.arange(some.start, some.stop) / max(1, frames - 1)


class _Frames(Sequence[Any]):
    """The frames of a film, of which any can be had, drawn some at a time.

    Args:
        draw: Gives some of them, N×3×H×W in [-1, 1].
        count: How many there are.
        together: How many are drawn at a time, in the order in which they are asked for.
    """

    def __init__(self, draw: Callable[[slice], torch.Tensor], count: int, together: int) -> None:
        self._draw, self._count, self._together = draw, count, together
        self._last: tuple[int, Any] = (0, ())

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        start, arrays = self._last  # one look, since threads may replace it
        if not start <= number < start + len(arrays):
            start, arrays = number, _arrays(self._draw(slice(number, min(number + self._together, self._count))))
            self._last = start, arrays
        return arrays[number - start]


def single(latents: Any) -> Any:
    """The latents of one picture, if there are any.

    Raises:
        BadValue: they are of several.
    """
    if latents is not None and len(latents) != 1:
        raise BadValue(f"a picture is made of one of {len(latents)} latents; choose it: latents.load(file)[0]")
    return latents


def _arrays(x: torch.Tensor) -> np.ndarray[Any, Any]:
    array = ((x.float() + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array if array.shape[3] == 3 else array[:, :, :, :1].repeat(3, axis=3)
