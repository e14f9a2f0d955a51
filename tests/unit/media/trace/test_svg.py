"""An SVG shows what the picture showed, whatever kind of picture it was."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import svg_pictures as svg
from PIL import Image

from ml4a import image, trace
from ml4a._core.errors import BadMedia, BadValue, OutputExists
from ml4a._core.record import Record
from ml4a.media import provenance
from ml4a.media.image import _metadata


def shapes() -> np.ndarray:
    """A thick drawing with holes, anti-aliased: H×W×3 in [0, 1]."""
    plane = np.full((480, 640), 255, np.uint8)
    cv2.ellipse(plane, (240, 240), (160, 120), 15, 0, 360, 0, 28)
    cv2.rectangle(plane, (420, 60), (600, 200), 0, -1)
    cv2.rectangle(plane, (460, 90), (560, 170), 255, -1)
    cv2.line(plane, (420, 440), (600, 260), 0, 20)
    plane = cv2.resize(plane, (160, 120), interpolation=cv2.INTER_AREA)
    return np.repeat(plane[:, :, None], 3, axis=2).astype(np.float32) / 255


def lines() -> np.ndarray:
    """A drawing one pixel wide."""
    plane = np.full((120, 160), 255, np.uint8)
    cv2.ellipse(plane, (60, 60), (40, 30), 15, 0, 360, 0, 1)
    cv2.polylines(plane, [np.array([[105, 20], [150, 60], [110, 100]], np.int32)], False, 0, 1)
    return np.repeat(plane[:, :, None], 3, axis=2).astype(np.float32) / 255


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Of the ink of two drawings, how much is in both."""
    a, b = (np.asarray(each)[:, :, 0] < 0.5 for each in (one, other))
    return float((a & b).sum() / (a | b).sum())


def is_stroked(document: str) -> bool:
    return any(
        group.attrib.get("fill") == "none" and group.attrib["stroke"] == "#000" for group in svg.elements(document, "g")
    )


def test_thick_lines_become_black_shapes():
    document = trace.svg(shapes())
    assert svg.size(document) == (160, 120)
    assert not is_stroked(document)
    assert [group.attrib["fill"] for group in svg.elements(document, "g")] == ["#000"]
    assert len(svg.elements(document, "path")) == 3
    assert overlap(svg.drawn(document), shapes()) > 0.96


def test_thin_lines_become_strokes():
    document = trace.svg(lines())
    assert svg.size(document) == (160, 120)
    assert is_stroked(document)
    assert len(svg.elements(document, "path")) == 2
    ink = cv2.dilate((svg.drawn(document)[:, :, 0] < 0.9).astype(np.uint8), np.ones((3, 3)))
    due = lines()[:, :, 0] < 0.5
    assert ink[due].all()
    near = cv2.dilate(due.astype(np.uint8), np.ones((5, 5)))
    assert not ink[near == 0].any()


def test_a_colour_picture_becomes_areas_of_its_colours():
    photo = image.sample("chelsea", 150)
    document = trace.svg(photo)
    assert svg.size(document) == photo.size
    assert len({path.attrib["fill"] for path in svg.elements(document, "path")}) > 30
    shown = svg.drawn(document)
    assert np.abs(shown - image.to_array(photo)).mean() < 0.05
    coarse = trace.svg(photo, levels=2, speck=64)
    assert len(svg.elements(coarse, "path")) < 0.3 * len(svg.elements(document, "path"))


@pytest.mark.parametrize("mode", ["lines", "shapes", "colors"])
def test_a_mode_can_be_asked_for(mode):
    document = trace.svg(shapes(), mode=mode)
    assert is_stroked(document) == (mode == "lines")
    assert ("#000" not in document.partition("<g")[2]) == (mode == "colors")
    if mode == "lines":  # which is what its name says only if it is thinner than the shapes
        drawn = svg.drawn(document)[:, :, 0] < 0.5
        assert 0 < drawn.sum() < 0.2 * (shapes()[:, :, 0] < 0.5).sum()


def test_paper_is_white_unless_the_picture_is_transparent():
    clear = np.zeros((120, 160, 4), np.float32)
    clear[:, :, 3] = 1 - shapes()[:, :, 0]
    assert len(svg.elements(trace.svg(shapes()), "rect")) == 1
    assert svg.elements(trace.svg(clear), "rect") == []
    assert svg.elements(trace.svg(shapes(), paper=False), "rect") == []
    assert len(svg.elements(trace.svg(clear, paper=True), "rect")) == 1
    assert overlap(svg.drawn(trace.svg(clear)), shapes()) > 0.96


def test_what_is_transparent_in_a_colour_picture_is_no_area():
    picture = image.to_array(image.sample("chelsea", 60))
    picture = np.concatenate([picture, np.ones((*picture.shape[:2], 1), np.float32)], axis=2)
    picture[:, :40, 3] = 0
    shown = svg.drawn(trace.svg(picture))
    assert (shown[4:-4, 4:36] == 1).all()
    assert np.abs(shown[:, 44:] - picture[:, 44:, :3]).mean() < 0.08


@pytest.mark.parametrize("mode", ["auto", "lines", "shapes", "colors"])
def test_a_clear_film_is_an_empty_document(mode):
    document = trace.svg(np.zeros((30, 40, 4), np.float32), mode=mode)
    assert svg.size(document) == (40, 30)
    assert svg.elements(document, "path") == svg.elements(document, "rect") == []


def test_width_is_the_strokes():
    document = trace.svg(lines(), width=3)
    assert 'stroke-width="3"' in document
    assert (svg.drawn(document) < 0.5).sum() > 2 * (svg.drawn(trace.svg(lines())) < 0.5).sum()


def test_specks_are_left_out():
    picture = shapes()
    picture[5, 5:7] = 0
    assert len(svg.elements(trace.svg(picture, speck=8), "path")) == 3
    assert len(svg.elements(trace.svg(picture, speck=1), "path")) == 4


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
@pytest.mark.parametrize("mode", ["auto", "lines", "shapes", "colors"])
def test_tiny_and_empty_pictures_are_documents(size, mode):
    for value in (0.0, 1.0):
        document = trace.svg(np.full((*size, 3), value, np.float32), mode=mode, speck=1)
        assert svg.size(document) == size[::-1]
        shown = svg.drawn(document)
        assert value == 1.0 or mode == "lines" or shown.mean() < 0.5
        assert value == 0.0 or (shown == 1).all()


def test_a_value_out_of_bounds_is_refused():
    for bad in ({"mode": "spline"}, {"threshold": -0.1}, {"width": 0}, {"levels": 9}, {"tolerance": float("nan")}):
        with pytest.raises(BadValue, match=next(iter(bad))):
            trace.svg(shapes(), **bad)


def test_save_traces_what_is_called_svg(tmp_path):
    path = image.save(shapes(), tmp_path / "new" / "drawing.SVG")
    assert path.read_text(encoding="utf-8") == trace.svg(shapes())
    assert image.encode(shapes(), ".svg").decode() == trace.svg(shapes())
    with pytest.raises(OutputExists):
        image.save(lines(), path, overwrite=False)
    assert [each.name for each in path.parent.iterdir()] == ["drawing.SVG"]


def test_16_bits_and_reading_svg_are_refused(tmp_path):
    with pytest.raises(BadValue, match="SVG"):
        image.save(shapes(), tmp_path / "deep.svg", bits=16)
    assert image.most_bits("drawing.svg") == 8
    with pytest.raises(BadMedia, match="is an XML file"):
        image.load(image.save(shapes(), tmp_path / "drawing.svg"))


def record(**parameters) -> Record:
    return Record(
        model="hed", operation="__call__", weights="bsds", digests={"network": "ab" * 32}, parameters=parameters,
        seed=None, device="cpu", dtype="float32", inputs=(), versions={"ml4a": "1.0"},
        source_type="algorithmicallyEnhanced",
    )  # fmt: skip


def test_the_record_goes_along_and_comes_back(tmp_path):
    made_by = record(style="</metadata><script>&amp;\"' ]]> é 🎨 \x07")
    picture = Image.fromarray((shapes() * 255).astype(np.uint8))
    provenance.mark(picture, made_by)
    path = image.save(picture, tmp_path / "drawing.svg")
    document = path.read_text(encoding="utf-8")
    assert len(svg.elements(document, "metadata")) == 1
    assert svg.elements(document, "script") == []
    assert Record.from_json(image.read_record_text(path)) == made_by
    assert overlap(svg.drawn(document), shapes()) > 0.96
    bare = image.save(shapes(), tmp_path / "bare.svg")
    assert image.read_record_text(bare) is None


@pytest.mark.parametrize("head", ['<?xml version="1.0"?>\n<svg>', "\ufeff  <svg>"])
def test_a_hostile_svg_is_text_and_nothing_else(head, tmp_path):
    path = tmp_path / "hostile.svg"
    entity = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaa">]>'
    path.write_text(
        f"{head}<metadata>{entity}<x xmlns:m='{_metadata.NAMESPACE}' m:Record='&a;'/></metadata></svg>", "utf-8"
    )
    with pytest.raises(BadMedia, match="document type"):
        image.read_record_text(path)
    path.write_text(f"{head}<metadata>{_metadata.NAMESPACE}<<<</metadata></svg>", "utf-8")
    assert image.read_record_text(path) is None
    path.write_text(f"{head}<metadata>{_metadata.NAMESPACE}{'x' * (2 << 20)}</metadata></svg>", "utf-8")
    with pytest.raises(BadMedia, match="KiB"):
        image.read_record_text(path)
