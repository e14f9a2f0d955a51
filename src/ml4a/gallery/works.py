"""The works of the demo: each is a line of shell and the Python that does the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """One work on the page."""

    title: str
    original: str
    """The `sample:NAME` that it was made from."""
    file: str
    shell: str
    python: str
    """Run as it stands, in the gallery's folder."""


WORKS = (
    Work(
        "Any picture is a style",
        "astronaut",
        "waves.png",
        "ml4a style sample:astronaut --style sample:waves -o waves.png",
        """\
import ml4a
from ml4a import image

style = ml4a.load("fast_style")
photo = image.load("sample:astronaut")
image.save(style(photo, style="sample:waves"), "waves.png")
""",
    ),
    Work(
        "Its own colours, another's brush",
        "chelsea",
        "embers.png",
        "ml4a style sample:chelsea --style sample:embers --keep-colors --strength 0.8 -o embers.png",
        """\
import ml4a
from ml4a import image

style = ml4a.load("fast_style")
cat = image.load("sample:chelsea")
image.save(style(cat, style="sample:embers", keep_colors=True, strength=0.8), "embers.png")
""",
    ),
    Work(
        "A built-in style",
        "coffee",
        "built-in.png",
        "ml4a style sample:coffee --style 19 -o built-in.png",
        """\
import ml4a
from ml4a import image

style = ml4a.load("fast_style")
image.save(style(image.load("sample:coffee"), style=19), "built-in.png")
""",
    ),
    Work(
        "Two built-in styles, blended",
        "rocket",
        "blend.png",
        "ml4a style sample:rocket --style 3:0.5,12:0.5 -o blend.png",
        """\
import ml4a
from ml4a import image

style = ml4a.load("fast_style")
image.save(style(image.load("sample:rocket"), style="3:0.5,12:0.5"), "blend.png")
""",
    ),
    Work(
        "All 26 built-in styles",
        "chelsea",
        "sheet.png",
        "ml4a styles sample:chelsea --height 160 -o sheet.png",
        """\
import ml4a
from ml4a import image

style = ml4a.load("fast_style")
image.save(style.sheet(image.load("sample:chelsea"), height=160), "sheet.png")
""",
    ),
    Work(
        "Four times as large",
        "eye",
        "large.png",
        "ml4a upscale sample:eye -o large.png",
        """\
import ml4a
from ml4a import image

upscale = ml4a.load("real_esrgan")
image.save(upscale(image.load("sample:eye")), "large.png")
""",
    ),
    Work(
        "A drawing",
        "astronaut",
        "drawing.png",
        "ml4a sketch sample:astronaut -o drawing.png",
        """\
import ml4a
from ml4a import image

sketch = ml4a.load("hed")
image.save(sketch(image.load("sample:astronaut")), "drawing.png")
""",
    ),
    Work(
        "A steady film",
        "pan",
        "film.mp4",
        "ml4a style sample:pan --style sample:waves --steady 0.7 -o film.mp4",
        """\
import ml4a

style = ml4a.load("fast_style")
ml4a.apply(style, "sample:pan", "film.mp4", style="sample:waves", steady=0.7)
""",
    ),
    Work(
        "Two models in a chain",
        "coffee",
        "chain.png",
        "ml4a sketch sample:coffee -o - | ml4a style - --style 7 -o chain.png",
        """\
import ml4a
from ml4a import image

sketch, style = ml4a.load("hed"), ml4a.load("fast_style")
image.save(style(sketch(image.load("sample:coffee")), style=7), "chain.png")
""",
    ),
    Work(
        "Another picture's colours",
        "coffee",
        "colours.png",
        "ml4a match-color sample:coffee --reference sample:waves --method transport -o colours.png",
        """\
from ml4a import color, image

coffee = image.load("sample:coffee")
image.save(color.match_color(coffee, "sample:waves", method="transport"), "colours.png")
""",
    ),
    Work(
        "A picture fed back into itself",
        "coffee",
        "spiral.mp4",
        "ml4a loop sample:coffee --zoom 0.97 --rotate 0.03 --seconds 3 -o spiral.mp4",
        """\
from ml4a import canvas

canvas.loop("sample:coffee", canvas.zoom(0.97) @ canvas.rotate(0.03), seconds=3).save("spiral.mp4")
""",
    ),
    Work(
        "Areas of alike colours",
        "astronaut",
        "areas.png",
        "ml4a mask sample:astronaut --n 5 --smooth 0.01 -o areas.png",
        """\
from ml4a import image, mask

astronaut = image.load("sample:astronaut")
image.save(mask.view(mask.kmeans(astronaut, 5, smooth=0.01), astronaut.size), "areas.png")
""",
    ),
)
"""In the order of the page."""
