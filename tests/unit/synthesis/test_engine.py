"""The loop: stages, chance, averages, states, Ctrl-C, and numbers that run away."""

from __future__ import annotations

import itertools

import pytest
import torch
from small_network import noise, small_network

from ml4a._core import progress
from ml4a._core.errors import BadValue, Cancelled, Ml4aError
from ml4a._core.progress import Cancel, listening
from ml4a.synthesis import LBFGS, Adam, Pixels, Stage, Synthesis, content, layer, smoothness, style
from ml4a.synthesis.kept import Kept

STAGES = [Stage((16, 12), 3), Stage((24, 18), 4)]
WANTED = style(noise("style"), layers={"relu1_1": 1, "relu2_1": 1}) + 0.1 * content(noise("x"), ["relu2_1"])


def shaken(picture, generator):
    return picture.roll(int(torch.randint(4, (), generator=generator)), 3)


def run(optimiser=None, stages=STAGES, wanted=WANTED, **options):
    optimiser = optimiser or Adam(0.05, keep=True)
    return Synthesis(Pixels(noise("x")), wanted, small_network(), stages, optimiser, **options)


def test_steps_are_numbered_and_losses_fall_and_sizes_grow():
    steps = list(run())
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert [step.picture.shape[2:] for step in steps] == [(12, 16)] * 3 + [(18, 24)] * 4
    assert set(steps[0].losses) == {"style", "content"}
    assert sum(steps[-1].losses.values()) < 0.8 * sum(steps[0].losses.values())


def test_pictures_that_were_handed_out_stay_as_they_are():
    steps = run()
    first = next(iter(steps)).picture
    before = first.clone()
    list(itertools.islice(steps, 1))
    assert torch.equal(first, before)


@pytest.mark.parametrize("optimiser", [lambda: Adam(0.05), lambda: LBFGS(10)])
def test_the_same_seed_gives_the_same_picture_and_another_another(optimiser):
    made = [run(optimiser(), transforms=[shaken], seed=seed).run("x") for seed in (1, 1, 2)]
    assert torch.equal(made[0], made[1])
    assert (made[0] - made[2]).abs().max() > 1e-3


def test_the_mean_of_pictures_is_calmer():
    last, mean = run(), run(average=0.9)
    last.run("x")
    mean.run("x")
    assert (last.picture - mean.picture).abs().max() > 1e-2
    moves = [
        (b.picture - a.picture).abs().mean() for a, b in itertools.pairwise(list(run(stages=STAGES[:1], average=0.9)))
    ]
    assert max(moves) < 0.05 * 0.9


def test_pixels_stay_between_black_and_white_unless_they_may_leave():
    far = layer("relu2_1") * 1000
    assert run(Adam(0.5), wanted=far).run("x").aminmax() == (0, 1)
    free = Synthesis(Pixels(noise("x"), clamp=False), far, small_network(), STAGES, Adam(0.5)).run("x")
    assert free.max() > 1.2


def test_white_may_be_another_number_and_steps_are_in_its_unit():
    small, large = (
        Synthesis(Pixels(noise("x"), white=white), WANTED, small_network(), STAGES, Adam(rate)).run("x")
        for white, rate in ((1, 0.05), (255, 0.05 * 255))
    )
    assert (small - large).abs().mean() < 0.01  # Adam adds 1e-8 to gradients that are 255 times smaller
    assert (small - noise("x").new_tensor(0.5)).abs().mean() > 0.1


@pytest.mark.parametrize("optimiser", [lambda: Adam(0.05, keep=True), lambda: LBFGS(10)], ids=["adam", "lbfgs"])
@pytest.mark.parametrize("stop", [2, 3, 5])
def test_what_is_resumed_ends_as_if_it_had_not_stopped(optimiser, stop, tmp_path):
    """Within a stage, between stages, and in the last one; with an average and with chance."""
    options = {"average": 0.9, "transforms": [shaken], "seed": 3}
    due = run(optimiser(), **options).run("x")
    first = run(optimiser(), **options)
    with Kept(tmp_path / "state", first, {"seed": 3}, 1e9):
        list(itertools.islice(first, stop))
    second = run(optimiser(), **options)
    with Kept(tmp_path / "state", second, {"seed": 3}, 1e9):
        assert second.number == stop
        assert torch.equal(second.run("x"), due)


def test_more_iterations_go_on_from_the_end(tmp_path):
    longer = [STAGES[0], Stage(STAGES[1].size, 9)]
    due = run(stages=longer).run("x")
    for stages in (STAGES, longer):
        synthesis = run(stages=stages)
        with Kept(tmp_path / "state", synthesis, {}, 1e9):
            made = synthesis.run("x")
    assert torch.equal(made, due)


def test_the_state_of_another_run_is_refused(tmp_path):
    synthesis = run()
    with Kept(tmp_path / "state", synthesis, {"seed": 1, "style": "a"}, 1e9):
        synthesis.run("x")
    with pytest.raises(BadValue, match="style was 'a' and is 'b'"):
        Kept(tmp_path / "state", run(), {"seed": 1, "style": "b"}, 1e9)
    other = Synthesis(Pixels(noise("x")), WANTED, small_network(), [Stage((8, 8), 2)] * 2, Adam(0.1))
    with pytest.raises(BadValue, match="does not hold the state"):
        Kept(tmp_path / "state", other, {"seed": 1, "style": "a"}, 1e9)


@pytest.mark.parametrize("text", [b"", b"no state", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_what_is_no_state_is_refused_and_left_alone(text, tmp_path):
    path = tmp_path / "state"
    path.write_bytes(text)
    with pytest.raises(BadValue, match="does not hold the state"):
        Kept(path, run(), {}, 1e9)
    assert path.read_bytes() == text


def test_ctrl_c_gives_the_picture_so_far():
    seen = []

    def stop(event):
        if event.done == 4:
            raise KeyboardInterrupt

    synthesis = run()
    with listening(stop), progress.interruptible() as interruption:
        made = synthesis.run("x", lambda step: seen.append(step.picture))
    assert interruption.cancelled
    assert len(seen) == 3
    assert made.shape[2:] == (18, 24)
    assert torch.equal(made, synthesis.picture)


def test_what_was_cancelled_raises():
    switch = Cancel()
    switch.cancel()
    with pytest.raises(Cancelled), listening(None, switch):
        run().run("x")


def test_progress_has_a_preview():
    events = []
    with listening(events.append):
        run().run("a label")
    assert [(event.stage, event.done, event.total) for event in events] == [("a label", n, 7) for n in range(1, 8)]
    assert events[0].preview.shape == (12, 16, 3)
    assert 0 <= events[0].preview.min() < events[0].preview.max() <= 1


class _Wild(Adam):
    """Leaves the numbers at its third step, as often as it may."""

    def __init__(self, times: int) -> None:
        super().__init__(0.05)
        self.left, self.count = times, 0

    def step(self):
        self.count += 1
        losses = super().step()
        if self.count >= 3 and self.left:
            self.left -= 1
            with torch.no_grad():
                self._image.parameters[0].fill_(float("nan"))
            return {part: loss * float("nan") for part, loss in losses.items()}
        return losses


def test_numbers_that_run_away_are_taken_back():
    made = run(_Wild(2)).run("x")
    assert made.isfinite().all()
    with pytest.raises(Ml4aError, match="smaller steps"):
        run(_Wild(99)).run("x")


def test_the_network_stays_as_it_was():
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    Synthesis(Pixels(noise("x")), WANTED + smoothness(), network, STAGES, Adam(0.05)).run("x")
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


class _Interrupted(Adam):
    """Ctrl-C comes in the middle of its fourth step."""

    count = 0

    def step(self):
        self.count += 1
        if self.count == 4:
            self._image.parameters[0].detach().fill_(0)
            raise KeyboardInterrupt
        return super().step()


def test_half_a_step_is_not_shown_and_not_gone_on_with(tmp_path):
    options = {"transforms": [shaken], "seed": 3}
    due = run(Adam(0.05), **options).run("x")
    first = run(_Interrupted(0.05), **options)
    with Kept(tmp_path / "state", first, {}, 1e9):
        assert first.run("x").std() > 0.1
    second = run(Adam(0.05), **options)
    with Kept(tmp_path / "state", second, {}, 1e9):
        assert second.number == 3
        assert torch.equal(second.run("x"), due)
