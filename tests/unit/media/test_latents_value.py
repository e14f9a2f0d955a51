"""Latents as a value: what they hold, files of them, and what is near to what."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from ml4a._core.errors import BadMedia, BadValue, NotFound, OutputExists, UnknownName
from ml4a._core.record import Record
from ml4a.media import latents
from ml4a.media.latents import Latents

RECORD = Record("stylegan", "project", "ffhq", {}, {"space": "w+"}, 1, "cpu", "float32", (), {})


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_they_are_what_they_are_made_of_and_nobody_changes_them():
    array = drawn(3, 8)
    value = Latents(array)
    array[:] = 0
    assert (len(value), value.space, value.values.dtype) == (3, "z", np.float32)
    np.testing.assert_array_equal(np.asarray(value), drawn(3, 8))
    with pytest.raises(ValueError, match="read-only"):
        value.values[0, 0] = 1
    copied = np.array(value)
    copied[:] = 0
    np.testing.assert_array_equal(value.values, drawn(3, 8))


def test_some_of_them_are_chosen():
    value = Latents(drawn(4, 2, 3), "w+")
    np.testing.assert_array_equal(value[1].values, drawn(4, 2, 3)[1:2])
    np.testing.assert_array_equal(value[-1].values, drawn(4, 2, 3)[3:])
    np.testing.assert_array_equal(value[1:3].values, drawn(4, 2, 3)[1:3])
    np.testing.assert_array_equal(value[[2, 0]].values, drawn(4, 2, 3)[[2, 0]])
    assert value[0].space == "w+"
    with pytest.raises(BadValue, match="there are 4 latents"):
        value[4]


@pytest.mark.parametrize(
    ("values", "space", "error", "message"),
    [
        (drawn(3, 8), "x", UnknownName, "space of latents"),
        (drawn(8), "z", BadValue, "N×D numbers, not 8"),
        (drawn(3, 8), "w+", BadValue, "N×L×D numbers, not 3×8"),
        (drawn(0, 8), "z", BadValue, "not 0×8"),
        (np.array([[1, np.nan]]), "w", BadValue, "NaN"),
        (np.array([["a"]]), "w", BadValue, "real numbers"),
        ([[1], [2, 3]], "z", BadValue, "several shapes"),
    ],
)
def test_what_are_no_latents_is_refused(values, space, error, message):
    with pytest.raises(error, match=message):
        Latents(values, space)


def test_a_file_holds_them_with_their_space_and_record(tmp_path):
    path = Latents(drawn(2, 4, 8), "w+", RECORD).save(tmp_path / "me.safetensors")
    found = latents.load(path)
    np.testing.assert_array_equal(found.values, drawn(2, 4, 8))
    assert (found.space, found.record) == ("w+", RECORD)
    assert found.with_record(None).record is None
    with pytest.raises(OutputExists):
        found.save(path)
    found[0].save(path, overwrite=True)
    assert (len(latents.load(path)), latents.load(path).record) == (1, None)
    with pytest.raises(BadValue, match=r"saved as \.safetensors, not \.npy"):
        found.save(tmp_path / "me.npy")


def test_records_are_left_out_where_none_are_wanted(tmp_path, monkeypatch):
    monkeypatch.setenv("ML4A_RECORD", "0")
    assert latents.load(Latents(drawn(1, 8), "w", RECORD).save(tmp_path / "a.safetensors")).record is None


def test_plain_arrays_are_read_by_their_shape(tmp_path):
    np.save(tmp_path / "z.npy", drawn(3, 8))
    np.savez(tmp_path / "projected_w.npz", w=drawn(1, 18, 8))
    assert latents.load(tmp_path / "z.npy").space == "z"
    assert latents.load(tmp_path / "projected_w.npz").space == "w+"
    assert latents.as_latents(drawn(3, 8)).space == "z"
    assert latents.as_latents(drawn(3, 2, 8)).space == "w+"
    assert latents.as_latents(str(tmp_path / "z.npy")).values.shape == (3, 8)


def test_what_holds_none_is_told_of_by_name(tmp_path):
    with pytest.raises(NotFound, match=r"no file of latents .*nowhere\.safetensors"):
        latents.load(tmp_path / "nowhere.safetensors")
    (tmp_path / "text.safetensors").write_text("latents")
    safetensors.numpy.save_file({"a": drawn(1, 2), "b": drawn(1, 2)}, tmp_path / "two.safetensors")
    safetensors.numpy.save_file({"a": drawn(1, 2)}, tmp_path / "space.safetensors", {"space": "elsewhere"})
    safetensors.numpy.save_file({"a": drawn(1, 2)}, tmp_path / "record.safetensors", {"record": "{}"})
    np.save(tmp_path / "deep.npy", drawn(1, 2, 3, 4))
    for name in ("text", "two", "space", "record"):
        with pytest.raises(BadMedia, match=rf"{name}\.safetensors holds no latents"):
            latents.load(tmp_path / f"{name}.safetensors")
    with pytest.raises(BadMedia, match=r"deep\.npy holds no latents"):
        latents.load(tmp_path / "deep.npy")
    with pytest.raises(BadValue, match="not int"):
        latents.as_latents(7)


def test_the_nearest_come_first():
    points = np.array([[0, 0], [3, 0], [1, 1], [-2, 0]], np.float32)
    assert latents.nearest(points, np.array([[0.9, 0.9]]), 3).tolist() == [2, 0, 1]
    assert latents.nearest(points, Latents(points[3:])).tolist() == [3]
    assert len(latents.nearest(points, points[:1], 99)) == 4
    with pytest.raises(BadValue, match="to one of 2, not 1×3"):
        latents.nearest(points, np.zeros((1, 3)))
    with pytest.raises(BadValue, match="count"):
        latents.nearest(points, points[:1], 0)


def test_the_mean_is_one_of_the_same_space():
    found = latents.mean(Latents(drawn(5, 2, 3), "w+"))
    assert found.space == "w+"
    np.testing.assert_allclose(found.values, drawn(5, 2, 3).mean(axis=0, keepdims=True), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(psi=st.floats(-2, 2), cutoff=st.none() | st.integers(0, 4))
def test_truncation_goes_a_share_of_the_way_to_the_middle(psi, cutoff):
    given, center = drawn(3, 4, 5), drawn(1, 5)
    moved = latents.truncated(Latents(given, "w+"), Latents(center, "w"), psi, cutoff).values
    layers = slice(None, cutoff)
    np.testing.assert_allclose(moved[:, layers] - center, psi * (given[:, layers] - center), atol=1e-5)
    if cutoff is not None:
        np.testing.assert_array_equal(moved[:, cutoff:], given[:, cutoff:])


def test_a_middle_that_does_not_fit_is_refused():
    with pytest.raises(BadValue, match="does not fit latents of 3×8"):
        latents.truncated(drawn(3, 8), np.zeros(7))
