"""DeepDream: what a network sees in a picture grows out of it, in the large first, then in the small.

Mordvintsev, Olah and Tyka, Inceptionism, 2015; tiles, octaves and equal details are those of their program for
TensorFlow, masks those of Kogan's of 2020.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Kind, Picture, Pictures
from ml4a._core.params import Doc, Range, Unrecorded

from . import _bookmarks
from ._base import resized
from ._operation import Seed, current_call, operation, recording
from ._synthesis import Resume, Size, SynthesisModel, working_size
from ._taking import taking

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ml4a.media.canvas import Warp
    from ml4a.media.video import Clip
    from ml4a.synthesis.objectives import Objective
else:
    Clip = Annotated[Any, Kind("film")]

Start = Annotated[Picture | None, Doc("Where to begin; without one, grey noise.")]
Layer = Annotated[
    tuple[str, ...] | None, Doc("What is to be seen more clearly: a layer's name, as --layers lists them, or several.")
]
Channel = Annotated[tuple[int, ...] | None, Range(0), Doc("Channels of the layer, or one for each of several layers.")]
ChannelWeights = Annotated[
    tuple[float, ...] | None, Range(), Doc("Weight of each channel; below 0 what it looks for goes away.")
]
Bookmark = Annotated[str | None, Doc("Channels by what they are known for: birds, eyes; a wrong name lists them.")]
Picks = Annotated[int, Range(1, 64), Doc("How many channels of a bookmark are taken, by chance.")]
Guide = Annotated[Picture | None, Doc("A picture whose features the dream is to be made of.")]
Masks = Annotated[Pictures | None, Doc("Where each channel, layer or pick acts: a picture for each, white there.")]
Iterations = Annotated[
    tuple[int, ...] | None, Range(1), Doc("Steps at each size, the smallest first; by default 15, in zooms 2.")
]
Octaves = Annotated[int | None, Range(1, 16), Doc("How many sizes there are; by default 4, in zooms 2.")]
OctaveRatio = Annotated[float, Range(1, 4), Doc("How many times larger each size is than the one before.")]
StepSize = Annotated[
    tuple[float, ...], Range(0, 100), Doc("How far a step goes, where white is 255; one for all sizes, or for each.")
]
Levels = Annotated[
    tuple[int, ...],
    Range(0, 12),
    Doc("How many sizes of detail grow equally; 0 leaves gradients as they are."),
]
Normalize = Annotated[bool, Doc("Divide gradients by their mean size.")]
Gray = Annotated[bool, Doc("Change light and dark alone.")]
Tile = Annotated[int, Range(64, 4096), Doc("Side of the pieces that are looked at at once: less takes less memory.")]
Jitter = Annotated[bool, Doc("Cut the tiles elsewhere in each step, so that no seams are seen.")]
Keep = Annotated[float, Range(0, 1), Doc("Films: share of the dream before, carried along, in which a frame begins.")]

Zoom = Annotated[float, Range(0.5, 2), Doc("Factor from frame to frame; above 1 goes in, below 1 out.")]
Rotate = Annotated[float, Range(-3.2, 3.2), Doc("Radians from frame to frame, counter-clockwise.")]
Shift = Annotated[float, Range(-1, 1), Doc("How far it goes to the right, or down; the shorter side is 1.")]
Seconds = Annotated[float, Range(0.01, 86400), Doc("Length of the film.")]
Rate = Annotated[float, Range(0.1, 240), Doc("Frames per second.")]
Refresh = Annotated[float, Range(0, 1), Doc("Share of the picture that is laid over every frame.")]
Seamless = Annotated[bool, Doc("Let the last frame lead to the first.")]
Score = Annotated[Any, Unrecorded(), Doc("What happens from frame to frame: canvas.zoom(1.02) & canvas.curl(0.01).")]

_LAYERS = {"InceptionV1": "mixed4c", "EfficientNetLite": "blocks.11.expand", "VGG16": "conv5_2"}
"""By network: where things that people know begin to be seen."""
_ITERATIONS, _OCTAVES = 15, 4
_ZOOM_ITERATIONS, _ZOOM_OCTAVES = 2, 2
_SIDE = 512
"""Height and width of what begins with nothing."""


class DeepDream(SynthesisModel):
    """Lets a picture dream: what a network sees in it, or what you want it to see, grows out of it.

        dream = ml4a.load("deepdream")
        dream("photo.jpg").save("dream.png")
        dream("photo.jpg", channel=12, masks="left.png", octaves=5).save("left.png")
        dream.zoom("photo.jpg", zoom=1.02, seconds=20).save("endless.mp4")

    As the original of 2020: weights `"inception5h"`, a layer ending in `_pre_relu` and a channel, `octaves=1`,
    `iterations=10`, `levels=8`, `step_size=1`. Other objectives than channels: `ml4a.synthesis` with its `Ascent` and
    `Octaves`.
    """

    card = "deepdream"
    networks = ("deepdream", "efficientnet_lite", "vgg16")

    @operation(
        verb="dream",
        examples=(
            "ml4a dream photo.jpg -o dream.png",
            "ml4a dream photo.jpg --layer blocks.10.expand --octaves 5 --iterations 20",
            "ml4a dream photo.jpg --guide flowers.jpg -o flowers_dream.png",
            "ml4a dream photo.jpg --weights inception5h --bookmark birds --picks 2",
            "ml4a dream photo.jpg --zoom 1.03 --rotate 0.005 --seconds 20 -o endless.mp4",
            "ml4a dream clip.mp4 --iterations 5 --keep 0.7 -o dream.mp4",
            "ml4a dream --layers",
        ),
    )
    def __call__(
        self,
        picture: Start = None,
        *,
        layer: Layer = None,
        channel: Channel = None,
        channel_weights: ChannelWeights = None,
        bookmark: Bookmark = None,
        picks: Picks = 3,
        guide: Guide = None,
        masks: Masks = None,
        iterations: Iterations = None,
        octaves: Octaves = None,
        octave_ratio: OctaveRatio = 1.4,
        step_size: StepSize = (1.5,),
        levels: Levels = (4,),
        normalize: Normalize = False,
        gray: Gray = False,
        tile: Tile = 512,
        jitter: Jitter = True,
        size: Size = None,
        keep: Keep = 0.5,
        resume: Resume = None,
        seed: Seed = None,
    ) -> Picture:
        """Let `picture`, or noise, dream: what the network sees in it grows out of it.

        Ctrl-C gives the best so far.
        """
        from ml4a.synthesis import ascent
        from ml4a.synthesis.engine import Synthesis
        from ml4a.synthesis.octaves import Octaves as InOctaves
        from ml4a.synthesis.schedule import Stage

        assert seed is not None
        chance = ascent.random_state(seed)
        x = noise(size or _SIDE, chance) if picture is None else self._sized(picture, size)
        count = _settled("octaves", octaves, _OCTAVES)
        steps, far, details = (
            _each(name, values, count)
            for name, values in (
                ("iterations", _settled("iterations", iterations, (_ITERATIONS,))),
                ("step_size", step_size),
                ("levels", levels),
            )
        )
        wanted = self._objective(layer, channel, channel_weights, bookmark, picks, guide, seed)
        wanted = wanted if masks is None else _within(wanted, self.tensors(masks), (x.shape[3], x.shape[2]))
        carried = self.carried(x)
        begin = x if carried is None else x + keep * (carried.picture - x)
        image = InOctaves(begin.to(self.device), count, octave_ratio)
        climb = ascent.Ascent(far, details, normalize=normalize, gray=gray, tile=tile, jitter=jitter, chance=chance)
        stages = [Stage(each, int(number)) for each, number in zip(image.sizes, steps, strict=True)]
        synthesis = Synthesis(image, wanted, self.network, stages, climb, device=self.device)
        result = self.made(synthesis, resume, at_once=tile).clamp(0, 1)
        self.remember(x, result)
        return self.to_picture(result)

    @operation()
    @taking(__call__)
    def zoom(
        self,
        picture: Start = None,
        *,
        zoom: Zoom = 1.03,
        rotate: Rotate = 0.0,
        shift_x: Shift = 0.0,
        shift_y: Shift = 0.0,
        seconds: Seconds = 10.0,
        rate: Rate = 24.0,
        refresh: Refresh = 0.0,
        seamless: Seamless = False,
        **dream: Any,
    ) -> Clip:
        """Dream on and on while going into `picture`, or into noise: a film without an end.

        It is computed while it is read.
        """
        from ml4a.media import canvas

        warp = canvas.compose(canvas.zoom(zoom), canvas.rotate(rotate), canvas.shift(shift_x, shift_y))
        return self._film(picture, warp, dream, seconds=seconds, rate=rate, refresh=refresh, seamless=seamless)

    @operation()
    @taking(__call__)
    def along(
        self,
        picture: Start = None,
        *,
        warp: Score,
        seconds: Seconds = 10.0,
        rate: Rate = 24.0,
        refresh: Refresh = 0.0,
        seamless: Seamless = False,
        **dream: Any,
    ) -> Clip:
        """Dream on and on while `picture`, or noise, moves as a score of `ml4a.canvas` says.

        Its record does not tell the score, so that it cannot be repeated by itself.
        """
        return self._film(picture, warp, dream, seconds=seconds, rate=rate, refresh=refresh, seamless=seamless)

    def _film(self, picture: Picture | None, warp: Warp, dream: dict[str, Any], **film: Any) -> Clip:
        from ml4a.media import canvas
        from ml4a.synthesis import ascent

        if dream["resume"] is not None:
            raise BadValue("resume is for pictures; of a film, what there is is kept")
        dream["iterations"] = _settled("iterations", dream["iterations"], (_ZOOM_ITERATIONS,))
        dream["octaves"] = _settled("octaves", dream["octaves"], _ZOOM_OCTAVES)
        size, seed = dream.pop("size"), dream.pop("seed")
        x = noise(size or _SIDE, ascent.random_state(seed)) if picture is None else self._sized(picture, size)
        start = x[0].permute(1, 2, 0).contiguous().numpy()

        def step(frame: np.ndarray[Any, Any]) -> Any:
            with recording(False):  # chance follows from the frame: the film is the same each time that it is read
                return self(frame[:, :, :3], **dream, seed=(seed + zlib.crc32(frame.tobytes())) % 2**32)

        return canvas.loop(start, warp, step, **film)

    def _sized(self, picture: Picture, size: int | None) -> torch.Tensor:
        """1×3×H×W of the size of the result."""
        x = self.to_tensor(picture)
        return resized(x, working_size((x.shape[3], x.shape[2]), size))

    def _objective(
        self,
        layers: tuple[str, ...] | None,
        numbers: tuple[int, ...] | None,
        weights: tuple[float, ...] | None,
        bookmark: str | None,
        picks: int,
        guide: Picture | None,
        seed: int,
    ) -> Objective:
        """The sum of what is wanted."""
        from ml4a.synthesis import objectives
        from ml4a.synthesis.guide import guided

        kind = type(self.network).__name__
        if weights is not None and numbers is None:
            raise BadValue("channel_weights are of channels; name these by channel")
        if bookmark is not None:
            if layers or numbers or guide is not None:
                raise BadValue("a bookmark names layers and channels itself; leave layer, channel and guide out")
            pairs: Sequence[tuple[str, int | None]] = _picked(_bookmarks.channels(kind, bookmark), picks, seed)
        else:
            named = [_full_name(kind, each) for each in layers or (_LAYERS.get(kind) or list(self.layers())[-1],)]
            pairs = _paired(named, numbers)
        if guide is not None:
            if numbers:
                raise BadValue("a guide is looked at with all channels; leave channel out")
            look = self.to_tensor(guide)
            look = resized(look, working_size((look.shape[3], look.shape[2]), None))
            return sum((guided(look, layer) for layer, _ in pairs), objectives.Objective(()))
        if weights is not None and len(weights) != len(pairs):
            raise BadValue(f"{len(pairs)} channels have as many channel_weights, not {len(weights)}")
        shares = weights or (1.0,) * len(pairs)
        wanted = objectives.Objective(())
        for (name, number), share in zip(pairs, shares, strict=True):
            wanted += share * (objectives.layer(name) if number is None else objectives.channel(name, number))
        return wanted


def noise(side: int, chance: np.random.RandomState) -> torch.Tensor:
    """1×3×side×side of almost even grey, in which anything may be seen."""
    import torch

    values = chance.uniform(size=(side, side, 3)) + 100
    return torch.from_numpy(values).permute(2, 0, 1)[None].float() / 255


def _settled(name: str, value: Any, default: Any) -> Any:
    """The value, or what it is by default here; the record tells."""
    value = default if value is None else value
    current_call().resolved[name] = value
    return value


def _each(name: str, values: Sequence[Any], count: int) -> list[Any]:
    """A value for each size."""
    from ml4a.synthesis.schedule import per_stage

    try:
        return per_stage(values, count)
    except BadValue as error:
        raise BadValue(f"{name}: {error}") from None


def _full_name(kind: str, layer: str) -> str:
    return _bookmarks.SHORT.get(layer, layer) if kind == "InceptionV1" else layer


def _paired(layers: Sequence[str], numbers: Sequence[int] | None) -> Sequence[tuple[str, int | None]]:
    """Layers with channels: several of one layer, or one of each."""
    if numbers is None:
        return [(layer, None) for layer in layers]
    layers = list(layers) * len(numbers) if len(layers) == 1 else layers
    if len(layers) != len(numbers):
        raise BadValue(f"{len(layers)} layers have a channel each, not {len(numbers)} channels")
    return list(zip(layers, numbers, strict=True))


def _picked(pairs: list[tuple[str, int]], count: int, seed: int) -> list[tuple[str, int]]:
    """Some of a bookmark's channels, in its order."""
    import numpy as np

    found = np.random.default_rng(seed).permutation(len(pairs))[:count]
    return [pairs[number] for number in sorted(found)]


def _within(wanted: Objective, masks: list[torch.Tensor], size: tuple[int, int]) -> Objective:
    """Each part where its mask is white."""
    from ml4a.synthesis.objectives import Objective

    if len(masks) != len(wanted.parts):
        raise BadValue(f"{len(wanted.parts)} channels or layers have as many masks, not {len(masks)}")
    planes = [resized(mask, size).mean(1)[0] for mask in masks]
    return sum(
        (Objective((part,)).within(plane) for part, plane in zip(wanted.parts, planes, strict=True)), Objective(())
    )
