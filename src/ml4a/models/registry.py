"""The models by name, and the verbs that they give the command line.

Other packages add models with the entry-point group `ml4a.models`. Their names and verbs are known by their metadata
and cards; one is imported when it is asked for by name.
"""

from __future__ import annotations

import functools
import importlib
import os
from dataclasses import dataclass
from typing import Any

from ml4a._core.devices import say_once
from ml4a._core.errors import BadPlugin, BadValue, UnknownName
from ml4a.weights import card_files, plugins

from . import _plugins
from ._base import Model
from ._operation import Operation

BUILT_IN = {
    "fast_style": "ml4a.models.fast_style:FastStyle",
    "real_esrgan": "ml4a.models.real_esrgan:RealESRGAN",
    "esrgan": "ml4a.models.esrgan:ESRGAN",
    "hed": "ml4a.models.hed:HED",
    "photosketch": "ml4a.models.photosketch:PhotoSketch",
    "cartoonization": "ml4a.models.cartoonization:Cartoonization",
    "basnet": "ml4a.models.basnet:BASNet",
    "semantic_segmentation": "ml4a.models.semantic_segmentation:SemanticSegmentation",
    "face_parsing": "ml4a.models.face_parsing:FaceParsing",
    "spade": "ml4a.models.spade:SPADE",
    "flownet": "ml4a.models.flownet:FlowNet",
    "face": "ml4a.models.face:Faces",
    "speech": "ml4a.models.speech:Speech",
    "tacotron2": "ml4a.models.tacotron2:Tacotron2",
    "wav2lip": "ml4a.models.wav2lip:Wav2Lip",
    "stylegan": "ml4a.models.stylegan:StyleGAN",
    "stylegan3": "ml4a.models.stylegan3:StyleGAN3",
    "idinvert": "ml4a.models.idinvert:IDInvert",
    "glow": "ml4a.models.glow:Glow",
    "taming_transformers": "ml4a.models.taming_transformers:TamingTransformers",
    "style_transfer": "ml4a.models.style_transfer:StyleTransfer",
    "deepdream": "ml4a.models.deepdream:DeepDream",
    "torch_dreams": "ml4a.models.torch_dreams:TorchDreams",
    "neural_style": "ml4a.models.neural_style:NeuralStyle",
}
"""Name → class. Where several models share a verb, the first one here is the verb's default."""


@dataclass(frozen=True)
class Verb:
    """One task of the command line: a model's operation."""

    name: str
    model: str
    known: Operation | None = None
    """The operation, where it is known already."""
    summary: str = ""
    """Of a plug-in's verb, what its card says."""

    @functools.cached_property
    def operation(self) -> Operation:
        """What it does; for this, a plug-in is imported.

        Raises:
            BadPlugin: the plug-in does not work, or has no such operation.
        """
        if self.known is not None:
            return self.known
        for about in model_class(self.model).operations().values():
            if about.verb == self.name:
                return about
        whose = plugins.installed()[self.model].distribution
        raise BadPlugin(f"{self.model} of {whose} has no operation of the verb {self.name}, which its card tells of")

    @property
    def of_plugin(self) -> bool:
        """Whether another package brings it."""
        return self.model not in BUILT_IN


def names() -> list[str]:
    """The names that `load` knows, built-in ones first."""
    return [*BUILT_IN, *plugins.installed()]


@functools.cache
def model_class(name: str) -> type[Model]:
    """The class of a model, imported now.

    Raises:
        UnknownName: there is no such model.
        BadPlugin: a plug-in brings it, and cannot be used.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    if name not in plugins.installed():
        raise UnknownName("model", name, names())
    return _plugins.imported(plugins.installed()[name])


def load(name: str, weights: str | os.PathLike[str] = "default", **options: Any) -> Any:
    """The model `name` with pretrained weights: `ml4a.load("real_esrgan", weights="anime", device="cuda")`.

    A path to a weights file will do as well: `ml4a.load("esrgan", weights="4x-Remacri.pth")`.

    The options are those of `Model.from_pretrained`.
    """
    return model_class(name).from_pretrained(weights, **options)


@functools.cache
def verbs() -> dict[str, list[Verb]]:
    """The verbs, each with the models that do it, the default one first. No plug-in is imported for it."""
    found: dict[str, list[Verb]] = {}
    for name in BUILT_IN:
        for operation in model_class(name).operations().values():
            if operation.verb is not None:
                found.setdefault(operation.verb, []).append(Verb(operation.verb, name, operation))
    for plugin in plugins.installed().values():
        try:
            about = card_files.of_plugin(plugin)
        except BadValue as error:
            say_once(f"left out: {error}")
            continue
        for verb in about.verbs:
            found.setdefault(verb, []).append(Verb(verb, plugin.name, summary=about.summary))
    return found
