"""The search for a style whose picture is like a given one."""

from __future__ import annotations

from typing import Any

import deterministic
import numpy as np
import pytest
import torch
from checkpoints import idinvert, lpips
from small_generators import W_DIM, latent, small_generator
from torch.nn import functional as F

from ml4a._core import progress
from ml4a._core.errors import BadValue, Cancelled, TooLarge, UnknownName
from ml4a.models import _mapping, _perceptual, _projection
from ml4a.networks import from_state_dict

pytestmark = pytest.mark.xdist_group("projection")


@pytest.fixture(scope="module")
def perceptual():
    """The distance with weights from the package index."""
    return _perceptual.load(torch.device("cpu")).network


@pytest.fixture(scope="module")
def quick():
    """A distance of a few channels."""
    state = deterministic.state_dict(lpips.NETWORKS["lpips:build"])
    return from_state_dict(
        "lpips", {key: abs(value) if key.startswith("lin") else value for key, value in state.items()}
    )


@pytest.fixture(scope="module")
def network():
    return small_generator()


def picture(network, name: str = "target", **options) -> torch.Tensor:
    """1×3×H×W in [0, 1] that the network makes."""
    with torch.inference_mode():
        return (network(latent(name), **options) * 0.5 + 0.5).clamp(0, 1)


def found_picture(network, ws, **options) -> torch.Tensor:
    with torch.inference_mode():
        return (network.synthesize(ws, **options) * 0.5 + 0.5).clamp(0, 1)


def fall(network, perceptual, target, found) -> float:
    """By which share the distance is less than where the search began."""
    middle = found_picture(network, _mapping.cloud(network).middle)
    at_last = found_picture(network, found.ws, **({"noise": found.noises} if found.noises else {}))
    with torch.inference_mode():
        before, after = (float(perceptual(made * 255, target * 255)) for made in (middle, at_last))
    return 1 - after / before


def test_a_picture_that_the_network_made_is_found(network, perceptual):
    target = picture(network)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    found = _projection.project(network, target, perceptual, space="w+", iterations=40)
    assert fall(network, perceptual, target, found) > 0.8
    assert found.ws.shape == (1, network.num_ws, W_DIM)
    assert len(found.losses) == 40
    assert found.losses[-1]["perceptual"] < 0.25 * found.losses[0]["perceptual"]
    assert found.losses[21]["perceptual"] < 1.2 * found.losses[20]["perceptual"], "layers part without a leap"
    assert found.losses[-1]["noise"] < 0.1 * found.losses[0]["noise"]
    assert [noise.shape for noise in found.noises] == [noise.shape for noise in network.noises()]
    for noise in found.noises:
        assert abs(float(noise.mean())) < 1e-5
        assert float(noise.square().mean()) == pytest.approx(1, rel=1e-4)
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize(("space", "seek_noise", "least"), [("w", True, 0.8), ("w", False, 0.87), ("w+", True, 0.86)])
def test_more_steps_come_nearer(network, perceptual, space, seek_noise, least):
    target = picture(network)
    found = _projection.project(network, target, perceptual, space=space, iterations=100, seek_noise=seek_noise)
    assert bool(found.noises) == seek_noise
    assert fall(network, perceptual, target, found) > least


def test_in_w_all_layers_have_one_style_and_in_w_plus_their_own_in_the_second_half(network, quick):
    target = picture(network)
    one, own = (_projection.project(network, target, quick, space=space, iterations=8) for space in ("w", "w+"))
    assert one.losses[:4] == own.losses[:4]
    assert one.losses[6:] != own.losses[6:]
    assert (one.ws == one.ws[:, :1]).all()
    assert (own.ws != own.ws[:, :1]).any(dim=2)[0, 1:].all()


def test_the_seed_decides(network, quick):
    target = picture(network)
    a, b, c = (_projection.project(network, target, quick, iterations=3, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(a.ws, b.ws)
    assert all(torch.equal(*pair) for pair in zip(a.noises, b.noises, strict=True))
    assert a.losses == b.losses
    assert a.losses != c.losses


def test_progress_has_previews_from_the_first_step_on(network, quick):
    events, steps = [], []
    with progress.listening(events.append):
        _projection.project(network, picture(network), quick, iterations=4, name="face.png", on_step=steps.append)
    assert [(event.stage, event.done, event.total, event.unit) for event in events] == [
        ("face.png", number, 4, "steps") for number in (1, 2, 3, 4)
    ]
    preview = events[0].preview
    assert preview.shape == (network.resolution, network.resolution, 3)
    assert preview.dtype == np.float32
    assert 0 <= preview.min() < preview.max() <= 1
    assert [step.number for step in steps] == [1, 2, 3, 4]
    np.testing.assert_array_equal(steps[0].picture[0].permute(1, 2, 0).numpy(), preview)


def test_ctrl_c_gives_what_was_found_so_far(network, quick):
    def press(event: progress.Progress) -> None:
        if event.done == 3:
            raise KeyboardInterrupt

    target = picture(network)
    with progress.interruptible() as switch, progress.listening(press):
        found = _projection.project(network, target, quick, iterations=50, seed=5)
    assert switch.cancelled
    assert len(found.losses) == 3
    assert not torch.equal(found.ws, _mapping.cloud(network, seed=5).middle)


def test_ctrl_c_before_the_first_step_is_ctrl_c(network, quick, monkeypatch):
    def press(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(network, "synthesize", press)
    with pytest.raises(KeyboardInterrupt):
        _projection.project(network, torch.zeros(1, 3, 16, 16), quick, iterations=5)


def test_it_can_be_cancelled(network, quick):
    cancel = progress.Cancel()
    with progress.listening(lambda _: cancel.cancel(), cancel), pytest.raises(Cancelled):
        _projection.project(network, picture(network), quick, iterations=50)


def test_networks_without_noise_have_none_to_find(quick):
    network = small_generator(noisy=False)
    found = _projection.project(network, picture(network), quick, iterations=3)
    assert found.noises == []
    assert set(found.losses[0]) == {"perceptual"}


def test_networks_whose_layers_have_different_styles_are_searched_from_the_middle_of_each(quick):
    network: Any = from_state_dict("idinvert", deterministic.state_dict(idinvert.SMALL["ffhq"]["generator"]))
    side = network.resolution
    target = torch.from_numpy(deterministic.uniform("target", (1, 3, side, side)))
    middle = _mapping.cloud(network).middle
    one, own = (_projection.project(network, target, quick, space=space, iterations=4) for space in ("w", "w+"))
    assert (middle != middle[:, :1]).any()
    moved = one.ws - middle
    torch.testing.assert_close(moved, moved[:, :1].expand_as(moved), atol=1e-5, rtol=0)
    assert own.ws.shape == middle.shape


def test_grey_pictures_are_compared_as_grey(quick):
    network = small_generator(channels=1)
    target = torch.from_numpy(deterministic.uniform("grey", (1, 1, 16, 16))).expand(-1, 3, -1, -1)
    found = _projection.project(network, target, quick, iterations=3)
    assert len(found.losses) == 3
    with pytest.raises(BadValue, match="4 channels"):
        _projection.project(small_generator(channels=4), target, quick, iterations=3)


def test_labels_decide_where_the_search_begins(quick):
    network = small_generator(c_dim=3)
    labels = [None, *torch.eye(3)[:2, None]]
    middles = [_mapping.cloud(network, 1000, label=label).middle for label in labels]
    assert all((middles[a] - middles[b]).abs().max() > 0.05 for a, b in ((0, 1), (0, 2), (1, 2)))
    target = picture(network, c=labels[1])
    one, other = (_projection.project(network, target, quick, iterations=2, label=label) for label in labels[1:])
    assert one.losses[0]["perceptual"] != other.losses[0]["perceptual"]


def test_the_middle_and_the_spread_are_those_of_numpy(network):
    z = np.random.RandomState(7).randn(1200, W_DIM).astype(np.float32)
    with torch.inference_mode():
        w = network.map(torch.from_numpy(z))[:, 0].double().numpy()
    found = _mapping.cloud(network, 1200, seed=7)
    np.testing.assert_allclose(found.middle[0, 3], w.mean(axis=0), atol=1e-6)
    assert found.spread == pytest.approx(np.sqrt(w.var(axis=0).sum()), rel=1e-6)


def test_large_pictures_are_compared_by_the_means_of_their_pixels():
    x = torch.from_numpy(deterministic.uniform("large", (1, 3, 512, 512)))
    torch.testing.assert_close(_projection._compared(x), F.avg_pool2d(x, 2))
    small = x[:, :, :256, :256]
    assert _projection._compared(small) is small


def test_what_does_not_fit_is_refused(network, quick, monkeypatch):
    target = picture(network)
    with pytest.raises(BadValue, match=r"1×3×16×16, not \(1, 3, 16, 8\)"):
        _projection.project(network, target[..., :8], quick)
    with pytest.raises(UnknownName, match="w\\+"):
        _projection.project(network, target, quick, space="w++")  # type: ignore[arg-type]
    monkeypatch.setenv("ML4A_MEMORY", "10K")
    with pytest.raises(TooLarge, match="ML4A_MEMORY=1G allows more"):
        _projection.project(network, target, quick, iterations=1)
