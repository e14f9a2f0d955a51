"""What StyleGAN2 and StyleGAN3 share: NVIDIA's files, the discriminator in them, pictures wider than high."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from ml4a._core import devices
from ml4a._core.errors import BadValue, BadWeights
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._base import check_fits
from ._generator import GeneratorModel

if TYPE_CHECKING:
    from ml4a.media.latents import Latents

Width = Annotated[int | None, Range(32, 65_536), Doc("Width in pixels; by default a square for each.")]

_GENERATORS = ("G_ema", "Gs", "G")
"""Of PyTorch's and of TensorFlow's pickles, the best first."""
_DISCRIMINATOR = "D"
_WITHIN = ("synthesis_kwargs", "block_kwargs")


class StyleGANModel(GeneratorModel):
    """Base of the StyleGANs of NVIDIA."""

    architecture: ClassVar[str]
    """What `ml4a.networks` calls the generator."""

    def load(self, files: dict[str, Path]) -> None:
        """Build the generator; the discriminator is read when it is first asked."""
        self._file = files["network"]
        self.network = self.place(read_generator(self._file, self.weights.files["network"].format, self.architecture))
        self._discriminator: Any = None

    def wide(
        self,
        latents: Latents | None,
        seeds: tuple[int, ...] | None,
        width: int | None,
        truncation: float,
        label: tuple[int, ...] | None,
        **options: Any,
    ) -> Any:
        """One wide picture; see each model's `panorama`, which has further options of its network's."""
        import torch

        given = self.given(latents, seeds, "ml4a gan panorama 1 2 3")
        places = self.places(slice(0, len(given)), len(given))
        ws = self.styles(given, (seeds or (0,))[0], truncation, None, label, places)
        side = self.network.resolution
        across = len(ws) * side if width is None else width
        check_fits(across, side, self.network.bytes_per_picture / side**2, devices.memory_budget(self.device))
        with torch.inference_mode():
            return self.picture_of(self.network.synthesize_wide(ws, across, **options))

    def score(self, picture: Picture) -> float:
        """How real the discriminator finds a picture: above 0 more than not.

        Args:
            picture: Of any size; it is cut to a square in its middle and resized.

        Raises:
            BadWeights: the file has no discriminator.
            BadValue: it judges pictures of a class, and there is no telling of which.
        """
        import torch

        from ml4a.media import image

        if self._discriminator is None:
            self._discriminator = self._read_discriminator().to(self.device)
        if self._discriminator.c_dim:
            raise BadValue(f"the discriminator of {self.weights.name!r} judges pictures of a class, which have none")
        x = self.target(image.loaded(picture)).to(self.device)
        with torch.inference_mode():
            return float(self._discriminator(2 * x - 1))

    def _read_discriminator(self) -> Any:
        from ml4a import weights
        from ml4a.networks import stylegan2_discriminator

        archive = weights.read(self._file, self.weights.files["network"].format)
        network = stylegan2_discriminator.from_archive(archive.arrays())
        network.conv_clamp = conv_clamp(archive.metadata, (_DISCRIMINATOR,))
        return network


def read_generator(path: Path, format: str, architecture: str) -> Any:
    """The generator of a file, as `ml4a.networks` calls it.

    Raises:
        BadWeights: there is none.
    """
    from ml4a import weights
    from ml4a.networks import from_state_dict

    archive = weights.read(path, format)
    network: Any = from_state_dict(architecture, archive.arrays())
    if not hasattr(network, "synthesize"):
        raise BadWeights(f"{path.name} holds a {type(network).__name__} alone, where a generator is due")
    network.conv_clamp = conv_clamp(archive.metadata, _GENERATORS)
    return network


def conv_clamp(metadata: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    """At what a network clamps its maps: no tensor tells, but what it was built with, as the file has it by `names`."""
    init: Any = {}
    for name in reversed(names):
        table = metadata.get(name)
        init = table.get("init") or init if isinstance(table, dict) else init
    places = [metadata, init, *(init.get(name) for name in _WITHIN)]  # ours, and where NVIDIA's programs have it
    found = next((each["conv_clamp"] for each in places if isinstance(each, Mapping) and "conv_clamp" in each), None)
    try:
        return None if found is None else float(found)
    except (TypeError, ValueError):
        raise BadWeights(f"its conv_clamp is {found!r}, no number") from None
