"""A flow is shown, followed, written and read back."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
import torch
from known_motion import KnownFilm, texture
from PIL import Image

from ml4a._core import limits
from ml4a._core.errors import BadMedia, BadValue, NotFound, OutputExists, TooLarge
from ml4a.media import image, motion
from ml4a.media.motion import Flow


def constant_flow(height: int, width: int, dx: float, dy: float) -> Flow:
    return Flow(np.full((height, width, 2), (dx, dy), np.float32))


def test_a_fixed_scale_does_not_follow_the_longest_way():
    slow, fast = constant_flow(4, 6, 2, 0), constant_flow(4, 6, 40, 0)
    assert np.allclose(slow.view(), fast.view())
    assert np.allclose(slow.view(longest=10)[0, 0], (1, 0.8, 0.8), atol=0.01)
    assert np.allclose(fast.view(longest=10)[0, 0], (1, 0, 0), atol=0.01)  # no purer than pure


@pytest.mark.parametrize("colors", ["hue", "classic"])
def test_what_stands_still_is_white(colors):
    assert (Flow.still((6, 4)).view(colors=colors) == 1).all()
    assert Flow.still((6, 4)).size == (6, 4)


@pytest.mark.parametrize(("dx", "dy", "color"), [(8, 0, (1, 0.5, 1)), (0, 8, (1, 0.5, 1)), (-8, -8, (0, 1, 0))])
def test_classic_colours_have_a_channel_for_each_axis(dx, dy, color):
    assert np.allclose(constant_flow(2, 2, dx, dy).view(8, "classic")[0, 0], color)


def test_a_flow_is_a_picture():
    flow = constant_flow(20, 30, 3, -4)
    shown = flow.to_image(longest=10, colors="classic")
    assert (shown.mode, shown.size) == ("RGB", (30, 20))
    assert np.abs(image.to_array(shown) - flow.view(10, "classic")).max() <= 0.5001 / 255


@pytest.mark.parametrize("longest", [0, -1, float("nan"), float("inf")])
def test_scales_that_are_none(longest):
    with pytest.raises(BadValue, match="longest must be"):
        Flow.still((3, 3)).view(longest)


def test_colours_that_are_none():
    with pytest.raises(BadValue, match="hue, classic, not 'wheel'"):
        Flow.still((3, 3)).view(colors="wheel")


def test_a_picture_of_any_kind_follows_a_flow():
    flow = constant_flow(40, 60, 5, -3)
    picture = image.sample("chelsea").resize((60, 40))
    due = motion.warp(image.to_array(picture), flow).clip(0, 1)
    array = flow.warp(np.asarray(picture))
    assert np.array_equal(array, due)
    np.testing.assert_array_equal(array[10:30, 10:40], image.to_array(picture)[7:27, 15:45])
    moved = flow.warp(picture)
    assert isinstance(moved, Image.Image)
    assert np.abs(image.to_array(moved) - due).max() <= 0.5001 / 255
    tensor = flow.warp(torch.from_numpy(image.to_array(picture).transpose(2, 0, 1)))
    assert np.array_equal(tensor.numpy().transpose(1, 2, 0), due)


def test_a_file_and_a_transparent_picture_follow_a_flow(tmp_path):
    picture = image.sample("chelsea").resize((60, 40))
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(tmp_path / "photo.png")
    moved = constant_flow(40, 60, 0, 7).warp(tmp_path / "photo.png")
    assert moved.mode == "RGBA"
    assert np.array_equal(np.asarray(moved)[:33], np.asarray(picture)[7:])


def test_the_mapping_says_row_and_column():
    mapping = constant_flow(20, 30, 5, -3).to_mapping()
    assert mapping.shape == (20, 30, 2)
    assert mapping[10, 4].tolist() == [7, 9]


def test_flows_both_ways_tell_what_is_hidden():
    film = KnownFilm(count=3, square_step=(-8, 0))
    found = motion.bidirectional(film.frames[2], film.frames[1])
    hidden = film.uncovered(2)
    assert hidden.sum() > 200
    assert found.visible[hidden].mean() < 0.4
    assert found.visible[film.seen_before(2)].mean() > 0.95
    assert np.array_equal(found.visible, motion.consistency(found.forward, found.backward))
    assert np.array_equal(found.visible_back, motion.consistency(found.backward, found.forward))
    assert np.array_equal(found.forward.vectors, motion.dis(film.frames[2], film.frames[1]).vectors)


def test_another_engine_may_find_the_flow():
    calls = []

    def engine(a, b):
        calls.append((a.mean(), b.mean()))
        return Flow.still((a.shape[1], a.shape[0]))

    a, b = np.zeros((20, 30, 3), np.float32), np.ones((20, 30, 3), np.float32)
    found = motion.bidirectional(a, b, engine)
    assert calls == [(0, 1), (1, 0)]
    assert (found.visible == 1).all()
    with pytest.raises(BadValue, match="one size"):
        motion.bidirectional(a, b[:10])


def some_flow() -> Flow:
    return motion.dis(texture(40, 60, 1), texture(40, 60, 1)[:, ::-1])


def test_a_flow_file_is_the_one_that_opencv_writes(tmp_path):
    flow = some_flow()
    assert flow.save(tmp_path / "ours.flo") == tmp_path / "ours.flo"
    assert cv2.writeOpticalFlow(str(tmp_path / "theirs.flo"), flow.vectors)
    assert (tmp_path / "ours.flo").read_bytes() == (tmp_path / "theirs.flo").read_bytes()
    assert np.array_equal(cv2.readOpticalFlow(str(tmp_path / "ours.flo")), flow.vectors)
    again = motion.load(tmp_path / "theirs.flo")
    assert np.array_equal(again.vectors, flow.vectors)
    assert again.vectors.dtype == np.float32
    assert again.vectors.flags.writeable


def test_a_flow_file_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "flow.flo"
    path.write_bytes(b"precious")
    with pytest.raises(OutputExists):
        some_flow().save(path)
    assert path.read_bytes() == b"precious"
    some_flow().save(path, overwrite=True)
    assert motion.load(path).size == (60, 40)
    assert [each.name for each in tmp_path.iterdir()] == ["flow.flo"]
    with pytest.raises(BadValue, match=r"\.flo, not '\.png'"):
        some_flow().save(tmp_path / "flow.png")


def test_pixels_of_which_nothing_is_known_stand_still(tmp_path):
    vectors = np.full((3, 4, 2), 2, np.float32)
    vectors[0, 0], vectors[1, 1, 0], vectors[2, 2, 1] = 1e10, np.nan, -np.inf
    Flow(vectors).save(tmp_path / "flow.flo")
    known = motion.load(tmp_path / "flow.flo").vectors
    assert (known[[0, 1, 2], [0, 1, 2]] == 0).all()
    assert (known == 0).sum() == 6
    assert (known[0, 1] == 2).all()


def flo(width: int, height: int, data: bytes = b"", magic: bytes = b"PIEH") -> bytes:
    return magic + struct.pack("<ii", width, height) + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PIEH\1\0", "is no flow"),
        (flo(2, 2, bytes(32), b"HEIP"), "is no flow"),
        (b"not a flow at all, but a text", "is no flow"),
        (flo(2, 2, bytes(31)), "cut short: a flow of 2x2 px takes 44 bytes"),
        (flo(2, 2, bytes(33)), "longer than it says"),
        (flo(0, 5), "broken: a flow of 0x5 px"),
        (flo(-2, -2, bytes(32)), "broken"),
        (flo(1 << 30, 1), "cut short"),
    ],
)
def test_files_that_are_no_flow(content, words, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "PICTURE_PIXELS", 1 << 31)
    (tmp_path / "flow.flo").write_bytes(content)
    with pytest.raises(BadMedia, match=words):
        motion.load(tmp_path / "flow.flo")


def test_flows_that_are_too_large_or_not_there(tmp_path):
    (tmp_path / "flow.flo").write_bytes(flo(2**31 - 1, 2**31 - 1, bytes(8)))
    with pytest.raises(TooLarge, match="2147483647x2147483647"):
        motion.load(tmp_path / "flow.flo")
    with pytest.raises(NotFound):
        motion.load(tmp_path / "none.flo")
