"""A pipeline's folder, as diffusers saves one: which files of it are weights, and which are looked at at all.

    model_index.json
    scheduler/scheduler_config.json
    text_encoder/config.json, model.safetensors
    tokenizer/…
    unet/config.json, diffusion_pytorch_model.safetensors
    vae/config.json, diffusion_pytorch_model.safetensors

A file's role, on the card and in records, is its place there with a dot for the slash: `unet.config.json`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml4a.plugin import BadWeights, NotFound
from ml4a.weights import File, Weights

INDEX = "model_index.json"
PIPELINES = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline")

_NETWORK = "diffusion_pytorch_model.safetensors"
_NEEDED = {
    "scheduler": ("scheduler_config.json",),
    "text_encoder": ("config.json", "model.safetensors"),
    "unet": ("config.json", _NETWORK),
    "vae": ("config.json", _NETWORK),
}
_TOKENIZER = ("merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json")
_LARGEST_JSON = 1 << 20


def found(place: Path) -> dict[str, Path]:
    """The files of a pipeline by role, the index first.

    Args:
        place: The folder, or the index in it.

    Raises:
        NotFound: there is no such folder, or it holds no pipeline.
        BadWeights: it holds another kind of pipeline, or weights that are no safetensors.
    """
    folder = place.parent if place.name == INDEX else place
    if not (folder / INDEX).is_file():
        raise NotFound(f"{place} is no folder of a pipeline: it has no {INDEX}; name one that diffusers has saved")
    kind = read_json(folder / INDEX).get("_class_name")
    if kind not in PIPELINES:
        raise BadWeights(f"a pipeline of the kind {str(kind)[:80]!r}, where one of {', '.join(PIPELINES)} is due")
    files = {INDEX: folder / INDEX}
    for part, names in _NEEDED.items():
        for name in names:
            if not (folder / part / name).is_file():
                raise BadWeights(f"has no {part}/{name}{_advice(folder / part, name)}")
            files[f"{part}.{name}"] = folder / part / name
    tokenizer = {f"tokenizer.{name}": folder / "tokenizer" / name for name in _TOKENIZER}
    files |= {role: path for role, path in tokenizer.items() if path.is_file()}
    if not any(role.startswith("tokenizer.") for role in files):
        raise BadWeights("has no tokenizer")
    return files


def as_weights(place: Path, files: Mapping[str, Path]) -> Weights:
    """The files as a card would have them, each with its SHA-256, for records."""
    return Weights(
        name=re.sub(r"[^A-Za-z0-9_.-]+", "_", place.resolve().name).strip("._-")[:64] or "weights",
        licence="unknown",
        licence_source="a folder of your own",
        commercial="unclear",
        files={role: _file(path) for role, path in files.items()},
    )


@contextlib.contextmanager
def laid_out(files: Mapping[str, Path]) -> Iterator[Path]:
    """The files by role as a folder of links, which has these and nothing else."""
    with tempfile.TemporaryDirectory(prefix="ml4a-imagine-", ignore_cleanup_errors=True) as folder:
        for role, path in files.items():
            target = Path(folder) / role.removesuffix(path.name).removesuffix(".") / path.name
            target.parent.mkdir(exist_ok=True)
            try:
                target.symlink_to(path.resolve())
            except OSError:  # Windows lets not everybody make links
                shutil.copyfile(path, target)
        yield Path(folder)


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON file that holds a table.

    Raises:
        BadWeights: it holds something else.
    """
    with path.open("rb") as file:
        data = file.read(_LARGEST_JSON + 1)
    try:
        table = json.loads(data) if len(data) <= _LARGEST_JSON else None
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise BadWeights(f"{path.name} is no table in JSON")
    return table


def _advice(part: Path, name: str) -> str:
    others = [each.name for each in part.glob("*") if each.suffix in (".bin", ".safetensors")]
    if not name.endswith(".safetensors") or not others:
        return ""
    return f", only {', '.join(sorted(others)[:3])}; save the pipeline anew with safe_serialization=True"


def _file(path: Path) -> File:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    kind = "safetensors" if path.suffix == ".safetensors" else "text"
    return File(path.name, kind, (f"file:{path.name}",), path.stat().st_size or None, sha256)
