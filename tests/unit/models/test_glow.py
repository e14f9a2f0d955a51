"""Glow, with small weights: pictures that come back, codes, attributes, mixtures, films."""

from __future__ import annotations

import checkpoints
import glow_graph
import numpy as np
import pytest
import tf_files
import torch
from checkpoints import glow as official
from PIL import Image
from tiers import quick

import ml4a
from ml4a import image
from ml4a._core.errors import BadValue, BadWeights, UnknownName
from ml4a.media import face, latents, provenance
from ml4a.media.latents import Latents
from ml4a.models.glow import ATTRIBUTES

pytestmark = pytest.mark.xdist_group("glow")
SIDE = 32
NUMBERS = 3 * SIDE**2


@pytest.fixture(scope="module")
def glow(tmp_path_factory):
    return checkpoints.load("glow", tmp_path_factory.mktemp("glow"))


@pytest.fixture(scope="module")
def astronaut():
    return image.to_array(image.sample("astronaut"))[:300, 80:380]


@pytest.fixture(scope="module")
def cat():
    return image.to_array(image.sample("chelsea"))[40:240, 100:300]


def middle(picture: np.ndarray) -> np.ndarray:
    return image.resize(image.crop_to_aspect_ratio(picture, 1), (SIDE, SIDE)).clip(0, 1)


def direction(name: str) -> np.ndarray:
    return official.directions(NUMBERS)[ATTRIBUTES.index(name)]


def code(glow, picture: np.ndarray) -> np.ndarray:
    return glow.encode(picture, align=False).values


def shown(glow, values: np.ndarray) -> np.ndarray:
    return image.to_array(glow.decode(values.astype(np.float32)))


def same(a, b) -> bool:
    """To the rounding of eight bits."""
    return np.abs(image.to_array(a) - image.to_array(b).clip(0, 1)).max() <= 0.51 / 255 + 1e-4


def test_a_picture_comes_back_with_all_its_shades(glow, cat):
    np.testing.assert_allclose(glow(cat, align=False), middle(cat), atol=2e-5)
    dark = np.zeros((50, 40, 3), np.float32)
    np.testing.assert_allclose(glow(dark, align=False), 0, atol=2e-5)
    np.testing.assert_allclose(glow(dark + 1, align=False), 1, atol=2e-5)


def test_a_face_is_brought_upright_and_what_has_none_is_cut_to_its_middle(glow, astronaut, cat):
    (found,) = glow.portraits.faces(astronaut, most=1)
    due = face.aligned(astronaut, found, SIDE, eye=(0.371, 0.480), border="mirror")
    np.testing.assert_allclose(glow(astronaut), due.clip(0, 1), atol=2e-5)
    assert np.abs(glow(astronaut) - middle(astronaut)).max() > 0.3
    np.testing.assert_allclose(glow(cat[:120]), middle(cat[:120]), atol=2e-5)


@pytest.mark.slow
def test_transparency_goes_along_with_the_face(glow, astronaut):
    alpha = np.linspace(0, 1, 300, dtype=np.float32)[:, None].repeat(300, axis=1)
    result = glow(np.dstack([astronaut, alpha]))
    assert np.array_equal(result[:, :, :3], glow(astronaut))
    due = glow(np.repeat(alpha[:, :, None], 3, axis=2), align=False)[:, :, 0]
    assert np.abs(result[:, :, 3] - due).max() > 0.1
    assert np.diff(result[:, SIDE // 2, 3]).min() > -0.01


def test_a_code_is_the_same_each_time_and_makes_the_picture(glow, cat, tmp_path):
    codes = glow.encode(cat, align=False)
    assert codes.values.shape == (1, NUMBERS)
    assert (codes.space, codes.record.operation) == ("z", "encode")
    assert np.array_equal(codes, glow.encode(cat, align=False))
    path = codes.save(tmp_path / "cat.safetensors")
    made = glow.decode(path)
    assert isinstance(made, Image.Image)
    assert same(made, middle(cat))
    assert same(glow.decode(np.asarray(codes)), middle(cat))
    assert provenance.record_of(made).inputs[0].record.operation == "encode"


def test_codes_are_the_networks_in_the_published_order(glow, cat):
    x = torch.from_numpy(middle(cat).transpose(2, 0, 1))[None] * 255 / 256 + 1 / 512 - 0.5
    due = [each[0].permute(1, 2, 0).flatten() for each in glow.flow.encode(x)]
    np.testing.assert_allclose(code(glow, cat)[0], torch.cat(due), atol=1e-5)


def test_chance_is_the_seeds_and_the_temperature_its_measure(glow):
    drawn = glow.random(seed=5)
    assert same(drawn, shown(glow, 0.7 * latents.random(1, NUMBERS, seed=5)))
    assert np.array_equal(np.asarray(drawn), np.asarray(glow.random(seed=5)))
    assert not np.array_equal(np.asarray(drawn), np.asarray(glow.random(seed=6)))
    assert same(glow.random(seed=1, temperature=0), glow.decode())
    calm = [np.asarray(glow.random(seed=seed, temperature=0)) for seed in (1, 2)]
    assert np.array_equal(*calm)
    unseeded = provenance.record_of(glow.random())
    assert unseeded.seed is not None
    assert unseeded.parameters["temperature"] == 0.7


def test_near_a_code_faces_are_like_it(glow, cat):
    mine = code(glow, cat)
    assert same(glow.random(mine, seed=5, temperature=0), middle(cat))
    due = mine + 0.2 * latents.random(1, NUMBERS, seed=5)
    assert same(glow.random(mine, seed=5, temperature=0.2), shown(glow, due))


def test_attributes_are_40_and_each_moves_the_code_its_own_way(glow, cat):
    assert glow.attributes() == list(ATTRIBUTES)
    assert len(set(ATTRIBUTES)) == 40
    mine = code(glow, cat)
    assert same(glow.edit(cat, align=False), shown(glow, mine + np.float32(0.66) * direction("Smiling")))
    less = glow.edit(cat, attribute="eyeglasses", amount=-0.3, align=False)
    assert same(less, shown(glow, mine - np.float32(0.3) * direction("Eyeglasses")))
    assert not same(less, middle(cat))


@pytest.mark.parametrize(("name", "factor"), [("No_Beard", -1), ("Young", -1), ("Narrow_Eyes", 1.2), ("Male", 1)])
def test_signs_are_those_of_the_demonstration(glow, name, factor):
    codes = Latents(np.zeros((2, NUMBERS)))
    moved = glow.moved(codes, name, 0.5)
    np.testing.assert_allclose(moved.values, np.tile(factor * 0.5 * direction(name), (2, 1)), rtol=1e-5)


def test_several_attributes_at_once(glow, cat):
    mine, names = code(glow, cat), ("Smiling", "Blond Hair", "young")
    due = mine + np.float32(0.2) * direction("Smiling") - np.float32(0.1) * direction("Blond_Hair")
    due -= np.float32(0.3) * direction("Young")
    assert same(glow.edit(cat, attribute=names, amount=(0.2, -0.1, 0.3), align=False), shown(glow, due))
    np.testing.assert_allclose(glow.moved(mine, names, (0.2, -0.1, 0.3)), due, atol=1e-5)
    for_all = glow.moved(mine, ("Smiling", "Male"), 0.5).values - mine
    np.testing.assert_allclose(for_all[0], 0.5 * (direction("Smiling") + direction("Male")), atol=1e-5)
    with pytest.raises(BadValue, match="one for each of 3"):
        glow.edit(cat, attribute=names, amount=(0.2, 0.3), align=False)


def test_an_attribute_that_there_is_not_is_refused_with_the_nearest(glow, cat):
    with pytest.raises(UnknownName, match="did you mean 'Smiling'"):
        glow.edit(cat, attribute="Smilling", align=False)
    with pytest.raises(BadValue, match="amount"):
        glow.edit(cat, amount=4, align=False)


def test_a_mixture_lies_between(glow, cat, astronaut):
    a, b = code(glow, cat), code(glow, astronaut)
    np.testing.assert_allclose(glow.mix(cat, other=astronaut, amount=0, align=False), middle(cat), atol=2e-4)
    np.testing.assert_allclose(glow.mix(cat, other=astronaut, amount=1, align=False), middle(astronaut), atol=2e-4)
    half = glow.mix(cat, other=astronaut, align=False)
    np.testing.assert_allclose(glow.last_codes, (a + b) / 2, atol=1e-4)
    assert [each.role for each in glow.last_record.inputs] == ["picture", "other"]
    assert same(half, shown(glow, (a + b) / 2))


def test_a_film_from_one_to_the_other_is_made_frame_by_frame(glow, cat, astronaut):
    film = glow.interpolate(cat, other=astronaut, seconds=0.5, rate=12, align=False)
    assert (film.count, film.rate, film.size) == (6, 12, (SIDE, SIDE))
    assert film.record.operation == "interpolate"
    frames = list(film)
    np.testing.assert_allclose(frames[0], middle(cat), atol=2e-4)
    np.testing.assert_allclose(frames[-1], middle(astronaut), atol=2e-4)
    a, b = code(glow, cat), code(glow, astronaut)
    assert same(frames[2], shown(glow, a + 0.4 * (b - a)))
    np.testing.assert_allclose(film.frame(3), frames[3], atol=1e-6)


def test_many_codes_give_many_pictures(glow):
    codes = latents.random(2, NUMBERS, seed=1)
    pictures = glow.generate(codes)
    assert len(pictures) == 2
    for number in range(2):
        assert np.array_equal(pictures[number], glow.decode(codes[number : number + 1]))


def test_codes_of_other_networks_are_refused(glow):
    with pytest.raises(BadValue, match=f"N×{NUMBERS} of z"):
        glow.decode(np.zeros((1, 512), np.float32))
    with pytest.raises(BadValue, match=f"N×{NUMBERS} of z"):
        glow.moved(Latents(np.zeros((1, NUMBERS)), "w"), "Male")
    with pytest.raises(BadValue, match="one of 2 latents"):
        glow.decode(np.zeros((2, NUMBERS), np.float32))


@pytest.mark.slow
def test_the_face_of_a_film_is_followed(glow, astronaut):
    film = glow.for_film()
    first = film(astronaut)
    assert first.shape == (SIDE, SIDE, 3)
    moved = np.roll(astronaut, 1, axis=1)
    still = np.abs(film(moved) - first).mean()
    assert still <= np.abs(glow(moved) - glow(astronaut)).mean() + 0.02
    assert film.flow is glow.flow


@pytest.mark.slow
def test_a_graph_that_does_more_is_run_as_it_is_written(tmp_path, home, cat, caplog):
    state = official.state_dict(official.calm, levels=2, depth=1, width=3)
    nodes = list(glow_graph.nodes(state, SIDE, folded=True))
    scope = "model/0/0/f1/l_1"
    context = np.full((1, 1, 1, 3), 0.1, np.float32)
    nodes += [tf_files.constant("context", context)]
    for half in ("model", "model_1"):
        name = f"{half}{scope[5:]}"
        nodes = [each for each in nodes if not each[2:].startswith(f"{name}/actnorm_center/add".encode())]
        bias = f"{scope}/actnorm_center/b/read"
        nodes += [
            tf_files.node(f"{name}/add_3", "Add", f"{name}/Conv2D", "context"),
            tf_files.node(
                f"{name}/actnorm_center/add", "Add", f"{name}/add_3", f"{bias}/_{len(bias)}__cf__{len(bias)}"
            ),
        ]
    files = {"network": tf_files.save_graph(tmp_path / "graph.pb", nodes), "directions": tmp_path / "z.npy"}
    np.save(files["directions"], official.directions(NUMBERS))
    checkpoints.install("glow", "celeba_hq", files)
    model = ml4a.load("glow")
    assert "more than Glow" in caplog.text
    assert np.abs(model(cat, align=False) - middle(cat)).max() <= 4.6 / 255
    assert model.random(seed=1).size == (SIDE, SIDE)
    smiling = model.edit(cat, amount=0.1, align=False)
    assert np.abs(smiling - model(cat, align=False)).max() > 0.05


@pytest.mark.parametrize(
    "wrong",
    quick(
        [
            np.zeros((39, NUMBERS), np.float32),
            np.zeros((40, NUMBERS - 3), np.float32),
            np.zeros((40, 3 * 36 * 36), np.float32),
            np.zeros((40, NUMBERS), np.int32),
            np.full((40, NUMBERS), np.nan, np.float32),
            np.zeros(40, np.float32),
        ]
    ),
    ids=["rows", "numbers", "side", "whole", "nan", "row"],
)
def test_directions_that_are_none_are_refused(tmp_path, home, wrong):
    shapes = official.shapes(levels=3, depth=1, width=2)
    files = {"network": tmp_path / "graph.pb", "directions": tmp_path / "z.npy"}
    state = {name: official.variable(name, shape) for name, shape in shapes.items()}
    tf_files.save_graph(files["network"], glow_graph.nodes(state, SIDE, folded=True))
    np.save(files["directions"], wrong)
    checkpoints.install("glow", "celeba_hq", files)
    with pytest.raises(BadWeights, match="directions"):
        ml4a.load("glow")
