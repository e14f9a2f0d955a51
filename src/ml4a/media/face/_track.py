"""Faces followed through a film: the same person keeps the same number, and nothing trembles."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ml4a._core import states
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture

from .. import image
from ._cover import several
from ._face import Face
from ._layout import Array
from ._likeness import SAME_PERSON, distance

_PLACES = ("box", "points", "landmarks", "mesh")
_MOST = 0.95
"""Of smoothing: with 1 nothing would ever move."""
_GAIN = 6.0
"""How much sooner a place is believed the faster it moves: by so much at one face's size a frame."""
_SPEED_GAIN = 0.3
"""Share of a new speed in the one that is believed."""
_STANDING = 0.02
"""Face sizes a frame: of what is slower the speed is noise, and not gone on with."""
_SLOWING = 0.8
"""What is left of the speed of a face that was not found, with each frame."""
_NEAR, _NEARER = 0.8, 0.2
"""Face sizes from where it is expected, in which a face is the same; more with each frame that it was missing."""
_CUT, _THUMBNAIL, _FAINT = 0.5, 16, 0.02
"""Difference of two frames' thumbnails, as a share of their contrast, that is a cut; their side; the least contrast."""


class Tracker:
    """Follows faces from frame to frame. It is called with what a detector finds, frame after frame, in order.

        follow = face.Tracker()
        for frame in clip:
            for number, each in follow(detector(frame), frame).items():
                …

    Places are held still by a filter that trusts a new place the more, the faster it moves (after Casiez et al., The
    1€ Filter, CHI 2012), and that goes on with the speed, so that it does not lag. Nothing in it is by chance.

    Args:
        smoothing: How much places are held still: 0 not at all; with 0.5 less than half of the trembling is left.
        patience: Frames that a face may be missing: until then it is expected to go on as it did, then forgotten.

    Raises:
        BadValue: out of bounds.
    """

    def __init__(self, smoothing: float = 0.5, patience: int = 5) -> None:
        if not 0 <= smoothing <= _MOST:
            raise BadValue(f"smoothing must be between 0 and {_MOST}, not {smoothing!r}")
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 0:
            raise BadValue(f"patience is a whole number of frames, 0 or more, not {patience!r}")
        self._rest = (1 - smoothing) ** 2
        self._patience = patience
        self._next = 1
        self._tracks: list[_Track] = []
        self._before: Array | None = None

    def __call__(self, faces: Sequence[Face], picture: Picture | None = None) -> dict[int, Face]:
        """The faces of the next frame.

        Args:
            faces: What was found in it.
            picture: The frame, by which cuts are seen; after a cut everyone is new.

        Returns:
            Each face that is there or only missing for a moment, under its number. Numbers start with 1 and are never
            given again. Scores and encodings are those last found.
        """
        faces = several(faces)
        if picture is not None and self._is_cut(picture):
            self.reset()
        for track in self._tracks:
            track.expect()
        free = set(range(len(faces)))
        unseen = list(self._tracks)
        for _, track, index in self._pairs(faces):
            if track in unseen and index in free:
                track.see(faces[index], self._rest)
                unseen.remove(track)
                free.remove(index)
        self._tracks = [track for track in self._tracks if track.missing <= self._patience]
        for index in sorted(free):
            track = _Track(self._next, faces[index])
            self._next += 1
            track.see(faces[index], self._rest)
            self._tracks.append(track)
        return {track.number: track.face for track in self._tracks}

    def reset(self) -> None:
        """Forget everyone, as after a cut. Numbers go on."""
        self._tracks = []

    def film_state(self) -> dict[str, Any]:
        """What is remembered of the frames so far, to be written to a file: arrays of numbers and JSON values."""
        state: dict[str, Any] = {"next": self._next, "tracks": len(self._tracks)}
        if self._before is not None:
            state["before"] = self._before
        for index, track in enumerate(self._tracks):
            state |= {f"{index}.{name}": value for name, value in track.to_state().items()}
        return state

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Remember what `film_state` gave, in place of what is remembered.

        Raises:
            BadValue: it gave nothing like that.
        """
        before = state.get("before")
        if before is not None and getattr(before, "shape", None) != (_THUMBNAIL, _THUMBNAIL, 3):
            raise BadValue("what is remembered of the last frame of a film is no picture of it")
        tracks = [states.below(str(index), state) for index in range(states.whole("tracks", state))]
        self._tracks = [_Track.from_state(each) for each in tracks]
        self._next, self._before = states.whole("next", state), before

    def _pairs(self, faces: Sequence[Face]) -> list[tuple[float, _Track, int]]:
        """Who may be who, the likeliest first."""
        pairs = []
        for track, (index, face) in itertools.product(self._tracks, enumerate(faces)):
            cost = track.unlikeness(face)
            if cost <= _NEAR + _NEARER * (track.missing - 1):
                pairs.append((cost, track, index))
        return sorted(pairs, key=lambda pair: (pair[0], pair[1].number, pair[2]))

    def _is_cut(self, picture: Picture) -> bool:
        import cv2

        array = image.to_array(picture)[:, :, :3]
        small = cv2.resize(array, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
        small -= small.mean(axis=(0, 1))  # a flash is no cut
        before, self._before = self._before, small
        if before is None:
            return False
        contrast = np.abs(before).mean() + np.abs(small).mean() + _FAINT
        return bool(np.abs(small - before).mean() > _CUT * contrast)


@dataclass(eq=False)
class _Track:
    """One person."""

    number: int
    face: Face
    """As shown last."""
    missing: int = 0
    """Frames since it was found."""
    filters: dict[str, _Filter] = field(default_factory=dict)

    def expect(self) -> None:
        """Let a frame go by: the face goes on as it did."""
        self.missing += 1
        for each in self.filters.values():
            each.go_on(slower=self.missing > 1)
        if self.filters:
            self._show(self.face)

    def see(self, face: Face, rest: float) -> None:
        """It was found."""
        self.missing = 0
        unit = face.area**0.5
        for name in _PLACES:
            value = getattr(face, name)
            if value is None:
                self.filters.pop(name, None)
                continue
            places = np.array(value, np.float64).reshape(-1, 2) if name == "box" else value.astype(np.float64)
            if name in self.filters:
                self.filters[name].see(places, unit, rest)
            else:
                self.filters[name] = _Filter(places)
        self._show(face)

    def unlikeness(self, face: Face) -> float:
        """How far a face is from what is expected, in face sizes; infinite for somebody else."""
        size, other = self.face.area**0.5, face.area**0.5
        apart = np.hypot(*np.subtract(self.face.center, face.center)) / ((size + other) / 2)
        cost = float(apart + abs(np.log(other / size)))
        if self.face.encoding is not None and face.encoding is not None:
            difference = distance(self.face, face)
            if difference > SAME_PERSON:
                return np.inf
            cost += difference
        return cost

    def to_state(self) -> dict[str, Any]:
        """All of it, as arrays of numbers and JSON values."""
        state: dict[str, Any] = {"number": self.number, "missing": self.missing}
        state |= {f"face.{name}": value for name, value in self.face.to_state().items()}
        return state | {f"filters.{name}": each.to_state() for name, each in self.filters.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> _Track:
        """The person that gave `to_state`.

        Raises:
            BadValue: none could have.
        """
        filters = {name: _Filter.from_state(each) for name, each in states.below("filters", state).items()}
        if "box" not in filters or not filters.keys() <= set(_PLACES):
            raise BadValue("a face that is followed through a film has a box, and places that faces have")
        face = Face.from_state(states.below("face", state))
        return cls(states.whole("number", state), face, states.whole("missing", state), filters)

    def _show(self, face: Face) -> None:
        places = {name: each.place for name, each in self.filters.items()}
        box = places.pop("box")
        (x1, y1), (x2, y2) = np.minimum(box[0], box[1] - 1e-3), box[1]
        self.face = Face((x1, y1, x2, y2), face.score, **places, encoding=face.encoding)


class _Filter:
    """Holds points still, each by its own speed."""

    def __init__(self, places: Array) -> None:
        self.place = places
        self._found = places
        self._speed = np.zeros_like(places)

    def to_state(self) -> Array:
        """3×n×2 or 3×n×3: where they are, where they were found, how fast they go."""
        return np.stack([self.place, self._found, self._speed])

    @classmethod
    def from_state(cls, state: Any) -> _Filter:
        """What gave `to_state`.

        Raises:
            BadValue: nothing could have.
        """
        if not (isinstance(state, np.ndarray) and state.ndim == 3 and len(state) == 3 and state.dtype.kind == "f"):
            raise BadValue("places of a face that is followed are points, where they were found, and speeds")
        held = cls(state[0])
        held._found, held._speed = state[1], state[2]
        return held

    def go_on(self, *, slower: bool) -> None:
        """The points after another frame, as far as is known."""
        if slower:
            self._speed = self._speed * _SLOWING
        self._found = self._found + self._speed
        self.place = self.place + self._speed

    def see(self, places: Array, unit: float, rest: float) -> None:
        """Where they were found, after `go_on`; `unit` is the face's size, `rest` the trust in what stands still."""
        went, self._speed = self._speed, self._speed + _SPEED_GAIN * (places - self._found)
        self._found = places
        pace = np.sqrt(np.square(self._speed).sum(axis=1, keepdims=True)) / unit
        going = np.square(pace) / (np.square(pace) + _STANDING**2)
        expected = self.place - went + going * self._speed
        doubt = (1 - rest) / (1 + (1 - rest) * _GAIN * pace)  # of 1 - trust, as of a low pass that opens with the pace
        trust = 1 - doubt
        self.place = expected + trust * (places - expected)
