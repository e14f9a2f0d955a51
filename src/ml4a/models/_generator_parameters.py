"""The parameters of generators, declared once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from ml4a._core.kinds import Kind, LatentsLike
from ml4a._core.params import Doc, Range

if TYPE_CHECKING:
    from ml4a.media.latents import Latents
    from ml4a.media.video import Clip
else:
    Clip = Annotated[Any, Kind("film")]
    Latents = Annotated[Any, Kind("latents")]
    """As annotations have them at run time, when the media are not imported yet."""

Where = Annotated[
    LatentsLike | None, Doc("A file of latents, as `ml4a gan project` writes; by default drawn by the seed.")
]
Other = Annotated[LatentsLike | None, Doc("The other: a file of latents; by default drawn by `other_seed`.")]
Truncation = Annotated[
    float, Range(-2, 2), Doc("Of what is drawn: 1 is all there is, 0.7 is surer and plainer, 0 is the average.")
]
Cutoff = Annotated[int | None, Range(0), Doc("Only so many layers are truncated, the coarsest; by default all.")]
Label = Annotated[
    tuple[int, ...] | None,
    Range(0),
    Doc("Class by number, if the weights have classes; of several, the mean. By default the seed chooses."),
]
Seeds = Annotated[tuple[int, ...] | None, Range(0, 2**32 - 1), Doc("What to go through: 1,2,3.")]
Seconds = Annotated[float, Range(0.02, 24 * 3600), Doc("Length of the film.")]
Rate = Annotated[float, Range(1, 240), Doc("Frames per second.")]
Mode = Annotated[
    Literal["linear", "ease", "slerp", "spline"],
    Doc("How to go: evenly, resting at each, along the sphere, or on one smooth curve."),
]
Space = Annotated[
    Literal["w", "z"], Doc("Where to go: in w pictures change evenly; in z they take detours through others.")
]
Loop = Annotated[bool, Doc("Go back to the first, so that the film plays again and again without a seam.")]
Smoothing = Annotated[float, Range(0.01, 600), Doc("Seconds over which changes are smoothed: more is slower.")]
React = Annotated[
    float,
    Range(0, 10),
    Doc("How much a sound drives: 0 is an even walk, 1 all but stands still in silence, more leaps with the beat."),
]
Layers = Annotated[
    tuple[int, ...] | None, Range(0), Doc("Layers by number, 0 being the coarsest: 4,5,6; see each command.")
]
Amount = Annotated[float, Range(-100, 100), Doc("How far; 2 or 3 is plain to see, below 0 is the other way.")]
Direction = Annotated[
    str, Doc("sefa:0 (of the network's own layers) or pca:0 (of what it draws), or by a name that the weights have.")
]
