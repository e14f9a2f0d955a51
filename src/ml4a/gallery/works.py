"""The works of the demo: each is a line of shell and the Python that does the same."""

from __future__ import annotations

from .faces_and_voices import FACES_AND_VOICES
from .generators import GENERATORS
from .work import Work

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
        "Painted step by step, from coarse to fine",
        "chelsea",
        "painted-finely.png",
        "ml4a style sample:chelsea --model style_transfer --style sample:embers --content-weight 0.1 --size 192"
        " --final-iterations 12 --seed 1 -o painted-finely.png",
        """\
import ml4a
from ml4a import image

paint = ml4a.load("style_transfer")
cat = image.load("sample:chelsea")
made = paint(cat, style="sample:embers", content_weight=0.1, size=192, final_iterations=12, seed=1)
image.save(made, "painted-finely.png")
""",
    ),
    Work(
        "Laid in mosaic",
        "coffee",
        "mosaic.png",
        "ml4a style sample:coffee --model neural_style --style sample:mosaic --size 192 --iterations 20,6 --seed 1"
        " -o mosaic.png",
        """\
import ml4a
from ml4a import image

paint = ml4a.load("neural_style")
cup = image.load("sample:coffee")
image.save(paint(cup, style="sample:mosaic", size=192, iterations=(20, 6), seed=1), "mosaic.png")
""",
    ),
    Work(
        "A dream",
        "rocket",
        "dream.png",
        "ml4a dream sample:rocket --size 256 --seed 1 -o dream.png",
        """\
import ml4a
from ml4a import image

dream = ml4a.load("deepdream")
image.save(dream(image.load("sample:rocket"), size=256, seed=1), "dream.png")
""",
    ),
    Work(
        "A caricature: what a network sees in it, and more of it",
        "chelsea",
        "caricature.png",
        "ml4a dream sample:chelsea --model torch_dreams --caricature --layer blocks.4 --size 192 --iterations 60"
        " --step-size 0.015 --seed 4 -o caricature.png",
        """\
import ml4a
from ml4a import image

dream = ml4a.load("torch_dreams")
cat = image.load("sample:chelsea")
made = dream(cat, caricature=True, layer="blocks.4", size=192, iterations=60, step_size=0.015, seed=4)
image.save(made, "caricature.png")
""",
    ),
    Work(
        "What one channel of a network looks for",
        None,
        "shells.png",
        "ml4a dream --model torch_dreams --layer blocks.8 --channel 3 --size 192 --width 288 --iterations 60"
        " --step-size 0.02 --seed 4 -o shells.png",
        """\
import ml4a
from ml4a import image

dream = ml4a.load("torch_dreams")
made = dream(layer="blocks.8", channel=3, size=192, width=288, iterations=60, step_size=0.02, seed=4)
image.save(made, "shells.png")
""",
    ),
    Work(
        "Into a dream",
        "coffee",
        "zoom.mp4",
        "ml4a dream sample:coffee --zoom 1.03 --size 144 --seconds 3 --rate 12 --seed 1 -o zoom.mp4",
        """\
import ml4a
from ml4a import image

dream = ml4a.load("deepdream")
dream.zoom(image.load("sample:coffee"), zoom=1.03, size=144, seconds=3, rate=12, seed=1).save("zoom.mp4")
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
        "Strokes for a plotter",
        "coffee",
        "pen.svg",
        "ml4a sketch sample:coffee --thin -o pen.svg",
        """\
import ml4a
from ml4a import image

sketch = ml4a.load("hed")
image.save(sketch(image.load("sample:coffee"), thin=True), "pen.svg")
""",
    ),
    Work(
        "Slow motion",
        "pan",
        "slow.mp4",
        "ml4a interpolate sample:pan --slow 3 -o slow.mp4",
        """\
from ml4a import video

video.open("sample:pan").slowed(3).save("slow.mp4")
""",
    ),
    Work(
        "How a film moves",
        "pan",
        "flow.mp4",
        "ml4a flow sample:pan -o flow.mp4",
        """\
from ml4a import video

video.flows(video.open("sample:pan")).save("flow.mp4")
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
    Work(
        "A cartoon",
        "astronaut",
        "cartoon.png",
        "ml4a cartoonize sample:astronaut -o cartoon.png",
        """\
import ml4a
from ml4a import image

cartoonize = ml4a.load("cartoonization")
image.save(cartoonize(image.load("sample:astronaut")), "cartoon.png")
""",
        needs=("cartoonization",),
    ),
    Work(
        "Cut out",
        "chelsea",
        "cut.png",
        "ml4a cutout sample:chelsea --background sample:waves -o cut.png",
        """\
import ml4a
from ml4a import image

basnet = ml4a.load("basnet")
image.save(basnet.composite(image.load("sample:chelsea"), "sample:waves"), "cut.png")
""",
        needs=("basnet",),
    ),
    Work(
        "A drawing by contours",
        "coffee",
        "contours.png",
        "ml4a sketch sample:coffee --model photosketch -o contours.png",
        """\
import ml4a
from ml4a import image

sketch = ml4a.load("photosketch")
image.save(sketch(image.load("sample:coffee")), "contours.png")
""",
        needs=("photosketch",),
    ),
    Work(
        "What is in the picture",
        "rocket",
        "things.png",
        "ml4a segment sample:rocket --view legend -o things.png",
        """\
import ml4a
from ml4a import image

segment = ml4a.load("semantic_segmentation")
image.save(segment.show(image.load("sample:rocket"), view="legend"), "things.png")
""",
        needs=("semantic_segmentation",),
    ),
    Work(
        "The parts of a face",
        "astronaut",
        "face.png",
        "ml4a segment sample:astronaut --model face_parsing -o face.png",
        """\
import ml4a
from ml4a import image

parse = ml4a.load("face_parsing")
image.save(parse.show(image.load("sample:astronaut")), "face.png")
""",
        needs=("face_parsing",),
    ),
    Work(
        "A photograph, understood and painted anew",
        "rocket",
        "painted.png",
        "ml4a segment sample:rocket --view colors -o - | ml4a paint - --weights ade20k -o painted.png",
        """\
import ml4a
from ml4a import image

segment, paint = ml4a.load("semantic_segmentation"), ml4a.load("spade", weights="ade20k")
image.save(paint(segment.show(image.load("sample:rocket"), view="colors")), "painted.png")
""",
        needs=("semantic_segmentation", "spade/ade20k"),
    ),
    Work(
        "Four times as large, crisply",
        "eye",
        "crisp.png",
        "ml4a upscale sample:eye --model esrgan -o crisp.png",
        """\
import ml4a
from ml4a import image

upscale = ml4a.load("esrgan")
image.save(upscale(image.load("sample:eye")), "crisp.png")
""",
        needs=("esrgan",),
    ),
    Work(
        "How a film moves, seen by a network",
        "pan",
        "network.mp4",
        "ml4a flow sample:pan --model flownet -o network.mp4",
        """\
import ml4a
from ml4a import video

flownet = ml4a.load("flownet")
video.flows(video.open("sample:pan"), engine=flownet).save("network.mp4")
""",
        needs=("flownet",),
    ),
    *FACES_AND_VOICES,
    *GENERATORS,
)
"""In the order of the page."""
