"""From frame to frame: what a result becomes along a known motion, and when it is forgotten."""

from __future__ import annotations

import pytest
import torch

from ml4a import image
from ml4a.synthesis import Memory, staying
from ml4a.synthesis.film import Carried
from ml4a.synthesis.pictures import tensor
from ml4a.synthesis.scene import Scene


@pytest.fixture(scope="module")
def photo():
    return tensor(image.load("sample:chelsea", size=160))


def window(photo, x):
    """128×96 of the photograph, as seen by a camera that moves to the right."""
    return photo[:, :, 20:116, 20 + x : 148 + x].contiguous()


def test_at_first_there_is_nothing(photo):
    assert Memory().carried(window(photo, 0)) is None


def test_a_result_is_carried_along_the_motion(photo):
    memory = Memory()
    memory.keep(window(photo, 0), 1 - window(photo, 0))
    carried = memory.carried(window(photo, 6))
    assert carried is not None
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -16))
    due = (1 - window(photo, 6))[inside]
    assert (carried.picture[inside] - due).abs().mean() < 0.02
    assert ((1 - window(photo, 0))[inside] - due).abs().mean() > 0.04
    assert carried.trust[inside].mean() > 0.9
    assert carried.trust[..., -3:].mean() < 0.3  # what has come into view
    assert (carried.picture - window(photo, 6))[..., -2:].abs().mean() < 0.1


def test_results_may_have_another_size(photo):
    memory = Memory()
    small = torch.nn.functional.interpolate(window(photo, 0), scale_factor=0.5)
    memory.keep(window(photo, 0), small)
    carried = memory.carried(window(photo, 4))
    assert carried is not None
    assert carried.picture.shape == small.shape
    assert carried.trust.shape[2:] == small.shape[2:]
    due = torch.nn.functional.interpolate(window(photo, 4), scale_factor=0.5)
    assert (carried.picture - due)[..., 4:-8].abs().mean() < 0.03


def test_another_scene_begins_anew(photo):
    memory = Memory()
    memory.keep(window(photo, 0), window(photo, 0))
    other = tensor(image.load("sample:rocket", size=(128, 96)))
    assert memory.carried(other) is None
    assert memory.carried(photo) is None  # a frame of another size


def test_staying_costs_what_can_be_trusted_alone():
    due, trust = torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    trust[..., :4] = 1
    scene = Scene(torch.nn.Identity(), (8, 8), torch.device("cpu"))  # type: ignore[arg-type]  # nobody looks
    scene._losses = {part: part.term.begin(scene) for part in staying(Carried(due, trust)).parts}
    (loss,) = scene._losses.values()
    left, right = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    left[..., :4], right[..., 4:] = 0.5, 0.5
    assert loss({"picture": left}).item() == pytest.approx(0.125)
    assert loss({"picture": right}).item() == 0
