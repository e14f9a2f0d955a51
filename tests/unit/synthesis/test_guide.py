"""Guided dreams."""

from __future__ import annotations

import pytest
import torch
from small_network import noise, small_network

from ml4a.synthesis import guide as module
from ml4a.synthesis.guide import guided, nearest
from ml4a.synthesis.pictures import picture as to_pil
from ml4a.synthesis.pictures import tensor
from ml4a.synthesis.scene import Scene


def begun(picture, dtype=torch.float64):
    scene = Scene(small_network(dtype), (24, 20), torch.device("cpu"))
    scene.begin(guided(picture.to(dtype), "conv2_1"))
    return scene


def test_each_place_goes_towards_what_it_is_like_most():
    """The layer's gradient is the guide's feature with the highest product, as in the notebook of 2015."""
    scene = begun(noise("guide", 14, 18))
    x = noise("x").double()
    features = scene.network.features(x, ["conv2_1"])["conv2_1"].detach().requires_grad_()
    (part,) = scene.parts
    scene._losses[part]({"conv2_1": features}).backward()
    seen = scene.network.features(noise("guide", 14, 18).double(), ["conv2_1"])["conv2_1"][0].flatten(1)
    flat = features.detach()[0].flatten(1)
    due = seen[:, (flat.T @ seen).argmax(1)] / flat.shape[1]
    torch.testing.assert_close(features.grad[0].flatten(1), -due)
    assert due.std(dim=1).max() > 0, "one feature is the best everywhere"


def test_gradients_are_those_of_small_steps():
    scene = begun(noise("guide", 14, 18))
    x = noise("x", 8, 9).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda each: scene.loss(each, scene.parts[0]), x, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("most", [1, 40, 1 << 24])
def test_however_many_are_compared_at_once_the_nearest_are_the_same(most, monkeypatch):
    monkeypatch.setattr(module, "_MOST", most)
    features = torch.randn(5, 33, generator=torch.Generator().manual_seed(1))
    others = torch.randn(5, 12, generator=torch.Generator().manual_seed(2))
    found = nearest(features, others)
    assert torch.equal(found, torch.einsum("cn,cm->nm", features, others).argmax(1))
    assert len(found.unique()) > 3


def test_a_guide_is_any_picture(tmp_path):
    picture = noise("guide", 14, 18)
    to_pil(picture).save(tmp_path / "guide.png")
    x, found = noise("x"), []
    for guide in (tmp_path / "guide.png", tensor(tmp_path / "guide.png")):
        scene = Scene(small_network(), (24, 20), torch.device("cpu"))
        scene.begin(guided(guide, "conv2_1"))
        found += [loss.item() for loss in scene.losses(x).values()]
    assert found[0] == found[1] != 0
