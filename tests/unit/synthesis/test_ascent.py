"""DeepDream's steps, on a small network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_network import noise, small_network

from ml4a.ops import laplacian
from ml4a.synthesis import Pixels, channel, layer
from ml4a.synthesis.ascent import Ascent, random_state
from ml4a.synthesis.engine import Synthesis
from ml4a.synthesis.octaves import Octaves
from ml4a.synthesis.parameterisation import Parameterisation
from ml4a.synthesis.scene import Scene
from ml4a.synthesis.schedule import Stage

ONE, OTHER = channel("relu2_1", 3), layer("relu3_1")
PLAIN = {"levels": 0, "jitter": False}


@pytest.fixture(scope="module")
def network():
    return small_network()


def stepped(network, objective, picture=None, **settings):
    """How far one step went, where white is 255, and its losses."""
    picture = noise("x") if picture is None else picture
    image = Octaves(picture, 1, 1.0)
    scene = Scene(network, image.size, torch.device("cpu"))
    scene.begin(objective)
    ascent = Ascent(**settings)
    ascent.begin(image, scene)
    losses = ascent.step()
    return (image.picture().detach() - picture) * 255, list(losses.values())


def gradient(network, objective, picture=None):
    """Of minus the loss, where white is 255, of the whole picture at once."""
    x = (noise("x") if picture is None else picture).requires_grad_()
    scene = Scene(network, (x.shape[3], x.shape[2]), torch.device("cpu"))
    scene.begin(objective)
    return -torch.autograd.grad(scene.loss(x, scene.parts[0]), x)[0] / 255


def close(a, b):
    assert (a - b).abs().max() < 1e-3 * b.abs().max()
    assert b.abs().max() > 0


def test_a_plain_step_goes_along_the_gradient(network):
    step, losses = stepped(network, ONE, step=1e5, **PLAIN)
    close(step, 1e5 * gradient(network, ONE))
    assert losses[0] < 0


def test_weights_multiply_what_was_normalised(network):
    far = {"step": 10.0, "levels": 2, "jitter": False}
    each = [stepped(network, part, **far)[0] for part in (ONE, OTHER)]
    close(stepped(network, 2 * ONE - 0.5 * OTHER, **far)[0], 2 * each[0] - 0.5 * each[1])
    close(each[0], 10 * laplacian.normalised(gradient(network, ONE), 2))


def test_normalised_gradients_have_one_mean_size(network):
    step, _ = stepped(network, ONE, step=3.0, normalize=True, **PLAIN)
    assert step.abs().mean() == pytest.approx(3, rel=0.01)


def test_grey_steps_are_grey(network):
    step, _ = stepped(network, ONE, step=1e5, gray=True, **PLAIN)
    close(step, 1e5 * gradient(network, ONE).mean(1, keepdim=True).expand(1, 3, -1, -1))


def test_masks_say_where(network):
    mask = torch.zeros(10, 12)
    mask[:, :6] = 1  # half the picture's size
    step, _ = stepped(network, ONE.within(mask) + OTHER.within(0 * mask), step=1e5, **PLAIN)
    assert not step[..., 12:].abs().max() > 1e-3
    close(step[..., :11], 1e5 * gradient(network, ONE)[..., :11])


def test_what_is_masked_everywhere_is_not_looked_at(network, monkeypatch):
    monkeypatch.setattr(Scene, "loss", lambda *_: pytest.fail("it looked"))
    step, losses = stepped(network, ONE.within(np.zeros((20, 24), np.float32)))
    assert step.abs().max() < 1e-3
    assert losses == [0]


@pytest.mark.parametrize("tile", [64, 100])
def test_gradients_of_tiles_are_their_own(network, tile):
    """Tiles that are as large as the picture change nothing; of smaller ones, each is looked at alone."""
    picture = noise("large", 64, 170)
    step, _ = stepped(network, ONE, picture, step=1e5, tile=tile, **PLAIN)
    pieces = [picture[..., left : left + tile] for left in range(0, 170, tile)]
    due = torch.cat([gradient(network, ONE, piece.clone()) for piece in pieces], dim=3)
    close(step, 1e5 * due)


def test_a_narrow_strip_waits_until_the_picture_is_rolled(network):
    picture = noise("strip", 64, 90)
    settings = {"step": 1e5, "levels": 0, "tile": 64}
    step, _ = stepped(network, ONE, picture, jitter=False, **settings)
    assert not step[..., 64:].abs().max() > 1e-3
    total = sum(
        stepped(network, ONE, picture, chance=np.random.RandomState(seed), **settings)[0].abs() for seed in range(20)
    )
    assert total.amax((0, 1, 2)).min() > 1e-2


def test_the_seed_decides_where_tiles_are_cut(network):
    def made(seed):
        return stepped(network, ONE, step=1e5, levels=0, chance=random_state(seed))[0]

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))
    assert random_state(3).randint(1000) == np.random.RandomState(3).randint(1000)
    assert random_state(3 + 2**32).randint(2**31) != random_state(3).randint(2**31)


def test_each_stage_has_its_step_and_levels(network):
    picture, settings = noise("x"), {"chance": None, "jitter": False}

    def run(stages, **more):
        image = Octaves(picture, len(stages), 1.0)
        steps = [Stage(image.sizes[0], count) for count in stages]
        return Synthesis(image, ONE, network, steps, Ascent(**settings, **more)).run("dream")

    assert torch.equal(run([1, 1], step=[1.0, 0.0], levels=[3, 0]), run([1], step=1.0, levels=3))
    assert torch.equal(run([1, 1, 1], step=[0.0, 1.0], levels=[0, 3]), run([2], step=1.0, levels=3))
    assert not torch.equal(run([1], step=1.0, levels=1), run([1], step=1.0, levels=3))


def test_the_channel_grows_from_step_to_step(network):
    image = Octaves(noise("x"), 2, 1.4)
    steps = list(Synthesis(image, ONE, network, [Stage(size, 5) for size in image.sizes], Ascent(2.0, 2)))
    assert [step.number for step in steps] == list(range(1, 11))
    for stage in (steps[:5], steps[5:]):
        assert stage[-1].losses["relu2_1:3"] < 1.2 * stage[0].losses["relu2_1:3"] < 0


@pytest.mark.parametrize("after", [2, 3, 5])
def test_a_run_that_was_kept_goes_on_exactly_so(network, after):
    def begun():
        image = Octaves(noise("x"), 2, 1.4)
        return Synthesis(image, ONE, network, [Stage(size, 3) for size in image.sizes], Ascent(2.0, 2))

    whole = begun().run("dream")
    first = begun()
    for _ in zip(first, range(after), strict=False):
        pass
    second = begun()
    second.restore(first.state())
    assert torch.equal(second.run("dream"), whole)


def test_steps_are_as_long_wherever_white_is(network):
    settings = {"step": 5.0, "levels": 2, "jitter": False}
    found = []
    for white in (1.0, 255.0):
        image = Pixels(noise("x"), white=white, clamp=False)
        found.append(Synthesis(image, ONE, network, [Stage((24, 20), 1)], Ascent(**settings)).run("dream"))
    torch.testing.assert_close(*found)


def test_pixels_alone_climb(network):
    class Strange(Parameterisation):
        def picture(self):
            return noise("x")

        def assign(self, picture):
            """Nothing."""

    with pytest.raises(TypeError, match="Strange"):
        Ascent().begin(Strange(), Scene(network, (24, 20), torch.device("cpu")))
