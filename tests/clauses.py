"""What every model must keep, as functions that raise AssertionError. `test_models` holds the registry to them.

A clause gets the model's class and `make(**options)`, which gives an instance as `from_pretrained` does.
"""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import every_network
import numpy as np
import torch
from PIL import Image, ImageOps

from ml4a import weights
from ml4a._core.errors import BadValue, Cancelled
from ml4a._core.params import Parameter, union_members
from ml4a._core.progress import Cancel, listening
from ml4a._core.record import Record
from ml4a.media import audio, image, provenance, video
from ml4a.models._base import Model
from ml4a.models._operation import Operation
from ml4a.models.what import examine
from ml4a.networks.architectures import Architecture

Make = Callable[..., Any]
SIZE = (48, 40)
MEDIA = ("picture", "sound", "film")


def photo(size: tuple[int, int] = SIZE) -> Image.Image:
    """A textured photograph, small."""
    picture = image.sample("chelsea").crop((120, 80, 330, 255)).resize(size, Image.Resampling.LANCZOS)
    picture.info.clear()
    return picture


def portrait(size: tuple[int, int] = (96, 96)) -> Image.Image:
    """A photograph with a face, small."""
    picture = image.sample("astronaut").crop((120, 0, 360, 240)).resize(size, Image.Resampling.LANCZOS)
    picture.info.clear()
    return picture


def tone() -> audio.Sound:
    """A third of a second of sound."""
    return audio.Sound(0.5 * np.sin(np.arange(5000) * 0.1).astype(np.float32), 16_000)


def operations(model: type[Model], *kinds: str) -> list[Operation]:
    """Those that make a medium of media and nothing else; the call, or what shows its result, is the first."""
    found = [
        about
        for about in model.operations().values()
        if about.gives in (kinds or MEDIA)
        and not any(each.required and each.kind is None for each in about.parameters.values())
    ]
    return sorted(found, key=lambda about: about.name not in ("__call__", "show"))


def makes_pictures(model: type[Model]) -> bool:
    """Whether the clauses about pictures are for this model."""
    found = operations(model, "picture")
    return bool(found) and found[0].main.kind != "latents"


def draws(model: type[Model]) -> bool:
    """Whether it makes pictures of nothing."""
    found = operations(model)
    return bool(found) and found[0].main.kind == "latents"


def picture_for(model: type[Model], size: tuple[int, int] | None = None) -> Image.Image:
    """A photograph with something in it that the model is for."""
    return portrait(size or (96, 80)) if model.card == "face" else photo(size or SIZE)


def subject(model: type[Model], about: Operation) -> Any:
    """What an operation's main medium is here."""
    if about.main.kind == "text":
        return "Hello there, my friends."
    if about.main.kind in ("latents", "sound"):
        return None  # drawn by the seed, and silent
    return portrait() if about.main.kind == "film" else picture_for(model)


def called(about: Operation, instance: Any) -> Callable[..., Any]:
    """An operation as a function of its main medium, as quick as can be; others that it needs are upside down."""
    others = {"pictures": [ImageOps.flip(photo())], "sound": tone()}
    needed = {
        each.name: others.get(each.kind or "", ImageOps.flip(photo()))
        for each in about.media
        if each.required and each is not about.main
    }
    return functools.partial(getattr(instance, about.name), **{**needed, **smallest(about)})


def main(model: type[Model], instance: Any) -> Callable[..., Any]:
    """The operation that the clauses call, with a seed of its own if it takes one."""
    about = operations(model)[0]
    return functools.partial(called(about, instance), **seeded(about))


def values(result: Any) -> np.ndarray[Any, Any]:
    """The pixels or samples of a result."""
    if isinstance(result, audio.Sound):
        return result.samples
    return np.stack(list(result)) if isinstance(result, video.Clip) else np.asarray(result)


def smallest(about: Operation) -> dict[str, Any]:
    """The least `height` of an operation that has one of its own, few `iterations` or `steps`: the quickest call."""
    height = about.parameters.get("height")
    own = height is not None and height.default is not None and height.range is not None
    least = {"height": height.range.low} if own else {}
    few = [name for name in about.parameters if name.endswith(("iterations", "steps"))]
    short = {"seconds": 0.1} if "seconds" in about.parameters else {}
    drawn = {"seeds": (1, 2)} if "seeds" in about.parameters else {}
    sheet = {"count": 1, "columns": 2} if {"count", "columns"} <= about.parameters.keys() else {}
    return {**least, **dict.fromkeys(few, 2), **short, **drawn, **sheet}


def seeded(about: Operation) -> dict[str, Any]:
    """A seed, for an operation that takes one, so that two calls can be compared."""
    return {"seed": 1} if "seed" in about.parameters else {}


def bounded(about: Operation) -> list[Parameter]:
    return [parameter for parameter in about.parameters.values() if parameter.range is not None]


def signature(model: type[Model], make: Make) -> None:
    """Every parameter is documented, every number is bounded, everything after the main picture is by keyword."""
    assert inspect.getdoc(model)
    assert model.operations(), "no method is marked @operation"
    for about in model.operations().values():
        assert about.summary
        first, *rest = about.parameters.values()
        assert first.kind in ("picture", "text", "film", "latents", "sound")
        assert first.required or first.default is None, f"{about.name} has a picture of its own"
        for parameter in rest:
            assert parameter.doc, f"{about.name}.{parameter.name} has no Doc"
            assert parameter.keyword_only, f"{about.name}.{parameter.name} is not keyword-only"
            if {*union_members(parameter.type), parameter.element} & {int, float}:
                assert parameter.range is not None, f"{about.name}.{parameter.name} has no Range"


def imports(model: type[Model], make: Make) -> None:
    """The module imports without torch, so that --help is quick."""
    code = f"import sys, {model.__module__}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"importing {model.__module__} loads torch {done.stderr}"


def card(model: type[Model], make: Make) -> None:
    """The card says what it is, whose it is, and whether it may be sold."""
    about = make().about
    assert about.title
    assert about.summary
    assert about.paper
    for variant in about.weights.values():
        assert variant.licence
        assert variant.commercial in ("yes", "no", "unclear")
        for file in variant.files.values():
            assert file.sha256 or variant.note  # which says why nobody knows it: the first download's is kept to
            assert file.sources


def kinds(model: type[Model], make: Make, tmp_path: Any) -> None:
    """The same kind comes out as went in, and shows the same picture."""
    instance, picture = make(), picture_for(model)
    path = tmp_path / "photo.png"
    picture.save(path)
    array = np.asarray(picture)
    tensor = torch.from_numpy(array.transpose(2, 0, 1).astype(np.float32) / 255)
    for about in operations(model, "picture"):
        if about.main.kind != "picture":
            continue
        call = functools.partial(called(about, instance), **seeded(about))
        from_pil, from_path = call(picture), call(path)
        from_array, from_tensor = call(array), call(tensor)
        assert isinstance(from_pil, Image.Image)
        assert isinstance(from_path, Image.Image)
        assert isinstance(from_array, np.ndarray)
        assert from_array.dtype == np.float32
        assert isinstance(from_tensor, torch.Tensor)
        expected = np.asarray(from_pil, np.float32) / 255
        assert np.array_equal(np.asarray(from_path), np.asarray(from_pil))
        assert np.abs(from_array - expected).max() <= 0.51 / 255
        assert np.abs(from_tensor.numpy().transpose(1, 2, 0) - expected).max() <= 0.51 / 255


def grey(model: type[Model], make: Make) -> None:
    """A grey picture gives what the same picture in RGB gives."""
    picture = picture_for(model).convert("L")
    call = main(model, make())
    assert np.array_equal(np.asarray(call(picture)), np.asarray(call(picture.convert("RGB"))))


def transparency(model: type[Model], make: Make) -> None:
    """Alpha survives, and the colours are those of the opaque picture."""
    picture = picture_for(model)
    ramp = Image.linear_gradient("L").resize(picture.size)
    transparent = picture.copy()
    transparent.putalpha(ramp)
    call = main(model, make())
    result, opaque = call(transparent), call(picture)
    assert result.mode == "RGBA"
    assert np.array_equal(np.asarray(result)[:, :, :3], np.asarray(opaque))
    expected = np.asarray(ramp.resize(result.size, Image.Resampling.BICUBIC), np.float32)
    assert np.abs(np.asarray(result.getchannel("A"), np.float32) - expected).mean() < 3


def purity(model: type[Model], make: Make) -> None:
    """The input is left as it was, and a call does not depend on the calls before it."""
    about = operations(model)[0]
    call = main(model, make())
    if about.main.kind in ("text", "latents"):
        first = call(subject(model, about))
        between = {"seed": 5} if about.main.kind == "latents" else {about.main.name: "Another sentence in between."}
        call(**between)
        assert np.array_equal(values(call(subject(model, about))), values(first))
        return
    array = np.asarray(subject(model, about), np.float32) / 255
    before = array.copy()
    first = values(call(array))
    call(np.ascontiguousarray(array[:, ::-1]))
    assert np.array_equal(array, before)
    assert np.array_equal(values(call(array)), first)


def precision(model: type[Model], make: Make) -> None:
    """`dtype="auto"` is within its bounds of float32."""
    if model.card == "face":
        crops = [portrait((side, side)) for side in (96, 120, 150)]
    else:
        crops = [image.sample(name).crop((100, 80, 196, 160)) for name in ("astronaut", "chelsea", "coffee")]
    auto, exact = (main(model, make(dtype=dtype)) for dtype in ("auto", "float32"))
    pairs: Any = ((auto(seed=seed), exact(seed=seed)) for seed in range(3))
    if not draws(model):
        arrays = (np.asarray(each, np.float32) / 255 for each in crops)
        pairs = ((255 * auto(crop), 255 * exact(crop)) for crop in arrays)
    for ours, due in pairs:
        difference = np.abs(np.asarray(ours, np.float32) - np.asarray(due, np.float32))
        assert difference.mean() <= 0.25
        assert (difference <= 2).mean() >= 0.999
        assert difference.max() <= 8


def tiling(model: type[Model], make: Make, monkeypatch: Any) -> None:
    """In tiles, the same picture; where a model cannot be tiled, it says what size fits."""
    instance = make(dtype="float32")
    if not hasattr(instance, "network"):
        return  # several that bound their memory in ways of their own
    array = np.asarray(picture_for(model, (384, 32)), np.float32) / 255  # long, so that tiles see less than the whole
    call = main(model, instance)
    whole = call(array)
    monkeypatch.setenv("ML4A_MEMORY", str(int(array.size / 3 * instance.network.bytes_per_pixel * 0.78)))
    if instance.network.overlap is None:
        try:
            call(array)
        except BadValue as error:
            raise AssertionError("too little memory is no bad value") from error
        except Exception as error:
            advised = [name for name in ("size", "sizes") if f"--{name} " in str(error)]
            assert advised, "it does not say what would fit"
            assert set(advised) <= set(operations(model, "picture")[0].parameters)
            return
        raise AssertionError("more memory was used than the budget allows")
    difference = np.abs(call(array) - whole).max() * 255
    assert instance.last_record.parameters["tile"] is not None, "it was not tiled"
    assert difference <= 1


def cancel(model: type[Model], make: Make) -> None:
    """Between tiles, the work can be stopped."""
    call = main(model, make())
    if "tile" not in operations(model, "picture")[0].parameters:
        return
    switch = Cancel()

    def stop(event: Any) -> None:
        switch.cancel()

    try:
        with listening(stop, switch):
            call(picture_for(model, (72, 66)), tile=64)
    except Cancelled:
        return
    raise AssertionError("the work went on")


def errors(model: type[Model], make: Make) -> None:
    """A value out of bounds is refused by name, and so is one that is no number."""
    instance = make()
    for about in operations(model):
        for parameter in bounded(about):
            bad = [float("nan")]
            bad += [] if parameter.range.low is None else [parameter.range.low - 1]
            bad += [] if parameter.range.high is None else [parameter.range.high + 1]
            for value in bad:
                try:
                    called(about, instance)(subject(model, about), **{parameter.name: value})
                except BadValue as error:
                    assert parameter.name in str(error)
                else:
                    raise AssertionError(f"{about.name} took {parameter.name}={value}")


def record(model: type[Model], make: Make) -> None:
    """A result carries what made it; its parameters, given again, make the same picture."""
    instance = make()
    for about in operations(model):
        given = subject(model, about)
        result = called(about, instance)(given)
        made_by = provenance.record_of(result) if about.gives == "picture" else result.record
        assert made_by is not None, "the result carries no record"
        assert made_by == instance.last_record
        assert Record.from_json(made_by.to_json()) == made_by
        if about.main.kind not in ("text", "latents", "sound"):
            assert made_by.inputs[0].sha256 == provenance.pixels_digest(given)
        assert made_by.digests
        assert set(made_by.digests) == set(instance.weights.files)
        told = set(made_by.parameters) | {item.role for item in made_by.inputs} | {"seed"}
        left_out = {about.main.name} if given is None else set()
        assert told >= {name for name, each in about.parameters.items() if each.recorded} - left_out
        seed = {} if made_by.seed is None else {"seed": made_by.seed}
        again = called(about, instance)(**{about.main.name: given, **made_by.parameters, **seed})
        assert np.array_equal(values(again), values(result))


def nothing(model: type[Model], make: Make) -> None:
    """What may do without a main picture makes a PIL image, of which the record tells as much as of any other."""
    instance = make()
    for about in operations(model, "picture"):
        if about.main.required:
            continue
        call = called(about, instance)
        result = call()
        made_by = provenance.record_of(result)
        assert isinstance(result, Image.Image)
        assert made_by is not None, "the result carries no record"
        assert about.main.name not in {*made_by.parameters, *(item.role for item in made_by.inputs)}
        seed = {} if made_by.seed is None else {"seed": made_by.seed}
        assert np.array_equal(np.asarray(call(**made_by.parameters, **seed)), np.asarray(result))


def films(model: type[Model], make: Make) -> None:
    """What a model remembers of a film is that film's own: two films, and the model itself, do not see each other."""
    instance = make()
    if instance.for_film() is instance:
        return
    pictures = [picture_for(model), ImageOps.mirror(picture_for(model))]
    before = np.asarray(main(model, instance)(pictures[0]))
    two = [main(model, instance.for_film()) for _ in range(2)]
    for picture in pictures:
        one, other = (np.asarray(film(picture)) for film in two)
        assert np.array_equal(one, other)
    assert np.array_equal(np.asarray(main(model, instance)(pictures[0])), before)


def threads(model: type[Model], make: Make) -> None:
    """Two models of one class in two threads give what each gives alone, and keep their own records."""
    about = operations(model)[0]
    others = {"text": "How do you do?", "film": portrait((104, 100))}
    another = picture_for(model, (80, 96) if model.card == "face" else (40, 52))
    subjects = [subject(model, about), others.get(about.main.kind or "", another)]
    instance, together = make(), {}
    call = main(model, instance)
    if draws(model):
        subjects = [1, 2]
        call = lambda seed: main(model, instance)(seed=seed)  # noqa: E731
    alone = [values(call(each)) for each in subjects]

    def work(number: int) -> None:
        for _ in range(3):
            result = call(subjects[number])
            together[number] = (values(result), instance.last_record)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for number, given in enumerate(subjects):
        result, made_by = together[number]
        assert np.array_equal(result, alone[number])
        if draws(model):
            assert made_by.seed == given
        elif about.main.kind == "text":
            assert made_by.parameters["text"] == given
        else:
            assert made_by.inputs[0].size == f"{given.width}x{given.height}"


def what(model: type[Model], make: Make) -> None:
    """`ml4a what` knows all weights of the model that are in the cache: their network, and their licence."""
    make()  # which brings them into the cache
    about = weights.card(model.card)
    here = {name: weights.find(f"{about.name}/{name}") for name in about.weights}
    assert any(here.values()), "none of its weights are in the cache"
    for name, files in here.items():
        for role, path in (files or {}).items():
            report = examine(path)
            if about.weights[name].files[role].format in weights.formats.FORMATS:
                assert report.verdict == "readable", report.reason
                recognised = any(not network.fault for network in report.networks)
                recognised |= any(word in report.kind for word in ("shape predictor", "direction in"))
                assert model.depends_on or recognised, f"{path} is no network that is known"
            (known,) = (each for each in report.known if each.weights == f"{about.name}/{name}")
            assert role in known.roles
            assert known.licence == about.weights[name].licence


def recognition(name: str, row: Architecture, folder: Any) -> None:
    """`ml4a what` recognises a network, and tells its hyper-parameters; `row` says how its keys are written."""
    assert row.builder in every_network.SHAPES, f"every_network has no small weights for {row.builder}"
    path = folder / "net.npz"
    np.savez(path, **every_network.state_dict(row.builder))  # type: ignore[arg-type]
    found = {(each.name, each.network): each for each in examine(path).networks if not each.fault}
    assert (name, row.network) in found, f"{row.network} is not recognised"
    assert found[name, row.network].hyper_parameters.items() >= every_network.HYPER_PARAMETERS[row.network].items()


CLAUSES = (signature, imports, card, purity, errors, record, threads, what)
PICTURE_CLAUSES = (kinds, grey, transparency, precision, tiling, cancel, nothing, films)
"""Of models that make pictures."""


def clauses_of(model: type[Model]) -> tuple[Callable[..., None], ...]:
    """The clauses that a model has to keep."""
    return (*CLAUSES, *(PICTURE_CLAUSES if makes_pictures(model) else (precision, nothing) if draws(model) else ()))
