"""`ml4a loop`: a picture fed back into itself through warps, frame after frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import Parameter

from ml4a._core.errors import BadValue, NotFound

from . import derived
from .adapter import read_picture
from .film import Output, Overwrite, Quiet, save_made
from .run import default_target

if TYPE_CHECKING:
    from ml4a.media.canvas import Warp
    from ml4a.media.signals import Signal

_NOTHING = "0"
_LONGEST_SCORE = 1 << 20

Amount = Annotated[str, Parameter(show_default=False)]


def loop(
    source: Annotated[str, Parameter(name="SOURCE", help="A picture, URL, `sample:NAME`, or `-`.")],
    /,
    *,
    zoom: Annotated[Amount, Parameter(help="Factor from frame to frame; above 1 goes in, below 1 out.")] = "1",
    rotate: Annotated[Amount, Parameter(help="Radians from frame to frame, counter-clockwise.")] = _NOTHING,
    shift_x: Annotated[Amount, Parameter(help="To the right; the picture's shorter side is 1.")] = _NOTHING,
    shift_y: Annotated[Amount, Parameter(help="Down; the same.")] = _NOTHING,
    swirl: Annotated[Amount, Parameter(help="Radians in the middle, fading outwards.")] = _NOTHING,
    expand: Annotated[Amount, Parameter(help="Outwards by so much everywhere; below 0 inwards.")] = _NOTHING,
    spiral: Annotated[Amount, Parameter(help="Height of four lobes, as a share of the distance.")] = _NOTHING,
    noise: Annotated[Amount, Parameter(help="How far a field of noise moves things at most.")] = _NOTHING,
    curl: Annotated[Amount, Parameter(help="How far eddies carry things on average.")] = _NOTHING,
    kaleidoscope: Annotated[int, Parameter(help="Mirrored pairs.", show_default=False)] = 0,
    score: Annotated[str | None, Parameter(help="A file of warps in YAML or JSON, seen through the others.")] = None,
    seconds: Annotated[float, Parameter(help="Length of the film.")] = 10.0,
    rate: Annotated[float, Parameter(help="Frames per second.")] = 30.0,
    height: Annotated[int | None, Parameter(help="Height in pixels; by default the picture's own.")] = None,
    refresh: Annotated[Amount, Parameter(help="Share of the picture laid over every frame, up to 1.")] = _NOTHING,
    sharpen: Annotated[float, Parameter(help="Makes up for what interpolation softens; 0.2 does for most.")] = 0.0,
    seamless: Annotated[bool, Parameter(negative="", help="Let the last frame lead to the first.")] = False,
    border: Annotated[
        Literal["mirror", "wrap", "clamp", "transparent"], Parameter(help="What comes in at the border.")
    ] = "mirror",
    sound: Annotated[str | None, Parameter(help="A file whose sound the film gets.")] = None,
    output: Output = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Feed a picture back into itself through warps, frame after frame: zooms, spirals, drifting smoke.

    An amount is a number, or `LOW..HIGH@FILE:FEATURE`: it then follows the bass, the onsets … of a sound.
    """
    given = dict(locals())
    from ml4a.media import canvas

    def amount(name: str, text: str) -> float | Signal:
        return read_amount(name, text, rate)

    warps = [
        *([canvas.kaleidoscope(kaleidoscope)] if kaleidoscope else []),
        canvas.zoom(amount("zoom", zoom)),
        canvas.rotate(amount("rotate", rotate)),
        canvas.shift(amount("shift-x", shift_x), amount("shift-y", shift_y)),
        canvas.swirl(amount("swirl", swirl)),
        canvas.expand(amount("expand", expand)),
        canvas.spiral(amount("spiral", spiral)),
        *([] if score is None else [_read_score(score)]),
    ]
    warp = canvas.compose(*warps)
    for name, field, text in (("noise", canvas.noise, noise), ("curl", canvas.curl, curl)):
        warp = warp if text == _NOTHING else warp & field(amount(name, text))
    film = canvas.loop(
        read_picture(source),
        warp,
        seconds=seconds,
        rate=rate,
        size=height,
        refresh=amount("refresh", refresh),
        sharpen=sharpen,
        seamless=seamless,
        border=border,
    )
    film = film if sound is None else film.with_sound(sound)
    target = output or default_target("loop", source).with_suffix(".mp4")
    save_made(lambda _: film, target, ["loop", source], given, seed=0)


_EXAMPLES = (
    "ml4a loop photo.jpg --zoom 1.02 --rotate 0.01 --seconds 10 -o loop.mp4",
    "ml4a loop photo.jpg --curl 0.002 --refresh 0.02 --seamless -o smoke.webm",
    "ml4a loop photo.jpg --zoom 1..1.08@song.mp3:bass --sound song.mp3 --seconds 30 -o song.mp4",
    "ml4a loop photo.jpg --score score.yaml -o score.mp4",
)


def register(app: cyclopts.App) -> None:
    """Add `loop` to the command line."""
    app.command(loop, help_epilogue=derived.epilogue(_EXAMPLES))


def read_amount(name: str, text: str, rate: float) -> float | Signal:
    """A number, or a signal that follows a sound, as people write them.

    Raises:
        BadValue: it is neither.
    """
    try:
        return float(text)
    except ValueError:
        pass
    if "@" not in text:
        raise BadValue(f"{name} must be a number, or LOW..HIGH@FILE:FEATURE such as 1..1.1@song.wav:bass, not {text!r}")
    from ml4a.media import listen

    return listen.parse(text, rate)


def _read_score(file: str) -> Warp:
    from ml4a.media import canvas

    try:
        with Path(file).open("rb") as opened:
            text = opened.read(_LONGEST_SCORE + 1)
        return canvas.loads(text.decode())
    except OSError as error:
        raise NotFound(f"cannot read the score {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadValue(f"{file} is no score: it is not text") from None
