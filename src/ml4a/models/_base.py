"""What all models share. A model file adds its card, its networks and its few lines of art.

model = HED.from_pretrained()          # weights found, verified, loaded; device and precision chosen
drawing = model("photo.jpg")           # see `_operation` for what happens around a call
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ml4a._core import devices, progress
from ml4a._core.errors import TooLarge
from ml4a._core.kinds import Picture
from ml4a._core.progress import OnProgress
from ml4a._core.record import Record

from . import _own_weights
from ._operation import Operation, current_call, describe

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    import torch

    from ml4a import weights as _weights


class Model:
    """Base of all models: weights, device, precision. Two models share nothing, also in two threads.

    `dtype` is what its networks compute in: float32 if they gain nothing from less.
    """

    card: ClassVar[str]
    """Name of the model, its card and its registry entry."""

    auto_dtype: ClassVar[str] = "auto"
    """What `dtype="auto"` means: `"float32"` where a faster type is not known to keep within its bounds."""

    depends_on: ClassVar[tuple[str, ...]] = ()
    """Distributions, besides the usual ones, whose versions decide what a result is; records tell them."""

    keeps_partial_films: ClassVar[bool] = False
    """Whether a film that Ctrl-C stops between frames is kept up to there, as of models that take minutes for each."""

    film_memory: ClassVar[str | None] = None
    """Of models that remember frames, the attribute that does: it has `film_state` and `set_film_state`."""

    @classmethod
    def from_pretrained(
        cls,
        weights: str | os.PathLike[str] = "default",
        *,
        device: str = "auto",
        dtype: str = "auto",
        on_progress: OnProgress | None = None,
    ) -> Self:
        """Find (or download) the weights and set the model up.

        Args:
            weights: A variant of the model's card, which `ml4a models NAME` lists; or, where a variant is one file, the
                path of a file of one's own.
            device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`.
            dtype: `"float32"` is the reference; `"auto"` may be faster, within 8/255 at worst and 0.25/255 on average.
                `"fast_float32"` saves multiplications on processors, at the cost of memory, and rounds otherwise.
            on_progress: Called with `Progress` while downloading.

        Raises:
            UnknownName: no such weights.
            DownloadFailed: no source could deliver them.
            NotFound: there is no file at that path.
            BadWeights: the file is broken, unsafe, or another network's.
        """
        from ml4a import weights as library

        about = library.card(cls.card)
        if _own_weights.is_path(about, weights):
            with _own_weights.naming(weights):
                model = cls._set_up(about, *cls.own_weights(about, weights), device, dtype)
            model.own_file = Path(weights).expanduser().absolute()
            return model
        with progress.listening(on_progress):
            files = library.fetch(f"{cls.card}/{weights}")
        about = library.card(cls.card)  # a first download has made its hash known
        return cls._set_up(about, about.variant(str(weights)), files, device, dtype)

    @classmethod
    def own_weights(
        cls, about: _weights.Card, path: str | os.PathLike[str]
    ) -> tuple[_weights.Weights, dict[str, Path]]:
        """Weights of the user's own as a card would have them, and their paths by role; by default, of one file."""
        return _own_weights.take(about, path)

    @classmethod
    def _set_up(
        cls, about: _weights.Card, variant: _weights.Weights, files: dict[str, Path], device: str, dtype: str
    ) -> Self:
        target = devices.resolve_device(device)
        dtype = cls.auto_dtype if dtype == "auto" else dtype
        room = devices.room_for_speed(dtype, target)
        return cls(about, variant, files, target, devices.resolve_dtype(dtype, target), room)

    def __init__(
        self,
        about: _weights.Card,
        variant: _weights.Weights,
        files: dict[str, Path],
        device: torch.device,
        dtype: torch.dtype,
        room_for_speed: float = 0,
    ) -> None:
        self.about = about
        self.weights = variant
        self.device = device
        self.dtype = dtype
        self.own_file: Path | None = None  # where weights of the user's own came from
        self._local = threading.local()
        self._room_for_speed = room_for_speed
        self._reduced = self._quickened = False
        self.load(files)
        if not self._reduced:
            self.dtype = self.full_precision()

    def load(self, files: dict[str, Path]) -> None:
        """Read the weights and build the networks; `files` are verified local paths by role."""
        raise NotImplementedError

    def full_precision(self) -> Any:
        """What `dtype` is if no network was given less."""
        import torch

        return torch.float32

    @property
    def name(self) -> str:
        """The name that `ml4a.load` knows."""
        return self.card

    @property
    def last_record(self) -> Record | None:
        """The record of this thread's last call; arrays and tensors cannot carry it themselves."""
        return getattr(self._local, "record", None)

    @last_record.setter
    def last_record(self, record: Record) -> None:
        self._local.record = record

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        """The methods marked `@operation`, by name."""
        members = (getattr(cls, name) for name in dir(cls))
        found = (describe(member) for member in members if hasattr(member, "__operation__"))
        return {about.name: about for about in found}

    def for_film(self) -> Self:
        """What is called for the frames of one film, in order.

        A model that remembers the frame before returns `copy.copy(self)` with a fresh memory: the networks are shared,
        and two films do not see each other.
        """
        return self

    @classmethod
    def remembers_films(cls) -> bool:
        """Whether the frames of a film depend on those before them."""
        return cls.for_film is not Model.for_film

    def film_state(self) -> dict[str, Any] | None:
        """What is remembered of the frames of a film so far: arrays of numbers and JSON values.

        With it a film that was stopped is gone on with. None, if there is something to remember which cannot be told.
        """
        memory = None if self.film_memory is None else getattr(self, self.film_memory)
        if memory is not None:
            return memory.film_state()
        return None if self.remembers_films() and self.film_memory is None else {}

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Remember what `film_state` gave, in place of what is remembered.

        Raises:
            BadValue: it gave nothing like that.
        """
        if self.film_memory is not None:
            getattr(self, self.film_memory).set_film_state(state)

    def __copy__(self) -> Self:
        """A model of the same networks that keeps its own records."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._local = threading.local()
        return other

    def __reduce__(self) -> Any:
        """In another process it is loaded anew, from the same weights, for the same kind of device."""
        weights = self.weights.name if self.own_file is None else self.own_file
        return _loaded_anew, (type(self), weights, str(self.device), self.precision)

    @property
    def precision(self) -> str:
        """What `from_pretrained` takes as `dtype` to compute in the same way again."""
        dtype = str(self.dtype).removeprefix("torch.")
        return f"fast_{dtype}" if dtype == "float32" and self._quickened else dtype

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.card}/{self.weights.name} on {self.device}, {self.precision}>"

    def place(self, network: torch.nn.Module) -> Any:
        """Move a network to the device, in the model's dtype or in a faster form if the network can gain from it."""
        import torch

        from ml4a.ops import winograd

        reduce = getattr(network, "reduce_precision", None)
        if self.dtype is not torch.float32 and reduce is not None:
            network = reduce(self.dtype)
            self._reduced = True
        elif winograd.room(network) <= self._room_for_speed:
            self._quickened |= winograd.quicken(network)
        return network.to(self.device)


class PictureModel(Model):
    """Base of models that turn a picture into a picture, with one network that can be tiled."""

    network: Any
    """With the attributes that `ml4a.networks` lists."""

    def load(self, files: dict[str, Path]) -> None:
        """Build the network that is called as the card is, from the weights' one file."""
        from ml4a import weights
        from ml4a.networks import from_state_dict

        archive = weights.read(files["network"], self.weights.files["network"].format)
        self.network = self.place(from_state_dict(self.card, archive.arrays()))

    def to_tensor(self, picture: Picture, *, height: int | None = None) -> torch.Tensor:
        """`picture` as 1×3×H×W float32 in [0, 1] on the CPU; its transparency is set aside for `to_picture`.

        Args:
            picture: The picture.
            height: Resize it to this height, keeping its proportions.
        """
        import torch

        from ml4a.media import image

        array = image.to_array(picture)
        if height is not None:
            array = image.resize(array, height)
        call = current_call()
        if array.shape[2] == 4 and picture is call.values[call.main]:
            call.alpha = array[:, :, 3]
        return torch.from_numpy(array[:, :, :3].transpose(2, 0, 1)).contiguous()[None]

    def to_pixels(self, picture: Picture) -> np.ndarray[Any, Any]:
        """`picture` as H×W×3 uint8; its transparency is set aside for `to_picture`."""
        return (255 * self.to_tensor(picture)[0]).round().byte().permute(1, 2, 0).contiguous().numpy()

    def to_picture(self, tensor: torch.Tensor) -> Picture:
        """A 1×C×H×W tensor as a picture of the kind that came in, clamped to [0, 1], transparency restored."""
        import numpy as np

        from ml4a.media import image

        call = current_call()
        array = tensor[0].detach().clamp(0, 1).permute(1, 2, 0).to("cpu").numpy()
        if array.shape[2] == 1:
            array = np.repeat(array, 3, axis=2)
        if call.alpha is not None:
            alpha = image.resize(call.alpha[:, :, None], (array.shape[1], array.shape[0]))
            array = np.concatenate([array, alpha], axis=2)
        return image.as_kind(np.ascontiguousarray(array), call.kind)

    def run(
        self,
        x: torch.Tensor,
        network: Any = None,
        *,
        function: Callable[[torch.Tensor], Any] | None = None,
        tile: int | None = None,
        overlap: int | None = None,
        scales: float | Sequence[float] | None = None,
    ) -> Any:
        """Send a 1×C×H×W tensor through the network, in tiles where the whole would not fit the memory budget.

        Args:
            x: The input.
            network: Which network, if not the model's main one.
            function: What of it to run, if not the network as a whole; it may return several tensors.
            tile: Side of a tile in input pixels; by default the largest that fits the budget.
            overlap: Context around a tile; by default what makes tiled equal untiled.
            scales: Size of each result relative to the input; by default the network's `scale`.

        Raises:
            TooLarge: the network cannot be tiled and the whole would not fit.
            Cancelled: the work was asked to stop.
        """
        import torch

        from ml4a.ops.tiles import tile_size, tiled

        network = self.network if network is None else network
        run = network if function is None else function
        overlap = network.overlap if overlap is None else overlap
        height, width = x.shape[-2:]
        budget = devices.memory_budget(self.device)
        if overlap is None:  # it cannot be tiled
            check_fits(width, height, network.bytes_per_pixel, budget)
            tile = overlap = max(height, width)
        elif tile is None:
            options = {"overlap": overlap, "multiple": network.tile_multiple}
            tile = tile_size(height, width, budget=budget, bytes_per_pixel=network.bytes_per_pixel, **options)
        whole = tile >= max(height, width)
        current_call().resolved["tile"] = None if whole else tile
        with torch.inference_mode():
            if whole:
                return run(x.to(self.device))
            return tiled(
                lambda part: run(part.to(self.device)),
                x,
                tile=tile,
                overlap=overlap,
                multiple=network.tile_multiple,
                scales=network.scale if scales is None else scales,
                on_tile=lambda done, total: progress.report(self.card, done, total, "tiles"),
            )


def _loaded_anew(kind: type[Model], weights: str | Path, device: str, dtype: str) -> Model:
    return kind.from_pretrained(weights, device=device, dtype=dtype)


def check_fits(width: int, height: int, bytes_per_pixel: float, budget: int) -> None:
    """Refuse a size that needs more memory than the budget allows, with the height that fits."""
    needed = width * height * bytes_per_pixel
    if needed > budget:
        fitting = int((budget / bytes_per_pixel * height / width) ** 0.5)
        raise TooLarge(
            f"{width}x{height} px need {needed / 2**30:.1f} GiB of memory and {budget / 2**30:.1f} GiB may be used; "
            f"work at size={fitting} or less (--size {fitting})"
        )


def resized(
    x: torch.Tensor, size: tuple[int, int], how: Literal["lanczos", "bicubic", "bilinear", "auto"] = "lanczos"
) -> torch.Tensor:
    """1×C×H×W in [0, 1] at another size (width, height), resampled; clamped if it had to be resized."""
    import torch

    from ml4a.media import image

    if (x.shape[3], x.shape[2]) == size:
        return x
    array = image.resize(x[0].clamp(0, 1).permute(1, 2, 0).contiguous().numpy(), size, how)
    return torch.from_numpy(array).permute(2, 0, 1)[None].clamp(0, 1)
