"""Faces: found, measured, shown, aligned, hidden (MTCNN: Zhang et al., IEEE SPL 2016, arXiv:1604.02878).

The geometry of `ml4a.media.face` is here, too, under the same names.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from ml4a._core.errors import BadMedia, BadValue, BadWeights
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._base import PictureModel
from ._operation import operation
from ._taking import taking

if TYPE_CHECKING:
    from typing import Self

    import numpy as np

    from ml4a.media.face import *  # noqa: F403
    from ml4a.media.face import Face
    from ml4a.media.segmentation import Segmentation

    from ._face_film import Film

    Found: TypeAlias = list[Face]
else:
    Found = Any  # signatures are read without NumPy

Threshold = Annotated[float, Range(0.01, 0.9999), Doc("How sure it must be that something is a face.")]
Smallest = Annotated[
    float, Range(0.005, 1), Doc("About how small faces may be, as a share of the picture's shorter side.")
]
Most = Annotated[int | None, Range(1, 1000), Doc("Take so many faces at most, the largest; by default all.")]
Points = Annotated[
    Literal["five", "68", "mesh", "dlib68"],
    Doc("What to find of each face: eyes, nose and mouth; 68 landmarks; 468 of the skin; dlib's 68, not commercially."),
]
Turned = Annotated[bool, Doc("Look for faces that lie on their side or stand on their head, too; four times as slow.")]
Size = Annotated[int, Range(16, 4096), Doc("Side of the square result, in pixels.")]
Layout = Annotated[
    Literal["ml4a", "ffhq"], Doc("The eyes at fixed places, or the crop of FFHQ, which StyleGAN's faces have.")
]
Which = Annotated[int, Range(0, 999), Doc("Which face, from the largest, which is 0, on.")]
Border = Annotated[
    Literal["black", "transparent", "clamp", "mirror"],
    Doc("What is beyond the picture; FFHQ's crop has a way of its own."),
]
How = Annotated[Literal["blur", "pixelate", "fill"], Doc("Smooth, in squares, or in one colour.")]
Strength = Annotated[float, Range(0, 1), Doc("How little is left of a face: from 10 averages across it to 3.")]
Color = Annotated[str, Doc("Of the lines: a name or #rrggbb.")]
Numbers = Annotated[bool, Doc("Number the faces, from the largest on.")]

_DETECTORS = ({"pnet": "PNet", "rnet": "RNet", "onet": "ONet"}, {"detector": "DlibDetector"}, {"s3fd": "S3FD"})
"""Of each detector, which network each file is due to hold."""
_DRAWN = {"five": "points", "68": "landmarks", "mesh": "mesh", "dlib68": "landmarks"}
"""What is drawn of a face, by what is found of it."""
_ADVICE = (
    "look for smaller ones (smallest=0.02, --smallest 0.02), less sure ones (threshold=0.6, --threshold 0.6) "
    "or turned ones (turned=True, --turned)"
)
_SAME = 0.5
"""Overlap, of the smaller box, of what are two sights of one face."""
_DIGITS = 3
"""Of scores, where one turn is compared with another: the last ones say nothing."""


class Faces(PictureModel):
    """Finds faces, and what they are made of.

        faces = ml4a.load("face")
        for face in faces("group.jpg", points="mesh"):
            print(face.box, face.eyes)
        faces.align("portrait.jpg", size=512).save("aligned.png")

    A call gives `ml4a.media.face.Face` values, the largest first. Boxes are the detector's own, tall rather than
    square, and may reach beyond the picture. Left and right are the picture's, or of a turned face what they were if it
    were upright. In a film each face is followed, so that boxes and crops do not tremble.

    The weights `mmod` are dlib's detector, which the library of 2021 used with a threshold of 0.5, and `s3fd` are that
    of Wav2Lip: boxes alone, so that what needs eyes takes `points="mesh"` or `"dlib68"` with them.
    """

    card = "face"

    film_memory = "film"
    film: Film | None = None
    """What is remembered of the film whose frames come now."""

    def load(self, files: dict[str, Path]) -> None:
        """Build the detector: MTCNN's three networks, dlib's one, or S3FD.

        Raises:
            BadValue: the weights are another part's, such as the mesh's.
            BadWeights: a file holds another network than its role says.
        """
        from ml4a.weights.schema import OPAQUE

        from ._face_helpers import Helpers

        roles = next((each for each in _DETECTORS if each.keys() == files.keys()), {})
        if not roles or any(self.weights.files[role].format in OPAQUE for role in roles):
            raise BadValue(f"face/{self.weights.name} finds no faces by itself; load face/mtcnn, which calls it in")
        self.networks = tuple(self._network(files[role], role, due) for role, due in roles.items())
        self._helpers = Helpers(self.device)

    def _network(self, path: Path, role: str, due: str) -> Any:
        from ml4a import weights
        from ml4a.networks import from_state_dict

        network = from_state_dict("face", weights.read(path, self.weights.files[role].format).arrays())
        if (name := type(network).__name__) != due:
            raise BadWeights(f"{path.name} holds a {name}, where a {due} is due")
        return self.place(network)

    def for_film(self) -> Self:
        """The same model, which follows the faces of one film."""
        from ._face_film import Film

        model = copy.copy(self)
        model.film = Film()
        return model

    @operation()
    def __call__(
        self,
        picture: Picture,
        *,
        threshold: Threshold = 0.9,
        smallest: Smallest = 0.04,
        most: Most = None,
        points: Points = "five",
        turned: Turned = False,
    ) -> Found:
        """Find the faces in `picture`, the largest first; none, if there are none.

        What is smaller than 12 pixels is not found. The mesh needs `pip install "ml4a[face]"`; the 68 landmarks are
        taken from it.
        """
        return self._find(_pixels(picture), threshold, smallest, most, points, turned)

    @operation(
        verb="faces",
        examples=("ml4a faces group.jpg -o found.png", "ml4a faces portrait.jpg --points mesh -o mesh.png"),
    )
    @taking(__call__)
    def show(self, picture: Picture, *, numbers: Numbers = False, color: Color = "white", **search: Any) -> Picture:
        """Draw the faces that are found in `picture` over it: boxes, and eyes, nose and mouth or more."""
        from ml4a.media import face

        what = ["box", _DRAWN[search["points"]]]
        found = self._find(_pixels(picture), **search)
        return face.drawn(picture, found, [*what, "number"] if numbers else what, color=color)

    @operation(
        verb="align",
        examples=("ml4a align portrait.jpg --size 512 -o aligned.png", "ml4a align film.mp4 -o talking_head.mp4"),
    )
    @taking(__call__)
    def align(
        self,
        picture: Picture,
        *,
        size: Size = 256,
        layout: Layout = "ml4a",
        face: Which = 0,
        border: Border = "black",
        **search: Any,
    ) -> Picture:
        """Cut one face out of `picture`, upright, its eyes where they are in all such pictures.

        Raises:
            BadMedia: there is no face. (In a film, the crop then stays where it was.)
            BadValue: there are not so many faces.
        """
        from ml4a.media import face as geometry

        chosen = self._chosen(_pixels(picture), face, search)
        if layout == "ffhq":
            return geometry.ffhq(picture, chosen, size)
        return geometry.aligned(picture, chosen, size, border=border)

    @operation(
        verb="anonymize",
        examples=("ml4a anonymize street.jpg -o nobody.jpg", "ml4a anonymize march.mp4 --how fill -o nobody.mp4"),
    )
    @taking(__call__)
    def hide(self, picture: Picture, *, how: How = "blur", strength: Strength = 0.7, **search: Any) -> Picture:
        """Make the faces in `picture` unrecognisable, for good: what was below is not in the result.

        Faces that are not found are not hidden: look at the result. A lower `threshold` finds more.
        """
        from ml4a.media import face

        return face.hidden(picture, self._find(_pixels(picture), **search), how, strength)

    def crops(self, picture: Picture, margin: float = 0.3, **search: Any) -> list[Any]:
        """Each face of `picture` with what is around it, as it is: not turned, not scaled, the largest first.

        Args:
            picture: Any picture.
            margin: How much is around on each side, as a share of the box; 0 and more.
            search: As of a call.

        Returns:
            Pictures of the same kind, as far as the picture goes.
        """
        from ml4a.media import image

        if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin <= 100:
            raise BadValue(f"margin must be a number from 0 to 100, not {margin!r}")
        loaded = image.loaded(picture)
        array, kind = image.to_array(loaded), image.kind_of(loaded)
        height, width = array.shape[:2]
        cut = []
        for each in self(loaded, **search):
            x1, y1, x2, y2 = each.box
            across, down = margin * (x2 - x1), margin * (y2 - y1)
            left, right = (round(min(max(edge, 0), width)) for edge in (x1 - across, x2 + across))
            top, bottom = (round(min(max(edge, 0), height)) for edge in (y1 - down, y2 + down))
            if left < right and top < bottom:
                cut.append(image.as_kind(array[top:bottom, left:right].copy(), kind))
        return cut

    def parts(self, picture: Picture, *, size: int = 512, **search: Any) -> list[Segmentation]:
        """What each pixel of each face is: skin, hair, eyes, lips and more, in the words of `face_parsing`.

            hair = faces.parts("group.jpg")[0].mask("hair")

        Each face is looked at alone and upright, as that model has learnt it. What is outside of what it saw is -1.

        Args:
            picture: Any picture.
            size: Side of the square in which it looks at a face.
            search: As of a call.

        Returns:
            A label map of the picture's size for each face, in the order of a call.
        """
        from ml4a.media import image

        from ._face_parts import parsed

        loaded = image.loaded(picture)
        array = _pixels(loaded)
        return [parsed(self._helpers.parser, array, each, size) for each in self(loaded, **search)]

    def encode(self, picture: Picture, *, jitter: int = 0, seed: int = 0, **search: Any) -> list[Face]:
        """Find faces with their encodings: 128 numbers that are near those of the same person in other pictures.

        Args:
            picture: Any picture.
            jitter: Take the mean over so many chips that lie a little otherwise; 0 takes one.
            seed: What decides how these lie.
            search: As of a call.
        """
        from ml4a.media import image

        from ._encodings import encode

        loaded = image.loaded(picture)
        return encode(self._helpers.encoder, _pixels(loaded), self(loaded, **search), jitter=jitter, seed=seed)

    def recognise(self, picture: Picture, target: Picture | Face, **search: Any) -> Face | None:
        """The face in `picture` that is the person of `target`, or None if none is.

        Args:
            picture: Any picture.
            target: A picture of the person, whose largest face counts; or a face with an encoding.
            search: As of a call.

        Raises:
            BadMedia: there is no face in the target's picture.
            BadValue: the target is a face without an encoding.
        """
        from ml4a.media import face

        if not isinstance(target, face.Face):
            known = self.encode(target, **search)
            if not known:
                raise BadMedia(f"no face was found in the target's picture; {_ADVICE}")
            target = known[0]
        if target.encoding is None:
            raise BadValue("the target has no encoding; take a face that `encode` gave, or a picture")
        found = self.encode(picture, **search)
        nearest = face.nearest(found, target) if found else None
        return nearest if nearest is not None and face.distance(nearest, target) <= face.SAME_PERSON else None

    def _find(
        self,
        pixels: np.ndarray[Any, Any],
        threshold: float,
        smallest: float,
        most: int | None,
        points: str,
        turned: bool,
    ) -> list[Face]:
        from ml4a.media.face import largest_first

        found = self._detect(pixels, threshold, smallest)
        if turned:
            found = self._whichever_way_up(pixels, found, threshold, smallest)
        found = largest_first(found)
        if self.film is None:
            return [self._measured(pixels, each, points) for each in found[:most]]
        return self.film.follow([self._measured(pixels, each, points) for each in found], pixels)[:most]

    def _measured(self, pixels: np.ndarray[Any, Any], face: Face, points: str) -> Face:
        """A face with what is wanted of it besides its five points."""
        from ml4a.media.face import landmarks_of_mesh

        if points == "five":
            return face
        if points == "dlib68":
            return self._helpers.predictor(pixels, face)
        face = self._helpers.mesh(pixels, face)
        if points == "mesh" or face.mesh is None:
            return face
        return face.replace(landmarks=landmarks_of_mesh(face.mesh), mesh=None)

    def _detect(self, pixels: np.ndarray[Any, Any], threshold: float, smallest: float) -> list[Face]:
        from ml4a.media.face import Face

        from . import _mmod, _mtcnn, _s3fd

        least = smallest * min(pixels.shape[:2])
        kind = type(self.networks[0]).__name__
        if kind == "S3FD":
            seen = _s3fd.Finder(self.networks[0], self.device)(pixels)
            return [each for each in seen if each.score > threshold and max(each.size) >= least]
        if kind == "DlibDetector":
            return _mmod.find(pixels, self.networks[0], threshold=threshold, smallest=max(_mmod.SMALLEST, least))
        least = max(_mtcnn.SMALLEST, least)
        found = _mtcnn.find(pixels, *self.networks, smallest=least, threshold=threshold)
        rows = zip(found.boxes.tolist(), found.scores, found.points, strict=True)
        return [
            Face((x1, y1, x2, y2), float(score), points=points)
            for (x1, y1, x2, y2), score, points in rows
            if x1 < x2 and y1 < y2
        ]

    def _whichever_way_up(
        self, pixels: np.ndarray[Any, Any], upright: list[Face], threshold: float, smallest: float
    ) -> list[Face]:
        """The upright faces and those of the picture's three other turns; of one face, the turn that shows it best."""
        import numpy as np
        import torch

        from ml4a.ops.nms import nms

        height, width = pixels.shape[:2]
        back = {
            1: ((0, -1, width), (1, 0, 0)),
            2: ((-1, 0, width), (0, -1, height)),
            3: ((0, 1, 0), (-1, 0, height)),
        }
        found = list(upright)
        for turns, matrix in back.items():
            seen = self._detect(np.ascontiguousarray(np.rot90(pixels, turns)), threshold, smallest)
            found += [each.transformed(np.array(matrix, np.float64)) for each in seen]
        boxes = torch.tensor([each.box for each in found]).reshape(-1, 4)
        scores = torch.tensor([round(each.score, _DIGITS) for each in found])
        return [found[index] for index in nms(boxes, scores, _SAME, minimum=True).tolist()]

    def _chosen(self, pixels: np.ndarray[Any, Any], number: int, search: dict[str, Any]) -> Face:
        found = self._find(pixels, **search)
        if self.film is not None:
            return self.film.choose(found, number, (pixels.shape[1], pixels.shape[0]))
        if number < len(found):
            return found[number]
        if not found:
            raise BadMedia(f"no face was found in the picture; {_ADVICE}")
        raise BadValue(f"face must be 0 to {len(found) - 1}, as many as were found, not {number}; the largest is 0")


def _pixels(picture: Any) -> np.ndarray[Any, Any]:
    """H×W×3 float32 in [0, 1]."""
    from ml4a.media import image

    return image.to_array(picture)[:, :, :3]


def __getattr__(name: str) -> Any:
    from ml4a.media import face

    if name in face.__all__:
        return getattr(face, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from ml4a.media import face

    return sorted({*globals(), *face.__all__})
