from __future__ import annotations

import logging

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import idinvert as official
from clauses import photo, portrait
from figures import Figures
from tiers import quick

from ml4a import image, latents
from ml4a._core import paths, progress
from ml4a._core.errors import BadValue, BadWeights, TooLarge, UnknownName
from ml4a.media import face as geometry
from ml4a.models import registry
from ml4a.models.idinvert import IDInvert

pytestmark = pytest.mark.xdist_group("idinvert")
SIDE = 32


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """A home with small weights, and with all that is there already."""
    folder = tmp_path_factory.mktemp("idinvert")
    (folder / "home/cache/weights").mkdir(parents=True)
    for path in (paths.cache_dir() / "weights").glob("*"):
        (folder / "home/cache/weights" / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(folder / "home"))
        checkpoints.install("idinvert", "ffhq", checkpoints.write("idinvert", "ffhq", folder, small=True))
    return folder / "home"


@pytest.fixture(autouse=True)
def _home(furnished, monkeypatch):
    monkeypatch.setenv("ML4A_HOME", str(furnished))


@pytest.fixture(scope="module")
def model(furnished):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(furnished))
        return IDInvert.from_pretrained("ffhq", device="cpu")


def pixels(picture) -> np.ndarray:
    return np.asarray(picture, np.float32) / 255


def distance(model, found, target) -> float:
    """The mean squared difference between the picture of latents and the square that was looked for."""
    made = model.arrays(torch.from_numpy(np.array(found)))[0]
    return float(np.square(made - pixels(target)).mean())


def steps_of(function):
    """What `function` gives, and how many steps it tells of."""
    told = []
    with progress.listening(told.append):
        result = function()
    return result, sum(each.unit == "steps" for each in told)


def square() -> image.Picture:
    return image.resize(image.crop_to_aspect_ratio(photo((40, 40)), 1), (SIDE, SIDE))


# -- Pictures ----------------------------------------------------------------------------------------------------------


def test_a_seed_makes_always_the_same_picture_and_truncation_brings_all_together(model):
    one, again, another = model(seed=1), model(seed=1), model(seed=2)
    assert one.size == (SIDE, SIDE)
    assert np.array_equal(one, again)
    assert np.abs(pixels(one) - pixels(another)).max() > 0.2
    assert np.array_equal(model(seed=1, truncation=0), model(seed=2, truncation=0))
    assert not np.array_equal(model(seed=1, truncation=0, cutoff=2), model(seed=2, truncation=0, cutoff=2))


def test_mixing_takes_the_original_layers(model):
    figures = Figures("idinvert")
    style, content = (each[None] for each in figures["edit_codes"])
    due = model(figures["edit_mix_style_layers_2-4"][0, 1][None])
    assert np.array_equal(model.mix(content, other=style, layers=(2, 3, 4)), due)
    assert not np.array_equal(due, model(content))


# -- Edits -------------------------------------------------------------------------------------------------------------


def test_the_boundaries_of_the_weights_change_the_layers_that_they_are_for(model):
    assert set(model.boundaries) == {"age", "expression", "eyeglasses", "gender", "pose"}
    me = model.map(seed=3)
    moved = np.array(me)
    gender = model.boundaries["gender"]
    assert gender.layers == (2, 3, 4)
    moved[:, 2:5] += 1.5 * gender.vectors[:, 2:5]
    assert np.array_equal(model.edit(me, direction="gender"), model(moved))
    assert np.array_equal(model.edit(me, direction="gender", amount=0), model(me))
    assert not np.array_equal(model.edit(me, direction="gender"), model(me))
    chosen = model.edit(me, direction="gender", layers=(2,))
    moved[:, 3:5] = me.values[:, 3:5]
    assert np.array_equal(chosen, model(moved))


def test_directions_that_the_library_finds_are_known_too_and_others_are_not(model):
    me = model.map(seed=3)
    assert not np.array_equal(model.edit(me, direction="sefa:0", amount=3), model(me))
    with pytest.raises(UnknownName, match="gender"):
        model.edit(me, direction="gendre")


@pytest.mark.slow
def test_a_photograph_is_projected_and_then_edited(model):
    found = model.project(square())
    due = model.edit(found, direction="age", amount=2)
    assert np.array_equal(model.edit(picture=square(), direction="age", amount=2), due)
    assert np.array_equal(model.edit(square(), picture=None, direction="age", amount=2), due)
    assert model.last_record.inputs[0].role == "picture"
    with pytest.raises(BadValue, match="not both"):
        model.edit(found, picture=square())


def test_what_is_a_picture_and_what_are_latents(model, tmp_path):
    pictures = ["me.jpg", tmp_path / "me.png", "sample:astronaut", square(), image.to_array(square())]
    points = [None, "me.safetensors", "w.npy", model.map(seed=1), np.zeros((1, 9)), np.zeros((2, 8, 6), np.float32)]
    assert all(map(model.is_picture, pictures))
    assert not any(map(model.is_picture, points))


# -- Inversion ---------------------------------------------------------------------------------------------------------


def test_a_search_comes_nearer_than_the_encoder(model):
    rough = model.encode(square(), align=False)
    found = model.project(square(), iterations=20, rate=0.1, align=False)
    assert rough.values.shape == found.values.shape == (1, 8, 6)
    assert (rough.space, found.space) == ("w+", "w+")
    assert distance(model, found, square()) < 0.8 * distance(model, rough, square())
    assert found.record.operation == "project"
    assert found.record.parameters["iterations"] == 20


def test_what_was_found_is_not_searched_for_twice(model):
    def project(**options):
        return steps_of(lambda: model.project(square(), align=False, **{"iterations": 3} | options))

    found, steps = project()
    again, further = project()
    assert (steps, further) == (3, 0)
    assert np.array_equal(found, again)
    assert again.record.parameters["iterations"] == 3
    assert project(iterations=4)[1] == 4
    assert project(rate=0.02)[1] == 3
    other = steps_of(lambda: model.project(square().transpose(0), iterations=3, align=False))
    assert other[1] == 3
    assert not np.array_equal(other[0], found)


@pytest.mark.parametrize("content", quick([b"nonsense", b"", None]))
def test_a_broken_or_foreign_file_in_the_cache_is_made_again(model, content):
    def project():
        return steps_of(lambda: model.project(square(), iterations=2, rate=0.02, align=False))

    for path in (paths.cache_dir() / "inversions").glob("*"):
        path.unlink()
    found, _ = project()
    (path,) = (paths.cache_dir() / "inversions").glob("*")
    path.unlink()
    if content is None:
        latents.Latents(np.zeros((1, 8, 7)), "w+").save(path)
    else:
        path.write_bytes(content)
    again, steps = project()
    assert steps == 2
    np.testing.assert_allclose(again, found, atol=1e-5)
    assert project()[1] == 0


def test_ctrl_c_gives_what_was_found_so_far_and_keeps_nothing(model):
    def stop(told):
        if told.unit == "steps" and told.done == 3:
            raise KeyboardInterrupt

    options = {"iterations": 5, "rate": 0.03, "align": False}
    with progress.interruptible() as switch, progress.listening(stop):
        found = model.project(square(), **options)
    assert switch.cancelled
    start = model.encode(square(), align=False)
    assert not np.array_equal(found, start)
    assert np.abs(np.array(found) - np.array(start)).max() < 3.5 * 0.03
    assert steps_of(lambda: model.project(square(), **options))[1] == 5


def test_a_search_that_does_not_fit_is_refused_before_it_begins(model, monkeypatch):
    monkeypatch.setenv("ML4A_MEMORY", "4M")
    with pytest.raises(TooLarge, match="the search needs"):
        model.project(square(), iterations=2, rate=0.06, align=False)


def test_previews_are_pictures(model):
    told = []
    with progress.listening(told.append):
        model.project(square(), iterations=3, rate=0.04, align=False)
    assert told[0].preview.shape == (SIDE, SIDE, 3)
    assert 0 <= told[0].preview.min() < told[0].preview.max() <= 1


def test_a_search_works_inside_inference_mode_too(model):
    with torch.inference_mode():
        found = model.project(square(), iterations=2, rate=0.07, align=False)
    assert np.isfinite(found.values).all()


# -- Faces -------------------------------------------------------------------------------------------------------------


def test_the_largest_face_is_cut_out_as_in_ffhq_and_an_aligned_one_left_alone(model):
    astronaut = image.sample("astronaut")
    found = registry.load("face", device="cpu")(astronaut)[0]
    aligned = geometry.ffhq(image.to_array(astronaut), found, SIDE)
    assert np.array_equal(model.encode(astronaut), model.encode(aligned, align=False))
    large = geometry.ffhq(image.to_array(astronaut), found, 256)
    assert np.array_equal(model.encode(large), model.encode(large, align=False))
    assert not np.array_equal(model.encode(astronaut), model.encode(astronaut, align=False))


def test_without_a_face_the_middle_is_taken_and_that_is_said(model, caplog):
    wide = photo((60, 40))
    with caplog.at_level(logging.WARNING, "ml4a"):
        found = model.encode(wide)
    assert "no face" in caplog.text
    np.testing.assert_allclose(found, model.encode(wide.crop((10, 0, 50, 40)), align=False), atol=1e-6)


# -- Diffusion ---------------------------------------------------------------------------------------------------------


def test_what_is_taken_of_one_picture_is_in_the_other(model):
    one, other = square(), image.resize(portrait((64, 64)), (SIDE, SIDE))
    options = {"onto": other, "align": False, "size": (0.5,), "center": (0.5, 0.5), "rate": 0.1}
    start, end = (model.diffuse(one, iterations=steps, **options) for steps in (1, 20))
    inside = np.s_[8:24, 8:24]
    errors = [np.square(pixels(each) - pixels(one))[inside].mean() for each in (start, end)]
    assert errors[1] < 0.9 * errors[0]
    assert end.size == (SIDE, SIDE)
    as_array = model.diffuse(image.to_array(one), iterations=1, **options)
    assert as_array.dtype == np.float32
    np.testing.assert_allclose(as_array, pixels(start), atol=0.6 / 255)
    assert model.last_record.inputs[1].role == "onto"


@pytest.mark.parametrize("wrong", [{"center": (0.5,)}, {"size": (0.2, 0.3, 0.4)}, {"center": (0.5, 1.5)}])
def test_a_rectangle_that_is_none_is_an_error(model, wrong):
    with pytest.raises(BadValue, match="center"):
        model.diffuse(square(), onto=square(), align=False, **wrong)


# -- Files -------------------------------------------------------------------------------------------------------------


def installed(furnished, tmp_path, monkeypatch, role, shapes):
    """A model whose file of one role is another generator's."""
    files = checkpoints.write("idinvert", "ffhq", tmp_path, small=True)
    official.save(role, files[role], deterministic.state_dict(shapes))
    monkeypatch.setenv("ML4A_HOME", str(tmp_path / "home"))
    checkpoints.install("idinvert", "ffhq", files)
    return IDInvert.from_pretrained("ffhq", device="cpu")


def test_a_boundary_of_another_generator_is_an_error(furnished, tmp_path, monkeypatch):
    with pytest.raises(BadWeights, match=r"age\.npy is another generator's"):
        installed(furnished, tmp_path, monkeypatch, "age", official.boundary(8, 7, range(3)))


@pytest.mark.slow
def test_a_boundary_of_layers_that_there_are_not_is_an_error(furnished, tmp_path, monkeypatch):
    with pytest.raises(BadWeights, match=r"pose\.npy"):
        installed(furnished, tmp_path, monkeypatch, "pose", official.boundary(8, 6, [0, 8]))


@pytest.mark.slow
def test_an_encoder_of_another_generator_is_an_error(furnished, tmp_path, monkeypatch):
    model = installed(furnished, tmp_path, monkeypatch, "encoder", official.encoder([4, 6, 6], 6))
    with pytest.raises(BadWeights, match="resolution is 16, not 32"):
        model.encode(square(), align=False)
