"""What a weights file is: format, network, size, licence – or why it must not be used. Nothing in it is run.

report = what.examine("net.pth")
report.networks[0].network             # "RRDBNet"
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ml4a import weights
from ml4a._core.errors import BadWeights, NotFound, UnsafeWeights
from ml4a._core.files import reason
from ml4a.weights import cache, formats
from ml4a.weights.formats import Archive

from . import _not_weights
from ._facts import counts, facts, printable, shown

if TYPE_CHECKING:
    from ml4a.networks import Recognition

_HALVES = ((".param", ".bin"), (".index", ".data-00000-of-00001"))
"""How the two files of a network are called, after what is the same in both names."""
_WITHOUT_MAGIC = ("safetensors", "onnx", "tf_graph")
"""Formats that do not begin with bytes of their own: other files can look like them."""
_KINDS = {
    "safetensors": "safetensors",
    "torch": "PyTorch checkpoint",
    "stylegan": "Python pickle",
    "ncnn": "ncnn network: a list of its layers (.param) and their weights (.bin)",
    "keras": "Keras weights (HDF5)",
    "onnx": "ONNX network",
    "tf_checkpoint": "TensorFlow checkpoint (.index, .data)",
    "tf_graph": "TensorFlow graph, frozen (GraphDef)",
    "numpy": "NumPy arrays",
    "dlib": "dlib network",
}

_ATTRIBUTES = 40
_LONGEST_REASON = 4000

Verdict = Literal["readable", "unsafe", "broken", "not weights"]


@dataclass(frozen=True, slots=True)
class File:
    """One of the files of a network; most have one."""

    path: str
    size: int
    """In bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Network:
    """A network of ours that the tensors are."""

    name: str
    """As `networks.from_state_dict` takes it."""
    network: str
    """The class."""
    taken_off: str
    """What the keys in the file have in front of the network's own: `"params_ema."`."""
    hyper_parameters: dict[str, Any]
    parameters: int
    """How many numbers it has learnt."""
    fault: str
    """Why the tensors do not fit, if they only look like this network's; else empty."""


@dataclass(frozen=True, slots=True)
class Known:
    """Weights of a card that the file belongs to, known by its SHA-256."""

    weights: str
    """`"model/weights"`, as `weights.fetch` takes it."""
    roles: tuple[str, ...]
    title: str
    licence: str
    licence_source: str
    commercial: str
    """Whether they may be used commercially: `"yes"`, `"no"`, `"unclear"`."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about a file."""

    path: str
    """As it was asked for."""
    files: tuple[File, ...]
    """That, and the other file of the network if it has two; none if it is a folder or a device."""
    verdict: Verdict
    kind: str
    """Of file, in words."""
    reason: str = ""
    """Why it is not readable; of what holds no weights, what to do with it."""
    format: str = ""
    """The name that `weights.formats.read` takes, if it is in one of its formats."""
    networks: tuple[Network, ...] = ()
    tensors: int = 0
    parameters: int = 0
    """Numbers in all tensors together."""
    dtypes: dict[str, int] = field(default_factory=dict)
    """How many tensors there are of each element type."""
    not_finite: tuple[str, ...] = ()
    """Tensors that have NaN or an infinity in them."""
    known: tuple[Known, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    """What else the file says, cut to what can be read."""


def examine(path: str | os.PathLike[str]) -> Report:
    """Find out what a file is, by its content; nothing in it is run, and nothing is written or downloaded.

    Of a network in two files (ncnn's .param and .bin, TensorFlow's .index and .data-00000-of-00001) either may be
    named; the other is looked for beside it, and in the cache if a card knows the first. torch is imported only if
    there are tensors in which a network may be recognised.

    Raises:
        NotFound: there is no such file.
    """
    path = Path(path)
    name = _name(path)
    try:
        path.stat()
        if path.is_file():
            return _examined(path)
        kind, advice = _not_weights.describe(path) or ("", "")
        return Report(name, (), "not weights", printable(kind), advice)
    except FileNotFoundError:
        raise NotFound(f"there is no file {name}") from None
    except OSError as error:
        return Report(name, (), "broken", "a file that cannot be read", reason(error))


def _examined(path: Path) -> Report:
    files = (_file(path),)
    pair = _pair(path, _known(files))
    if pair is not None:
        files = tuple(map(_file, pair))
    source: formats.Source = pair or path
    about = _About(_name(path), files, _known(files))
    format = ""
    try:
        other = None if pair else _not_weights.describe(path)
        if other is None:
            format = formats.identify(source)
            if format in formats.PAIRS and pair is None:
                raise BadWeights(
                    f"its other file is not beside it: a network in this format is {formats.PAIRS[format]}"
                )
            return about.readable(formats.read(source), source)
    except UnsafeWeights as error:
        return about.report("unsafe", _KINDS.get(format, _KINDS["stylegan"]), _plain(error, source), format)
    except BadWeights as error:
        other = _not_weights.guess(path) if format in ("", *_WITHOUT_MAGIC) else None
        if other is None:
            verdict = "broken" if format else "not weights"
            return about.report(
                verdict, _KINDS.get(format, "nothing that is known here"), _plain(error, source), format
            )
    kind, advice = other
    return about.report("not weights", kind, advice)


@dataclass(frozen=True, slots=True)
class _About:
    """What is the same whatever is in the file."""

    path: str
    files: tuple[File, ...]
    known: tuple[Known, ...]

    def report(self, verdict: Verdict, kind: str, reason: str, format: str = "") -> Report:
        text = printable(reason, _LONGEST_REASON)
        return Report(self.path, self.files, verdict, printable(kind), text, format, known=self.known)

    def readable(self, archive: Archive, source: formats.Source) -> Report:
        tensors = archive.tensors.values()
        return Report(
            self.path,
            self.files,
            "readable",
            _kind(archive, source),
            format=archive.format,
            networks=tuple(_networks(archive)),
            tensors=len(tensors),
            parameters=sum(math.prod(tensor.shape) for tensor in tensors),
            dtypes=counts(tensor.dtype for tensor in tensors),
            not_finite=tuple(map(printable, archive.not_finite())),
            known=self.known,
            metadata=_producer(archive, source) | facts(archive),
        )


def _name(path: Path) -> str:
    return printable(str(path), _LONGEST_REASON)


def _file(path: Path) -> File:
    return File(_name(path), path.stat().st_size, cache.sha256_of(path))


def _plain(error: BadWeights, source: formats.Source) -> str:
    """The error's words without the file's name, which is shown anyway."""
    text = str(error)
    for path in source if isinstance(source, tuple) else (source,):
        text = text.removeprefix(f"{path}: ")
    return " ".join(text.split())


# -- Which weights of a card it is -------------------------------------------------------------------------------------


def _known(files: tuple[File, ...]) -> tuple[Known, ...]:
    digests = {file.sha256 for file in files}
    found = []
    for card in weights.cards().values():
        for each in card.weights.values():
            roles = tuple(role for role, file in each.files.items() if file.sha256 in digests)
            if roles:
                spec = f"{card.name}/{each.name}"
                found.append(Known(spec, roles, card.title, each.licence, each.licence_source, each.commercial))
    return tuple(found)


def _pair(path: Path, known: tuple[Known, ...]) -> tuple[Path, Path] | None:
    """The two files of the network that `path` is one of, the one that lists the other's content first."""
    for first, second in _HALVES:
        for own, other in ((first, second), (second, first)):
            if path.name.endswith(own):
                partner = _partner(path, path.name.removesuffix(own) + other, known)
                pair = None if partner is None else (path, partner) if own == first else (partner, path)
                if pair is not None and _lists(pair[0]):
                    return pair
    return None


def _partner(path: Path, name: str, known: tuple[Known, ...]) -> Path | None:
    beside = path.with_name(name)
    if beside.is_file():
        return beside
    # In the cache every file has a folder of its own.
    cached = [file for each in known for file in (weights.find(each.weights) or {}).values()]
    return next((file for file in cached if file.name == name), None)


def _lists(path: Path) -> bool:
    """Whether it is the first file of a pair: any file can be named so, and torch's weights often end in .bin."""
    try:
        return formats.identify(path) in formats.PAIRS
    except BadWeights:
        return False


# -- What is in it -----------------------------------------------------------------------------------------------------


def _kind(archive: Archive, source: formats.Source) -> str:
    if archive.format == "torch":
        with Path(source[0] if isinstance(source, tuple) else source).open("rb") as file:
            zipped = file.read(2) == b"PK"
        return "PyTorch checkpoint (zip archive)" if zipped else "PyTorch checkpoint (stream, from before torch 1.6)"
    if archive.format == "stylegan":
        tensorflow = any(isinstance(each, dict) and "components" in each for each in archive.metadata.values())
        return f"StyleGAN networks, pickled by {'TensorFlow' if tensorflow else 'PyTorch'}"
    if archive.metadata.get("kind") == "shape_predictor" and archive.format == "dlib":
        return f"dlib shape predictor of {archive.tensors['initial_shape'].shape[0]} points"
    about = archive.metadata.get("meta_data")
    if set(archive.tensors) == {"boundary"} and isinstance(about, dict) and "manipulate_layers" in about:
        return "a direction in the space of a generator"
    if _are_attributes(archive):
        return "a direction in the space of a generator for each of CelebA's 40 attributes"
    return _KINDS[archive.format]


def _are_attributes(archive: Archive) -> bool:
    """Whether it is Glow's array of directions: 40 rows of 3·side² numbers."""
    shapes = [tensor.shape for tensor in archive.tensors.values()]
    return archive.format == "numpy" and len(shapes) == 1 and len(shapes[0]) == 2 and _is_a_picture_s(*shapes[0])


def _is_a_picture_s(rows: int, numbers: int) -> bool:
    return rows == _ATTRIBUTES and numbers == 3 * math.isqrt(numbers // 3) ** 2 > 0


def _producer(archive: Archive, source: formats.Source) -> dict[str, str]:
    """Which program wrote an ONNX file."""
    if archive.format != "onnx" or isinstance(source, tuple):
        return {}
    from ml4a.weights.formats.mapped import reading
    from ml4a.weights.formats.protobuf import Message

    with reading(source) as data:
        model = Message(data)
        words = " ".join(filter(None, (model.text(2), model.text(3))))
    return {"producer": printable(words)} if words else {}


def _networks(archive: Archive) -> Iterator[Network]:
    if not archive.tensors:
        return
    from ml4a.networks import recognise

    found: list[Recognition] = []
    for state in _state_dicts(archive):
        found = recognise(state)
        if any(not each.fault for each in found):
            break
    for each in found:
        yield Network(
            each.name,
            each.network,
            printable(each.taken_off),
            shown(each.hyper_parameters),
            each.parameters,
            printable(each.fault),
        )


def _state_dicts(archive: Archive) -> Iterator[dict[str, np.ndarray]]:
    """The tensors as names and shapes, under the names that networks know: a graph's are named after its steps."""
    if archive.format == "onnx":
        from ml4a.networks.style_graph import state_dict_from_graph
        from ml4a.weights.formats.onnx import dequantize

        try:
            graph = dequantize(archive)
            yield state_dict_from_graph(graph.metadata["nodes"], _outlines(graph))
        except (BadWeights, LookupError, IndexError, ValueError):
            pass  # none of the networks whose graphs we know
    if archive.format == "tf_graph":
        from ml4a.networks import glow_layouts

        with contextlib.suppress(BadWeights):
            yield glow_layouts.state_dict_from_graph(archive.metadata["nodes"], archive.arrays())
    yield _outlines(archive)


def _outlines(archive: Archive) -> dict[str, np.ndarray]:
    """Arrays of the tensors' shapes that take no memory."""
    nothing = {"f": np.zeros((), np.float32), "c": np.zeros((), np.complex64)}
    outlines = {}
    for name, tensor in archive.tensors.items():
        kind = "f" if tensor.dtype.startswith(("float", "bfloat")) else tensor.dtype[0]
        outlines[name] = np.broadcast_to(nothing.get(kind, np.zeros((), np.int64)), tensor.shape)
    return outlines
