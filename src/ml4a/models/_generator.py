"""What models share that make pictures of nothing but numbers: seeds, latents, films through their space.

gan = ml4a.load("stylegan")
gan(seed=7).save("face.png")
gan.sample(3, seed=1, truncation=0.7)                         # a list of three
gan.interpolate(seeds=(1, 2, 3), seconds=10).save("faces.mp4")
me = gan.project("me.jpg")                                    # where in its space a photograph is
gan.edit(me, direction="pca:0", amount=2).save("edited.png")
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ml4a._core import progress
from ml4a._core.errors import BadValue
from ml4a._core.kinds import LatentsLike, Picture, SoundLike
from ml4a._core.params import Doc, Range

from . import _generator_paths as paths
from ._generating import SEEDS, Generating, single
from ._generator_parameters import (
    Amount,
    Clip,
    Cutoff,
    Direction,
    Label,
    Latents,
    Layers,
    Loop,
    Mode,
    Other,
    Rate,
    React,
    Seconds,
    Seeds,
    Smoothing,
    Space,
    Truncation,
    Where,
)
from ._operation import Seed, current_call, operation

if TYPE_CHECKING:
    import torch

    from ._directions import Directions


class GeneratorModel(Generating):
    """Base of models that make pictures of latents; each adds its own call, which makes one picture."""

    def sample(self, count: int, *, seed: int | None = None, **options: Any) -> list[Any]:
        """Pictures of the seeds `seed`, `seed` + 1, …; each one's record is of it alone.

        Args:
            count: How many.
            seed: The first; by default another one each time.
            options: Parameters of the call.
        """
        if not isinstance(count, int) or count < 1:
            raise BadValue(f"count must be 1 or more pictures, not {count!r}")
        first = secrets.randbelow(SEEDS) if seed is None else seed
        return [self(seed=(first + number) % SEEDS, **options) for number in range(count)]  # type: ignore[operator]

    def generate(self, latents: LatentsLike, **options: Any) -> list[Any]:
        """A picture of each of several latents: z, w or w+.

        Args:
            latents: `Latents`, an array or the path of a file of them.
            options: Parameters of the call.
        """
        from ml4a.media import latents as space

        given = space.as_latents(latents)
        return [self(given[number], **options) for number in range(len(given))]  # type: ignore[operator]

    def directions(self, kind: Literal["sefa", "pca"] = "sefa", count: int = 10) -> Directions:
        """Directions in w that the library finds itself, the strongest first.

        Args:
            kind: `"sefa"` of the weights of the layers (Shen & Zhou, CVPR 2021), `"pca"` of what the network draws
                (GANSpace; Härkönen et al., NeurIPS 2020).
            count: How many.
        """
        return self._found(kind)[:count]

    # -- Operations: a model's own call has further parameters -------------------------------------------------------

    @operation()
    def mix(
        self,
        latents: Where = None,
        *,
        other: Other = None,
        layers: Layers = None,
        truncation: Truncation = 0.7,
        label: Label = None,
        seed: Seed = None,
        other_seed: Annotated[int, Range(0, 2**32 - 1), Doc("The other, if there is no file.")] = 0,
    ) -> Picture:
        """Make a picture whose coarse traits are of one, and its fine ones of another.

        Args:
            latents: The one.
            other: The other.
            layers: Which layers are the other's; by default the finer half.
            truncation: Of what is drawn.
            label: The class.
            seed: The one, if there is no file.
            other_seed: The other, if there is no file.

        Raises:
            BadValue: a layer that there is not.
        """
        assert seed is not None
        one = self.styles(single(latents), seed, truncation, None, label)
        another = self.styles(single(other), other_seed, truncation, None, label)
        count = self.network.num_ws
        chosen = list(range(count // 2, count)) if layers is None else self._checked_layers(layers)
        mixed = one.clone()
        mixed[:, chosen] = another[:, chosen]
        return self.picture(mixed)

    @operation()
    def edit(
        self,
        latents: Where = None,
        *,
        direction: Direction = "sefa:0",
        along: Annotated[LatentsLike | None, Doc("Instead, a direction of your own: a file of latents.")] = None,
        amount: Amount = 2.0,
        layers: Layers = None,
        truncation: Truncation = 0.7,
        label: Label = None,
        seed: Seed = None,
    ) -> Picture:
        """Move a picture along a direction of its space.

        Args:
            latents: What to edit.
            direction: Which of the directions that the library finds; `explore` shows them.
            along: A direction of one's own.
            amount: How far, in standard deviations of what is drawn; of one's own, as many times it.
            layers: Only these; by default those that the direction is for, mostly all.
            truncation: Of what is drawn.
            label: The class.
            seed: What to edit, if there are no latents.

        Raises:
            BadValue: no such direction, or a layer that there is not.
        """
        assert seed is not None
        ws = self.styles(single(latents), seed, truncation, None, label)
        return self.picture(self._moved(ws, direction, single(along), amount, layers))

    @operation()
    def explore(
        self,
        latents: Where = None,
        *,
        kind: Annotated[Literal["sefa", "pca"], Doc("Which directions.")] = "sefa",
        count: Annotated[int, Range(1, 64), Doc("How many of them, one a row.")] = 6,
        amount: Amount = 3.0,
        columns: Annotated[int, Range(2, 15), Doc("Pictures in a row, from -amount to amount.")] = 5,
        size: Annotated[int, Range(16, 1024), Doc("Height of each picture in pixels.")] = 160,
        layers: Layers = None,
        truncation: Truncation = 0.7,
        label: Label = None,
        seed: Seed = None,
    ) -> Picture:
        """Show what the directions of a space do: a sheet with a row for each, from one side to the other."""
        import numpy as np

        from ml4a.media import image

        assert seed is not None
        ws = self.styles(single(latents), seed, truncation, None, label)
        cells, names = [], []
        for number in range(count):
            for place in np.linspace(-amount, amount, columns):
                progress.report("exploring", len(cells), count * columns, "pictures")
                array = self.arrays(self._moved(ws, f"{kind}:{number}", None, float(place), layers))[0]
                cells.append(image.resize(array, size))
                names.append(f"{kind}:{number}  {place:+.1f}")
        return image.as_kind(image.grid(cells, columns, labels=names), "pil")

    @operation()
    def interpolate(
        self,
        latents: Where = None,
        *,
        seeds: Seeds = None,
        seconds: Seconds = 10.0,
        rate: Rate = 30.0,
        mode: Mode = "ease",
        space: Space = "w",
        loop: Loop = True,
        truncation: Truncation = 0.7,
        cutoff: Cutoff = None,
        label: Label = None,
    ) -> Clip:
        """Make a film that goes from picture to picture.

        Args:
            latents: The pictures, in place of seeds.
            seeds: The pictures.
            seconds: Length of the film, evenly among the ways from one to the next.
            rate: Frames per second.
            mode: How to go.
            space: Where to go; latents of w and w+ stay in theirs.
            loop: Whether to go back to the first.
            truncation: Of what is drawn.
            cutoff: How many layers are truncated.
            label: The class; of several, the film goes from one to the next.

        Raises:
            BadValue: neither seeds nor latents, or only one of them.
        """
        from ml4a.media import latents as spaces

        given = self.given(latents, seeds, "ml4a gan interpolate 1 2 3")
        frames, first = max(1, round(seconds * rate)), (seeds or (0,))[0]
        if given.space == "z" and space == "w":
            ws = self.styles(given, first, truncation, cutoff, label, self.places(slice(0, len(given)), len(given)))
            alike = bool((ws == ws[:, :1]).all())  # as most networks have it, layers share one w: less to keep
            given = spaces.Latents((ws[:, 0] if alike else ws).cpu().numpy(), "w" if alike else "w+")
        path = paths.Between(given.values, frames, mode, loop=loop)

        def styles(some: slice) -> torch.Tensor:
            part = spaces.Latents(path[some], given.space)
            return self.styles(part, first, truncation, cutoff, label, self.places(some, frames))

        return self.film(lambda some: self.synthesize(styles(some)), frames, rate)

    @operation()
    def walk(
        self,
        sound: Annotated[SoundLike | None, Doc("A sound that drives the walk, and is heard with it.")] = None,
        *,
        seconds: Annotated[
            float | None, Range(0.02, 24 * 3600), Doc("Length of the film; by default the sound's, or 10.")
        ] = None,
        smoothing: Smoothing = 1.0,
        rate: Rate = 30.0,
        react: React = 1.0,
        truncation: Truncation = 0.7,
        cutoff: Cutoff = None,
        label: Label = None,
        seed: Seed = None,
    ) -> Clip:
        """Make a film that drifts through the space and ends where it began.

        With a sound, deep tones move what is coarse in the pictures, middle ones what is between, high ones the detail;
        and it ends where the sound leaves it.

        Args:
            sound: What drives the walk.
            seconds: Length of the film.
            smoothing: Seconds over which the noise is smoothed that is walked along.
            rate: Frames per second.
            react: How much the sound drives.
            truncation: Of what is drawn.
            cutoff: How many layers are truncated.
            label: The class; of several, the film goes from one to the next.
            seed: The walk.
        """
        from ml4a.media import latents as spaces

        assert seed is not None
        heard: Any = sound
        length = seconds or (10.0 if heard is None else heard.duration)
        frames = max(1, round(length * rate))
        path = spaces.gaussian_loop(frames / rate, smoothing, rate, self.network.z_dim, seed)
        driven = None if heard is None else paths.driven(heard, frames, rate, react)

        def styles(some: slice) -> torch.Tensor:
            places = self.places(some, frames)
            if driven is None:
                return self.styles(spaces.Latents(path[some]), seed, truncation, cutoff, label, places)
            bands = [spaces.Latents(paths.at(path, driven[name][some])) for name in paths.BANDS]
            return self._by_layers([self.styles(z, seed, truncation, cutoff, label, places) for z in bands])

        return self.film(lambda some: self.synthesize(styles(some)), frames, rate, heard)

    @operation()
    def project(
        self,
        picture: Picture,
        *,
        space: Annotated[
            Literal["w", "w+"], Doc("w+ comes closer to any photograph; w stays where edits work best.")
        ] = "w+",
        iterations: Annotated[int, Range(1, 100_000), Doc("How many steps.")] = 500,
        perceptual: Annotated[
            Literal["auto", "vgg16", "vgg16_hed"],
            Doc("Which network's eye counts; auto is the official one if it is here, else one that the index has."),
        ] = "auto",
        seek_noise: Annotated[
            bool, Doc("StyleGAN 2: seek hairs and pores, too, as NVIDIA's program does; latents do not keep them.")
        ] = False,
        label: Label = None,
        seed: Seed = None,
    ) -> Latents:
        """Find a picture in the network's space: the latents that come nearest to it.

        The picture is cut to a square in its middle; faces should be aligned (`ml4a align`) as those were that the
        network has seen. Ctrl-C gives the best so far.

        Args:
            picture: The photograph.
            space: Where to look.
            iterations: How many steps; the first hundred find most.
            perceptual: What tells how alike two pictures are: LPIPS with VGG-16 as it was published, or with HED's.
            seek_noise: Whether the noise of layers is sought, which makes w less a matter of detail.
            label: The class, of weights that know classes.
            seed: Of the search's own noise, which keeps it from stopping early.

        Returns:
            One of `"w+"`.
        """
        from ml4a.media import latents as spaces

        from . import _perceptual, _projection

        assert seed is not None
        distance = _perceptual.load(self.device, self._room_for_speed, perceptual)
        current_call().resolved["perceptual"] = distance.name
        found = _projection.project(
            self.network,
            self.target(picture).to(self.device),
            distance.network,
            space=space,
            iterations=iterations,
            seed=seed,
            label=None if label is None else self._labels(label, 1, seed),
            seek_noise=seek_noise,
        )
        return spaces.Latents(found.ws.cpu().numpy(), "w+")
