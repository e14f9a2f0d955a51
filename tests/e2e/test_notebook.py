"""A notebook with a real kernel shows pictures, films, sounds and all values that show themselves."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from picture_files import scene
from PIL import Image

from ml4a.media import audio, image, video

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed; make test installs it")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed; make test installs it")
pytest.importorskip("ipykernel", reason="ipykernel is not installed; make test installs it")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("notebook")]

CELLS = {
    "setup": """
        import numpy as np
        from ml4a.media import audio, canvas, color, image, mask, signals, video
        photo = image.load("photo.png")
        frames = [photo.crop((step, 0, step + 40, 32)) for step in range(8)]
    """,
    "picture": 'image.display(photo, title="A scene")',
    "sheet": 'image.display([photo] * 5, columns=3, margin=0, titles=list("abcde"))',
    "array": "image.display(np.stack([image.to_array(photo)] * 2), columns=2, margin=0)",
    "animation": "image.display(frames, animate=True, rate=8)",
    "film file": 'image.display("film.mp4")',
    "sound file": 'image.display("tone.wav")',
    "sound display": 'audio.display("tone.wav")',
    "pil": "photo",
    "clip": "video.from_frames(frames, rate=8)",
    "sound": 'audio.load("tone.wav")',
    "palette": "color.palette(photo, 4)",
    "histogram": 'color.histogram(photo, "rgb")',
    "warp": "canvas.zoom(1.2) @ canvas.rotate(0.3)",
    "mask": "mask.circle(0.3, soft=0.1)",
    "signal": "signals.wave(2.0)",
}
PICTURES = ("picture", "sheet", "array", "pil", "palette", "histogram", "warp", "mask", "signal")
FILMS = {"animation": 8, "film file": 5, "clip": 8}
SOUNDS = ("sound file", "sound display", "sound")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> dict[str, list]:
    """What each cell put out, all run by one kernel."""
    folder: Path = tmp_path_factory.mktemp("notebook")
    image.save(scene(64, 48), folder / "photo.png")
    video.from_frames([scene(64, 48, seed=seed) for seed in range(5)], rate=10).save(folder / "film.mp4")
    tone = np.sin(np.arange(8000) * (2 * np.pi * 440 / 8000), dtype=np.float32)[:, None] * np.float32(0.5)
    audio.Sound(tone, 8000).save(folder / "tone.wav")
    cells = ["\n".join(line.strip() for line in code.strip().splitlines()) for code in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


def data_of(outputs: list, kind: str) -> str:
    """The one output of this kind."""
    found = [output.data[kind] for output in outputs if "data" in output and kind in output.data]
    assert len(found) == 1, outputs
    return found[0]


def inlined(html: str, element: str) -> bytes:
    """The file inside the page that this element plays."""
    match = re.search(rf"<{element}\b[^>]*\bsrc=\"data:{element}/\w+;base64,([^\"]+)\"", html)
    assert match is not None, html[:300]
    assert "controls" in match[0]
    return base64.b64decode(match[1])


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_shown_as_pictures(name, outputs):
    shown = Image.open(io.BytesIO(base64.b64decode(data_of(outputs[name], "image/png"))))
    array = np.asarray(shown.convert("RGB")).astype(float)
    assert array.std() > 5
    if name in ("picture", "pil"):
        np.testing.assert_array_equal(array, scene(64, 48))
    if name == "array":
        np.testing.assert_array_equal(array, np.concatenate([scene(64, 48)] * 2, axis=1))
    if name == "sheet":
        assert shown.width == 3 * 64
        assert shown.height > 2 * 48
        np.testing.assert_array_equal(array[:48, :64], scene(64, 48))


@pytest.mark.parametrize("name", FILMS)
def test_films_are_shown_with_a_player(name, outputs):
    film = video.open(inlined(data_of(outputs[name], "text/html"), "video"))
    assert len(list(film)) == FILMS[name]
    assert film.size == ((64, 48) if name == "film file" else (40, 32))


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_are_shown_with_a_player_and_their_waveform(name, outputs):
    html = data_of(outputs[name], "text/html")
    sound = audio.load(inlined(html, "audio"))
    assert sound.duration == pytest.approx(1, abs=0.15)
    assert 0.2 < np.abs(sound.samples).max() < 0.7
    assert 'src="data:image/png;base64,' in html


def test_a_title_stands_above_and_nothing_else_is_printed(outputs):
    printed = {name: [o.text for o in each if o.output_type == "stream"] for name, each in outputs.items()}
    assert printed.pop("picture") == ["A scene\n"]
    assert not any(printed.values()), printed
