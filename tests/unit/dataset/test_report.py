"""The report of a data set: true, whole, and safe to open whatever files are called."""

from __future__ import annotations

import base64
import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest

from ml4a._core.errors import OutputExists
from ml4a.dataset import report
from ml4a.dataset.report import Entry
from ml4a.media import image

ENTRIES = [
    Entry("a.png", "kept", width=640, height=480, part="train", label=1, sharpness=210.5),
    Entry("b.png", "kept", width=1200, height=800, part="train", label=0, sharpness=99.0),
    Entry("c.png", "kept", width=300, height=900, part="test", label=1, sharpness=700.0),
    Entry("d.txt", "rejected", "no picture"),
    Entry("e.png", "rejected", "too blurred", width=30, height=20),
    Entry("f.png", "rejected", "too blurred", width=30, height=20),
]
HOSTILE = (
    "<script>alert(1)</script>.png",
    '"><img src=x onerror=alert(1)>.png',
    "${kept}.png",
    "\x1b[2J\u202egnp.exe",
    "\udcff.png",
)


class Page(html.parser.HTMLParser):
    """What a page is made of, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += f"{data} "


def solid(*levels: float) -> list[np.ndarray]:
    return [np.full((40, 60, 3), level, np.float32) for level in levels]


def test_a_report_has_counts_reasons_and_settings(tmp_path):
    path = report.write(tmp_path / "new", ENTRIES, solid(0.2, 0.8), {"size": [64, 64], "actions": "sketch"})
    assert path == tmp_path / "new" / "report.html"
    page = Page(path.read_text("utf-8"))
    for words in ("A data set of 3 pictures", "6 looked at, 3 kept, 3 rejected", "d.txt", "no picture", "[64, 64]"):
        assert words in page.text
    assert page.text.index("d.txt") < page.text.index("no picture") < page.text.index("too blurred")
    data = json.loads((tmp_path / "new" / "report.json").read_text())
    assert (data["kept"], data["rejected"]) == (3, 3)
    assert data["parts"] == {"train": 2, "test": 1}
    assert data["classes"] == {"0": 1, "1": 2}
    assert data["reasons"] == {"too blurred": 2, "no picture": 1}
    assert data["settings"] == {"size": [64, 64], "actions": "sketch"}
    assert [Entry(**entry) for entry in data["entries"]] == ENTRIES


def test_histograms_show_the_pictures_that_were_kept(tmp_path):
    entries = [Entry(f"{n}.png", "kept", width=100 + n, height=2000) for n in range(10)]
    entries += [Entry("far.png", "kept", width=1700, height=1700), Entry("no.png", "rejected", width=9, height=9)]
    page = Page(report.write(tmp_path, entries, [], {}).read_text("utf-8"))
    bars = re.findall(r"([\d.]+) to ([\d.]+): (\d+)", page.text)[:16]
    assert sum(int(count) for *_, count in bars) == 11
    assert (bars[0][0], bars[0][2], bars[-1][1], bars[-1][2]) == ("100", "10", "1700", "1")
    rects = [attributes for tag, attributes in page.tags if tag == "rect"][:16]
    heights = [float(attributes["height"] or 0) for attributes in rects]
    assert heights[0] == 10 * heights[-1] > 0


def test_a_report_of_nothing_can_be_written(tmp_path):
    page = Page(report.write(tmp_path, [], [], {}).read_text("utf-8"))
    assert "A data set of 0 pictures" in page.text
    assert not (tmp_path / "sheet.jpg").exists()


def test_the_page_is_one_file_and_loads_nothing(tmp_path):
    page = Page(report.write(tmp_path, ENTRIES, solid(0.5), {}).read_text("utf-8"))
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert len(addresses) == 1
    prefix, _, data = str(addresses[0]).partition(",")
    assert prefix == "data:image/jpeg;base64"
    assert base64.b64decode(data) == (tmp_path / "sheet.jpg").read_bytes()
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_comes_from_outside_stays_text(tmp_path, name):
    plain = Page(report.write(tmp_path / "plain", [Entry("x", "rejected", "x")], [], {"x": "x"}).read_text("utf-8"))
    entries = [Entry(name, "rejected", name)]
    path = report.write(tmp_path / "hostile", entries, [], {name: name})
    page = Page(path.read_text("utf-8"))
    assert page.tags == plain.tags  # not one more
    assert not re.search(r"[\x1b\u202e]", page.text)
    data = json.loads((tmp_path / "hostile" / "report.json").read_text())
    assert data["entries"][0]["name"] == name
    assert data["reasons"] == {name: 1}


def test_a_long_list_of_rejects_is_cut_on_the_page_and_whole_in_the_data(tmp_path):
    entries = [Entry(f"{number}.png", "rejected", "bad") for number in range(report.ROWS + 7)]
    page = Page(report.write(tmp_path, entries, [], {}).read_text("utf-8"))
    assert f"{report.ROWS - 1}.png" in page.text
    assert f"{report.ROWS}.png" not in page.text
    assert "7 more are in report.json" in page.text
    assert len(json.loads((tmp_path / "report.json").read_text())["entries"]) == len(entries)


def test_the_sheet_shows_pictures_from_all_over(tmp_path):
    levels = np.linspace(0, 1, 300)
    report.write(tmp_path, [], solid(*levels), {})
    sheet = image.load(tmp_path / "sheet.jpg", as_array=True)[:, :, 0]
    assert sheet.shape == (6 + 6 * 166, 6 + 8 * 166)
    centers = [sheet[86 + 166 * (n // 8), 86 + 166 * (n % 8)] for n in range(report.SHOWN)]
    assert np.all(np.diff(centers) > 0)
    assert centers[0] < 0.02 < 0.95 < centers[-1]


def test_the_sheet_shows_files_of_any_shape_and_leaves_out_what_is_none(tmp_path):
    tall = np.zeros((600, 20, 4), np.float32)
    tall[:, :, 3] = 0.5
    (tmp_path / "none.png").write_bytes(b"no picture")
    path = Path(image.save(np.zeros((30, 900, 3), np.float32), tmp_path / "wide.png"))
    report.write(tmp_path, [], [tmp_path / "none.png", tall, path], {})
    sheet = image.load(tmp_path / "sheet.jpg", as_array=True)[:, :, 0]
    assert sheet.shape == (172, 2 * 166 + 6)
    assert sheet[86, 86] == pytest.approx(0.5, abs=0.02)  # half of black on white
    assert sheet[86, 166 + 10] < 0.02
    assert sheet[20, 166 + 86] > 0.98


def test_a_report_is_replaced_or_stays(tmp_path):
    report.write(tmp_path, ENTRIES, solid(0.5), {})
    report.write(tmp_path, [], [], {})
    assert json.loads((tmp_path / "report.json").read_text())["kept"] == 0
    with pytest.raises(OutputExists):
        report.write(tmp_path, ENTRIES, [], {}, overwrite=False)
    assert json.loads((tmp_path / "report.json").read_text())["kept"] == 0
