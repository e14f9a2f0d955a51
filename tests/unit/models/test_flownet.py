"""FlowNet, with small weights: what goes in, and in which units, order and size the flow comes out."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import flownet as official
from PIL import Image

import ml4a
from ml4a._core.errors import BadMedia, BadValue, BadWeights, TooLarge
from ml4a.media import image, motion, provenance, video
from ml4a.media.motion import Flow
from ml4a.networks import from_state_dict
from ml4a.networks.flownet import at_size

SMALL = official.SMALL["flownets"]


def installed(folder, weights="flownets", **noted):
    """A FlowNet of small weights, with what training noted in its file."""
    folder.mkdir(exist_ok=True)
    path = official.save("network", folder / "net.pth", deterministic.state_dict(SMALL["network"]), **noted)
    checkpoints.install("flownet", weights, {"network": path})
    return ml4a.load("flownet", weights)


@pytest.fixture
def model(home, tmp_path):
    checkpoints.install("flownet", "flownets", checkpoints.write("flownet", "flownets", tmp_path, small=True))
    return ml4a.load("flownet")


@pytest.fixture(scope="module")
def photos():
    """Loaded before a test has an empty home, where they would have to be fetched anew."""
    return {name: image.sample(name) for name in ("chelsea", "coffee", "rocket")}


@pytest.fixture
def pair(photos):
    photo = photos["chelsea"]
    return photo.crop((100, 60, 230, 150)), photo.crop((108, 63, 238, 153))


def expected(a, b, flip=False) -> np.ndarray:
    """The flow by the network alone."""
    network = from_state_dict("flownet", deterministic.state_dict(SMALL["network"]))
    planes = [np.asarray(each, np.float32).transpose(2, 0, 1) / 255 for each in (a, b)]
    planes = [each[::-1] if flip else each for each in planes]
    mean = np.array([0.411, 0.432, 0.45], np.float32)[:, None, None]
    x = torch.from_numpy(np.concatenate([each - mean for each in planes])[None])
    with torch.inference_mode():
        return 20 * at_size(network(x), *planes[0].shape[1:])[0].permute(1, 2, 0).numpy()


def test_the_flow_is_the_networks_in_pixels(model, pair):
    flow = model(*pair)
    assert isinstance(flow, Flow)
    assert flow.size == (130, 90)
    assert flow.vectors.dtype == np.float32
    np.testing.assert_allclose(flow.vectors, expected(*pair), atol=1e-4)
    assert flow.vectors.std() > 0.01
    assert not np.allclose(flow.vectors, model(*pair[::-1]).vectors, atol=1e-3)


def test_the_file_says_in_which_unit_the_flow_comes(home, tmp_path, pair):
    plain = installed(tmp_path / "a")(*pair).vectors
    halved = installed(tmp_path / "b", div_flow=10)(*pair).vectors
    np.testing.assert_allclose(2 * halved, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unit", [None, "many", float("nan"), -3])
def test_without_a_unit_it_is_that_of_the_paper(home, tmp_path, pair, unit):
    np.testing.assert_allclose(installed(tmp_path / "a", div_flow=unit)(*pair).vectors, expected(*pair), atol=1e-4)


def test_the_papers_own_weights_take_blue_first(home, tmp_path, pair):
    flow = installed(tmp_path / "a", "flownets_caffe")(*pair)
    np.testing.assert_allclose(flow.vectors, expected(*pair, flip=True), atol=1e-4)
    assert not np.allclose(flow.vectors, expected(*pair), atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (200, 3), (3, 200), (65, 127)])
def test_pictures_of_any_size(photos, model, size):
    flow = model(photos["coffee"].resize(size), photos["rocket"].resize(size))
    assert flow.size == size
    assert np.isfinite(flow.vectors).all()


def test_the_second_picture_is_resized_to_the_first(model, pair):
    a, b = pair
    larger = image.resize(b, (260, 180))
    smaller = image.resize(larger, a.size)
    np.testing.assert_allclose(model(a, larger).vectors, model(a, smaller).vectors, atol=0.05)


def test_a_smaller_size_sees_longer_ways_and_gives_pixels_of_the_picture(model, pair):
    a, b = pair
    small = [image.resize(image.to_array(each), 45) for each in pair]
    flow = model.flow(a, other=b, size=45)
    assert flow.size == (130, 90)
    np.testing.assert_allclose(flow.vectors, model(*small).resized((130, 90)).vectors, atol=1e-3)


def test_grey_transparent_palette_cmyk_and_16_bit_pictures(model, pair):
    a, b = pair
    due = model(a.convert("L").convert("RGB"), b).vectors
    np.testing.assert_array_equal(model(a.convert("L"), b).vectors, due)
    deep = (np.asarray(a.convert("L"), np.uint16) * 257)[:, :, None]
    np.testing.assert_allclose(model(deep, b).vectors, due, atol=1e-4)
    clear = a.copy()
    clear.putalpha(90)
    np.testing.assert_array_equal(model(clear, b).vectors, model(a, b).vectors)
    for mode in ("P", "CMYK"):
        other = a.convert(mode)
        np.testing.assert_array_equal(model(other, b).vectors, model(image.to_picture(other), b).vectors)


def test_both_ways(model, pair):
    a, b = (image.to_array(each) for each in pair)
    larger = image.resize(b, (260, 180))
    b = image.resize(larger, (130, 90))
    found = model.bidirectional(a, larger)
    assert found.forward.size == found.backward.size == (130, 90)
    assert np.array_equal(found.forward.vectors, model(a, b).vectors)
    assert np.array_equal(found.backward.vectors, model(b, a).vectors)
    assert np.array_equal(found.visible, motion.consistency(found.forward, found.backward))


def test_it_is_shown_in_the_kind_that_came_in(model, pair):
    a, b = pair
    due = model(a, b)
    shown = model.show(a, other=b)
    assert isinstance(shown, Image.Image)
    assert np.abs(image.to_array(shown) - due.view()).max() <= 0.5001 / 255
    scaled = model.show(np.asarray(a), other=b, longest=3, colors="classic")
    np.testing.assert_allclose(scaled, due.view(3, "classic"), atol=1e-5)
    tensor = torch.from_numpy(image.to_array(a).transpose(2, 0, 1))
    np.testing.assert_allclose(model.show(tensor, other=b).numpy().transpose(1, 2, 0), due.view(), atol=1e-5)


def test_transparency_stays_with_what_is_shown(model, pair):
    a, b = pair
    a.putalpha(Image.linear_gradient("L").resize(a.size))
    assert np.array_equal(np.asarray(model.show(a, other=b))[:, :, 3], np.asarray(a)[:, :, 3])


def test_the_record_names_both_pictures(model, pair):
    a, b = pair
    made_by = provenance.record_of(model.show(a, other=b, longest=4.0))
    assert made_by is not None
    assert [(each.role, each.sha256) for each in made_by.inputs] == [
        ("picture", provenance.pixels_digest(a)),
        ("other", provenance.pixels_digest(b)),
    ]
    assert made_by.parameters["longest"] == 4.0
    assert (made_by.model, made_by.weights) == ("flownet", "flownets")


def test_it_is_an_engine_for_all_that_moves(model, pair):
    a, b = (image.to_array(each) for each in pair)
    (middle,) = motion.between(a, b, 0.5, engine=model)
    assert middle.shape == a.shape
    clip = video.from_frames([a, b], rate=10)
    frames = list(clip.slowed(2, engine=model))
    assert len(frames) == 4
    shown = list(video.flows(clip, longest=5, engine=model))
    np.testing.assert_allclose(shown[0], model(a, b).view(5), atol=1e-5)


def test_too_large_a_picture_says_what_size_would_do(model, pair, monkeypatch):
    monkeypatch.setenv("ML4A_MEMORY", "300K")
    with pytest.raises(TooLarge, match="--size"):
        model(*pair)
    assert model.flow(pair[0], other=pair[1], size=32).size == (130, 90)


def test_what_cannot_be_is_refused(model, pair, tmp_path):
    a, b = pair
    with pytest.raises(BadValue, match="size must be"):
        model.flow(a, other=b, size=31)
    with pytest.raises(BadValue, match="longest must be"):
        model.show(a, other=b, longest=0)
    with pytest.raises(BadValue, match="other"):
        model.show(a)
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(BadMedia, match=r"text\.png"):
        model(a, tmp_path / "text.png")


def test_with_weights_of_flownetc_the_message_says_so(tmp_path):
    shapes = SMALL["network"] | {"conv_redir.0.weight": (8, 8, 1, 1)}
    path = official.save("network", tmp_path / "net.pth", deterministic.state_dict(shapes))
    with pytest.raises(BadWeights, match="FlowNetC"):
        ml4a.load("flownet", path)
