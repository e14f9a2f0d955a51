from __future__ import annotations

import mmap

import numpy as np
import pytest

from ml4a._core.errors import BadWeights
from ml4a.weights.formats import ncnn

PARAM = """7767517
6 6
Input            data       0 1 data
Convolution      first      1 1 data a 0=1 1=3 4=1 5=1 6=9 9=2 -23310=1,2.000000e-01
PReLU            slopes     1 1 a b 0=3
Convolution      second     1 1 b c 0=2 1=3 11=1 5=0 6=12
Eltwise          sum        2 1 b c d 0=1 -23301=2,2.000000e-01,1.000000e+00
Interp           resize     1 1 d output 0=1 1=2.000000e+00 2=2.000000e+00
"""
FIRST = np.arange(9, dtype="<f2").reshape(1, 1, 3, 3)
FIRST_BIAS = np.float32([0.5])
SLOPES = np.float32([0.1, 0.2, 0.3])
SECOND = np.arange(12, dtype="<f4").reshape(2, 2, 1, 3)
FLOAT16, FLOAT32 = b"\x47\x6b\x30\x01", bytes(4)
# Nine float16 take 18 bytes: two more make whole words.
BIN = FLOAT16 + FIRST.tobytes() + b"\0\0" + FIRST_BIAS.tobytes() + SLOPES.tobytes() + FLOAT32 + SECOND.tobytes()


@pytest.fixture
def write(tmp_path):
    def write(param=PARAM, weights=BIN):
        (tmp_path / "n.param").write_text(param)
        (tmp_path / "n.bin").write_bytes(weights)
        return tmp_path / "n.param", tmp_path / "n.bin"

    return write


def test_weights_are_named_by_layer_in_the_order_of_the_layers(write, read):
    archive = read(write(), "ncnn")
    expected = {
        "first.weight": FIRST,
        "first.bias": FIRST_BIAS,
        "slopes.slope": SLOPES,
        "second.weight": SECOND,
    }
    assert list(archive.tensors) == list(expected)
    for name, array in archive.arrays().items():
        np.testing.assert_array_equal(array, expected[name], strict=True)


def test_float16_is_a_slice_of_the_mapped_file(write, read):
    tensor = read(write()).tensors["first.weight"]
    assert tensor.dtype == "float16"
    assert isinstance(tensor.data.obj, mmap.mmap)


def test_layers_are_listed_with_their_parameters(write, read):
    layers = read(write()).metadata["layers"]
    assert [layer["type"] for layer in layers] == ["Input", "Convolution", "PReLU", "Convolution", "Eltwise", "Interp"]
    assert layers[1] == {
        "type": "Convolution",
        "name": "first",
        "inputs": ("data",),
        "outputs": ("a",),
        "parameters": {0: 1, 1: 3, 4: 1, 5: 1, 6: 9, 9: 2, 10: [0.2]},
    }
    assert layers[4]["inputs"] == ("b", "c")
    assert layers[4]["parameters"] == {0: 1, 1: [0.2, 1.0]}


@pytest.mark.parametrize("end", [*range(4, len(BIN), 7), len(BIN) - 1])
def test_a_bin_that_is_cut_short_is_refused(write, read, end):
    with pytest.raises(BadWeights, match=r"n\.bin: layer '\w+': the weights end before it"):
        read(write(weights=BIN[:end]))


def test_bytes_that_belong_to_no_layer_are_refused(write, read):
    with pytest.raises(BadWeights, match=r"n\.bin: 4 bytes belong to no layer of .*n\.param"):
        read(write(weights=BIN + b"more"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("7767517", "7767518", "none of the formats"),
        ("6 6", "7 6", "6 of 7 layers"),
        ("6 6", "six", "where 2 numbers are due"),
        ("6 6", "99999999999999999999 6", "where 2 numbers are due"),
        ("PReLU", "Deconvolution", r"layer 'slopes': its type Deconvolution is not supported"),
        ("1 1 a b 0=3", "1 1 a", "line 5: it names fewer inputs and outputs"),
        ("1 1 a b 0=3", "1 -1 a b", "line 5: it has '1 -1'"),
        ("1 1 a b 0=3", "", "line 5: it is no layer"),
        ("0=3", "0=three", "'0=three' is no parameter"),
        ("0=3", "zero", "'zero' is no parameter"),
        ("0=3", "-5=3", "'-5=3' is no parameter"),
        ("0=3", "0=-3", "parameter 0 is not a whole number"),
        ("0=3", "0=3.0", "parameter 0 is not a whole number"),
        ("0=3", "-23300=2,1", "is no parameter"),
        ("6=12", "6=13", "13 weights do not make kernels of 2 × … × 1 × 3"),
        ("6=12", "6=12 8=1", "quantised"),
        ("0=2 1=3", "0=0 1=3", "do not make kernels"),
        ("slopes", "first", "two of its layers have one name"),
    ],
)
def test_a_param_that_does_not_fit_is_refused(write, read, old, new, message):
    with pytest.raises(BadWeights, match=message):
        read(write(PARAM.replace(old, new)))


def test_an_unknown_way_to_store_weights_is_refused(write, read):
    with pytest.raises(BadWeights, match=r"layer 'first': its weights are stored in an unknown way \(0x000d4b38\)"):
        read(write(weights=b"\x38\x4b\x0d\x00" + BIN[4:]))


def test_files_in_the_wrong_order_are_refused(write, read):
    with pytest.raises(BadWeights, match=r"second file of an ncnn network; give the pair \(\.param, \.bin\)"):
        read(write()[::-1])


def test_a_param_that_is_binary_is_refused(tmp_path, write):
    _, weights = write()
    with pytest.raises(BadWeights, match="not a text"):
        ncnn.read(weights, weights)
