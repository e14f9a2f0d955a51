"""Labels are found by what people call them, and from one set in another."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ml4a import segmentation
from ml4a._core.errors import BadValue, UnknownName
from ml4a.media.segmentation import ADE20K, CELEBAMASK, CITYSCAPES, COCO_STUFF, Label, LabelSet

SETS = (ADE20K, CELEBAMASK, CITYSCAPES, COCO_STUFF)


def test_the_sets_are_as_large_as_they_are_known_to_be():
    assert {known.name: (len(known), known.unknown) for known in SETS} == {
        "ADE20K": (150, None),
        "CelebAMask-HQ": (19, None),
        "Cityscapes": (35, 0),
        "COCO-Stuff": (183, 182),
    }


@pytest.mark.parametrize(
    ("known", "index", "name", "color"),
    [
        (ADE20K, 2, "sky", (6, 230, 230)),
        (ADE20K, 149, "flag", (92, 0, 255)),
        (COCO_STUFF, 154, "sea", (54, 62, 167)),
        (COCO_STUFF, 182, "unlabeled", (128, 224, 192)),
        (CITYSCAPES, 7, "road", (128, 64, 128)),
        (CITYSCAPES, 33, "bicycle", (119, 11, 32)),
        (CELEBAMASK, 6, "eye_g", (85, 255, 0)),
        (CELEBAMASK, 17, "hair", (255, 255, 170)),
    ],
)
def test_labels_have_their_official_numbers_and_colours(known, index, name, color):
    label = known[index]
    assert (label.index, label.name, label.color) == (index, name, color)
    assert known[name] is known[np.int64(index)] is label
    assert tuple(known.colors[index]) == color


@pytest.mark.parametrize("known", SETS, ids=lambda known: known.name)
def test_every_label_is_found_by_its_name_and_by_what_it_is_also_called(known):
    for number, label in enumerate(known):
        assert label.index == number
        assert known[label.name] is label
        assert all(0 <= part <= 255 for part in label.color)
        for word in label.synonyms:
            assert word.strip() == word != ""
            assert label in known.select(word) or known[word].name.replace("-", " ") == word


def test_names_are_found_in_any_spelling():
    assert ADE20K["Traffic_Light"] is ADE20K["stoplight"] is ADE20K["traffic-LIGHT "] is ADE20K["traffic"]
    assert ADE20K["TV"].name == "television"
    assert COCO_STUFF["sky"].name == "sky-other"
    assert CELEBAMASK["left eyebrow"].name == "l_brow"
    assert CELEBAMASK["left eyebrow"].title == "left eyebrow"
    assert CELEBAMASK["hair"].title == "hair"
    assert "pavement" in ADE20K
    assert "unicorn" not in ADE20K
    assert CELEBAMASK["hair"] not in ADE20K


def test_a_name_comes_before_a_synonym():
    """A screen door is also called a screen; the library of 2021 found nothing else under that name."""
    assert ADE20K["screen"].synonyms[-1] == "projection screen"
    assert "screen" in ADE20K["screen door"].synonyms


def test_a_word_for_several_labels_selects_all_of_them():
    assert [label.name for label in CELEBAMASK.select("hair, eyes,l_eye")] == ["hair", "l_eye", "r_eye"]
    assert CELEBAMASK["eyes"].name == "l_eye"
    assert CELEBAMASK.select(["lips", 17, CELEBAMASK["hat"]]) == [CELEBAMASK[index] for index in (12, 13, 17, 18)]


def test_what_is_no_label_is_refused_with_what_was_perhaps_meant():
    with pytest.raises(UnknownName, match="label of ADE20K named 'skyy'; did you mean 'sky'"):
        ADE20K["Skyy"]
    with pytest.raises(UnknownName, match="choose from background, cloth"):
        CELEBAMASK["zzzzzzz"]
    for which in (150, -1):
        with pytest.raises(BadValue, match="0 to 149"):
            ADE20K[which]
    with pytest.raises(BadValue, match="not by float"):
        ADE20K[1.5]  # type: ignore[index]
    with pytest.raises(BadValue, match="of another set"):
        ADE20K[CELEBAMASK["hair"]]
    for nothing in ("", " , ", []):
        with pytest.raises(BadValue, match="no labels"):
            ADE20K.select(nothing)


def test_sets_are_found_by_name():
    assert segmentation.label_set("coco-stuff") is segmentation.label_set("COCO_Stuff") is COCO_STUFF
    with pytest.raises(UnknownName, match="did you mean 'ade20k'"):
        segmentation.label_set("ade2k")
    with pytest.raises(BadValue, match="not int"):
        segmentation.as_label_set(3)  # type: ignore[arg-type]


def test_a_set_of_ones_own():
    own = LabelSet("sketch", [Label(0, "ink", (0, 0, 0)), Label(1, "paper", (255, 255, 255), ("ground",))], unknown=1)  # type: ignore[arg-type]
    assert own["ground"].index == 1
    assert own == LabelSet("sketch", tuple(own), 1) != LabelSet("sketch", tuple(own))
    assert hash(own) == hash(LabelSet("sketch", tuple(own), 1))
    assert repr(own) == "<LabelSet sketch of 2 labels>"
    with pytest.raises(BadValue, match="numbered 0, 1, 2"):
        LabelSet("gap", (Label(0, "ink", (0, 0, 0)), Label(2, "paper", (1, 1, 1))))
    with pytest.raises(BadValue, match="two labels of twice are named 'ink'"):
        LabelSet("twice", (Label(0, "ink", (0, 0, 0)), Label(1, "Ink", (1, 1, 1))))
    with pytest.raises(BadValue, match="unknown label"):
        LabelSet("beyond", tuple(own), 2)
    with pytest.raises(BadValue, match="numbered"):
        LabelSet("empty", ())


def found(source: LabelSet, target: LabelSet) -> dict[str, str]:
    table, missing = source.to(target)
    assert table.shape == (len(source) + 1,)
    assert table[-1] == -1
    assert {label.index for label in missing} == set(np.flatnonzero(table[:-1] == -1)) - {source.unknown}
    return {label.name: target[int(table[label.index])].name for label in source if table[label.index] >= 0}


def test_labels_are_found_in_another_set():
    coco = found(ADE20K, COCO_STUFF)
    due = {"sky": "sky-other", "building": "building-other", "sofa": "couch", "minibike": "motorcycle", "tree": "tree"}
    due |= {"windowpane": "window-other", "sidewalk": "pavement", "signboard": "street sign", "cushion": "pillow"}
    assert coco.items() >= due.items()
    assert len(coco) > 90
    assert "chandelier" not in coco
    back = found(COCO_STUFF, ADE20K)
    assert back.items() >= {name: other for other, name in due.items()}.items() - {("pillow", "cushion")}
    assert back["pillow"] == "pillow"
    assert "giraffe" not in back
    assert found(ADE20K, CITYSCAPES).items() >= {"tree": "vegetation", "house": "building", "grass": "terrain"}.items()
    assert found(CITYSCAPES, COCO_STUFF)["unlabeled"] == "unlabeled"
    assert "unlabeled" not in found(COCO_STUFF, ADE20K)
    assert found(ADE20K, ADE20K) == {label.name: label.name for label in ADE20K}


def test_nothing_is_read_before_it_is_asked_for():
    code = "import sys, ml4a; ml4a.segmentation; from ml4a.media.segmentation import _labels; "
    code += "assert _labels.label_set.cache_info().currsize == 0; "
    code += "ml4a.segmentation.ADE20K; assert 'torch' not in sys.modules; ml4a.segmentation.NOTHING"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "has no attribute 'NOTHING'" in done.stderr, done.stderr
    assert "AssertionError" not in done.stderr
