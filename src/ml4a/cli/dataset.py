"""`ml4a dataset …`: sets of pictures to train with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import Parameter

from ml4a._core.errors import BadValue

from . import console, derived, wikiart

if TYPE_CHECKING:
    from ml4a.dataset import Summary

_REJECTS_SHOWN = 10

Switch = Annotated[bool, Parameter(negative="", show_default=False)]

_HELP = "Make sets of pictures to train with, from folders and films."


def build(
    source: Annotated[str, Parameter(name="SOURCE", help="A folder of pictures, a film, a URL of one, `sample:pan`.")],
    target: Annotated[str, Parameter(name="TARGET", help="Folder to write; with `--container zip` a file.")],
    /,
    *,
    size: Annotated[
        str | None, Parameter(help="Of the pictures: 512 is a square, 640x360 width and height; else as they are.")
    ] = None,
    action: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="What is done to them, one after the other: quantize, trace, canny, posterize, segment, hed, "
            "simplify, semantic, upsample, face, landmarks, none; verbs, such as sketch; models.",
        ),
    ] = None,
    pairs: Annotated[Switch, Parameter(help="Write pairs: A is processed, B the original crop.")] = False,
    combined: Annotated[Switch, Parameter(help="Write pairs as one picture: processed, original.")] = False,
    format: Annotated[Literal["png", "jpg"], Parameter(help="Of the files.")] = "png",
    quality: Annotated[int, Parameter(help="Of JPEGs, up to 100.")] = 97,
    per_picture: Annotated[int, Parameter(help="How many are made of each picture.")] = 1,
    crop: Annotated[float, Parameter(help="The part of the limiting side that is cut out.")] = 1.0,
    crop_vary: Annotated[float, Parameter(help="By how much that part is more or less.")] = 0.0,
    rotate: Annotated[float, Parameter(help="Degrees by which pictures are turned at most, either way.")] = 0.0,
    stretch: Annotated[float, Parameter(help="By which part a side becomes longer or shorter at most.")] = 0.0,
    centered: Annotated[Switch, Parameter(help="Cut out the middle, not a place by chance.")] = False,
    max_count: Annotated[int | None, Parameter(help="Use the first so many pictures or frames.")] = None,
    shuffle: Annotated[Switch, Parameter(help="Let chance choose which these are.")] = False,
    every: Annotated[float | None, Parameter(help="Films: seconds from one frame to the next; else all.")] = None,
    min_size: Annotated[int, Parameter(help="Leave out pictures with a side of fewer pixels.")] = 0,
    max_size: Annotated[int | None, Parameter(help="Leave out pictures with a side of more pixels.")] = None,
    min_sharpness: Annotated[float, Parameter(help="Leave out blurred pictures: below 100 most are.")] = 0.0,
    duplicates: Annotated[
        int | None, Parameter(help="Leave out what looks like an earlier one: up to so many of 64 bits differ; try 4.")
    ] = None,
    test_share: Annotated[float, Parameter(help="The part of the pictures that is for testing.")] = 0.0,
    split: Annotated[
        Literal["stable", "regular"],
        Parameter(help="Which these are: by content, so that none moves when others come; or every n-th."),
    ] = "stable",
    labels: Annotated[Switch, Parameter(help="The folders in SOURCE are classes.")] = False,
    captions: Annotated[Switch, Parameter(help="Take texts beside the pictures along.")] = False,
    face_crop: Annotated[
        float | None, Parameter(help="Cut out around the face, which is this part of what is cut out.")
    ] = None,
    target_face: Annotated[str | None, Parameter(help="A picture of the face that is meant; else the largest.")] = None,
    face_smooth: Annotated[float, Parameter(help="Films: how fast the crop follows the face; 1 is at once.")] = 1.0,
    container: Annotated[
        Literal["folder", "zip", "webdataset"], Parameter(help="A folder, StyleGAN's zip, or WebDataset's shards.")
    ] = "folder",
    shard_size: Annotated[int, Parameter(help="Samples in a shard at most.")] = 1000,
    report: Annotated[
        bool, Parameter(negative="--no-report", show_default=False, help="Write a report to TARGET-report.")
    ] = True,
    seed: Annotated[int | None, Parameter(help="Of all chance; by default another one each time.")] = None,
    workers: Annotated[
        int | None, Parameter(help="How many processes do it, one thread each; by default this one.")
    ] = None,
    engine: Annotated[Literal["local", "ray"], Parameter(help="Processes on this machine, or a cluster.")] = "local",
    address: Annotated[str | None, Parameter(help="Of the Ray cluster.")] = None,
    overwrite: Annotated[Switch, Parameter(help="Replace what an earlier build has left.")] = False,
    quiet: Annotated[Switch, Parameter(name=["--quiet", "-q"], help="Print nothing but errors.")] = False,
) -> None:
    """Make a data set: pictures cut to one size, varied, processed, divided and packed.

    A build that was stopped goes on when it is called again in the same way.
    """
    from ml4a import dataset

    if pairs and combined:
        raise BadValue("pairs are either two files each (--pairs) or one (--combined)")
    with console.progress_bars(quiet=quiet) as on_progress:
        summary = dataset.build(
            source,
            target,
            actions=[name.strip() for given in action or [] for name in given.split(",")],
            size=None if size is None else read_size(size),
            layout="split" if pairs else "combined" if combined else "output_only",
            format=format,
            quality=quality,
            augmentation=dataset.Augmentation(per_picture, crop, crop_vary, rotate, stretch, centered),
            selection=dataset.Selection(min_size, max_size, min_sharpness, duplicates),
            max_count=max_count,
            shuffle=shuffle,
            every=every,
            test_share=test_share,
            split=split,
            labels=labels,
            captions=captions,
            target_face=target_face,
            face_crop=face_crop,
            face_smooth=face_smooth,
            container=container,
            shard_size=shard_size,
            report=report,
            seed=seed,
            workers=workers,
            engine=engine,
            address=address,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    if not quiet:
        _tell(summary, test_share)


def read_size(text: str) -> tuple[int, int]:
    """(width, height) of `512`, `640x360` or `640,360`.

    Raises:
        BadValue: it is none of these.
    """
    sides = text.lower().replace("x", ",").split(",")
    if len(sides) > 2 or not all(side.strip().isdecimal() for side in sides):
        raise BadValue(f"size must be a side, or WIDTHxHEIGHT in pixels, not {text!r}")
    return int(sides[0]), int(sides[-1])


def _tell(summary: Summary, test_share: float) -> None:
    """Where the data set is, on standard output; what was left out, and why, on standard error."""
    print(summary.target)
    for name, reason in summary.rejected[:_REJECTS_SHOWN]:
        console.warn(f"{name}: {reason}")
    if len(summary.rejected) > _REJECTS_SHOWN:
        where = "" if summary.report is None else f"; {summary.report} has them all"
        console.warn(f"{len(summary.rejected) - _REJECTS_SHOWN} more were left out{where}")
    parts = ", ".join(f"{number} to {part}" for part, number in sorted(summary.pictures.items(), reverse=True) if part)
    counted = f"{sum(summary.pictures.values())} of {summary.kept} inputs{f' ({parts})' if parts else ''}"
    console.warn(f"pictures made: {counted}; inputs left out: {len(summary.rejected)}; seed: {summary.seed}")
    if test_share and not summary.pictures.get("test"):
        console.warn("by chance, none is for testing; take more pictures, another seed, or --split regular")


_EXAMPLES = (
    "ml4a dataset build photos/ pairs/ --size 512 --action sketch --pairs --test-share 0.1",
    "ml4a dataset build film.mp4 frames/ --size 512 --every 2 --min-sharpness 100 --duplicates 4",
    "ml4a dataset build photos/ more/ --size 256 --per-picture 8 --crop 0.8 --crop-vary 0.15 --rotate 10",
    "ml4a dataset build animals/ animals.zip --size 256 --labels --container zip --workers 4",
)


def register(app: cyclopts.App) -> None:
    """Add `dataset` and its commands to the command line."""
    group = cyclopts.App(name="dataset", help=_HELP)
    usage = "Usage: ml4a dataset build SOURCE TARGET [OPTIONS]"
    group.command(build, usage=usage, help_epilogue=derived.epilogue(_EXAMPLES))
    wikiart.add(group)
    app.command(group)
