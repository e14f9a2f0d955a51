"""DeepDream with the real networks that the package index carries, in small."""

from __future__ import annotations

import checkpoints
import numpy as np
import pytest
from PIL import Image

import ml4a
from ml4a import image, jobs
from ml4a._core import devices, progress
from ml4a._core.errors import BadValue, TooLarge, UnknownName
from ml4a._core.progress import Interrupted, listening
from ml4a.media import canvas, provenance
from ml4a.models import _bookmarks

QUICK = {"iterations": 2, "octaves": 2, "seed": 1}


@pytest.fixture(scope="module")
def model():
    return ml4a.load("deepdream", device="cpu")


@pytest.fixture(scope="module")
def photo():
    return image.to_array(image.sample("chelsea", size=64))


@pytest.fixture(scope="module")
def other():
    return image.to_array(image.sample("coffee", size=64))


@pytest.fixture(scope="module")
def dreamt(model, photo):
    return model(photo, **QUICK)


@pytest.fixture
def inception(photo, other, home, tmp_path):
    """InceptionV1 of small weights, with its heads; the pictures are loaded by then."""
    checkpoints.install("deepdream", "inception5h", checkpoints.write("deepdream", "inception5h", tmp_path, small=True))
    return ml4a.load("deepdream", "inception5h", device="cpu")


def seen(model, picture, layer):
    """What a layer makes of a picture: C×h×w."""
    return model.network.features(ml4a.synthesis.tensor(picture), [layer])[layer][0].detach()


def difference(a, b):
    return float(np.abs(a - b).mean()) * 255


def test_what_the_network_sees_grows(model, photo):
    layer = "blocks.11.expand"
    made = model(photo, iterations=10, octaves=2, seed=1)
    shuffled = (photo + (made - photo)[::-1, ::-1]).clip(0, 1)  # as far away, by chance
    before, after, chance = (seen(model, each, layer).square().mean() for each in (photo, made, shuffled))
    assert after > 1.1 * before > 1.1 * chance
    assert difference(made, photo) > 10


def test_a_channel_grows_and_with_a_negative_weight_it_fades(model, photo):
    layer, number = "blocks.10.project", 7
    parameters = QUICK | {"layer": layer, "channel": number, "iterations": 5}
    before = seen(model, photo, layer)[number].mean()
    more, less = (model(photo, channel_weights=weight, **parameters) for weight in (1, -1))
    assert seen(model, more, layer)[number].mean() > before + 0.3
    assert seen(model, less, layer)[number].mean() < before - 0.3


OTHER = {
    "layer": "blocks.8.expand",
    "bookmark": "fruit",
    "iterations": (3, 1),
    "octaves": 3,
    "octave_ratio": 1.8,
    "step_size": (1.5, 4),
    "levels": (4, 1),
    "normalize": True,
    "gray": True,
    "tile": 64,
    "jitter": False,
    "size": 50,
    "seed": 2,
}


@pytest.mark.parametrize("name", OTHER)
def test_every_parameter_makes_another_dream(name, model, photo, dreamt):
    made = model(photo, **QUICK | {name: OTHER[name]})
    if name == "size":
        assert made.shape[0] == 50
    else:
        assert difference(made, dreamt) > 0.5


def test_grey_dreams_keep_colours(model, photo):
    made = model(photo, gray=True, **QUICK) - photo
    inside = ((made + photo > 0.01) & (made + photo < 0.99)).all(2)
    assert np.abs(made - made.mean(2, keepdims=True))[inside].max() < 1e-4
    assert np.abs(made).mean() > 0.005


def test_masks_say_where_and_swap(model, photo):
    left = np.zeros((64, photo.shape[1]), np.uint8)
    left[:, : photo.shape[1] // 2] = 255
    parameters = QUICK | {"layer": "blocks.11.expand", "channel": (10, 110), "octaves": 1, "jitter": False}
    masks = [np.repeat(each[:, :, None], 3, axis=2) for each in (left, 255 - left)]
    one, swapped = (model(photo, masks=each, **parameters) for each in (masks, masks[::-1]))
    alone = [model(photo, **parameters | {"channel": (number,)}) for number in (10, 110)]
    for made, (on_left, on_right) in ((one, alone), (swapped, alone[::-1])):
        # The second step sees what the first has made on the other side.
        for half, due, not_due in ((np.s_[:, :30], on_left, on_right), (np.s_[:, -30:], on_right, on_left)):
            assert difference(made[half], due[half]) < 0.5 * difference(made[half], not_due[half])


def test_what_is_black_stays_as_it_is(model, photo):
    mask = Image.new("RGB", (photo.shape[1], 64))
    mask.paste("white", (0, 0, 30, 64))
    made = model(photo, masks=mask, **QUICK | {"octaves": 1})
    assert np.abs(made[:, 34:] - photo[:, 34:]).max() < 1e-5
    assert difference(made[:, :28], photo[:, :28]) > 1


def test_a_guide_draws_towards_itself(model, photo, other):
    layer = "blocks.8.expand"
    parameters = QUICK | {"layer": layer, "iterations": 5}
    guided, free = model(photo, guide=other, **parameters), model(photo, **parameters)
    features = seen(model, other, layer).flatten(1)

    def likeness(picture):
        return (seen(model, picture, layer).flatten(1).T @ features).max(1).values.mean()

    assert likeness(guided) > 1.1 * likeness(photo)
    assert likeness(guided) > likeness(model(photo, guide=photo, **parameters))
    assert difference(guided, free) > 3
    record = provenance.record_of(model(image.sample("chelsea", size=64), guide=other, **parameters))
    assert [item.role for item in record.inputs] == ["picture", "guide"]


def test_without_a_picture_it_begins_with_grey_noise(model):
    first, again, another = (model(size=48, iterations=1, octaves=1, seed=seed) for seed in (1, 1, 2))
    assert first.size == (48, 48)
    assert np.array_equal(np.asarray(first), np.asarray(again))
    assert not np.array_equal(np.asarray(first), np.asarray(another))
    still = np.asarray(model(size=48, iterations=1, octaves=1, step_size=0, seed=1))
    assert still.min() >= 100
    assert still.max() <= 101


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (33, 17)])
def test_pictures_of_any_size(model, photo, size):
    picture = image.resize(photo, size)
    made = model(picture, iterations=1, octaves=4, seed=1)
    assert made.shape == (size[1], size[0], 3)
    assert difference(made, picture) > 0


def test_large_pictures_take_the_memory_of_a_tile(model, photo, monkeypatch):
    wide = np.tile(photo[:, :64], (1, 4, 1))
    monkeypatch.setattr(devices, "memory_budget", lambda _: int(64 * 100 * model.network.bytes_per_pixel))
    made = model(wide, tile=64, **QUICK)
    assert difference(made, wide) > 1
    with pytest.raises(TooLarge, match="--size"):
        model(wide, tile=256, **QUICK)


def test_bookmarks_are_channels_by_name(model, photo):
    parameters = QUICK | {"iterations": 1}
    picked = [model(photo, bookmark="fruit", picks=2, **parameters | {"seed": seed}) for seed in (1, 1)]
    both = model(photo, layer="blocks.11.expand", channel=(61, 110), **parameters)
    assert np.array_equal(picked[0], picked[1])
    assert np.array_equal(picked[0], both)
    singles = [model(photo, layer="blocks.11.expand", channel=number, **parameters) for number in (61, 110)]
    known = [model(photo, bookmark="fruit", picks=1, **parameters | {"seed": seed}) for seed in range(4)]
    assert {int(np.argmin([difference(made, single) for single in singles])) for made in known} == {0, 1}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"bookmark": "birds"}, "but for InceptionV1; there are: books, eyes"),
        ({"bookmark": "eyes", "layer": "stem"}, "leave layer, channel and guide out"),
        ({"channel": 672}, "channels 0 to 671, not 672"),
        ({"layer": ("stem", "head"), "channel": (1, 2, 3)}, "2 layers have a channel each, not 3"),
        ({"channel": (1, 2), "channel_weights": 1}, "2 channels have as many channel_weights, not 1"),
        ({"channel_weights": 1}, "name these by channel"),
        ({"iterations": (1, 2, 3)}, "iterations: 2 stages take 1 to 2 values, not 3"),
        ({"step_size": (1, 2, 3)}, "step_size"),
        ({"layer": ("stem", "head"), "masks": Image.new("RGB", (4, 4))}, "2 channels or layers have as many masks"),
    ],
)
def test_what_does_not_fit_together_is_refused(model, photo, parameters, words):
    with pytest.raises(BadValue, match=words):
        model(photo, **QUICK | parameters)


def test_guides_have_no_channels_and_layers_have_names(model, photo):
    with pytest.raises(BadValue, match="leave channel out"):
        model(photo, guide=photo, channel=3, **QUICK)
    with pytest.raises(UnknownName, match=r"did you mean 'blocks\.11\.expand'"):
        model(photo, layer="blocks.11.expnd", **QUICK)


def test_what_was_stopped_is_gone_on_with(model, photo, dreamt, tmp_path):
    state = str(tmp_path / "run.state")

    def stop(event):
        if event.done == 3:
            raise KeyboardInterrupt

    with listening(stop), progress.interruptible() as interruption:
        best = model(photo, resume=state, **QUICK)
    assert interruption.cancelled
    assert difference(best, dreamt) > 0
    assert np.array_equal(model(photo, resume=state, **QUICK), dreamt)
    with pytest.raises(BadValue, match="layer"):
        model(photo, resume=state, layer="stem", **QUICK)


def test_frames_of_a_film_begin_in_the_dream_before(model, photo):
    kept, anew = {}, model(photo, **QUICK)
    for keep in (0.0, 1.0):
        film = model.for_film()
        kept[keep] = [film(photo, keep=keep, **QUICK) for _ in range(2)]
    assert all(np.array_equal(frames[0], anew) for frames in kept.values())
    assert np.array_equal(kept[0.0][1], anew)
    assert difference(kept[1.0][1], photo) > 1.3 * difference(anew, photo)


# -- Films without an end ----------------------------------------------------------------------------------------------


def test_a_zoom_is_dreamt_from_frame_to_frame(model, photo):
    clip = model.zoom(photo, zoom=1.1, seconds=0.125, rate=24, size=48, seed=1)
    first, second, third = clip
    assert first.shape == (48, 72, 3)
    np.testing.assert_allclose(first, image.resize(photo, (72, 48)), atol=1e-5)
    warped = canvas.apply(first, canvas.zoom(1.1), interpolation="bicubic")
    assert difference(second, warped) > 2
    assert difference(third, first) > difference(second, first)
    assert all(np.array_equal(one, again) for one, again in zip(clip, (first, second, third), strict=True))


def test_the_record_of_a_zoom_makes_it_again(model, tmp_path):
    photo = image.sample("chelsea", size=48)
    clip = model.zoom(photo, zoom=1.05, rotate=0.01, seconds=0.1, rate=20, layer="blocks.8.expand")
    record = clip.record
    assert (record.operation, record.parameters["iterations"], record.parameters["octaves"]) == ("zoom", (2,), 2)
    path = clip.save(tmp_path / "zoom.mp4")
    assert jobs.read_record(path) == record
    photo.save(tmp_path / "photo.png")
    again, _ = jobs.repeat(path, [tmp_path / "photo.png"], tmp_path / "again.mp4")
    assert again.read_bytes() == path.read_bytes()


def test_any_score_will_do_and_noise_to_begin_with(model, photo):
    parameters = {"seconds": 0.1, "rate": 20, "size": 48, "seed": 1, "layer": "blocks.8.expand"}
    still, moved = (list(model.along(photo, warp=warp, **parameters)) for warp in (canvas.zoom(1), canvas.shift(0.3)))
    assert difference(still[1], moved[1]) > 5
    clip = model.zoom(**parameters)
    assert clip.size == (48, 48)
    assert clip.record.inputs == ()
    with pytest.raises(BadValue, match="resume"):
        model.zoom(photo, resume="state", **parameters)


def test_a_zoom_that_is_stopped_keeps_its_frames(model, photo, tmp_path):
    def stop(event):
        if event.stage == "zoom.mp4" and event.done == 2:
            raise KeyboardInterrupt

    zoom = model.zoom
    with listening(stop), pytest.raises(Interrupted):
        jobs.apply(zoom, photo, tmp_path / "zoom.mp4", seconds=1.0, size=48, seed=1)
    assert ml4a.video.open(tmp_path / "zoom.mp4").count == 2
    assert jobs.read_record(tmp_path / "zoom.mp4").operation == "zoom"


# -- Other networks ----------------------------------------------------------------------------------------------------


def test_inception_dreams_by_short_names_and_bookmarks(inception, photo):
    named, short = (inception(photo, layer=name, channel=1, **QUICK) for name in ("mixed4c_pool_reduce_pre_relu", "F6"))
    assert np.array_equal(named, short)
    assert difference(named, photo) > 0.5
    assert difference(inception(photo, **QUICK), photo) > 0.5


def test_every_bookmark_of_inception_is_a_channel_that_it_has(photo):
    widths = checkpoints.deepdream.shapes(heads=checkpoints.deepdream.HEADS)
    names = _bookmarks.names("InceptionV1")
    assert {"birds", "dogs", "eyes", "favourites", "A1", "L2"} <= set(names)
    for name in names:
        for layer, number in _bookmarks.channels("InceptionV1", name):
            assert number < widths[f"{layer}_conv.weight"][0], (name, layer)
    assert _bookmarks.channels("InceptionV1", "dogs") == [
        ("mixed4d_3x3_bottleneck_pre_relu", 1),
        ("mixed4d_3x3_pre_relu", 232),
    ]


def test_every_bookmark_of_the_default_network_is_a_channel_that_it_has(model):
    layers = model.layers()
    for name in _bookmarks.names("EfficientNetLite"):
        assert all(number < layers[layer] for layer, number in _bookmarks.channels("EfficientNetLite", name))


def test_vgg_dreams(photo):
    vgg = ml4a.load("deepdream", "vgg16_hed", device="cpu")
    picture = photo[:32, :40]
    made = vgg(picture, **QUICK)
    assert seen(vgg, made, "conv5_2").square().mean() > 1.5 * seen(vgg, picture, "conv5_2").square().mean()
    with pytest.raises(BadValue, match="VGG16; there are: none; name a layer"):
        vgg(picture, bookmark="animals", **QUICK)
