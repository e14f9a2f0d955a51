"""Torch-Dreams with the weights of the package index, and with a network of one's own."""

from __future__ import annotations

import checkpoints
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import ml4a
from ml4a._core import progress
from ml4a._core.errors import BadValue, TooLarge, UnknownName
from ml4a._core.progress import listening
from ml4a.media import image, provenance
from ml4a.models import TorchDreams

QUICK = {"size": 48, "iterations": 6, "step_size": 0.03, "seed": 1}
LAYER = "blocks.4"


@pytest.fixture(scope="module")
def dream() -> TorchDreams:
    return ml4a.load("torch_dreams")


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return image.sample("chelsea").crop((120, 60, 312, 204)).resize((64, 48))


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, np.float32) / 255


def differ(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(pixels(a) - pixels(b)).mean())


def seen(dream: TorchDreams, picture: Image.Image, layer: str = LAYER) -> torch.Tensor:
    """The mean of each channel."""
    x = torch.from_numpy(pixels(picture)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return dream.network.features(x, [layer])[layer].mean((0, 2, 3))


def stopping(after: float):
    """A listener that presses Ctrl-C when so much is done."""

    def listen(event: progress.Progress) -> None:
        if event.unit in ("steps", "channels") and event.done >= after:
            raise KeyboardInterrupt

    return listen


def test_a_channel_gets_what_it_looks_for(dream):
    quick = QUICK | {"iterations": 25}
    result, other = dream(layer=LAYER, channel=3, **quick), dream(layer=LAYER, channel=4, **quick)
    means = {number: seen(dream, each) for number, each in ((3, result), (4, other))}
    assert means[3][3] > means[4][3] + 0.5
    assert means[4][4] > means[3][4] + 0.5


def test_weights_ask_for_more_of_one_channel_and_less_of_another(dream):
    quick = QUICK | {"iterations": 12}
    more = seen(dream, dream(layer=LAYER, channel=(3, 4), channel_weights=(1, 1), **quick))
    less = seen(dream, dream(layer=LAYER, channel=(3, 4), channel_weights=(1, -1), **quick))
    assert less[4] < more[4] - 0.3


def test_without_a_channel_it_is_whatever_the_layer_sees(dream, photo):
    result = dream(photo, layer=LAYER, **QUICK)

    def strength(picture: Image.Image) -> float:
        x = torch.from_numpy(pixels(picture)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return float(dream.network.features(x, [LAYER])[LAYER].square().mean())

    assert strength(result) > 1.15 * strength(photo)
    assert result.size == photo.size
    assert differ(result, photo) > 0.02


def test_the_same_seed_gives_the_same_picture_and_its_record_repeats_it(dream):
    first = dream(**QUICK)
    made_by = provenance.record_of(first)
    assert (made_by.parameters["layer"], made_by.parameters["step_size"]) == ("blocks.10", 0.03)
    again = dream(**made_by.parameters, seed=made_by.seed)
    assert np.array_equal(np.asarray(again), np.asarray(first))
    assert differ(dream(**QUICK | {"seed": 2}), first) > 0.01
    dream(**QUICK | {"step_size": None})
    assert dream.last_record.parameters["step_size"] == 0.009


@pytest.mark.parametrize(
    "change",
    [
        {"layer": "blocks.3"},
        {"channel": 7},
        {"parameterisation": "pixels"},
        {"parameterisation": "pyramid"},
        {"iterations": 3},
        {"step_size": 0.01},
        {"weight_decay": 1.0},
        {"grad_clip": 1e-6},
        {"rotate": 0.0},
        {"translate": 0.0},
        {"scale_min": 1.0},
        {"scale_max": 0.5},
    ],
    ids=str,
)
def test_each_parameter_makes_a_difference(dream, change):
    settings = QUICK | {"layer": LAYER, "channel": 3}
    assert differ(dream(**settings | change), dream(**settings)) > 1e-3


def test_size_and_width(dream, photo):
    quick = {"layer": "blocks.1", "iterations": 1}
    assert dream(size=40, width=72, **quick).size == (72, 40)
    assert dream(width=72, **quick).size == (72, 256)
    assert dream(**quick).size == (256, 256)
    assert dream(photo, size=30, **quick).size == (40, 30)
    large = image.resize(image.sample("chelsea"), (902, 600))
    assert dream(large, layer="stem", iterations=1).height == 341


def test_a_caricature_is_drawn_from_nothing_and_is_of_the_picture(dream, photo):
    result = dream(photo, layer=LAYER, caricature=True, **QUICK | {"iterations": 30})
    grey, other = (pixels(each.convert("L")).ravel() for each in (photo, photo.transpose(Image.Transpose.ROTATE_180)))
    found = pixels(result.convert("L")).ravel()
    assert result.size == photo.size
    assert np.corrcoef(found, grey)[0, 1] > 0.3
    assert np.corrcoef(found, grey)[0, 1] > np.corrcoef(found, other)[0, 1] + 0.2


@pytest.mark.parametrize("how", ["fourier", "pixels"])
def test_outside_of_a_region_nothing_changes(dream, photo, how):
    region = Image.new("L", (8, 6))
    region.paste(255, (0, 0, 4, 6))
    result = dream(photo, layer=LAYER, region=region, parameterisation=how, **QUICK)
    difference = np.abs(pixels(result) - pixels(photo)).mean(axis=2)
    assert difference[:, 48:].max() < 0.51 / 255
    assert difference[:, :16].mean() > 0.02
    assert [each.role for each in dream.last_record.inputs] == ["picture", "region"]


def test_what_is_resumed_is_what_is_not_interrupted(dream, tmp_path):
    settings = QUICK | {"layer": LAYER, "channel": 3}
    whole = dream(**settings)
    state = str(tmp_path / "run.safetensors")
    with listening(stopping(3)):
        part = dream(**settings, resume=state)
    assert differ(part, whole) > 1e-3
    rest = dream(**settings, resume=state)
    assert np.array_equal(np.asarray(rest), np.asarray(whole))
    with pytest.raises(BadValue, match="channel was"):
        dream(**settings | {"channel": 4}, resume=state)


def test_a_film_goes_on_with_the_dream_of_the_frame_before_and_two_films_do_not_see_each_other(dream, photo):
    frames = [photo, photo.transform(photo.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 0), Image.Resampling.BICUBIC)]
    settings = QUICK | {"layer": LAYER, "iterations": 4}
    alone = [dream(frame, **settings) for frame in frames]

    def film(**more) -> list[Image.Image]:
        one = dream.for_film()
        return [one(frame, **settings, **more) for frame in frames]

    made = film()
    assert np.array_equal(np.asarray(made[0]), np.asarray(alone[0]))
    assert differ(made[1], alone[1]) > 1e-2
    assert np.array_equal(np.asarray(film()[1]), np.asarray(made[1]))
    held = film(staying=1e6)
    moved = image.to_array(held[0])[:, 1:-8], image.to_array(held[1])[:, :-9]
    loose = image.to_array(made[0])[:, 1:-8], image.to_array(made[1])[:, :-9]
    assert np.abs(moved[0] - moved[1]).mean() < 0.8 * np.abs(loose[0] - loose[1]).mean()


def test_a_cell_of_a_sheet_is_what_the_call_makes_of_its_channel(dream):
    settings = {"layer": LAYER, "iterations": 3, "seed": 1}
    sheet = dream.sheet(channel=(7, 3, 1, 0, 20), size=32, columns=3, **settings)
    assert sheet.width == 8 + 3 * (32 + 8)
    row = (sheet.height - 8) // 2
    for number, (left, top) in {7: (8, 8), 1: (88, 8), 20: (48, 8 + row)}.items():
        cell = sheet.crop((left, top, left + 32, top + 32))
        assert differ(cell, dream(channel=number, size=32, **settings)) < 2 / 255
    assert differ(sheet.crop((8, 8, 40, 40)), sheet.crop((48, 8, 80, 40))) > 0.005
    assert provenance.record_of(sheet).parameters["channel"] == (7, 3, 1, 0, 20)


def test_a_sheet_is_of_the_first_channels_or_of_all(dream):
    events: list[progress.Progress] = []
    with listening(events.append):
        dream.sheet(layer="blocks.1", size=16, iterations=2)
        first = len(events)
        dream.sheet(layer="blocks.1", size=16, iterations=2, every=True)
    assert [events[first - 1].done, events[first - 1].total, events[first - 1].unit] == [16, 16, "channels"]
    assert [events[-1].done, events[-1].total] == [24, 24]
    assert [event.done for event in events[:first]] == sorted(event.done for event in events[:first])


def test_a_sheet_can_begin_with_a_picture(dream, photo):
    sheet = dream.sheet(photo, layer=LAYER, channel=(3, 4), size=48, iterations=1, seed=1)
    assert differ(sheet.crop((8, 8, 72, 56)), photo) < 0.05


def test_ctrl_c_gives_the_sheet_so_far(dream):
    with progress.interruptible() as switch, listening(stopping(6)):
        sheet = dream.sheet(layer=LAYER, channel=tuple(range(10)), size=16, columns=10, iterations=2)
    assert switch.cancelled
    whole = dream.sheet(layer=LAYER, channel=tuple(range(10)), size=16, columns=10, iterations=1)
    assert sheet.width == 8 + 8 * 24
    assert whole.width == 8 + 10 * 24


def test_ctrl_c_before_there_is_anything_gives_nothing(dream, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(dream.network), "features", interrupt)
    with pytest.raises(KeyboardInterrupt):
        dream.sheet(layer=LAYER, size=16, iterations=1)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"layer": "block.4"}, UnknownName, "no layer named 'block.4'; did you mean 'blocks.4'"),
        ({"layer": LAYER, "channel": 40}, BadValue, "layer blocks.4 has channels 0 to 39, not 40"),
        ({"channel_weights": 2.0}, BadValue, "name them"),
        ({"channel": 1, "channel_weights": (1.0, 2.0)}, BadValue, "channel_weights must be 1, one for each"),
        ({"caricature": True}, BadValue, "a caricature is of a picture"),
        ({"region": "sample:chelsea"}, BadValue, "a region is part of a picture"),
        ({"picture": "sample:chelsea", "width": 40}, BadValue, "width is for dreams without a picture"),
        ({"scale_min": 1.3}, BadValue, "scale_min must be 1.2 or less"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused_before_the_first_step(dream, given, error, words):
    with pytest.raises(error, match=words):
        dream(**given, iterations=100_000)


def test_a_sheet_refuses_what_it_does_not_have(dream, monkeypatch):
    with pytest.raises(BadValue, match="channels 0 to 39, not 77"):
        dream.sheet(layer=LAYER, channel=(1, 77))
    with pytest.raises(BadValue, match="every means all channels"):
        dream.sheet(layer=LAYER, channel=1, every=True)
    monkeypatch.setenv("ML4A_MEMORY", str(1 << 20))
    with pytest.raises(TooLarge, match="--size"):
        dream.sheet(layer=LAYER)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (37, 23)])
@pytest.mark.parametrize("how", ["fourier", "pyramid", "pixels"])
def test_pictures_of_any_size(dream, photo, size, how):
    result = dream(photo.resize(size), layer=LAYER, parameterisation=how, iterations=2, seed=1)
    assert result.size == size


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "1"])
def test_pictures_of_any_mode(dream, photo, mode):
    given = photo.convert(mode)
    result = dream(given, layer=LAYER, **QUICK)
    assert result.mode == ("RGBA" if mode == "RGBA" else "RGB")
    due = dream(given.convert("RGB"), layer=LAYER, **QUICK)
    assert differ(result.convert("RGB"), due) < 0.01


def test_an_array_of_16_bits_is_as_good_as_floats(dream, photo):
    floats = pixels(photo)
    deep = np.round(floats * 65535).astype(np.uint16)
    assert np.abs(dream(deep, layer=LAYER, **QUICK) - dream(floats, layer=LAYER, **QUICK)).mean() < 0.01


class Classifier(nn.Module):
    """As somebody writes one: three convolutions and a row of labels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU())
        self.block = nn.Conv2d(8, 6, 3)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.block(self.stem(x)).relu().mean((2, 3)))


def test_a_module_of_ones_own_dreams():
    module = Classifier()
    dream = TorchDreams.of(module, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), size=32, device="cpu")
    assert dream.layers() == {"stem.0": 8, "stem.1": 8, "stem": 8, "block": 6, "fc": 4}
    quick = QUICK | {"iterations": 15}
    result, other = (dream(layer="block", channel=number, **quick) for number in (2, 3))
    x = [2 * (2 * torch.from_numpy(pixels(each)).permute(2, 0, 1)[None] - 1) for each in (result, other)]
    values = [module.block(module.stem(each)).mean((0, 2, 3)) for each in x]
    assert values[0][2] > values[1][2]
    assert values[1][3] > values[0][3]
    made_by = provenance.record_of(result)
    assert (made_by.model, made_by.weights) == ("torch_dreams", "Classifier")
    digest = made_by.digests["network"]
    assert TorchDreams.of(Classifier(), size=32, device="cpu").weights.files["network"].sha256 == digest
    changed = Classifier()
    changed.fc.bias.data += 1
    assert TorchDreams.of(changed, size=32, device="cpu").weights.files["network"].sha256 != digest
    with pytest.raises(BadValue, match="name a layer of Classifier, such as stem"):
        dream()


def test_inception_v3_begins_in_its_own_middle_and_sees_pictures_that_are_large_enough(tmp_path):
    dream = checkpoints.load("torch_dreams", tmp_path)
    assert type(dream.network).__name__ == "InceptionV3"
    result = dream(size=80, iterations=2, scale_min=0.1)
    assert dream.last_record.parameters["layer"] == "Mixed_6b"
    assert result.size == (80, 80)
    with pytest.raises(BadValue, match="too small"):
        dream(layer="Mixed_7c", size=60, iterations=1)
