"""The demo's works of things that do not exist; their weights are not on the package index."""

from __future__ import annotations

from .work import Work

GENERATORS = (
    Work(
        "Faces of nobody",
        None,
        "nobody.png",
        "ml4a gan sample 1 2 3 4 5 6 --truncation 0.6 -o nobody.png",
        """\
import ml4a
from ml4a import image

gan = ml4a.load("stylegan")
seeds = (1, 2, 3, 4, 5, 6)
sheet = image.grid([gan(seed=seed, truncation=0.6) for seed in seeds], labels=[str(seed) for seed in seeds])
image.save(sheet, "nobody.png")
""",
        needs=("stylegan",),
    ),
    Work(
        "From one to the next, and back",
        None,
        "through.mp4",
        "ml4a gan interpolate 3 14 15 --seconds 6 -o through.mp4",
        """\
import ml4a

ml4a.load("stylegan").interpolate(seeds=(3, 14, 15), seconds=6).save("through.mp4")
""",
        needs=("stylegan",),
    ),
    Work(
        "A landscape that glides by, and every tree with it",
        None,
        "gliding.mp4",
        "ml4a gan turn 7 --right -1 --rotate 0 --seconds 3 -o gliding.mp4",
        """\
import ml4a

ml4a.load("stylegan3").turn(seed=7, right=-1, rotate=0, seconds=3).save("gliding.mp4")
""",
        needs=("stylegan3",),
    ),
    Work(
        "Older",
        "astronaut",
        "older.png",
        "ml4a gan edit sample:astronaut --model idinvert --direction age --amount 2 --seed 1 -o older.png",
        """\
import ml4a
from ml4a import image

gan = ml4a.load("idinvert")
image.save(gan.edit(image.load("sample:astronaut"), direction="age", amount=2, seed=1), "older.png")
""",
        needs=("idinvert",),
    ),
    Work(
        "More of a smile",
        "astronaut",
        "smile.png",
        "ml4a glow edit sample:astronaut --attribute Smiling --amount 0.8 -o smile.png",
        """\
import ml4a
from ml4a import image

glow = ml4a.load("glow")
image.save(glow.edit(image.load("sample:astronaut"), attribute="Smiling", amount=0.8), "smile.png")
""",
        needs=("glow",),
    ),
    Work(
        "Of five hundred tokens",
        "chelsea",
        "tokens.png",
        "ml4a vqgan reconstruct sample:chelsea --size 320 -o tokens.png",
        """\
import ml4a
from ml4a import image

vqgan = ml4a.load("taming_transformers")
image.save(vqgan(image.load("sample:chelsea"), size=320), "tokens.png")
""",
        needs=("taming_transformers",),
    ),
)
