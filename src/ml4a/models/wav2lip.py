"""Wav2Lip: lips that follow any speech (Prajwal et al., ACM Multimedia 2020, arXiv:2008.10010)."""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ml4a._core.errors import BadMedia, BadValue, BadWeights
from ml4a._core.kinds import Film, Kind, SoundLike
from ml4a._core.params import Doc, Range

from ._base import Model
from ._operation import operation

if TYPE_CHECKING:
    import numpy as np

    from ml4a.media.audio import Sound
    from ml4a.media.video import Clip

    from ._footage import Footage
    from ._sync import Sync
else:
    Clip = Annotated[Any, Kind("film")]

Speech = Annotated[SoundLike, Doc("What is said: a file with sound, a film's too.")]
Pads = Annotated[
    tuple[int, ...], Range(-2000, 2000), Doc("Pixels added to the face's box: above, below, to the left, to the right.")
]
Crop = Annotated[
    tuple[int, ...] | None,
    Range(-1, 100_000),
    Doc("The part of the film that is kept: top, bottom, left, right in pixels; -1 is its edge."),
]
Box = Annotated[
    tuple[int, ...] | None,
    Range(0, 100_000),
    Doc("Where the face is, in all frames: top, bottom, left, right in pixels. By default it is looked for."),
]
Rotate = Annotated[int, Range(0, 3), Doc("Quarters of a turn, clockwise, that the film is turned by first.")]
Size = Annotated[int | None, Range(32, 8192), Doc("Height that the film is brought to before it is turned.")]
Static = Annotated[bool, Doc("Let the first frame stand still; pictures do anyway.")]
Loop = Annotated[
    Literal["repeat", "pingpong", "hold"],
    Doc("What a film does that is over before the speech: begin anew, go back and forth, or stay on its last frame."),
]
Smooth = Annotated[
    Literal["centred", "ahead", "none"],
    Doc("How boxes are smoothed over five frames: those around, or as in the original the four to come."),
]
Every = Annotated[int, Range(1, 100), Doc("Look for the face in every n-th frame only, and where it must be between.")]
Bridge = Annotated[
    float | None,
    Range(0, 86_400),
    Doc("Seconds without a face that are bridged; longer stretches stay as they are. By default all are bridged."),
]
DetectorName = Annotated[
    Literal["mtcnn", "s3fd"],
    Doc("What finds faces: MTCNN, whose weights are on the package index, or the original's S3FD."),
]
Blend = Annotated[
    Literal["soft", "hard"], Doc("Let the mouth grow out of the frame, or paste the whole face as the original does.")
]
Rate = Annotated[float, Range(1, 120), Doc("Frames per second of what a still becomes; a film keeps its own.")]
Batch = Annotated[int, Range(1, 512), Doc("Faces that are painted at once.")]

_A_DAY = 86_400
_NO_MEMORY = "can't allocate memory"
"""What torch says on a processor, where it has no error of its own for it."""
_SHORTEST = 0.2
"""Seconds of speech; what is shorter is followed by silence."""


class Wav2Lip(Model):
    """Lets the lips of a face follow any speech.

        model = ml4a.load("wav2lip")
        model("portrait.jpg", speech="speech.wav").save("talking.mp4")

    The face is painted at 96×96 pixels, so that it is best if it is not much larger in the film. Speech in any language
    will do, also synthetic. Whoever is shown should have agreed: what comes out is marked as made by a model.
    """

    card = "wav2lip"
    keeps_partial_films = True

    def load(self, files: dict[str, Path]) -> None:
        """Build the generator; of what training saved beside it, such as the optimiser, nothing is looked at.

        Raises:
            BadWeights: of another network, or of SyncNet.
        """
        from ml4a import weights
        from ml4a.networks import from_state_dict
        from ml4a.networks.wav2lip import Wav2Lip as Generator

        from ._not_weights import describe

        if (no_weights := describe(files["network"])) is not None:  # as the file that the original's page now leads to
            raise BadWeights(f"{files['network']} is {no_weights[0]}; take wav2lip_gan.pth, the weights 'gan'")
        archive = weights.read(files["network"], self.weights.files["network"].format)
        network = from_state_dict(self.card, archive.arrays())
        if not isinstance(network, Generator):
            raise BadWeights(f"these weights are a {type(network).__name__}'s; lips are moved by wav2lip_gan.pth's")
        self.network = self.place(network)

    @operation(
        verb="lipsync",
        examples=(
            "ml4a lipsync portrait.jpg speech.wav -o talking.mp4",
            "ml4a lipsync interview.mp4 other_words.mp3 --loop pingpong --pads 0,20,0,0 -o dubbed.mp4",
            "ml4a lipsync interview.mp4 speech.wav --detector s3fd --smooth ahead --blend hard -o as_in_2020.mp4",
        ),
    )
    def __call__(
        self,
        face: Film,
        *,
        speech: Speech,
        pads: Pads = (0, 10, 0, 0),
        crop: Crop = None,
        box: Box = None,
        rotate: Rotate = 0,
        size: Size = None,
        static: Static = False,
        loop: Loop = "repeat",
        smooth: Smooth = "centred",
        every: Every = 1,
        bridge: Bridge = None,
        detector: DetectorName = "mtcnn",
        blend: Blend = "soft",
        rate: Rate = 25.0,
        batch: Batch = 16,
    ) -> Clip:
        """Let the lips of `face`, a film or a still picture, follow a speech.

        Faces are looked for when the film is first read or saved, and painted as it goes on; only a few frames are in
        memory at a time. It lasts as long as the speech, which is its sound, and keeps the film's rate. Of several
        faces the largest speaks, for as long as it stays in its place.

        Raises:
            BadMedia: nothing can be read; when the film is read, also: there is no face in any frame.
            BadValue: what is asked for cannot be; when the film is read, also: a box that is not within the frames.
        """
        from ml4a.media import audio, video

        from . import _lipsync
        from ._talking import Talking

        _four("box", box)
        _four("pads", pads)
        footage = _footage(face, rate=rate, size=size, rotate=rotate, crop=_four("crop", crop), static=static)
        said = audio.load(speech)
        mel = audio.mel(_long_enough(said), audio.WAV2LIP)
        count = max(1, math.ceil(len(said.samples) * footage.rate / said.rate))
        starts = _lipsync.chunk_starts(mel.shape[1], footage.rate, count)
        longest = math.inf if bridge is None else float(bridge * footage.rate)
        find = functools.cache(
            functools.partial(self._boxes, footage, count, detector, box, pads, every, smooth, longest)
        )
        paint = functools.partial(self._painted, footage, mel, starts, loop, blend, batch)
        return video.from_frames(lambda: Talking(find, paint), footage.rate, count=count, sound=said)

    def sync(
        self,
        film: str | os.PathLike[str] | Clip,
        *,
        expert: str | os.PathLike[str],
        pads: tuple[int, int, int, int] = (0, 10, 0, 0),
        box: tuple[int, int, int, int] | None = None,
        detector: Literal["mtcnn", "s3fd"] = "mtcnn",
        batch: int = 16,
    ) -> Sync:
        """Find out whether the lips and the sound of a film are in step, and by how much they are not.

        Args:
            film: With a face and with sound.
            expert: The file of SyncNet's weights, `lipsync_expert.pth`, which the original's page leads to.
            pads: As for a call.
            box: As for a call.
            detector: As for a call.
            batch: Moments that are looked at at once.

        Raises:
            BadMedia: the film has no sound, or no face in so many frames in a row as are looked at.
            BadWeights: the weights are not SyncNet's.
        """
        from ml4a import weights
        from ml4a.media import audio, video
        from ml4a.networks import from_state_dict
        from ml4a.networks.syncnet import SyncNet

        from . import _sync
        from ._footage import Footage

        clip = film if isinstance(film, video.Clip) else video.open(film)
        if clip.sound is None:
            raise BadMedia(f"{clip.source.header.name} has no sound to compare its lips with")
        network = from_state_dict(self.card, weights.read(Path(expert)).arrays())
        if not isinstance(network, SyncNet):
            raise BadWeights(f"{expert} holds a {type(network).__name__}'s weights, not SyncNet's")
        footage = Footage(clip.at_rate(_sync.RATE))
        boxes = self._boxes(footage, _A_DAY * _sync.RATE, detector, box, pads, 1, "centred", math.inf)
        mel = audio.mel(_long_enough(clip.sound), audio.WAV2LIP)
        return _sync.measured(network.to(self.device), self.device, footage, boxes, mel, batch)

    def _boxes(
        self,
        footage: Footage,
        count: int,
        detector: str,
        box: tuple[int, ...] | None,
        pads: tuple[int, ...],
        every: int,
        smooth: str,
        longest: float,
    ) -> np.ndarray[Any, Any]:
        """Where the face is in each of at most `count` frames."""
        from . import _face_boxes

        fixed, around = _four("box", box), _four("pads", pads)
        if fixed is not None:
            return _face_boxes.everywhere(footage, fixed, count)
        find = _face_boxes.detector(detector, str(self.device))
        boxes = _face_boxes.found(footage, find, around or (0, 0, 0, 0), count, every)
        return _face_boxes.settled(boxes, smooth, longest)

    def _painted(
        self,
        footage: Footage,
        mel: np.ndarray[Any, Any],
        starts: np.ndarray[Any, Any],
        loop: Literal["repeat", "pingpong", "hold"],
        blend: str,
        batch: int,
        boxes: np.ndarray[Any, Any],
        first: int,
    ) -> Generator[np.ndarray[Any, Any], None, None]:
        """The frames of the result from number `first` on, in the same batches as if it were the whole."""
        from . import _lipsync

        paste = _lipsync.blended if blend == "soft" else _lipsync.pasted
        shown = zip(starts, footage.going_on(len(boxes), loop), strict=False)
        done = first % batch
        for moments in _batches(itertools.islice(shown, first - done, None), batch):
            speaking = [
                (mel[:, start : start + _lipsync.STEPS], frame, box)
                for start, (number, frame) in moments
                if (box := _lipsync.whole(boxes[number], frame)) is not None
            ]
            if speaking:
                chunks, frames, places = zip(*speaking, strict=True)
                faces = [_lipsync.cropped(*each, self.network.size) for each in zip(frames, places, strict=True)]
                for frame, painted, box in zip(frames, self._paint(chunks, faces), places, strict=True):
                    paste(frame, painted, box)
            yield from (frame for _, (_, frame) in moments[done:])
            done = 0

    def _paint(
        self, chunks: Sequence[np.ndarray[Any, Any]], faces: Sequence[np.ndarray[Any, Any]]
    ) -> np.ndarray[Any, Any]:
        """Faces that say what is heard: N×S×S×3 float32 in [0, 1]."""
        import numpy as np
        import torch

        from . import _lipsync

        audio = torch.from_numpy(np.stack(chunks)[:, None]).float()
        seen = torch.from_numpy(_lipsync.as_input(faces))

        def paint(first: int, last: int) -> torch.Tensor:
            with torch.inference_mode():
                return self.network(audio[first:last].to(self.device), seen[first:last].to(self.device)).float().cpu()

        painted = torch.cat(in_parts(paint, len(seen)))
        return np.ascontiguousarray(painted.flip(1).permute(0, 2, 3, 1).numpy())


def in_parts(paint: Callable[[int, int], Any], count: int) -> list[Any]:
    """What `paint` makes of the items from one number to another, of all of `count`, in as many parts as memory needs.

    The parts are halved each time that the memory does not suffice.
    """
    import torch

    done: list[Any] = []
    first, part = 0, count
    while first < count:
        try:
            done.append(paint(first, min(first + part, count)))
        except RuntimeError as error:
            if part == 1 or not (isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY in str(error)):
                raise
            part = (part + 1) // 2
            continue
        first += part
    return done


def _footage(
    face: Any, *, rate: float, size: int | None, rotate: int, crop: tuple[int, int, int, int] | None, static: bool
) -> Footage:
    """What is worked on. Where its rate varies, it becomes constant."""
    from ml4a.media import image, video

    from ._footage import Footage

    if not isinstance(face, video.Clip):
        clip = video.from_frames([image.to_array(face)], rate)
    else:
        clip = face.at_rate(face.rate)
        clip = video.from_frames([clip.at(0)], clip.rate) if static else clip
    return Footage(clip if size is None else clip.resize(size), rotate, crop)


def _four(name: str, values: tuple[int, ...] | None) -> tuple[int, int, int, int] | None:
    if values is not None and len(values) != 4:
        raise BadValue(f"{name} is four numbers (top, bottom, left, right), not {len(values)}")
    return values  # type: ignore[return-value]


def _long_enough(speech: Sound) -> Sound:
    import numpy as np

    from ml4a.media.audio import Sound

    missing = math.ceil(_SHORTEST * speech.rate) - len(speech.samples)
    return speech if missing <= 0 else Sound(np.pad(speech.samples, ((0, missing), (0, 0))), speech.rate)


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(itertools.islice(items, size)):
        yield batch
