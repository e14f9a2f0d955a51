"""Style transfer with the real network that the package index carries, in small."""

from __future__ import annotations

import numpy as np
import pytest
from known_motion import KnownFilm, flicker, laplacian_energy
from step_losses import losses
from tiers import quick

import ml4a
from ml4a import image
from ml4a._core import progress
from ml4a._core.errors import BadValue, UnknownName
from ml4a._core.progress import listening
from ml4a.media import provenance

QUICK = {
    "size": 48,
    "min_scale": 36,
    "initial_iterations": 3,
    "iterations": 2,
    "final_iterations": 2,
    "loss": "gram",  # which takes less time of small pictures
    "seed": 1,
}
ADAM = QUICK | {"optimizer": "adam"}


@pytest.fixture(scope="module")
def model():
    return ml4a.load("style_transfer")


@pytest.fixture(scope="module")
def photo():
    return np.asarray(image.sample("chelsea", size=64), np.float32) / 255


@pytest.fixture(scope="module")
def waves():
    return image.sample("waves", size=64)


@pytest.fixture(scope="module")
def night():
    return image.sample("night", size=64)


@pytest.fixture(scope="module")
def painted(model, photo, waves):
    return model(photo, style=waves, **QUICK)


def test_the_style_comes_nearer_from_step_to_step(model, photo, waves):
    found = losses(model, photo, style=waves, **QUICK | {"min_scale": 200, "final_iterations": 10})
    assert found[-1]["style"] < 0.35 * found[0]["style"]
    assert set(found[0]) == {"style", "content", "smoothness"}


def test_sizes_are_heights_and_small_pictures_stay_as_they_are(model, photo, waves):
    assert model(photo, style=waves, **QUICK).shape == (48, round(photo.shape[1] * 48 / photo.shape[0]), 3)
    assert model(photo, style=waves, **QUICK | {"size": None, "min_scale": 200}).shape == photo.shape
    large = image.resize(photo, 700)
    made = ml4a.models._synthesis.working_size((large.shape[1], large.shape[0]), None)
    assert max(made) == 512


OTHER = {
    "optimizer": "adam",
    "keep_colors": True,
    "init": "uniform",
    "style_scale": 0.5,
    "style_size": 32,
    "content_weight": 5.0,
    "smoothness": 50000.0,
    "average": 0.9,
    "final_iterations": 4,
    "initial_iterations": 5,
    "iterations": 4,
    "loss": "wasserstein",
    "min_scale": 24,
    "pooling": "average",
}


@pytest.mark.parametrize("name", quick(OTHER, 6))
def test_every_parameter_makes_another_picture(name, model, photo, waves, painted):
    made = model(photo, style=waves, **QUICK | {name: OTHER[name]})
    assert np.abs(made - painted).mean() > 0.5 / 255


@pytest.mark.slow
def test_a_large_weight_keeps_the_content(model, photo, waves):
    kept, free = (
        model(photo, style=waves, **QUICK | {"content_weight": weight, "final_iterations": 6}) for weight in (300, 0)
    )
    small = image.resize(photo, (kept.shape[1], kept.shape[0]))
    assert np.abs(kept - small).mean() < 0.8 * np.abs(free - small).mean()


@pytest.mark.slow
def test_of_several_styles_the_heavier_one_is_nearer(model, photo, waves, night):
    only = [model(photo, style=style, **QUICK) for style in (waves, night)]
    mixed = model(photo, style=[waves, night], style_weights=(9, 1), **QUICK)
    assert np.abs(mixed - only[0]).mean() < 0.5 * np.abs(mixed - only[1]).mean()
    swapped = model(photo, style=[night, waves], style_weights=(1, 9), **QUICK)
    assert np.abs(mixed - swapped).max() < 0.02


def test_weights_that_are_too_few_are_refused(model, photo, waves, night):
    with pytest.raises(BadValue, match="as many weights"):
        model(photo, style=[waves, night], style_weights=(1,), **QUICK)
    with pytest.raises(UnknownName, match="wasserstein"):
        model(photo, style=waves, **QUICK | {"loss": "wassersten"})


@pytest.mark.slow
def test_colours_are_kept(model, photo, waves):
    made, kept = (model(photo, style=waves, **QUICK | {"keep_colors": keep}) for keep in (False, True))
    small = image.resize(photo, (kept.shape[1], kept.shape[0]))

    def chroma(picture):
        return picture - picture @ np.array([0.299, 0.587, 0.114], np.float32)[:, None]

    inside = (kept > 0.002).all(2) & (kept < 0.998).all(2)
    assert np.abs(chroma(kept) - chroma(small))[inside].mean() < 0.002
    assert np.abs(chroma(made) - chroma(small))[inside].mean() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("init", ["gray", "uniform", "normal", "style_mean", "style_stats"])
def test_noise_depends_on_the_seed(init, model, photo, waves):
    parameters = ADAM | {"init": init, "initial_iterations": 1, "iterations": 0, "final_iterations": 1}
    first, again = (model(photo, style=waves, **parameters) for _ in range(2))
    other = model(photo, style=waves, **parameters | {"seed": 2})
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 1 / 512


def test_noise_has_the_colours_of_the_style(model, photo, waves):
    flat = np.zeros((64, 64, 3), np.float32) + np.array([0.7, 0.2, 0.4], np.float32)
    parameters = ADAM | {"initial_iterations": 1, "iterations": 0, "final_iterations": 1, "step_size": 1e-4}
    for init, spread in (("style_mean", 0.01), ("style_stats", 0.05)):
        made = model(photo, style=flat, init=init, **parameters)
        assert np.abs(made.mean((0, 1)) - flat[0, 0]).max() < spread


def test_a_picture_to_begin_with(model, photo, waves):
    parameters = ADAM | {"final_iterations": 1, "min_scale": 200, "step_size": 1e-4}
    made = model(photo, style=waves, start=waves, **parameters)
    due = image.resize(np.asarray(waves, np.float32) / 255, (made.shape[1], made.shape[0]))
    assert np.abs(made - due).mean() < 0.02


def test_what_was_stopped_is_gone_on_with(model, photo, waves, painted, tmp_path):
    state = tmp_path / "run.state"

    def stop(event):
        if event.done == 3:
            raise KeyboardInterrupt

    with listening(stop), progress.interruptible() as interruption:
        model(photo, style=waves, resume=str(state), **QUICK)
    assert interruption.cancelled
    steps = []
    with listening(lambda event: steps.append(event.done)):
        made = model(photo, style=waves, resume=str(state), **QUICK)
    assert steps[0] == 4
    assert np.array_equal(made, painted)
    with pytest.raises(BadValue, match="style"):
        model(photo, style=photo, resume=str(state), **QUICK)


@pytest.mark.slow
def test_a_record_makes_the_picture_again(model, waves, tmp_path):
    picture = image.sample("chelsea", size=64)
    made = model(picture, style=[waves, picture], style_weights=(2, 1), **QUICK | {"seed": None})
    record = provenance.record_of(made)
    assert [item.role for item in record.inputs] == ["picture", "style", "style.2"]
    assert "resume" not in record.parameters
    again = model(picture, style=[waves, picture], seed=record.seed, **record.parameters)
    assert np.array_equal(np.asarray(made), np.asarray(again))


def test_frames_of_a_film_begin_with_the_one_before(model, waves):
    """A still film: the second frame has the steps of the first behind it."""
    frame = np.asarray(image.sample("chelsea", size=64), np.float32) / 255
    film, parameters = model.for_film(), QUICK | {"style": waves}
    first, second = film(frame, **parameters), film(frame, **parameters)
    anew = model(frame, **parameters)
    assert np.array_equal(first, anew)
    assert np.abs(second - first).mean() < np.abs(first - image.resize(frame, first.shape[1::-1])).mean()
    assert np.abs(second - first).max() > 0
    held = losses(film, frame, **parameters)
    assert "staying" in held[0]
    other = model.for_film()  # which knows nothing of that film
    assert np.array_equal(other(frame, **parameters), anew)
    with pytest.raises(BadValue, match="resume"):
        film(frame, resume="state", **parameters)


@pytest.mark.slow
def test_the_length_of_steps_matters_to_adam(model, photo, waves):
    short, long = (model(photo, style=waves, **ADAM | {"step_size": size}) for size in (0.005, 0.1))
    small = image.resize(photo, short.shape[1::-1])
    assert np.abs(short - small).mean() < 0.5 * np.abs(long - small).mean()


@pytest.mark.slow
def test_films_hold_steady_and_stay_sharp(model):
    film = KnownFilm(count=4)
    parameters = {
        "style": image.sample("waves", size=128),
        "min_scale": 160,
        "initial_iterations": 10,
        "iterations": 6,
        "final_iterations": 10,
        "loss": "gram",
        "seed": 1,
    }
    alone = [model(frame, **parameters) for frame in film.frames]
    together = model.for_film()
    held = [together(frame, **parameters) for frame in film.frames]
    assert flicker(film, held) < 0.35 * flicker(film, alone)
    assert laplacian_energy(held) > 0.8 * laplacian_energy(alone)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fast_float32", "bfloat16"])
def test_the_faster_forms_come_as_far(dtype, model, photo, waves):
    """Steps add up, so that pictures drift apart; how near they come to what is wanted does not."""
    exact, faster = (ml4a.load("style_transfer", dtype=each) for each in ("float32", dtype))
    parameters = QUICK | {"style": waves, "size": 64, "min_scale": 64, "loss": "wasserstein", "final_iterations": 6}
    last, due = (sum(losses(each, photo, **parameters)[-1].values()) for each in (faster, exact))
    assert faster.precision == dtype
    assert model.precision == "fast_float32"
    assert 0 < abs(last / due - 1) < 0.01
