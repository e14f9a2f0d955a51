from __future__ import annotations

import math
import mmap
from pathlib import Path

import deterministic
import dlib_files
import numpy as np
import pytest
import weights_files
from checkpoints import face as official
from dlib_files import RELU, TAG, integer, integers, number, numbers, tensor, text

from ml4a._core.errors import BadWeights
from ml4a.weights import formats
from ml4a.weights.formats import dlib_stream
from ml4a.weights.formats.dlib_stream import Stream, as_floats

ENCODER = {"widths": (4, 6), "depths": (2, 1), "length": 5}
FOREST = dlib_files.forest(3, 2, 3, 3, 5)
LOSS = text("loss_metric_2") + numbers((0.04, 0.6))


@pytest.fixture
def write(tmp_path):
    return lambda stream: dlib_files.save(tmp_path / "net.dat", stream)


@pytest.fixture
def state():
    return deterministic.state_dict(official.encoder(**ENCODER))


def assert_equal(found: formats.Archive, due: dict[str, np.ndarray]) -> None:
    assert set(found.tensors) == set(due)
    for name, array in found.arrays().items():
        np.testing.assert_array_equal(array, due[name], strict=True, err_msg=name)


def saved(name: str, folder: Path) -> Path:
    path = weights_files.SAVE[name](folder)
    assert isinstance(path, Path)
    return path


# -- Numbers -----------------------------------------------------------------------------------------------------------


def test_numbers_read_together_are_those_read_one_by_one():
    """Of all lengths, over several windows, and in runs that end anywhere."""
    random = np.random.default_rng(2)
    bits = random.choice([1, 7, 8, 16, 23, 24, 40, 62], 60_000)
    values = [int(value) % (1 << int(bit)) * int(sign) for value, bit, sign in _draws(random, bits)]
    data = memoryview(b"".join(map(integer, values)))
    one_by_one, together = Stream(data), Stream(data)
    assert [one_by_one.integer() for _ in values] == values
    runs = [together.integers(length) for length in (1, 0, 7, 63, 64, 65, 30_000)]
    runs.append(together.integers(len(values) - sum(map(len, runs))))
    np.testing.assert_array_equal(np.concatenate(runs), values)
    assert together.left == one_by_one.left == 0


def test_of_few_numbers_only_few_bytes_are_looked_at(monkeypatch):
    """Else a file of many tiny tables would take minutes to read."""
    looked, heads = [], dlib_stream._heads
    monkeypatch.setattr(dlib_stream, "_heads", lambda window, most: looked.append(len(window)) or heads(window, most))
    stream = Stream(memoryview(b"".join(map(integer, range(1000)))))
    assert stream.integers(5).tolist() == [0, 1, 2, 3, 4]
    assert stream.integers(3).tolist() == [5, 6, 7]
    assert max(looked) <= 80


def _draws(random, bits):
    return zip(random.integers(0, 1 << 62, len(bits)), bits, random.choice([-1, 1], len(bits)), strict=True)


def test_floating_point_numbers_come_back_as_they_were():
    values = np.array([0, 1, -1.5, 0.1, 3e-39, 1.7e38, -(2.0**-126), 65536, math.pi], np.float32)
    pairs = Stream(memoryview(numbers(values))).integers(2 * len(values)).reshape(-1, 2)
    np.testing.assert_array_equal(as_floats(pairs, np.float32), values)
    special = Stream(memoryview(numbers((math.inf, -math.inf, math.nan))))
    found = [special.number() for _ in range(3)]
    assert found[:2] == [math.inf, -math.inf]
    assert math.isnan(found[2])


def test_a_number_beyond_float32_is_infinite():
    assert as_floats(np.array([[1, 4000], [-1, 31999]]), np.float32).tolist() == [math.inf, -math.inf]


# -- Networks ----------------------------------------------------------------------------------------------------------


def test_tensors_are_named_by_kind_and_order(write, read, state):
    archive = read(write(dlib_files.face_encoder(state, ENCODER["depths"])), "dlib")
    assert_equal(archive, state)
    assert list(archive.tensors)[:5] == [
        *("input.average", "con.0.filters", "con.0.biases", "affine.0.gamma", "affine.0.beta"),
    ]


def test_filters_are_a_slice_of_the_mapped_file(write, read, state):
    tensor = read(write(dlib_files.face_encoder(state, ENCODER["depths"]))).tensors["con.1.filters"]
    assert isinstance(tensor.data.obj, mmap.mmap)


def test_what_is_no_tensor_is_told(write, read, state):
    metadata = read(write(dlib_files.face_encoder(state, ENCODER["depths"]))).metadata
    assert metadata["kind"] == "network"
    assert metadata["loss"]["distance_threshold"] == pytest.approx(0.6)
    assert metadata["input"] == {"kind": "input_rgb_image_sized", "rows": 150, "columns": 150}
    layers = metadata["layers"]
    assert [layer["kind"] for layer in layers[:7]] == ["con", "affine", "relu", "max_pool", "tag", "con", "affine"]
    assert layers[0] == {"kind": "con", "stride": [2, 2], "padding": [0, 0]}
    assert layers[3] == {"kind": "max_pool", "size": [3, 3], "stride": [2, 2], "padding": [0, 0]}
    assert sum(layer["kind"] == "add_prev" for layer in layers) == 4


def test_the_detectors_window_and_overlap_are_told(write, read):
    state = deterministic.state_dict(official.detector((4,) * 6))
    archive = read(write(dlib_files.face_detector(state)))
    assert_equal(archive, state)
    loss = archive.metadata["loss"]
    assert (loss["width"], loss["height"]) == (80, 80)
    assert loss["overlap_iou"] == pytest.approx(0.34)
    assert loss["truth_match_iou"] == 0.5


def test_a_normalisation_comes_as_what_it_does_after_training(write, read):
    state = deterministic.state_dict(official.detector((4,) * 6))
    archive = read(write(dlib_files.face_detector(state, normalised=True)))
    assert set(archive.tensors) == set(state)
    for name, array in archive.arrays().items():
        np.testing.assert_allclose(array, state[name], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("biased", [True, False])
def test_a_convolution_may_have_no_biases(write, read, state, biased):
    """As newer dlib writes it: then of these it has no sizes, either."""
    kept = ("input.average", "con.0.filters", *(["con.0.biases"] if biased else []))
    due = {name: state[name] for name in kept}
    path = write(dlib_files.network(due, [("con", 2, 0, 5), RELU], LOSS, "input_rgb_image"))
    assert_equal(read(path), due)


def test_a_mean_colour_beyond_float32_is_infinite(write, read, state):
    due = {**state, "input.average": np.array([1e300, -1e300, 110.0])}
    found = read(write(dlib_files.network(due, [("con", 2, 0, 5), RELU], LOSS, "input_rgb_image")))
    assert found.arrays()["input.average"].tolist() == [math.inf, -math.inf, 110]


def test_gradients_that_a_training_has_left_are_passed_over(write, read, state):
    stream = dlib_files.face_encoder(state, ENCODER["depths"])
    empty = tensor(np.zeros((0, 0, 0, 0)))
    left = stream.replace(b"110" + empty, b"111" + tensor(np.ones((1, 2, 3, 1))), 3)
    assert left != stream
    assert_equal(read(write(left)), state)


# -- Shape predictors --------------------------------------------------------------------------------------------------


def test_a_shape_predictor_is_read_as_arrays_over_its_levels_and_trees(write, read):
    archive = read(write(dlib_files.shape_predictor(FOREST)))
    assert archive.metadata == {"kind": "shape_predictor"}
    assert_equal(archive, FOREST)
    assert archive.tensors["leaves"].shape == (2, 3, 4, 3, 2)


def test_a_shape_predictor_with_a_long_mean_shape_is_recognised_too(write, read):
    forest = dlib_files.forest(points=150, levels=1, trees=2, splits=1, pixels=4)
    assert_equal(read(write(dlib_files.shape_predictor(forest))), forest)


def test_a_shape_predictor_is_not_read_number_by_number(write, monkeypatch):
    """That would take ten times as long."""
    path = write(dlib_files.shape_predictor(dlib_files.forest(10, 3, 40, 7, 30)))
    alone, whole = [], Stream.integer
    monkeypatch.setattr(Stream, "integer", lambda stream: alone.append(stream.position) or whole(stream))
    assert formats.read(path).tensors["leaves"].shape == (3, 40, 8, 10, 2)
    assert 0 < len(alone) < 30


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("splits", 5, "names a pixel that there is not"),
        ("splits", -1, "names a pixel that there is not"),
        ("anchors", 3, "names a point that there is not"),
    ],
)
def test_what_points_beside_its_table_is_refused(write, read, name, value, message):
    forest = {key: array.copy() for key, array in FOREST.items()}
    forest[name][1].flat[0] = value
    with pytest.raises(BadWeights, match=rf"net\.dat: it {message}"):
        read(write(dlib_files.shape_predictor(forest)))


def test_trees_of_several_sizes_are_refused(write, read):
    stream = dlib_files.shape_predictor(FOREST)
    shape = integers(-6, -1)
    last = stream.rindex(shape)
    with pytest.raises(BadWeights, match="not all of one size"):
        read(write(stream[:last] + integers(-5, -1) + stream[last + len(shape) :]))


# -- What is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dlib", "dlib's shape predictor"])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, name):
    path = saved(name, tmp_path)
    data = path.read_bytes()
    for end in range(18, len(data), 7):
        path.write_bytes(data[:end])
        with pytest.raises(BadWeights, match=r"cut short|not supported|broken"):
            formats.read(path, "dlib")


@pytest.mark.parametrize("name", ["dlib", "dlib's shape predictor"])
def test_bytes_that_belong_to_nothing_are_refused(tmp_path, read, name):
    path = saved(name, tmp_path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(BadWeights, match="4 bytes belong to nothing"):
        read(path)


HEAD = integer(1) + LOSS
INPUT = text("input_rgb_image") + numbers((1, 2, 3))


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (integer(1) + text("loss_mean_squared_"), "its loss 'loss_mean_squared_' is not supported"),
        (integer(1) + text("loss_mmod_") + integers(3), "detector windows of version 3"),
        (HEAD + integers(2, 1) + INPUT, "nested in a way"),
        (HEAD + integers(*[2] * 3000), "more than 2000 layers"),
        (HEAD + integers(2) + text("input_tensor"), "what goes in is 'input_tensor'"),
        (HEAD + integers(2) + INPUT + text("softmax_"), "layer 0: its kind 'softmax_' is not supported"),
        (HEAD + integers(2) + INPUT + text("relu_") + b"x", "there is no number"),
        (HEAD + integers(2) + INPUT + text("con_4") + integers(2, 1 << 40, 1 << 40, 1, 1), "impossible"),
        (HEAD + integers(2) + INPUT + text("con_4") + integers(2, 1 << 30, 1, 1, 1), "cut short"),
        (HEAD + integers(2) + INPUT + text("con_4") + integers(2, 1, 1, 1, -1), "negative"),
        (integer(1) + integers(-6, -2), "none of the formats"),
        (integer(1) + integers(-7, -1) + number(0.5), "no points"),
        (integer(1) + integers(-60_000, -1), "cut short"),
    ],
)
def test_what_cannot_be_read_is_named(write, read, stream, message):
    with pytest.raises(BadWeights, match=message):
        read(write(stream))


def test_layers_that_are_not_of_the_sizes_that_they_say_are_refused(write, read, state):
    layers = [("con", 2, 0), ("affine",), RELU, TAG]
    good = dlib_files.network(state, layers, LOSS, "input_rgb_image")
    assert read(write(good)).tensors["con.0.filters"].shape == (4, 3, 7, 7)
    short = dict(state) | {"con.0.biases": np.ones(3, np.float32)}
    with pytest.raises(BadWeights, match="layer 0: its 2364 bytes of parameters are not the 2368"):
        read(write(dlib_files.network(short, layers, LOSS, "input_rgb_image")))
