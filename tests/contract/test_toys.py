"""The clauses themselves are tested: a toy model passes them all, and each way of breaking it fails its clause."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import clauses
import numpy as np
import pytest
import safetensors.numpy
import torch
import toy_card
import toy_painter
from PIL import Image

from ml4a import weights
from ml4a._core import devices
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range
from ml4a._core.progress import listening
from ml4a.models._base import PictureModel
from ml4a.models._operation import operation
from ml4a.networks.architectures import ARCHITECTURES

Amount = Annotated[float, Range(0, 1), Doc("How much.")]
Tile = Annotated[int | None, Range(16), Doc("Tile side.")]


class Toy(PictureModel):
    """Blurs."""

    card = "hed"
    network_class = toy_painter.Blur

    def load(self, files):
        self.network = self.place(self.network_class())

    @operation(verb="blur")
    def __call__(self, picture: Picture, *, amount: Amount = 0.5, tile: Tile = None) -> Picture:
        """Blur `picture`."""
        x = self.to_tensor(picture)
        return self.to_picture(torch.lerp(x, self.run(x, tile=tile), amount))


def maker(model):
    def make(device="cpu", dtype="auto"):
        about = weights.card(model.card)
        target = devices.resolve_device(device)
        dtype = "bfloat16" if dtype == "auto" else dtype  # as where the processor multiplies such numbers
        return model(about, about.variant("default"), {}, target, devices.resolve_dtype(dtype, target))

    return make


class UndocumentedParameter(Toy):
    @operation(verb="blur")
    def __call__(self, picture: Picture, *, amount: Annotated[float, Range(0, 1)] = 0.5, tile: Tile = None) -> Picture:
        """Blur `picture`."""
        return Toy.__call__.__wrapped__(self, picture, amount=amount, tile=tile)


class UnboundedParameter(Toy):
    @operation(verb="blur")
    def __call__(self, picture: Picture, *, amount: Annotated[float, Doc("Any.")] = 0.5, tile: Tile = None) -> Picture:
        """Blur `picture`."""
        return Toy.__call__.__wrapped__(self, picture, amount=amount, tile=tile)


def broken(body):
    """A toy whose call is `body(self, picture, amount, tile)`."""

    class Broken(Toy):
        @operation(verb="blur")
        def __call__(self, picture: Picture, *, amount: Amount = 0.5, tile: Tile = None) -> Picture:
            """Blur `picture`."""
            return body(self, picture, amount, tile)

    return Broken


def proper(self, picture, amount, tile):
    return Toy.__call__.__wrapped__(self, picture, amount=amount, tile=tile)


def always_pil(self, picture, amount, tile):
    result = proper(self, picture, amount, tile)
    return result if isinstance(result, Image.Image) else Image.new("RGB", clauses.SIZE)


def loses_alpha(self, picture, amount, tile):
    result = proper(self, picture, amount, tile)
    return result.convert("RGB") if isinstance(result, Image.Image) else result


def writes_into_the_input(self, picture, amount, tile):
    result = proper(self, picture, amount, tile)
    if isinstance(picture, np.ndarray):
        picture *= 0.5
    return result


def sees_colour_channels(self, picture, amount, tile):
    x = self.to_tensor(picture)
    return self.to_picture(x * (0.5 if isinstance(picture, Image.Image) and picture.mode == "RGB" else 1.0))


def drifts(self, picture, amount, tile):
    self.calls = getattr(self, "calls", 0) + 1
    return self.to_picture(self.to_tensor(picture) * (1 - 0.1 * min(self.calls, 5)))


def imprecise(self, picture, amount, tile):
    x = self.to_tensor(picture)
    return self.to_picture(x * (1 if self.dtype is torch.float32 else 0.95))


def ignores_the_budget(self, picture, amount, tile):
    x = self.to_tensor(picture)
    return self.to_picture(self.network(x))


def never_listens(self, picture, amount, tile):
    return ignores_the_budget(self, picture, amount, tile)


def shares_state(self, picture, amount, tile):
    import time

    type(self).seen = picture
    time.sleep(0.05)
    return proper(self, type(self).seen, amount, tile)


class TakesAnything(Toy):
    def __call__(self, picture, *, amount=0.5, tile=None):
        """Blur `picture`."""
        return Toy.__call__(self, picture)

    __call__.__operation__ = ("__call__", "blur", (), False)
    __call__.__wrapped__ = Toy.__call__.__wrapped__


class SeamyBlur(toy_painter.Blur):
    overlap = 0


class Seamy(Toy):
    network_class = SeamyBlur


class NoCredits(Toy):
    def __init__(self, about, *rest):
        super().__init__(replace(about, paper=""), *rest)


class Forgetful(Toy):
    @property
    def last_record(self) -> Any:
        return None

    @last_record.setter
    def last_record(self, record: Any) -> None:
        pass


class Painter(toy_painter.Painter):
    card = "hed"


class UnboundedWeights(Toy):
    @operation(verb="blur")
    def __call__(
        self, picture: Picture, *, weights: Annotated[tuple[float, ...], Doc("Any.")] = (1.0,), tile: Tile = None
    ) -> Picture:
        """Blur `picture`."""
        return Toy.__call__.__wrapped__(self, picture, tile=tile)


class PictureOfItsOwn(Toy):
    @operation(verb="blur")
    def __call__(self, picture: Picture = "sample:chelsea", *, tile: Tile = None) -> Picture:
        """Blur `picture`."""
        return Toy.__call__.__wrapped__(self, picture, tile=tile)


class DreamsOnItsOwn(Toy):
    @operation(verb="dream")
    def __call__(self, picture: Picture | None = None, *, tile: Tile = None) -> Picture:
        """Blur `picture`, or something else each time."""
        return self.to_picture(torch.rand(1, 3, 8, 8) if picture is None else self.to_tensor(picture))


class OneMemory(Painter):
    seen: ClassVar[dict[str, torch.Tensor]] = {}

    @property
    def memory(self):
        return self.seen.get("last")

    @memory.setter
    def memory(self, result):
        self.seen["last"] = result


class IgnoresItsSeed(Painter):
    @operation(verb="paint-over")
    def __call__(
        self,
        picture: Picture,
        *,
        style: toy_painter.Styles,
        iterations: toy_painter.Iterations = 10**9,
        seed: toy_painter.Seed = None,
    ) -> Picture:
        """Paint over `picture`, of chance that no seed tells."""
        return self.to_picture(self.to_tensor(picture) * torch.rand(1))


BROKEN = {
    "signature": [UndocumentedParameter, UnboundedParameter, UnboundedWeights, PictureOfItsOwn],
    "card": [NoCredits],
    "kinds": [broken(always_pil)],
    "grey": [broken(sees_colour_channels)],
    "transparency": [broken(loses_alpha)],
    "purity": [broken(writes_into_the_input), broken(drifts)],
    "precision": [broken(imprecise)],
    "tiling": [Seamy, broken(ignores_the_budget)],
    "cancel": [broken(never_listens)],
    "errors": [TakesAnything],
    "record": [Forgetful, IgnoresItsSeed],
    "nothing": [DreamsOnItsOwn],
    "films": [OneMemory],
    "threads": [broken(shares_state)],
}


def run(clause, model, request):
    extra = {name: request.getfixturevalue(name) for name in list(inspect.signature(clause).parameters)[2:]}
    clause(model, maker(model), **extra)


@pytest.mark.parametrize("toy", [Toy, Painter])
@pytest.mark.parametrize(
    "clause", [each for each in clauses.clauses_of(Toy) if each.__name__ != "imports"], ids=lambda each: each.__name__
)
def test_a_sound_toy_keeps_every_clause(clause, toy, request):
    run(clause, toy, request)


def test_clauses_take_few_steps_of_what_takes_many():
    heard = []
    with listening(heard.append):
        clauses.grey(Painter, maker(Painter))
    assert {event.total for event in heard if event.unit == "iterations"} == {2}


@pytest.mark.parametrize(("clause", "model"), [(name, model) for name, models in BROKEN.items() for model in models])
def test_a_broken_toy_fails_its_clause(clause, model, request):
    with pytest.raises(AssertionError):
        run(getattr(clauses, clause), model, request)


def test_every_clause_has_a_toy_that_breaks_it():
    # `imports` is broken by this very module, which imports torch; `what` by weights of a toy, below.
    assert {clause.__name__ for clause in clauses.clauses_of(Toy)} == {*BROKEN, "imports", "what"}


@pytest.mark.slow
def test_a_module_that_imports_torch_fails_the_clause():
    with pytest.raises(AssertionError, match="loads torch"):
        clauses.imports(torch.nn.Module, maker(Toy))


class Strange(Toy):
    card = "toy"


def test_weights_that_what_does_not_know_fail_the_clause(home, tmp_path):
    with pytest.raises(AssertionError, match="in the cache"):
        clauses.what(Toy, maker(Toy))
    data = safetensors.numpy.save({"strange.weight": np.ones((2, 2), np.float32)})
    (tmp_path / "toy.safetensors").write_bytes(data)
    toy_card.write(data, f"file:{tmp_path}/toy.safetensors")
    weights.fetch("toy")
    with pytest.raises(AssertionError, match="no network that is known"):
        clauses.what(Strange, maker(Strange))


def test_a_network_that_what_does_not_know_fails_the_clause(tmp_path, monkeypatch):
    row = ARCHITECTURES["hed"][0]
    clauses.recognition("hed", row, tmp_path)
    monkeypatch.setitem(ARCHITECTURES, "hed", (replace(row, keys="unlike"),))
    with pytest.raises(AssertionError, match="not recognised"):
        clauses.recognition("hed", row, tmp_path)
    with pytest.raises(AssertionError, match="no small weights"):
        clauses.recognition("hed", replace(row, builder="hed:build_new"), tmp_path)
