"""Neural style with the real network that the package index carries, in small."""

from __future__ import annotations

import copy
import itertools

import deterministic
import numpy as np
import pytest
from checkpoints import neural_style as official
from PIL import Image
from step_losses import losses
from tiers import quick

import ml4a
from ml4a import image, synthesis
from ml4a._core import progress
from ml4a._core.errors import BadValue, TooLarge, UnknownName
from ml4a._core.progress import listening
from ml4a.media import provenance
from ml4a.models import neural_style
from ml4a.networks import from_state_dict
from ml4a.ops import statistics

QUICK = {"size": 40, "iterations": 3, "seed": 1}


@pytest.fixture(scope="module")
def model():
    return ml4a.load("neural_style")


@pytest.fixture(scope="module")
def photo():
    return np.asarray(image.sample("chelsea").crop((120, 60, 300, 200)).resize((51, 40)), np.float32) / 255


@pytest.fixture(scope="module")
def waves():
    return image.sample("waves", size=64)


@pytest.fixture(scope="module")
def mosaic():
    return image.sample("mosaic", size=64)


@pytest.fixture(scope="module")
def painted(model, photo, waves):
    return model(photo, style=waves, **QUICK)


def halves(size=(51, 40)):
    """White on the left, and white on the right."""
    left = Image.new("L", size)
    left.paste(255, (0, 0, size[0] // 2, size[1]))
    return [left, left.point(lambda value: 255 - value)]


def away(a, b):
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


def test_the_style_comes_nearer_from_step_to_step(model, photo, waves):
    found = losses(model, photo, style=waves, **QUICK | {"iterations": 10})
    assert set(found[0]) == {"style", "content", "smoothness"}
    totals = [sum(each.values()) for each in found]
    assert all(after < before for before, after in itertools.pairwise(totals))
    assert found[-1]["style"] < 0.2 * found[0]["style"]


OTHER = {
    "content_weight": 2000.0,
    "style_weight": 1.0,
    "tv_weight": 1.0,
    "mean_weight": 1e4,
    "histogram_weight": 100.0,
    "statistic": "covariance",
    "blend": "each",
    "normalize_gradients": True,
    "content_layers": ("relu2_2",),
    "style_layers": ("relu5_1",),
    "layer_weights": (0, 0, 0, 1, 1),
    "pooling": "mean",
    "keep_colors": True,
    "size": 36,
    "passes": 2,
    "iterations": 6,
    "style_scale": (0.7,),
    "init": "noise",
    "start": image.sample("eye"),
    "optimizer": "adam",
    "history": 1,
}


@pytest.mark.parametrize("name", quick(OTHER, 10))
def test_every_parameter_makes_another_picture(name, model, photo, waves, painted):
    more = {"scale_ratio": 1.2} if name == "passes" else {}
    made = model(photo, style=waves, **QUICK | {name: OTHER[name]} | more)
    assert made.shape != painted.shape or away(made, painted) > 0.3 / 255


@pytest.mark.slow
def test_the_remaining_parameters_matter_where_they_apply(model, photo, waves):
    def differ(name, values, **common):
        one, other = (model(photo, style=waves, **QUICK | common | {name: value}) for value in values)
        return away(one, other) > 0.3 / 255

    assert differ("step_size", (0.1, 3.0), optimizer="adam")
    assert differ("scale_ratio", (1.1, 1.2), passes=2)
    assert differ("optimizer", ("lbfgs", "plain_lbfgs"))
    assert differ("pooling", ("max", "blurred"))


def test_other_seeds_are_other_noise(model, waves):
    made = [model(style=waves, **QUICK | {"iterations": 6, "seed": seed}) for seed in (1, 1, 2)]
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_without_a_picture_there_is_the_style_alone(model, waves, mosaic):
    wide = waves.crop((0, 0, 64, 48))
    found = losses(model, style=wide, **QUICK | {"iterations": 12})
    assert "content" not in found[0]
    assert found[-1]["style"] < 0.15 * found[0]["style"]
    made = model(style=[wide, mosaic], **QUICK)
    assert made.size == (53, 40)
    assert [item.role for item in provenance.record_of(made).inputs] == ["style", "style.2"]
    with pytest.raises(BadValue, match="no colours to keep"):
        model(style=waves, keep_colors=True, **QUICK)


def test_regions_and_styles_change_places_together(model, photo, waves, mosaic):
    few = QUICK | {"content_weight": 0, "style_layers": ("relu1_1", "relu2_1"), "iterations": 20}
    left, right = halves()
    straight = model(photo, style=[waves, mosaic], regions=[left, right], **few)
    crossed = model(photo, style=[waves, mosaic], regions=[right, left], **few)

    def difference(half, style):
        """Of the Gram matrices of its features."""
        there = [synthesis.tensor(np.ascontiguousarray(each)) for each in (half, np.asarray(style.convert("RGB")))]
        grams = [statistics.gram(model.network.features(each, ["relu2_1"])["relu2_1"]) for each in there]
        return float((grams[0] - grams[1]).square().mean())

    for picture, styles in ((straight, (waves, mosaic)), (crossed, (mosaic, waves))):
        for half, style, other in zip((picture[:, :20], picture[:, -20:]), styles, styles[::-1], strict=True):
            assert difference(half, style) < 0.5 * difference(half, other)


@pytest.mark.slow
def test_the_last_region_is_what_is_left(model, photo, waves, mosaic):
    left, right = halves()
    both = model(photo, style=[waves, mosaic], regions=[left, right], **QUICK)
    assert np.array_equal(model(photo, style=[waves, mosaic], regions=left, **QUICK), both)
    assert np.array_equal(model(photo, style=[waves, mosaic], regions=[np.asarray(left), right], **QUICK), both)
    with pytest.raises(BadValue, match="2 styles have as many regions, or one less, not 3"):
        model(photo, style=[waves, mosaic], regions=[left] * 3, **QUICK)


def test_a_style_in_one_region_leaves_the_rest(model, photo, waves):
    made = model(photo, style=waves, regions=halves()[0], tv_weight=0, **QUICK)
    assert np.abs(made[:, -12:] - photo[:, -12:]).mean() < 0.3 * np.abs(made[:, :12] - photo[:, :12]).mean()


@pytest.mark.slow
def test_colours_are_kept(model, photo, waves):
    made, kept = (model(photo, style=waves, keep_colors=keep, **QUICK | {"iterations": 8}) for keep in (False, True))

    def chroma(picture):
        return picture - picture @ np.array([0.299, 0.587, 0.114], np.float32)[:, None]

    inside = (kept > 0.002).all(2) & (kept < 0.998).all(2)
    found = [np.abs(chroma(each) - chroma(photo))[inside].mean() for each in (kept, made)]
    assert found[0] < 0.002
    assert found[1] > 0.03


def test_of_several_styles_the_heavier_one_is_nearer(model, photo, waves, mosaic):
    only = [model(photo, style=style, **QUICK) for style in (waves, mosaic)]
    mixed = model(photo, style=[waves, mosaic], style_weights=(9, 1), **QUICK)
    assert away(mixed, only[0]) < 0.7 * away(mixed, only[1])
    with pytest.raises(BadValue, match="2 styles have as many weights, not 1"):
        model(photo, style=[waves, mosaic], style_weights=(1,), **QUICK)


@pytest.mark.slow
def test_passes_go_from_coarse_to_fine(model, waves):
    sizes = []
    step = ml4a.synthesis.Synthesis._begin

    def begin(self, stage):
        sizes.append((stage.size, stage.iterations))
        step(self, stage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ml4a.synthesis.Synthesis, "_begin", begin)
        made = model(image.sample("rocket"), style=waves, size=72, passes=2, iterations=(2, 1), seed=1)
    assert sizes == [((54, 36), 2), ((108, 72), 1)]
    assert made.size == (108, 72)


def test_the_schedule_follows_the_size():
    assert [neural_style.default_passes(longest, 2.0) for longest in (64, 128, 255, 256, 512, 1024, 1 << 20)] == [
        *(1, 1, 1, 2, 3, 4, 8)
    ]
    assert neural_style.default_passes(512, 1.0) == 1
    assert neural_style.default_iterations(4) == (40, 10, 8, 8)
    assert neural_style.pass_sizes((64, 48), 2, 1.5, 16) == [(42, 32), (64, 48)]
    assert neural_style.pass_sizes((64, 48), 4, 2, 16) == [(64, 48)]  # half of that is too small
    assert neural_style.style_size((72, 64), 42, 16) == (42, 37)
    assert neural_style.style_size((200, 3), 42, 16) == (1067, 16)


@pytest.mark.parametrize("size", [(1, 1), (3, 60), (61, 33)])
def test_pictures_of_any_size_and_kind(size, model, waves):
    picture = image.sample("chelsea").resize(size)
    for kind in ("L", "P", "CMYK", "RGBA"):
        assert model(picture.convert(kind), style=waves, iterations=1, seed=1).size == size
    deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    assert model(deep, style=waves, iterations=1, seed=1).shape == (*size[::-1], 3)


def test_what_the_network_cannot_see_is_refused(model, photo, waves):
    with pytest.raises(BadValue, match="3x3 px; this network needs 9 px a side"):
        model(photo[:3, :3], style=waves, pooling="blurred", iterations=1)
    with pytest.raises(BadValue, match="all weights are 0"):
        model(photo, style=waves, content_weight=0, style_weight=0, tv_weight=0, **QUICK)
    with pytest.raises(UnknownName, match="relu9_1"):
        model(photo, style=waves, style_layers=("relu9_1",), **QUICK)
    with pytest.raises(BadValue, match="5 style layers have as many layer_weights, not 2"):
        model(photo, style=waves, layer_weights=(1, 2), **QUICK)
    with pytest.raises(BadValue, match="1 stages take 1 to 1 values, not 2"):
        model(photo, style=waves, passes=1, size=40, iterations=(2, 2))


def test_network_in_network_has_layers_of_its_own(model, waves):
    """With small weights."""
    shapes = official.NETWORKS["nin:build"]
    small = copy.copy(model)
    small.network = from_state_dict("neural_style", deterministic.state_dict(shapes))
    picture = image.sample("chelsea").resize((60, 44))
    parameters = {"style": [waves, picture], "regions": halves((60, 44))[0], "iterations": 4, "seed": 1}
    found = losses(small, picture, **parameters)
    assert found[-1]["style"] < found[0]["style"]
    layers = {"content_layers": ("relu0", "relu3", "relu7", "relu12")}
    default, named, mean = (small(picture, **parameters, **more) for more in ({}, layers, layers | {"pooling": "mean"}))
    assert away(default, named) == 0
    assert away(default, mean) > 0
    with pytest.raises(UnknownName, match="blurred"):
        small(picture, pooling="blurred", **parameters)


@pytest.mark.slow
def test_memory_decides_how_much_is_remembered(model, photo, waves, monkeypatch):
    pixels, network = photo.shape[0] * photo.shape[1], model.network.bytes_per_pixel
    for steps, due in ((1000, 100), (30, 30), (10, 10)):
        monkeypatch.setenv("ML4A_MEMORY", str(int(pixels * (network + 24 * (steps + 0.5)))))
        model(photo, style=waves, optimizer="plain_lbfgs", **QUICK)
        assert model.last_record.parameters["history"] == due
    monkeypatch.setenv("ML4A_MEMORY", str(int(pixels * (network + 24 * 9))))
    with pytest.raises(TooLarge, match="--size 39"):
        model(photo, style=waves, **QUICK)
    model(photo, style=waves, optimizer="adam", **QUICK)  # which remembers less


def test_what_was_stopped_is_gone_on_with(model, photo, waves, painted, tmp_path):
    state = tmp_path / "run.state"

    def stop(event):
        if event.done == 2:
            raise KeyboardInterrupt

    with listening(stop), progress.interruptible() as interruption:
        model(photo, style=waves, resume=str(state), **QUICK)
    assert interruption.cancelled
    steps = []
    with listening(lambda event: steps.append(event.done)):
        made = model(photo, style=waves, resume=str(state), **QUICK)
    assert steps == [3]
    assert np.array_equal(made, painted)
    with pytest.raises(BadValue, match="style"):
        model(photo, style=photo, resume=str(state), **QUICK)


def test_a_record_makes_the_picture_again(model, photo, waves, mosaic):
    picture = image.to_picture(photo)
    given = {"style": [waves, mosaic], "regions": halves()}
    made = model(picture, **given, **QUICK | {"seed": None, "iterations": None, "size": 24, "passes": 2})
    record = provenance.record_of(made)
    assert [item.role for item in record.inputs] == ["picture", "style", "style.2", "regions", "regions.2"]
    assert record.parameters["iterations"] == (40, 10)
    again = model(picture, **given, seed=record.seed, **record.parameters)
    assert np.array_equal(np.asarray(made), np.asarray(again))


@pytest.mark.slow
def test_frames_of_a_film_begin_with_the_one_before(model, photo, waves):
    parameters = QUICK | {"style": waves}
    film = model.for_film()
    first, second = film(photo, **parameters), film(photo, **parameters)
    assert np.array_equal(first, model(photo, **parameters))
    assert away(first, second) > 0
    anew = losses(model, photo, **parameters)
    held, free = (losses(film, photo, **parameters, staying=staying) for staying in (1e5, 0))
    assert held[0]["style"] < 0.3 * anew[0]["style"]
    assert "staying" in held[0]
    assert "staying" not in free[0]


def test_frames_stay_where_they_are_held(model, photo, waves):
    moves = []
    for staying in (0.0, 1e7):
        film = model.for_film()
        first = film(photo, style=waves, **QUICK)
        moves.append(away(film(photo, style=waves, staying=staying, **QUICK), first))
    assert moves[1] < 0.5 * moves[0]
