"""StyleGAN2 and StyleGAN2-ADA: pictures of things that do not exist (Karras et al., CVPR and NeurIPS 2020)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc

from ._generating import single
from ._generator_parameters import Cutoff, Label, Seeds, Truncation, Where
from ._operation import Seed, operation
from ._stylegan import StyleGANModel, Width, read_generator

if TYPE_CHECKING:
    import torch

Noise = Annotated[
    Literal["const", "random", "none"],
    Doc("Fine detail, such as single hairs: always the same, by the seed, or none."),
]


class StyleGAN(StyleGANModel):
    """Makes pictures of what its weights have seen: faces, cats, churches, paintings.

        gan = ml4a.load("stylegan", weights="afhqcat")
        gan(seed=7, truncation=0.7).save("cat.png")
        gan.walk(seconds=10, seed=1).save("cats.mp4")

    NVIDIA's pickles of PyTorch and TensorFlow and rosinality's files are read, too: `ml4a.load("stylegan",
    weights="my-network.pkl")`.
    """

    card = "stylegan"
    architecture = "stylegan2"

    @operation(
        examples=(
            "ml4a gan sample --seed 7 -o face.png",
            "ml4a gan sample --count 16 --truncation 0.6 -o sheet.png",
            "ml4a gan sample 3 14 15 --weights afhqcat -o cats/",
            "ml4a gan sample --weights my-network.pkl --noise random",
        )
    )
    def __call__(
        self,
        latents: Where = None,
        *,
        truncation: Truncation = 0.7,
        cutoff: Cutoff = None,
        label: Label = None,
        noise: Noise = "const",
        seed: Seed = None,
    ) -> Picture:
        """Make a picture of a seed, or of latents.

        Args:
            latents: One of z, w or w+; of w and w+ nothing is truncated.
            truncation: Of what is drawn.
            cutoff: How many layers are truncated.
            label: The class.
            noise: Where fine detail comes from.
            seed: Of what is drawn: the seeds of NVIDIA's own program.

        Returns:
            A PIL image, as large as the weights make them.

        Raises:
            BadValue: latents of another network, or several; a class that there is not.
        """
        assert seed is not None
        ws = self.styles(single(latents), seed, truncation, cutoff, label)
        return self.picture(ws, noise=noise, generator=_generator(noise, seed))

    @operation(examples=("ml4a gan panorama 1 2 3 4 -o wide.png", "ml4a gan panorama 5 6 --tileable -o paper.png"))
    def panorama(
        self,
        latents: Where = None,
        *,
        seeds: Seeds = None,
        width: Width = None,
        tileable: Annotated[bool, Doc("Let the right side go on at the left.")] = False,
        truncation: Truncation = 0.7,
        label: Label = None,
    ) -> Picture:
        """Make one wide picture in which one after the other turns into the next.

        Args:
            latents: From left to right, in place of seeds.
            seeds: From left to right.
            width: How wide the picture is.
            tileable: Whether the last turns into the first, so that the picture can be repeated.
            truncation: Of what is drawn.
            label: The class; of several, from left to right.

        Raises:
            BadValue: neither seeds nor latents; a width that cannot be repeated.
            TooLarge: it needs more memory than there is.
        """
        return self.wide(latents, seeds, width, truncation, label, loop=tileable)  # type: ignore[arg-type]


def blend(
    one: str | os.PathLike[str],
    other: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    resolution: int = 32,
    share: float = 1.0,
    overwrite: bool = False,
) -> Path:
    """Make weights of two networks of one kind: what is coarse is drawn as the one does, what is fine as the other.

        stylegan.blend("ffhq", "metfaces", "painted.safetensors", resolution=64)
        ml4a.load("stylegan", weights="painted.safetensors")(seed=7)

    The second should be the first, trained on (Pinkney & Adler, Resolution Dependent GAN Interpolation, 2020,
    arXiv:2010.05334).

    Args:
        one: Weights of the card by name, or a file.
        other: The same.
        target: The new file, of safetensors.
        resolution: The blocks from here on are the other's: 8, 16, 32 …
        share: How much of the other's they are, 0 to 1.
        overwrite: Replace the file if it exists.

    Raises:
        BadWeights: the two are not of one shape.
        BadValue: a resolution that they have not.
    """
    from ml4a._core.files import atomic, refuse_existing
    from ml4a.networks import stylegan2
    from ml4a.weights.formats import safetensors
    from ml4a.weights.formats.archive import Tensor

    target = Path(target)
    if target.suffix.lower() != ".safetensors":
        raise BadValue(f"blended weights are saved as .safetensors, not {target.name}")
    refuse_existing(target, overwrite)
    first, second = (_network_of(each) for each in (one, other))
    blended = stylegan2.blended(first, second, resolution, share)
    tensors = {key: Tensor.from_numpy(tensor.numpy()) for key, tensor in blended.state_dict().items()}
    metadata = {} if first.conv_clamp is None else {"conv_clamp": str(first.conv_clamp)}
    with atomic(target, overwrite=overwrite) as temporary, temporary.open("wb") as file:
        safetensors.write(tensors, metadata, file.write)
    return target


def _network_of(weights: str | os.PathLike[str]) -> Any:
    from ml4a import weights as library

    from . import _own_weights

    about = library.card(StyleGAN.card)
    if _own_weights.is_path(about, weights):
        variant, files = _own_weights.take(about, weights)
    else:
        variant, files = about.variant(str(weights)), library.fetch(f"{StyleGAN.card}/{weights}")
    return read_generator(files["network"], variant.files["network"].format, StyleGAN.architecture)


def _generator(noise: str, seed: int) -> torch.Generator | None:
    import torch

    return torch.Generator().manual_seed(seed) if noise == "random" else None
