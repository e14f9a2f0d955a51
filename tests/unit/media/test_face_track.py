"""Through a film, a person keeps one number, stands still where he stands still, and is not left behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml4a._core.errors import BadValue
from ml4a.media import face, image
from ml4a.media.face import Face, Tracker

FIVE = np.array([(-20, -15), (20, -15), (0, 0), (-15, 20), (15, 20)], float)


def seen(x: float, y: float, rng: np.random.Generator | None = None, noise: float = 0.0, **more: Any) -> Face:
    """A face of 100 pixels, found with some noise."""
    shaken = np.zeros((7, 2)) if rng is None else rng.normal(0, noise, (7, 2))
    (x1, y1), (x2, y2) = np.array([(x - 50, y - 50), (x + 50, y + 50)]) + shaken[:2]
    return Face((x1, y1, x2, y2), points=FIVE + np.array([x, y]) + shaken[2:], **more)


def points(found: Face) -> np.ndarray:
    assert found.points is not None
    return found.points


@pytest.mark.parametrize("noise", [0.5, 1, 2])
def test_less_than_half_of_the_trembling_is_left(noise):
    rng, follow = np.random.default_rng(0), Tracker()
    raw, shown = [], []
    for _ in range(200):
        found = seen(200, 150, rng, noise)
        raw.append(points(found) - FIVE - (200, 150))
        shown.append(points(follow([found])[1]) - FIVE - (200, 150))
    raw, shown = np.stack(raw[20:]), np.stack(shown[20:])
    assert shown.std() < 0.5 * raw.std()
    assert np.diff(shown, axis=0).std() < 0.35 * np.diff(raw, axis=0).std()
    assert np.abs(shown.mean(axis=0)).max() < noise  # it is held where it is


@pytest.mark.parametrize("speed", [5, 10, 30, 60])
def test_what_moves_fast_is_not_left_behind(speed):
    rng, follow = np.random.default_rng(1), Tracker()
    behind = []
    for frame in range(60):
        shown = follow([seen(200 + speed * frame, 150, rng, 0.5)])
        assert list(shown) == [1]
        behind.append((200 + speed * frame - shown[1].center[0]) / speed)
    assert np.abs(behind[15:]).max() < 1  # frames
    assert np.abs(np.mean(behind[15:])) < 0.3


def test_starting_and_stopping_take_a_frame_at_most():
    follow, path = Tracker(), [*[0.0] * 10, *np.arange(0, 200, 10), *[190.0] * 20]
    off = np.array([x - follow([seen(200 + x, 150)])[1].center[0] + 200 for x in path])
    assert np.abs(off).max() < 10
    assert np.abs(off[-8:]).max() < 1


def test_without_smoothing_places_are_those_found():
    rng, follow = np.random.default_rng(2), Tracker(smoothing=0)
    for frame in range(20):
        found = seen(200 + 3 * frame, 150, rng, 2)
        np.testing.assert_allclose(points(follow([found])[1]), points(found), atol=1e-3)


def test_people_keep_their_numbers_in_any_order_and_when_they_pass():
    rng, follow = np.random.default_rng(3), Tracker()
    names: dict[int, int] = {}
    for frame in range(80):
        people = [seen(100 + 8 * frame, 150, rng, 1), seen(740 - 8 * frame, 210, rng, 1), seen(400, 400, rng, 1)]
        order = rng.permutation(3)
        shown = follow([people[index] for index in order])
        assert sorted(shown) == [1, 2, 3]
        if frame == 0:
            names = {
                number: min(range(3), key=lambda n: abs(people[n].center[0] - each.center[0]))
                for number, each in shown.items()
            }
        for number, each in shown.items():
            assert np.hypot(*np.subtract(each.center, people[names[number]].center)) < 12


def test_who_is_missing_for_a_moment_goes_on_and_later_is_forgotten():
    follow = Tracker(patience=4)
    for frame in range(20):
        follow([seen(200 + 10 * frame, 150)])
    for frame in range(20, 24):
        shown = follow([])
        assert list(shown) == [1]
        assert abs(shown[1].center[0] - (200 + 10 * frame)) < 25
    assert list(follow([seen(440, 150)])) == [1]
    for _ in range(4):
        assert list(follow([])) == [1]
    assert follow([]) == {}
    assert list(follow([seen(450, 150)])) == [2]
    assert list(Tracker(patience=0)([seen(0, 0)])) == [1]


def test_encodings_tell_people_apart_who_stand_in_the_same_place():
    one, other = np.zeros(128), np.full(128, 0.1)
    follow = Tracker()
    assert list(follow([seen(200, 150, encoding=one)])) == [1]
    assert 2 in follow([seen(202, 150, encoding=other)])
    assert list(Tracker()([seen(200, 150)])) == [1]


def test_a_cut_makes_everyone_new_but_a_pan_and_a_flash_do_not():
    street, coffee = image.to_array("sample:astronaut"), image.to_array("sample:coffee")
    follow = Tracker()
    assert list(follow([seen(225, 130)], street)) == [1]
    assert list(follow([seen(225, 130)], np.roll(street, 12, axis=1))) == [1]
    assert list(follow([seen(225, 130)], 0.3 + 0.7 * street)) == [1]
    assert list(follow([seen(225, 130)], coffee)) == [2]
    follow.reset()
    assert list(follow([seen(225, 130)], coffee)) == [3]


def test_meshes_and_landmarks_are_held_too_and_may_come_and_go():
    rng, follow = np.random.default_rng(4), Tracker()
    mesh = rng.uniform(150, 250, (468, 3))
    shown = []
    for _ in range(60):
        shaken = mesh + rng.normal(0, 1, mesh.shape)
        each = follow([seen(200, 200, mesh=shaken, landmarks=face.landmarks_of_mesh(shaken))])[1]
        assert each.mesh is not None
        assert each.landmarks is not None
        shown.append(each.mesh - mesh)
    assert np.std(shown[20:]) < 0.5
    bare = follow([seen(200, 200, score=0.25)])[1]
    assert (bare.mesh, bare.landmarks, bare.score) == (None, None, 0.25)


def test_the_same_film_gives_the_same_faces_twice():
    films = []
    for _ in range(2):
        rng, follow = np.random.default_rng(5), Tracker()
        films.append([follow([seen(200 + 2 * n, 150, rng, 1), seen(500, 150, rng, 1)]) for n in range(10)])
    assert films[0] == films[1]


@pytest.mark.parametrize("options", [{"smoothing": 1}, {"smoothing": -0.1}, {"patience": -1}, {"patience": 1.5}])
def test_what_no_tracker_can_do_is_refused(options):
    with pytest.raises(BadValue):
        Tracker(**options)
