"""`build`: a data set from a folder of pictures or a film."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from ml4a._core import progress
from ml4a._core.errors import BadValue
from ml4a._core.files import is_folder
from ml4a._core.params import Doc, Range
from ml4a._core.progress import Cancel, OnProgress
from ml4a.jobs import engine as engines
from ml4a.jobs.engine import EngineName
from ml4a.media._checked import Seed, checked

from . import actions as action_names
from . import labels as label_files
from ._building import Building, Plan
from .augment import Augmentation
from .inputs import open_source
from .recipe import FaceOptions, Format, Layout, Recipe, Selection


@dataclass(slots=True)
class Summary:
    """What a data set has become."""

    target: Path
    """The folder, or the zip: with a test part, the zips are `NAME-train.zip` and `NAME-test.zip`."""
    pictures: dict[str, int] = field(default_factory=dict)
    """How many pictures, or pairs, there are: in `"train"` and `"test"`, or in `""` if there is no test part."""
    kept: int = 0
    """Inputs of which pictures were made."""
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Inputs that were left out, each with its reason."""
    classes: list[str] = field(default_factory=list)
    """Names of the classes, by their numbers."""
    seed: int = 0
    resumed: int = 0
    """How many inputs had been done before, by the same job that was stopped then."""
    report: Path | None = None
    """The page that shows what was made."""
    seconds: float = 0.0


@checked
def build(
    source: Any,
    target: str | os.PathLike[str],
    *,
    actions: Sequence[str | Callable[..., Any]] = (),
    size: Any = None,
    layout: Layout = "output_only",
    format: Format = "png",
    quality: Annotated[int, Range(1, 100), Doc("Of JPEGs.")] = 97,
    augmentation: Augmentation | None = None,
    selection: Selection | None = None,
    max_count: Annotated[int | None, Range(1), Doc("Inputs that are used at most.")] = None,
    shuffle: bool = False,
    every: Annotated[float | None, Range(0.001), Doc("Films: seconds from frame to frame.")] = None,
    test_share: Annotated[float, Range(0, 1), Doc("The part that is kept back for testing.")] = 0.0,
    split: Literal["stable", "regular"] = "stable",
    labels: bool = False,
    captions: bool = False,
    target_face: str | None = None,
    face_crop: Annotated[float | None, Range(0.05, 1), Doc("The part of the crop that the face covers.")] = None,
    face_smooth: Annotated[float, Range(0.01, 1), Doc("How fast the crop follows the face.")] = 1.0,
    container: Literal["folder", "zip", "webdataset"] = "folder",
    shard_size: Annotated[int, Range(1), Doc("Samples in a shard at most.")] = 1000,
    report: bool = True,
    seed: Seed = None,
    workers: Annotated[int | None, Range(1), Doc("Processes that do it.")] = None,
    engine: EngineName = "local",
    address: str | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    cancel: Cancel | None = None,
) -> Summary:
    """Make a data set to train with: pictures cut to one size, varied, processed, divided and packed.

        from ml4a import dataset

        dataset.build("photos", "pairs", size=512, actions=["sketch"], layout="split", test_share=0.1)

    Each input keeps its number among all (`f00003_name.png`, copies `f00003_00_name.png`), whatever is left out. Chance
    depends on the seed, the input's name and the number of the copy alone, so that neither workers nor other inputs
    matter. A build that was stopped, however that was, goes on when it is called again in the same way.

    Args:
        source: A folder of pictures, a film, or a list of picture files. Pictures are read as `image.load` does it;
            what is transparent lies on white. What cannot be read is left out, with its reason in the summary.
        target: The folder to write; for the container `"zip"` a file.
        actions: What is done to each copy, in this order: names of `dataset.actions`, of verbs (`"cartoonize"`), of
            models, or functions of an H×W×3 float32 array in [0, 1].
        size: (width, height) of the copies; a number is a square. None keeps each picture's own size.
        layout: `"output_only"`: the processed pictures. `"split"`: pairs, the processed picture as A, the original crop
            as B. `"combined"`: both in one picture, the processed one on the left.
        format: `"png"` or `"jpg"`.
        quality: Of JPEGs, 1 to 100.
        augmentation: How many copies there are of each picture, and how they differ; by default one, the largest part
            of the shape of `size`, at a place by chance.
        selection: Which pictures are good enough; by default all.
        max_count: Use so many inputs at most: the first ones, or with `shuffle` any.
        shuffle: Whether chance chooses which inputs are used, if not all are.
        every: Of a film, take one frame every so many seconds; None takes all.
        test_share: The part of the inputs, from 0 to 1, that is for testing.
        split: `"stable"` decides by each picture's content, so that it stays where it is whatever comes and goes (the
            share is then met on average, not exactly); of a film, the last part of every minute is for testing, since
            frames beside each other are nearly the same. `"regular"` takes every n-th input, as in 2021.
        labels: Whether the folders in the folder are classes (or `dataset.json` tells them).
        captions: Whether texts beside the pictures go along (`labels.caption_of` tells which).
        target_face: A picture of the face that pictures are cut out around; by default it is the largest one.
        face_crop: Cut out around the face, so that it is this part of what is cut out. Pictures without are left out.
        face_smooth: Of a film, how fast the crop follows: 1 at once, 0.1 by a tenth of the way in each frame.
        container: `"folder"`, `"zip"` (as StyleGAN reads it), or `"webdataset"` (tar shards).
        shard_size: Samples in a shard at most.
        report: Whether a report is written beside the target, into `TARGET-report`.
        seed: Of all chance; None draws one, and the summary tells it.
        workers: How many processes do it, with one thread each; None is this one, with one thread as well, so that
            the bytes are the same.
        engine: `"local"`, or `"ray"`: a cluster.
        address: Of the Ray cluster.
        overwrite: Whether what an earlier build has left in the target may be replaced.
        on_progress: Called with `Progress` as inputs are done.
        cancel: Stops the work from another thread.

    Returns:
        What was made, and what was left out.

    Raises:
        NotFound: there is no such source, or nothing in it.
        OutputExists: the target has something in it, or a build with other settings was begun there.
        BadValue: an option that does not go with the others; or not one input could be kept.
        UnknownName, MissingExtra: as `actions.check`.
        DownloadFailed: a model's weights cannot be had.
        Cancelled: the work was stopped.
    """
    started = time.monotonic()
    action_names.check(actions)
    plan = Plan(
        recipe=Recipe(
            tuple(actions), _size(size), augmentation or Augmentation(), selection or Selection(),
            _face(target_face, face_crop, face_smooth), layout, format, quality,
        ),
        target=Path(target), max_count=max_count, shuffle=shuffle, every=every, test_share=test_share, split=split,
        labels=labels, captions=captions, container=container, shard_size=shard_size, report=report, seed=seed,
        overwrite=overwrite,
    )  # fmt: skip
    _check_zip(plan)
    opened = open_source(source, recursive=labels, every=every)
    root = Path(source) if isinstance(source, str | os.PathLike) and is_folder(source) else None
    if labels and root is None:
        raise BadValue("labels are the folders of a folder; a film and a list of pictures have none")
    if face_smooth != 1 and opened.clip is None:
        raise BadValue("face_smooth is for films; pictures of a folder do not follow each other")
    classes, numbers = [], {}
    if labels and root is not None:
        classes, numbers = label_files.of(root, [each.path for each in opened.inputs(lambda _: True) if each.path])
    worker = engines.engine(engine, workers, address=address)
    with progress.listening(on_progress, cancel), contextlib.closing(Building(plan, opened, root, worker)) as work:
        work.run(numbers)
        summary = Summary(
            plan.target, work.pictures, len(work.kept), work.rejected, classes, work.seed, work.resumed,
        )  # fmt: skip
        if report:
            summary.report = work.write_report(classes)
        work.finish()
    summary.seconds = time.monotonic() - started
    return summary


def _size(size: Any) -> tuple[int, int] | None:
    """(width, height); a single number is a square."""
    from ml4a.media.image import _resample

    if size is None:
        return None
    return _resample.target_size((1, 1), size)


def _face(target: str | None, crop: float | None, smooth: float) -> FaceOptions | None:
    if crop is None and target is None:
        if smooth != 1:
            raise BadValue("face_smooth is for crops around a face; give face_crop as well")
        return None
    return FaceOptions(target, crop, smooth)


def _check_zip(plan: Plan) -> None:
    """Say before any work that StyleGAN's zip cannot hold what is wanted."""
    if plan.container != "zip":
        return
    recipe = plan.recipe
    if recipe.layout != "output_only" or recipe.format != "png":
        raise BadValue("StyleGAN's zip holds single PNGs: no pairs (layout) and no JPEGs (format)")
    if recipe.size is not None and (recipe.size[0] != recipe.size[1] or recipe.size[0] & (recipe.size[0] - 1)):
        width, height = recipe.size
        raise BadValue(f"StyleGAN's pictures are square and their side is a power of two, not {width}x{height}")
