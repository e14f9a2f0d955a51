"""Taming transformers: pictures as grids of tokens, which a transformer can write (Esser et al., CVPR 2021)."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from ml4a._core import devices, progress
from ml4a._core.errors import BadValue, BadWeights
from ml4a._core.kinds import Kind, Picture
from ml4a._core.params import Doc, Range

from . import _token_files
from ._base import PictureModel, check_fits, resized
from ._operation import Seed, current_call, operation

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ml4a.media.segmentation import LabelSet, Segmentation

    from ._window_sampling import WindowSampler

    Painted: TypeAlias = Picture
    Tokens: TypeAlias = np.ndarray[Any, Any]
else:
    Painted = Annotated[Any, Kind("painting")]
    """A picture that not all weights can make, and not of any picture."""
    Tokens = Annotated[Any, Kind("tokens")]
    """H×W int64."""

log = logging.getLogger("ml4a")

load_tokens = _token_files.load
save_tokens = _token_files.save

Size = Annotated[
    int | None, Range(16, 8192), Doc("Work at this height in pixels, which is the result's; by default the picture's.")
]
_LONGEST = 512
"""Side of what is painted, if the other is not less than the transformer's window then."""
_LARGEST_CONFIG = 100_000
_HEADS = re.compile(r"^\s*n_head:\s*(\d{1,3})\s*$", re.MULTILINE)
_PREVIEW_SHARE = 10
"""Previews take at most one in so many seconds."""
_LABELS = {182: ("coco_stuff", 0), 183: ("coco_stuff", 1), 150: ("ade20k", 0), 151: ("ade20k", 1)}
"""By how many labels a network knows: whose they are, and whether the first is "unknown"."""


class TamingTransformers(PictureModel):
    """Turns pictures into grids of tokens and back; with the right weights, paints label maps.

    vqgan = ml4a.load("taming_transformers")
    tokens = vqgan.tokens("photo.jpg")                   # H/16 × W/16 whole numbers
    tokens[4:8] = tokens[8:12]
    vqgan.decode(tokens)

    paint = ml4a.load("taming_transformers", "sflckr")
    photo = paint.paint("map.png", size=384, seed=1)
    """

    card = "taming_transformers"

    def load(self, files: dict[str, Path]) -> None:
        """Build the networks that the keys tell: the two for pictures alone, or with a transformer."""
        from ml4a import weights
        from ml4a.networks import from_state_dict
        from ml4a.networks.net2net import Net2Net
        from ml4a.networks.vqgan import VQModel

        archive = weights.read(files["network"], self.weights.files["network"].format)
        network = from_state_dict("taming", archive.arrays())
        self.writer: Any = None
        if isinstance(network, Net2Net):
            heads = _read_heads(files["config"]) if "config" in files else None
            if heads is not None:
                network.transformer.heads = heads
            self.writer = network.to(self.device)
            network = network.first_stage_model
            if self.writer.cond_stage_model.in_multiple != network.in_multiple:
                raise BadWeights("these weights have tokens of another size for conditions than for pictures")
        if not isinstance(network, VQModel) or network.channels != 3:
            raise BadWeights(f"these weights are a {type(network).__name__}'s, which is none for pictures in colours")
        # Tokens are decided by small differences: what finds them stays exact.
        network.decoder = self.place(network.decoder)
        self.network = network.to(self.device)

    @property
    def codes(self) -> int:
        """How many tokens there are."""
        return self.network.codes

    @property
    def label_set(self) -> LabelSet:
        """What can be painted.

        Raises:
            BadValue: the weights do not paint.
        """
        from ml4a.media import segmentation
        from ml4a.media.segmentation import Label, LabelSet

        count = self._painter().channels
        name = f"{self.card}/{self.weights.name}"
        if count not in _LABELS:
            return LabelSet(
                name, tuple(Label(i, f"label {i}", (37 * i % 256, 91 * i % 256, i % 256)) for i in range(count))
            )
        known, first = _LABELS[count]
        return LabelSet(name, segmentation.label_set(known).labels[: count - first])

    @operation()
    def __call__(self, picture: Picture, *, size: Size = None) -> Picture:
        """Turn `picture` into tokens and back: what is left of it when each is one of a few thousand.

        At a smaller size a token stands for more of the picture, and more of it is made up.

        Returns:
            A picture of the kind that came in, of its size or the height asked for; its transparency is kept.

        Raises:
            TooLarge: there is not enough memory for the size; the message says which fits.
        """
        x, grown = self._prepared(picture, size)
        made = self.run(grown, function=self.network)
        return self._finished(made, x)

    @operation()
    def mix(
        self,
        picture: Picture,
        *,
        other: Annotated[Picture, Doc("Another picture; it is resized to the first.")],
        amount: Annotated[float, Range(0, 1), Doc("How much of the other: 0 is the first, 1 the other.")] = 0.5,
        size: Size = None,
    ) -> Picture:
        """Mix two pictures before they are tokens: where neither wins, a third thing comes out.

        Returns:
            A picture of the kind that came in; its transparency is kept.

        Raises:
            TooLarge: as the call does.
        """
        import torch

        x, first = self._prepared(picture, size)
        second = self._grown(resized(self.to_tensor(other), (x.shape[3], x.shape[2])))

        def mixed(both: torch.Tensor) -> torch.Tensor:
            one, another = self.network.encode(both[:, :3]), self.network.encode(both[:, 3:])
            return self.network.decode_tokens(self.network.quantize.tokens(one.lerp(another, amount)))

        return self._finished(self.run(torch.cat((first, second), dim=1), function=mixed), x)

    @operation()
    def tokens(self, picture: Picture, *, size: Size = None) -> Tokens:
        """The tokens of `picture`, row by row.

        Returns:
            H×W int64, below `codes`: for every 16 (of `openimages` 8) pixels of the picture's sides, and for what is
            left of them, one. `save_tokens` writes them to a file.

        Raises:
            TooLarge: as the call does.
        """
        _, grown = self._prepared(picture, size)
        return self.run(grown, function=self.network.tokens)[0].cpu().numpy()

    @operation()
    def decode(self, tokens: Picture) -> Painted:
        """The picture that tokens stand for.

        Args:
            tokens: H×W whole numbers below `codes`, as `tokens` gives them, `load_tokens` reads them, or you make them
                up.

        Returns:
            A PIL image, 16 (of `openimages` 8) times as large.

        Raises:
            BadValue: no tokens of this codebook.
            TooLarge: there is not enough memory for so many.
        """
        import torch

        values = _token_files.checked(tokens, self.codes)
        current_call().kind = "pil"
        return self.to_picture(self._drawn(torch.from_numpy(values)))

    @operation()
    def paint(
        self,
        labels: Picture,
        *,
        temperature: Annotated[
            float, Range(0, 10), Doc("Above 1 there is more chance, and at 0 none: always the likeliest token.")
        ] = 1.0,
        top_k: Annotated[int, Range(1), Doc("Among how many of the likeliest tokens is drawn.")] = 100,
        fast: Annotated[
            bool, Doc("Move the transformer's window in strides: several times as fast, and another picture.")
        ] = False,
        size: Annotated[
            int | None,
            Range(16, 4096),
            Doc("Height of the result in pixels; by default that of 512 for the longer side, or 256 for the shorter."),
        ] = None,
        seed: Seed = None,
    ) -> Painted:
        """Make a photograph of a map of labels: a transformer writes it, token by token.

        Each token is written by what a window of 256×256 pixels holds around it: of the map, and above and to the left
        of what is written already. 256×256 pixels take a processor about a minute, larger ones many. Ctrl-C gives what
        there is so far; the rest shows the labels' colours.

        Args:
            labels: A picture in the colours of `label_set`, or a grey one of indices, 255 being unknown; an H×W array
                of whole numbers, -1 or 255 being unknown; or a `Segmentation` of any set of labels, which is taken
                by name.
            temperature: What scores are divided by.
            top_k: The original's is 100.
            fast: Otherwise the window moves with each token, once the picture is larger than it, as in the original.
            size: Things become as large as they were in photographs of 256 pixels.
            seed: Of what is drawn.

        Returns:
            A picture of the kind that came in, of the shape of `labels`; its transparency is kept.

        Raises:
            BadValue: the weights do not paint; an index that there is no label for.
            TooLarge: there is not enough memory for the size.
        """
        from . import _window_sampling

        found = self._label_map(labels)
        factor, window = self.network.in_multiple, _window_sampling.side(self.writer.transformer)
        width, height = _painted_size(found.size, size, factor * window)
        across, down = (factor * max(window, round(side / factor)) for side in (width, height))
        seen = found.resized((across, down))
        sampler = self._sampler(seen, temperature=temperature, top_k=top_k, seed=seed or 0, fast=fast)
        drawn = self._written(sampler, seen)
        if fast:
            log.warning(
                "painted in strides, as another sampler; the original computes %.1f times as much", sampler.saved
            )
        return self.to_picture(resized(drawn, (width, height)))

    def _prepared(self, picture: Picture, height: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The picture at a height as 1×3×H×W in [0, 1], and as the network wants it."""
        x = self.to_tensor(picture, height=height)
        return x, self._grown(x)

    def _grown(self, x: torch.Tensor) -> torch.Tensor:
        """1×3×H×W in [0, 1] to [-1, 1], mirrored at the right and at the bottom until its sides are multiples."""
        from torch.nn import functional as F

        height, width = x.shape[-2:]
        multiple = self.network.in_multiple
        mode = "reflect" if min(height, width) >= multiple else "replicate"
        return F.pad(2 * x - 1, (0, -width % multiple, 0, -height % multiple), mode=mode)

    def _finished(self, made: torch.Tensor, x: torch.Tensor) -> Picture:
        """What the network made of `x` when it was grown, as a picture."""
        return self.to_picture((made[:, :, : x.shape[2], : x.shape[3]].float().cpu() + 1) / 2)

    def _drawn(self, tokens: torch.Tensor) -> torch.Tensor:
        """h×w tokens to 1×3×H×W RGB in [0, 1] on the CPU."""
        import torch

        factor = self.network.in_multiple
        height, width = (factor * side for side in tokens.shape)
        check_fits(width, height, self.network.bytes_per_pixel, devices.memory_budget(self.device))
        with torch.inference_mode():
            drawn = self.network.decode_tokens(tokens[None].to(self.device))
            return ((drawn.float().cpu() + 1) / 2).clamp_(0, 1)

    def _painter(self) -> Any:
        """The network that reads label maps."""
        from ml4a.networks.vqgan import VQSegmentationModel

        reader = None if self.writer is None else self.writer.cond_stage_model
        if not isinstance(reader, VQSegmentationModel):
            raise BadValue(f"the weights {self.weights.name!r} do not paint label maps; take those called 'sflckr'")
        return reader

    def _label_map(self, labels: Any) -> Segmentation:
        from . import _label_maps

        return _label_maps.read(labels, self.label_set, self.to_pixels)

    def _sampler(self, seen: Segmentation, *, temperature: float, top_k: int, seed: int, fast: bool) -> WindowSampler:
        """What writes the tokens of a label map, whose sides are multiples."""
        import torch

        from . import _window_sampling

        reader, transformer = self._painter(), self.writer.transformer
        count, first = reader.channels, _LABELS.get(reader.channels, ("", 0))[1]

        def read(labels: torch.Tensor) -> torch.Tensor:
            index = labels[:, 0] + first  # -1 is unknown: the label 0, or none
            hot = torch.zeros(1, count, *index.shape[1:], device=index.device)
            hot.scatter_(1, index.clamp(min=0)[:, None], (index >= 0).float()[:, None])
            return reader.tokens(hot)

        labels = torch.from_numpy(seen.labels.astype("int64"))
        given = self.run(labels[None, None], reader, function=read)[0].cpu()
        budget = devices.memory_budget(self.device)
        width, height = seen.size
        check_fits(width, height, self.network.bytes_per_pixel, budget)  # before minutes have passed
        return _window_sampling.WindowSampler(
            transformer,
            given,
            self.codes,
            temperature=temperature,
            top_k=top_k,
            seed=seed,
            stride=_window_sampling.STRIDE if fast else 1,
        )

    def _written(self, sampler: WindowSampler, seen: Segmentation) -> torch.Tensor:
        """What a sampler writes, as 1×3×H×W RGB in [0, 1]; after Ctrl-C as far as it has come, and labels below."""
        import torch

        colors = torch.from_numpy(_colored(seen)).permute(2, 0, 1)[None]
        height, width = sampler.tokens.shape

        def so_far(rows: int) -> torch.Tensor:
            drawn = self._drawn(sampler.tokens[:rows])
            return torch.cat((drawn, colors[:, :, drawn.shape[2] :]), dim=2)

        written, due = 0, 0.0
        try:
            for rows in sampler.rows():
                written, started = rows, time.monotonic()
                if rows < height and started >= due:
                    preview = so_far(rows)[0].permute(1, 2, 0).contiguous().numpy()
                    progress.report("tokens", rows * width, height * width, "tokens", preview)
                    due = time.monotonic() + _PREVIEW_SHARE * (time.monotonic() - started)
        except KeyboardInterrupt:
            if not written:
                raise
            progress.interrupted()
        return so_far(written)


def _colored(found: Segmentation) -> np.ndarray[Any, Any]:
    """A label map in its colours: H×W×3 float32 in [0, 1]."""
    from ml4a.media import image

    return image.to_array(found.to_image())


def _painted_size(size: tuple[int, int], height: int | None, smallest: int) -> tuple[int, int]:
    """(width, height) of the result for a map of that size."""
    width, tall = size
    if height is None:
        height = round(tall * max(_LONGEST / max(size), smallest / min(size)))
    return max(1, round(width * height / tall)), height


def _read_heads(path: Path) -> int | None:
    """How many heads the transformer has, by its configuration, if that says so. It is read by this one line.

    Raises:
        BadWeights: the file is too large, no text, or says several things.
    """
    if path.stat().st_size > _LARGEST_CONFIG:
        raise BadWeights(f"{path.name} is larger than {_LARGEST_CONFIG} bytes")
    try:
        found = set(_HEADS.findall(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        raise BadWeights(f"{path.name} is no text") from None
    if len(found) > 1:
        raise BadWeights(f"{path.name} says {' and '.join(sorted(found))} for n_head")
    return int(found.pop()) if found else None
