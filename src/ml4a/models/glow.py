"""Glow: a face as a code, edited, mixed and turned back (Kingma & Dhariwal, NeurIPS 2018, arXiv:1807.03039)."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ml4a._core.errors import BadValue, BadWeights, UnknownName
from ml4a._core.kinds import Kind, LatentsLike, Picture
from ml4a._core.params import Doc, Range

from ._base import PictureModel
from ._operation import Seed, current_call, operation

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    import torch

    from ml4a.media.latents import Latents
    from ml4a.media.video import Clip
    from ml4a.weights.formats import Archive
else:
    Clip = Annotated[Any, Kind("film")]
    Latents = Annotated[Any, Kind("latents")]
    """As annotations have them at run time, when the media are not imported yet."""

log = logging.getLogger("ml4a")

ATTRIBUTES = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose"),
    *("Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses"),
    *("Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache"),
    *("Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks"),
    *("Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick"),
    *("Wearing_Necklace", "Wearing_Necktie", "Young"),
)
"""CelebA's, by which its pictures are labelled: one row of the published directions each."""

_FACTORS = {"No_Beard": -1.0, "Young": -1.0, "Narrow_Eyes": 1.2}
"""By what the original's demonstration multiplies directions: more is more of a beard, and older."""
_SHADES = 256
_AT_ONCE = 4
"""Pictures that are computed together."""

Align = Annotated[
    bool, Doc("Look for the largest face and bring its eyes to where the network expects them; else the middle square.")
]
Code = Annotated[
    LatentsLike | None,
    Doc("What the picture is made of: a file of latents. By default all 0, which is everybody's mean."),
]
Near = Annotated[
    LatentsLike | None,
    Doc("A file of latents near which to draw: of a face, other faces like it. By default anywhere."),
]
Temperature = Annotated[
    float, Range(0, 2), Doc("How far to draw: 0.7 is what looks best, 1 is as varied as photographs, with more faults.")
]
Attribute = Annotated[
    tuple[str, ...], Doc("What to change: Smiling, Eyeglasses, Blond_Hair … of 40; several as Smiling,Young.")
]
Amounts = Annotated[
    tuple[float, ...], Range(-3, 3), Doc("How much more of it, below 0 less; one for all, or one each: 0.5,-1.")
]
Other = Annotated[Picture, Doc("The other face.")]
Amount = Annotated[float, Range(-1, 2), Doc("How much of the other: 0 is none, 1 is all; beyond, more than that.")]
Seconds = Annotated[float, Range(0.02, 24 * 3600), Doc("Length of the film.")]
Rate = Annotated[float, Range(1, 240), Doc("Frames per second.")]


class Glow(PictureModel):
    """Turns a face into a code, and the code back into the very same face.

        glow = ml4a.load("glow")
        glow.edit("me.jpg", attribute=("Smiling", "Young"), amount=(0.7, -0.5)).save("older_and_happier.png")
        glow.mix("me.jpg", other="you.jpg").save("us.png")

        codes = glow.encode("me.jpg")
        glow.decode(glow.moved(codes, "Eyeglasses", 0.8)).save("me_with_glasses.png")

    Codes can be added and weighed like numbers: what lies between two faces' is a face, too. The network knows aligned
    faces of `side` pixels and nothing else: anything else comes back unharmed, but what lies between is no picture. The
    original's program saw 32 shades of each colour, put noise where the others are lost, and gave 32 shades back; here
    the other shades are where its noise would be, so that a code is the same each time and all 256 come back.
    """

    card = "glow"
    film_memory = "portraits"

    def load(self, files: dict[str, Path]) -> None:
        """Build the network from the frozen graph, or a state dict of its variables, and read the directions.

        Raises:
            BadWeights: one of them is something else, or they do not belong together.
        """
        from ml4a import weights

        from ._glow_faces import Portraits

        archive = weights.read(files["network"], self.weights.files["network"].format)
        self.flow: Any = self.place(_network(archive))
        found = weights.read(files["directions"], self.weights.files["directions"].format)
        self._directions = _directions(found.arrays(), self.flow.channels, self.flow.in_multiple)
        self.side = math.isqrt(self._directions.shape[1] // 3)
        self.portraits = Portraits(self.side, self.device)

    def for_film(self) -> Self:
        """The same model, which follows the face of one film."""
        model = copy.copy(self)
        model.portraits = self.portraits.for_film()
        return model

    @property
    def last_codes(self) -> Latents | None:
        """The code of the last picture that this thread has made: edited, mixed or drawn."""
        return getattr(self._local, "codes", None)

    def attributes(self) -> list[str]:
        """What `edit` can change."""
        return list(ATTRIBUTES)

    # -- Operations ----------------------------------------------------------------------------------------------------

    @operation()
    def __call__(self, picture: Picture, *, align: Align = True) -> Picture:
        """Turn a face into its code and back: what comes out is what the network sees of `picture`, unchanged."""
        return self._shown(self._codes(picture, align))

    @operation()
    def encode(self, picture: Picture, *, align: Align = True) -> Latents:
        """Find the code of a face.

        Returns:
            One of `"z"`: 3·side² numbers, 196608 of CelebA-HQ, in the order of those that the authors published. Of
            a typical face they look like normal noise.
        """
        from ml4a.media import latents

        return latents.Latents(self._codes(picture, align).cpu().numpy())

    @operation()
    def decode(self, latents: Code = None) -> Picture:
        """Make the picture of a code; without one that of all zeros, the likeliest face of all.

        Raises:
            BadValue: there are several codes, or they are another network's.
        """
        import numpy as np

        none = np.zeros((1, self._directions.shape[1]), np.float32)
        return self._shown(self._tensor(none) if latents is None else self._given(latents))

    @operation()
    def random(self, latents: Near = None, *, temperature: Temperature = 0.7, seed: Seed = None) -> Picture:
        """Draw a face that nobody has, or with a code a face like that one."""
        from ml4a.media import latents as spaces

        noise = self._tensor(spaces.random(1, self._directions.shape[1], seed=seed))
        middle = 0 if latents is None else self._given(latents)
        return self._shown(middle + temperature * noise)

    @operation()
    def edit(
        self, picture: Picture, *, attribute: Attribute = ("Smiling",), amount: Amounts = (0.66,), align: Align = True
    ) -> Picture:
        """Change a face in some attributes: let it smile, wear glasses, grow older.

        Args:
            picture: With a face.
            attribute: Names of attributes, as `attributes` lists them; No_Beard and Young mean their opposites here,
                as in the original's demonstration: more is more of a beard, and older.
            amount: How much of each; from -1 to 1 faces stay natural.
            align: Whether to look for the face.

        Raises:
            BadValue: there is no such attribute, or not as many amounts as attributes.
        """
        direction = self._direction(attribute, amount)
        return self._shown(self._codes(picture, align) + direction)

    @operation()
    def mix(self, picture: Picture, *, other: Other, amount: Amount = 0.5, align: Align = True) -> Picture:
        """Mix two faces.

        Args:
            picture: With a face.
            other: With another.
            amount: How much of the other.
            align: Whether to look for the faces.
        """
        one, another = self._codes(picture, align), self._codes(other, align)
        return self._shown(one + amount * (another - one))

    @operation()
    def interpolate(
        self, picture: Picture, *, other: Other, seconds: Seconds = 3.0, rate: Rate = 30.0, align: Align = True
    ) -> Clip:
        """Make a film in which a face becomes another. Its frames are made when they are asked for."""
        import numpy as np
        import torch

        from ml4a.media import video

        ends = self._codes(picture, align), self._codes(other, align)
        frames = max(2, round(seconds * rate))
        shares = np.linspace(0, 1, frames, dtype=np.float32)

        def pictures() -> Iterator[np.ndarray[Any, Any]]:
            for start in range(0, frames, _AT_ONCE):
                some = self._tensor(shares[start : start + _AT_ONCE, None])
                made = self._pictures(torch.lerp(*ends, some))
                yield from made.clamp(0, 1).permute(0, 2, 3, 1).contiguous().cpu().numpy()

        return video.from_frames(pictures, rate, count=frames)

    # -- Codes ---------------------------------------------------------------------------------------------------------

    def moved(
        self, latents: LatentsLike, attribute: str | tuple[str, ...], amount: float | tuple[float, ...] = 0.66
    ) -> Latents:
        """Codes changed in some attributes, as `edit` changes pictures.

        Args:
            latents: N codes.
            attribute: A name, or several.
            amount: One for all, or one each.

        Raises:
            BadValue: as `edit`; or the codes are another network's.
        """
        from ml4a.media import latents as spaces

        given = self._checked(spaces.as_latents(latents))
        names = (attribute,) if isinstance(attribute, str) else attribute
        amounts = amount if isinstance(amount, tuple) else (amount,)
        return spaces.Latents(given.values + self._direction(names, amounts).cpu().numpy())

    def generate(self, latents: LatentsLike) -> list[Any]:
        """The picture of each of several codes.

        Raises:
            BadValue: they are another network's.
        """
        from ml4a.media import latents as spaces

        given = spaces.as_latents(latents)
        return [self.decode(given[number]) for number in range(len(given))]

    def _direction(self, names: tuple[str, ...], amounts: tuple[float, ...]) -> torch.Tensor:
        """1×D: where attributes lie, added up."""
        import numpy as np

        if len(amounts) not in (1, len(names)):
            raise BadValue(f"amount must be one number for all or one for each of {len(names)} attributes")
        rows = [ATTRIBUTES.index(_attribute(name)) for name in names]
        weights = np.broadcast_to(np.asarray(amounts, np.float32), len(rows))
        return self._tensor(weights[None] @ self._directions[rows])

    def _codes(self, picture: Any, align: bool) -> torch.Tensor:
        """The code of a picture, 1×D; of the main picture, the transparency of the cut is set aside."""
        import torch

        from ml4a.media import image

        square = self.portraits.cut(image.to_array(picture), align)
        call = current_call()
        if square.shape[2] == 4 and picture is call.values[call.main]:
            call.alpha = square[:, :, 3]
        x = self._tensor(square[:, :, :3].transpose(2, 0, 1)[None])
        with torch.inference_mode():
            x = (x * (_SHADES - 1) + 0.5) / _SHADES - 0.5  # the middle of a shade, as if there were noise in it
            return self.flow.flat(self.flow.encode(x))

    def _shown(self, codes: torch.Tensor) -> Picture:
        """The picture of one code, which `last_codes` has then."""
        from ml4a.media import latents

        self._local.codes = latents.Latents(codes.cpu().numpy())
        return self.to_picture(self._pictures(codes))

    def _pictures(self, codes: torch.Tensor) -> torch.Tensor:
        """N×D as N×3×side×side, nominally in [0, 1]."""
        import torch

        with torch.inference_mode():
            x = self.flow.decode(self.flow.unflat(codes, self.side, self.side))
            return ((x + 0.5) * _SHADES - 0.5) / (_SHADES - 1)

    def _given(self, given: LatentsLike) -> torch.Tensor:
        """One code, 1×D."""
        from ml4a.media.latents import as_latents

        latents = as_latents(given)
        if len(latents) != 1:
            raise BadValue(f"a picture is made of one of {len(latents)} latents; choose it: latents.load(file)[0]")
        return self._tensor(self._checked(latents).values)

    def _checked(self, latents: Latents) -> Latents:
        due = self._directions.shape[1]
        if latents.space != "z" or latents.values.shape[1] != due:
            raise BadValue(f"codes of {self.weights.name} are N×{due} of z; these are {latents!r}")
        return latents

    def _tensor(self, array: np.ndarray[Any, Any]) -> torch.Tensor:
        import torch

        return torch.tensor(array, dtype=torch.float32, device=self.device)


def _network(archive: Archive) -> torch.nn.Module:
    """The network of a frozen graph, or of its variables.

    Nobody here has seen the published graph: if it does anything else than the network does, the graph itself is run.
    """
    from ml4a.networks import from_state_dict
    from ml4a.networks.glow_graph import GraphGlow
    from ml4a.networks.glow_layouts import MoreThanGlow, bare_graph, state_dict_from_graph

    arrays, nodes = archive.arrays(), archive.metadata.get("nodes")
    if nodes is None:
        return from_state_dict("glow", arrays)
    graph = GraphGlow(*bare_graph(nodes, arrays))
    try:
        network: Any = from_state_dict("glow", state_dict_from_graph(nodes, arrays))
        if graph.agrees_with(network):
            return network
        fault = "the graph's steps are not those of Glow"
    except MoreThanGlow as error:
        fault = str(error)
    log.warning("%s; it is run as it is written, slowly, and pictures lose shades", fault)
    return graph


def _attribute(name: str) -> str:
    """The attribute that `name` means, in whatever case, and with spaces if need be."""
    plain = {each.lower(): each for each in ATTRIBUTES}
    known = plain.get(name.strip().lower().replace(" ", "_").replace("-", "_"))
    if known is None:
        raise UnknownName("attribute", name, ATTRIBUTES)
    return known


def _directions(arrays: dict[str, np.ndarray[Any, Any]], channels: int, multiple: int) -> np.ndarray[Any, Any]:
    """40×D: where each attribute lies.

    Raises:
        BadWeights: it is something else.
    """
    import numpy as np

    found: Any = next(iter(arrays.values())) if len(arrays) == 1 else np.zeros(0)
    numbers = found.shape[1] if found.ndim == 2 else 0
    side = math.isqrt(numbers // 3)
    if found.ndim != 2 or len(found) != len(ATTRIBUTES) or numbers != 3 * side**2 or not side or side % multiple:
        raise BadWeights(
            f"directions are {len(ATTRIBUTES)} rows of 3·side² numbers, one for each attribute, the side a multiple of "
            f"{multiple}; these are {'×'.join(map(str, found.shape))}"
        )
    if channels != 3:
        raise BadWeights(f"these weights are for pictures of {channels} channels; faces have 3")
    if found.dtype.kind != "f" or not np.isfinite(found).all():
        raise BadWeights("the directions are not all finite numbers")
    factors = np.array([_FACTORS.get(name, 1.0) for name in ATTRIBUTES], np.float32)
    return found.astype(np.float32) * factors[:, None]
