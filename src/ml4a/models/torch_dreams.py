"""Torch-Dreams: what a part of a network looks for, as a picture made of nothing, or found in a picture.

Olah et al., Feature Visualization, Distill 2017, after Mayukhdeb's torch-dreams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from ml4a._core import devices, progress
from ml4a._core.errors import BadValue, UnknownName
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._base import check_fits, resized
from ._operation import Seed, current_call, operation
from ._synthesis import Resume, Staying, SynthesisModel, working_size

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ml4a.synthesis.objectives import Objective
    from ml4a.synthesis.optimisers import Adam
    from ml4a.synthesis.parameterisation import Parameterisation
    from ml4a.synthesis.scene import Transform

Start = Annotated[Picture | None, Doc("The picture to dream on; without one, the dream begins with faint noise.")]
LayerName = Annotated[
    str | None, Doc("A layer, which `ml4a visualize` lists: blocks.10; by default one in the middle.")
]
Channel = Annotated[
    tuple[int, ...] | None, Range(low=0), Doc("Channels of the layer: 3,7; by default whatever the layer sees.")
]
ChannelWeights = Annotated[
    tuple[float, ...] | None, Range(), Doc("Weight of each channel: 1,-0.5; by default all are 1; below 0 for less.")
]
OfPicture = Annotated[bool, Doc("Draw the picture anew, as a caricature: what the layer sees in it, and more of it.")]
Size = Annotated[
    int | None,
    Range(16, 4096),
    Doc("Height in pixels; by default 256, or the picture's own, if its longer side is 512 or less then."),
]
Width = Annotated[int | None, Range(16, 4096), Doc("Width without a picture; by default as wide as high.")]
Region = Annotated[Picture | None, Doc("Where the picture may change: white there, black where it is to stay.")]
How = Annotated[
    Literal["fourier", "pyramid", "pixels"],
    Doc("What is changed: waves of all lengths, a sum of coarse and fine pictures, or plain pixels."),
]
Iterations = Annotated[int, Range(1, 100_000), Doc("How many steps.")]
StepSize = Annotated[
    float | None, Range(1e-5, 1), Doc("How far a step goes; by default what suits `parameterisation`.")
]
WeightDecay = Annotated[float, Range(0, 1), Doc("How fast everything fades to grey that nothing holds.")]
GradClip = Annotated[float, Range(1e-6, 1e6), Doc("Gradients longer than this are shortened.")]
Rotate = Annotated[float, Range(0, 180), Doc("Each step looks from another angle, of up to so many degrees.")]
Translate = Annotated[float, Range(0, 1), Doc("And from another place, shifted by up to this share of the sides.")]
ScaleMin = Annotated[float, Range(0.05, 4), Doc("And at another size, at least so large.")]
ScaleMax = Annotated[float, Range(0.05, 4), Doc("And at most so large.")]
Channels = Annotated[
    tuple[int, ...] | None, Range(low=0), Doc("Which channels; by default the first 16, or as many as there are.")
]
Every = Annotated[bool, Doc("All channels of the layer, however long that takes.")]
Cell = Annotated[int, Range(16, 1024), Doc("Height of each picture in pixels.")]
Columns = Annotated[int | None, Range(1, 64), Doc("Pictures in a row; by default the sheet is about square.")]

DEFAULT_LAYERS = {"EfficientNetLite": "blocks.10", "InceptionV3": "Mixed_6b"}
"""By class: a layer of those whose dreams are shapes and not yet scenes."""
FIRST = 16
"""Channels of a sheet, if nothing else is asked for."""

_STEP_SIZES = {"fourier": 0.009, "pyramid": 0.03, "pixels": 0.01}
_SIDE = 256
_NOISE = 0.01
"""Deviation of pixels to begin with; white is 1."""
_TOGETHER = 4
"""Cells of a sheet that go through the network in one pass: half the time of one by one; more gain little."""


class TorchDreams(SynthesisModel):
    """Shows what a part of a network looks for.

        dream = ml4a.load("torch_dreams")
        dream(layer="blocks.8", channel=3).save("shells.png")
        dream("photo.jpg", caricature=True).save("caricature.png")
        dream.sheet(layer="blocks.7").save("sheet.png")

    As ml4a of 2021: weights `"inception_v3"`, `layer="Mixed_6b"`, `translate=0.2`.
    """

    card = "torch_dreams"
    networks = ("torch_dreams",)

    @classmethod
    def of(
        cls,
        module: torch.nn.Module,
        *,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        size: int = 224,
        device: str = "auto",
    ) -> Self:
        """The dreams of a classifier of one's own; its layers are called as its submodules are.

            dream = TorchDreams.of(torchvision.models.resnet18(weights="DEFAULT"))
            dream(layer="layer3.1.conv2", channel=7).save("dream.png")

        Args:
            module: Takes N×3×H×W. It is put into eval mode, and its parameters get no gradients from now on.
            mean: Red, green and blue that are taken off pictures in [0, 1] first.
            std: What they are then divided by.
            size: A side of the pictures that the module takes, in pixels.
            device: As of `from_pretrained`.
        """
        import torch

        from ml4a import weights
        from ml4a.networks.hooked import Hooked

        hashed, bytes_ = hashlib.sha256(), 0
        for name, value in sorted(module.state_dict().items()):
            plain = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
            hashed.update(name.encode())
            hashed.update(plain)
            bytes_ += plain.nbytes
        name = type(module).__name__
        file = weights.File(name, "torch", (f"file:{name}",), bytes_, hashed.hexdigest())
        own = weights.Weights(name, "unknown", "a module of your own", "unclear", {"network": file})
        found = cls(weights.card(cls.card), own, {}, devices.resolve_device(device), torch.float32)
        found.network = Hooked(module, mean=mean, std=std, size=size).to(found.device)
        return found

    def load(self, files: dict[str, Path]) -> None:
        """Build the network; of a module of one's own there is no file, and `of` brings it."""
        self.memory = None
        if files:
            super().load(files)

    @operation(
        verb="dream",
        examples=(
            "ml4a dream --model torch_dreams --layer blocks.8 --channel 3 -o shells.png",
            "ml4a dream --model torch_dreams --layer blocks.10 --channel 1,4 --channel-weights 1,0.5 --width 640",
            "ml4a dream photo.jpg --model torch_dreams --layer blocks.7 -o dream.png",
            "ml4a dream photo.jpg --model torch_dreams --caricature -o caricature.png",
            "ml4a dream photo.jpg --model torch_dreams --region sky.png -o dream.png",
        ),
    )
    def __call__(
        self,
        picture: Start = None,
        *,
        layer: LayerName = None,
        channel: Channel = None,
        channel_weights: ChannelWeights = None,
        caricature: OfPicture = False,
        size: Size = None,
        width: Width = None,
        region: Region = None,
        parameterisation: How = "fourier",
        iterations: Iterations = 150,
        step_size: StepSize = None,
        weight_decay: WeightDecay = 0.01,
        grad_clip: GradClip = 1.0,
        rotate: Rotate = 15.0,
        translate: Translate = 0.1,
        scale_min: ScaleMin = 0.5,
        scale_max: ScaleMax = 1.2,
        staying: Staying = 1000.0,
        resume: Resume = None,
        seed: Seed = None,
    ) -> Picture:
        """Dream: make what a layer, or some of its channels, look for, of nothing or on a picture.

        Ctrl-C gives the best so far. Of a film, each frame's dream goes on with that of the frame before.

        Raises:
            UnknownName: there is no such layer; the message has the nearest.
            BadValue: the layer has no such channel; a region or a caricature without a picture.
        """
        from ml4a.synthesis import film
        from ml4a.synthesis.caricature import Caricature
        from ml4a.synthesis.composite import Composite
        from ml4a.synthesis.engine import Synthesis
        from ml4a.synthesis.objectives import Objective
        from ml4a.synthesis.schedule import Stage

        layer = self._layer(layer, channel)
        x = None if picture is None else self.to_tensor(picture)
        if x is None:
            if caricature or region is not None:
                raise BadValue(f"{'a caricature is' if caricature else 'a region is part'} of a picture; name one")
            final = (width or size or _SIDE, size or _SIDE)
        else:
            if width is not None:
                raise BadValue("width is for dreams without a picture, whose proportions they would have; give size")
            final = working_size((x.shape[3], x.shape[2]), size)
        carried = None if x is None else self.carried(x)
        shown = None if x is None else resized(x, final).to(self.device)

        if shown is not None and caricature:
            wanted = Objective.of(Caricature(shown, [layer]))
        else:
            wanted = _objective(layer, channel, channel_weights)
        if carried is not None:
            wanted += staying * film.staying(carried)
            begin = carried.picture.to(self.device)
        else:
            begin = None if caricature else shown
        image = self._image(parameterisation, begin, final, seed)
        if shown is not None and region is not None:
            where = resized(self.to_tensor(region), final, "bilinear").mean(dim=1, keepdim=True)
            image = Composite(image, shown, where.to(self.device))
        synthesis = Synthesis(
            image,
            wanted,
            self.network,
            [Stage(final, iterations)],
            _adam(step_size, parameterisation, weight_decay, grad_clip),
            transforms=self._transforms(final, rotate, translate, scale_min, scale_max),
            seed=seed or 0,
            device=self.device,
        )
        result = self.made(synthesis, resume).clamp(0, 1)
        self.remember(x, result)
        return self.to_picture(result)

    @operation()
    def sheet(
        self,
        picture: Start = None,
        *,
        layer: LayerName = None,
        channel: Channels = None,
        every: Every = False,
        size: Cell = 128,
        columns: Columns = None,
        parameterisation: How = "fourier",
        iterations: Iterations = 100,
        step_size: StepSize = None,
        weight_decay: WeightDecay = 0.01,
        grad_clip: GradClip = 1.0,
        rotate: Rotate = 15.0,
        translate: Translate = 0.1,
        scale_min: ScaleMin = 0.5,
        scale_max: ScaleMax = 1.2,
        seed: Seed = None,
    ) -> Picture:
        """Show what channels of a layer look for, on one sheet with their numbers.

        Each picture is what the call makes of that channel with the same seed. Ctrl-C gives the sheet so far.

        Raises:
            UnknownName: there is no such layer; the message has the nearest.
            BadValue: the layer has no such channel; channel and every.
        """
        from ml4a.media import image
        from ml4a.synthesis.channels import channels
        from ml4a.synthesis.engine import Synthesis
        from ml4a.synthesis.schedule import Stage

        layer = self._layer(layer, channel)
        if channel is not None and every:
            raise BadValue("every means all channels; leave channel out, or every")
        count = self.layers()[layer]
        numbers = channel or range(count if every else min(FIRST, count))
        x = None if picture is None else self.to_tensor(picture)
        final = (size, size) if x is None else working_size((x.shape[3], x.shape[2]), size)
        begin = None if x is None else resized(x, final).to(self.device)
        check_fits(
            *final, self.network.bytes_per_pixel * min(_TOGETHER, len(numbers)), devices.memory_budget(self.device)
        )
        transforms = self._transforms(final, rotate, translate, scale_min, scale_max)
        cells: list[np.ndarray[Any, Any]] = []
        stopped = False
        for first in range(0, len(numbers), _TOGETHER):
            group = numbers[first : first + _TOGETHER]
            synthesis = Synthesis(
                self._image(parameterisation, begin, final, seed, len(group)),
                channels(layer, group),
                self.network,
                [Stage(final, iterations)],
                _adam(step_size, parameterisation, weight_decay, grad_clip),
                transforms=transforms,
                seed=seed or 0,
                device=self.device,
            )
            try:
                for step in synthesis:
                    done = first + len(group) * step.number / iterations
                    progress.report(
                        f"{self.name} {layer}", done, len(numbers), "channels", cells[-1] if cells else None
                    )
            except KeyboardInterrupt:
                if not cells and not synthesis.number:
                    raise
                progress.interrupted()
                stopped = True
            if synthesis.number:
                cells.extend(synthesis.picture.clamp(0, 1).permute(0, 2, 3, 1).contiguous().cpu().numpy())
            if stopped:
                break
        labels = [str(number) for number in numbers[: len(cells)]]
        return image.as_kind(image.grid(cells, columns, labels=labels), current_call().kind)

    def _layer(self, layer: str | None, channels: Sequence[int] | None) -> str:
        """The layer that is meant, which has all of the channels."""
        known = self.layers()
        kind = type(self.network).__name__
        if layer is None and kind not in DEFAULT_LAYERS:
            raise BadValue(f"name a layer of {self.weights.name}, such as {list(known)[len(known) // 2]}")
        layer = layer or DEFAULT_LAYERS[kind]
        if layer not in known:
            raise UnknownName("layer", layer, known)
        if channels is not None and max(channels) >= known[layer]:
            raise BadValue(f"layer {layer} has channels 0 to {known[layer] - 1}, not {max(channels)}")
        current_call().resolved["layer"] = layer
        return layer

    def _image(
        self, how: str, begin: torch.Tensor | None, size: tuple[int, int], seed: int | None, count: int = 1
    ) -> Parameterisation:
        """So many pictures that begin alike, as `begin` or, if that is None, as faint noise."""
        import torch

        from ml4a.synthesis.fourier import Fourier
        from ml4a.synthesis.parameterisation import Pixels
        from ml4a.synthesis.pyramid import Pyramid

        if begin is not None:
            begin = begin.expand(count, -1, -1, -1)
            if how == "pixels":
                return Pixels(begin)
            return Fourier(begin, bounds="sigmoid") if how == "fourier" else Pyramid(begin, bounds="sigmoid")
        generator = torch.Generator().manual_seed(seed or 0)
        if how == "pixels":
            noise = 0.5 + _NOISE * torch.randn(1, 3, *size[::-1], generator=generator)
            return Pixels(noise.to(self.device).expand(count, -1, -1, -1))
        kind = Fourier if how == "fourier" else Pyramid
        return kind.noise(size, generator, count=count, device=self.device)

    def _transforms(
        self, size: tuple[int, int], rotate: float, translate: float, scale_min: float, scale_max: float
    ) -> list[Transform]:
        """Turning, shifting and resizing; not to less than the network can see."""
        from ml4a.synthesis.transforms import affine, random_resize

        if scale_min > scale_max:
            raise BadValue(f"scale_min must be {scale_max} or less, which is scale_max, not {scale_min}")
        least = max(scale_min, min(1.0, self.network.shortest / min(size)))
        return [affine(rotate, (translate, translate)), random_resize(least, max(least, scale_max))]


def _objective(layer: str, channels: Sequence[int] | None, weights: Sequence[float] | None) -> Objective:
    """The layer as a whole, or the weighted sum of its channels."""
    from ml4a.synthesis import objectives

    if channels is None:
        if weights is not None:
            raise BadValue("channel_weights are of channels; name them")
        return objectives.layer(layer)
    weights = weights or (1.0,) * len(channels)
    if len(weights) != len(channels):
        raise BadValue(f"channel_weights must be {len(channels)}, one for each channel, not {len(weights)}")
    parts = [weight * objectives.channel(layer, number) for number, weight in zip(channels, weights, strict=True)]
    return sum(parts[1:], parts[0])


def _adam(step_size: float | None, how: str, weight_decay: float, grad_clip: float) -> Adam:
    from ml4a.synthesis.optimisers import Adam

    step_size = _STEP_SIZES[how] if step_size is None else step_size
    current_call().resolved["step_size"] = step_size
    return Adam(step_size, weight_decay=weight_decay, longest=grad_clip)
