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
        "From cat to cat, and back",
        None,
        "cats.mp4",
        "ml4a gan interpolate 3 14 15 --weights afhqcat --seconds 6 -o cats.mp4",
        """\
import ml4a

gan = ml4a.load("stylegan", weights="afhqcat")
gan.interpolate(seeds=(3, 14, 15), seconds=6).save("cats.mp4")
""",
        needs=("stylegan/afhqcat",),
    ),
    Work(
        "Turned, and every hair goes along",
        None,
        "turned.mp4",
        "ml4a gan turn 7 --model stylegan3 --weights ffhqu-256-r --seconds 4 -o turned.mp4",
        """\
import ml4a

gan = ml4a.load("stylegan3", weights="ffhqu-256-r")
gan.turn(seed=7, seconds=4).save("turned.mp4")
""",
        needs=("stylegan3/ffhqu-256-r",),
    ),
)
