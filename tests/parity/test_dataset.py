"""Data sets against the tool of ml4a's 2021 library."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from figures import Figures
from PIL import Image

from ml4a import dataset
from ml4a._core.errors import UnknownName
from ml4a.dataset import actions, inputs, split
from ml4a.dataset._building import item_name
from ml4a.dataset.augment import Augmentation, Draw, cut_out, enlarged_size
from ml4a.dataset.recipe import side_by_side

SKELETON_MAY_DIFFER = 0.01


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("dataset")


@pytest.fixture(scope="module")
def parameters(figures) -> dict:
    return json.loads(str(figures["params_json"]))


@pytest.fixture(scope="module")
def tables(figures) -> dict:
    return json.loads(str(figures["tables_json"]))


@pytest.fixture
def floats(figures) -> np.ndarray:
    return figures["image"].astype(np.float32) / 255


def levels(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture * 255).astype(int)


def as_2021(draw: Draw) -> Draw:
    """It turned no picture clockwise: angles below 0 were ignored."""
    return Draw(max(draw.rotate, 0), draw.crop, draw.stretch)


@pytest.mark.parametrize(
    ("group", "name", "centered"), [("crops", "crop", True), ("random_crops", "randomcrop", False)]
)
def test_cut_turned_and_stretched_to_the_bit(figures, parameters, group, name, centered):
    for case, (part, width, height, angle, stretch, seed) in parameters[group].items():
        size = (width, height) if width else None
        draw, rng = as_2021(Draw(angle, part, stretch)), random.Random(seed)
        made = cut_out(Image.fromarray(figures["image"]), size, draw, rng, centered=centered)
        np.testing.assert_array_equal(np.asarray(made), figures[f"{name}_{case}"], case)


def test_small_pictures_are_enlarged_first(figures):
    small = Image.fromarray(figures["small_image"])
    assert enlarged_size(small.size, (20, 18)) == tuple(figures["upsample_20_18_size"])
    made = cut_out(small, (20, 18), Draw(0, 1, 0), random.Random(0), centered=True)
    np.testing.assert_array_equal(np.asarray(made), figures["crop_small_upsampled"])


def test_chance_is_asked_in_the_same_order(figures, parameters):
    about = parameters["aug"]
    augmentation = Augmentation(
        about["num_per"],
        about["frac"],
        about["frac_vary"],
        about["max_ang_rot"],
        about["max_stretch"],
        about["centered"],
    )
    rng = random.Random(about["seed"])
    picture = Image.fromarray(figures["image"])
    for number in range(about["num_per"]):
        draw = augmentation.draw(rng)
        due = figures["augmentation_ang_frac_stretch"][number]
        np.testing.assert_allclose((draw.rotate, draw.crop, draw.stretch), due, rtol=1e-12)
        made = cut_out(picture, (about["w"], about["h"]), as_2021(draw), rng)
        np.testing.assert_array_equal(np.asarray(made), figures["augmentation"][number])


def test_actions_without_networks(figures, parameters, floats):
    for count in parameters["poster"]:
        np.testing.assert_array_equal(levels(actions.posterize(floats, count)), figures[f"posterize_{count}"])
    np.testing.assert_array_equal(levels(actions.canny(floats))[:, :, 0], figures["canny"])
    np.testing.assert_array_equal(levels(actions.trace(floats))[:, :, 0], figures["trace"])
    palette = [tuple(color) for color in figures["palette"].tolist()]
    np.testing.assert_array_equal(actions.color_labels(floats, palette), figures["color_labels"])
    np.testing.assert_array_equal(levels(actions.quantize(floats, palette)), figures["quantized"])
    np.testing.assert_array_equal(actions.PALETTE, figures["palette"])


def test_areas_in_their_medians(figures, floats):
    np.testing.assert_array_equal(
        actions.medians(figures["segment_bilateral"], figures["segment_labels"]), figures["segment"]
    )
    differing = (levels(actions.segment(floats)) != figures["segment"]).any(axis=2)
    assert differing.mean() <= 0.01


def test_lines_are_found_in_the_same_picture_but_for_red_and_blue(figures, floats):
    np.testing.assert_array_equal(levels(actions.blurred(floats))[:, :, ::-1], figures["simplify_network_input"])


def test_lines_are_thinned_alike(figures):
    """The skeleton is another algorithm's, by which lines are a pixel longer or to the side here and there."""
    edges = figures["simplify_edge_map"][:, :, None].repeat(3, axis=2).astype(np.float32) / 255
    made, due = levels(actions.thin_lines(edges))[:, :, 0], figures["simplify"]
    assert set(np.unique(made)) == {0, 255}
    assert (made != due).mean() <= SKELETON_MAY_DIFFER
    near = np.pad(due, 1)
    near = np.maximum.reduce([near[y : y + due.shape[0], x : x + due.shape[1]] for y in range(3) for x in range(3)])
    assert (near[made > 0] == 255).mean() > 0.98


def test_which_are_for_testing(tables):
    for count, copies, share, due in tables["test_indexes"]:
        assert split.regular(count * copies, share) == due


def test_which_are_used(tables):
    for at_most, count, shuffle, seed, due in tables["frame_indexes"]:
        assert inputs.choose(count, at_most, shuffle, random.Random(seed)) == due
    (run,) = [run for run in tables["runs"] if "--shuffle" in run[0]]
    chosen = inputs.choose(len(tables["input_files"]), 3, True, random.Random(1))
    assert [int(name[1:6]) for name in run[2]] == sorted(chosen)


def test_every_frame_of_a_film_is_used(tables):
    """In 2021 the last entry asked for a frame that no film has; with it in its place they are all frames."""
    for count, numbers in tables["film_frames"]:
        assert [min(number, count - 1) for number in numbers] == list(range(count))[: len(numbers)]


def arguments(given: list[str]) -> dict:
    """A run of 2021 as ours."""
    options = dict(zip(given[::2], given[1::2], strict=False))
    picked: dict = {"split": "regular", "seed": 1, "report": False, "actions": options["--action"].split(",")}
    if "--w" in options:
        picked["size"] = (int(options["--w"]), int(options["--h"]))
    picked["layout"] = options.get("--save_mode", "output_only")
    picked["test_share"] = float(options.get("--pct_test", 0))
    picked["format"] = options.get("--save_ext", "png")
    picked["augmentation"] = Augmentation(int(options.get("--num_per", 1)))
    limits = int(options.get("--min_dim", 0)), int(options["--max_dim"]) if "--max_dim" in options else None
    picked["selection"] = dataset.Selection(*limits)
    if "--max_num_images" in options:
        picked["max_count"] = int(options["--max_num_images"])
    return picked


@pytest.fixture(scope="module")
def pictures(tables, tmp_path_factory) -> Path:
    """The inputs of 2021's runs, of which only names and sizes are known."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, width, height in tables["input_files"]:
        Image.effect_noise((width, height), 80).convert("RGB").save(folder / name)
    return folder


def test_folders_and_names(tables, pictures, tmp_path):
    compared = 0
    for number, (given, _, files, error) in enumerate(tables["runs"]):
        if error is not None or "--shuffle" in given or ("--num_per" in given and "--pct_test" in given):
            continue
        target = tmp_path / str(number)
        dataset.build(pictures, target, **arguments(given))
        made = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
        assert made == files, given
        compared += 1
    assert compared == 13


def test_what_ran_into_an_error_in_2021_works_or_says_why(pictures, tmp_path):
    summary = dataset.build(pictures, tmp_path / "wide", layout="combined", report=False)
    with Image.open(tmp_path / "wide" / "f00001_b.png") as wide:
        assert wide.size == (100, 40)
    assert summary.kept == 6
    with pytest.raises(UnknownName, match="no action named 'colorize'"):
        dataset.build(pictures, tmp_path / "none", actions=["colorize"])


def test_names_of_copies(tables):
    (run,) = [run for run in tables["runs"] if "--num_per" in run[0] and "--pct_test" in run[0]]
    names = [
        inputs.Input(number, Path(name).stem, name) for number, (name, *_) in enumerate(sorted(tables["input_files"]))
    ]
    test = set(split.regular(12, 0.25))
    due = [
        f"{'test' if 2 * each.number + copy in test else 'train'}/{item_name(each, copy, 2)}.jpg"
        for each in names
        for copy in range(2)
    ]
    assert sorted(due) == run[2]


def test_processed_and_original_side_by_side(figures, tmp_path):
    """2021's first combined picture, made with the random numbers that it was made with."""
    original = Image.fromarray(figures["combined_first_input"])
    rng = random.Random(1)
    draw = Augmentation().draw(rng)
    cut = cut_out(original, (16, 12), draw, rng)
    np.testing.assert_array_equal(np.asarray(side_by_side(cut, cut)), figures["combined_first"])
