"""Wav2Lip: what training saved, optimiser and all, its keys in those of DataParallel; SyncNet likewise."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import containers
import numpy as np
from layers import Shapes, convolution, normalised

WIDTHS = (16, 32, 64, 128, 256, 512, 512)
REPEATS = (0, 2, 3, 2, 2, 1)
DECODED = (512, 512, 512, 384, 256, 128, 64)
DECODED_REPEATS = (0, 1, 2, 2, 2, 2, 2)
AUDIO = (32, 64, 128, 256, 512)
AUDIO_REPEATS = (2, 2, 2, 1)
MOUTHS = (32, 64, 128, 256, 512, 512)
MOUTHS_REPEATS = (0, 2, 3, 2, 2)


def shapes(
    widths: Sequence[int] = WIDTHS,
    repeats: Sequence[int] = REPEATS,
    decoded: Sequence[int] = DECODED,
    decoded_repeats: Sequence[int] = DECODED_REPEATS,
    audio: Sequence[int] = AUDIO,
    audio_repeats: Sequence[int] = AUDIO_REPEATS,
    painted: int = 32,
) -> Shapes:
    """Every key that the original's generator has."""
    found: Shapes = {}
    for level, (width, number) in enumerate(zip(widths[:-1], repeats, strict=True)):
        given = widths[level - 1] if level else 6
        found |= _row(f"face_encoder_blocks.{level}", given, width, number, 3 if level else 7)
    found |= _block(f"face_encoder_blocks.{len(repeats)}.0", widths[-2], widths[-1])
    found |= _block(f"face_encoder_blocks.{len(repeats)}.1", widths[-1], widths[-1], 1)
    found |= _audio(audio, audio_repeats)
    found |= _row("face_decoder_blocks.0", audio[-1], decoded[0], decoded_repeats[0], 1)
    for level in range(1, len(decoded)):
        name, given = f"face_decoder_blocks.{level}", decoded[level - 1] + widths[-level]
        found |= _row(name, given, decoded[level], decoded_repeats[level])
        found[f"{name}.0.conv_block.0.weight"] = (given, decoded[level], 3, 3)
    found |= _block("output_block.0", decoded[-1] + widths[0], painted)
    return found | convolution("output_block.1", painted, 3, 1)


def expert_shapes(
    frames: int = 5,
    widths: Sequence[int] = MOUTHS,
    repeats: Sequence[int] = MOUTHS_REPEATS,
    audio: Sequence[int] = AUDIO,
    audio_repeats: Sequence[int] = (2, 2, 2, 2),
) -> Shapes:
    """Every key that SyncNet has."""
    last = widths[-1]
    sides = (7, 5, 3, 3, 3)
    stages = list(zip((3 * frames, *widths), widths, sides, repeats, strict=False))
    return _in_a_row("face_encoder", stages, [(widths[-2], last, 3), (last, last, 3), (last, last, 1)]) | _audio(
        audio, audio_repeats
    )


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As the originals' training wrote them: streams of torch before 1.6."""
    tensors = containers.tensors(state)
    trained: dict[str, Any] = {
        "state_dict": {f"module.{key}": tensor for key, tensor in tensors.items()},
        "optimizer": _optimizer(state),
        "global_step": 255_000,
        "global_epoch": 13,
    }
    return containers.save_stream(path, trained)


def _optimizer(state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What Adam remembers: twice as much as it has trained."""
    trained = [key for key in state if key.endswith(("weight", "bias"))]
    arrays = {key: np.zeros_like(state[key]) for key in trained}
    moments = [{"exp_avg": each, "exp_avg_sq": each.clone()} for each in containers.tensors(arrays).values()]
    state_of = {number: {"step": 255_000, **moment} for number, moment in enumerate(moments)}
    group = {"lr": 1e-4, "betas": (0.5, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False}
    return {"state": state_of, "param_groups": [{**group, "params": list(state_of)}]}


def _audio(widths: Sequence[int], repeats: Sequence[int]) -> Shapes:
    stages = [(given, width, 3, number) for given, width, number in zip((1, *widths), widths, repeats, strict=False)]
    return _in_a_row("audio_encoder", stages, [(widths[-2], widths[-1], 3), (widths[-1], widths[-1], 1)])


def _in_a_row(name: str, stages: Sequence[tuple[int, int, int, int]], behind: Sequence[tuple[int, int, int]]) -> Shapes:
    layers = [
        layer
        for given, width, side, number in stages
        for layer in ((given, width, side), *itertools.repeat((width, width, 3), number))
    ]
    found: Shapes = {}
    for place, (given, width, side) in enumerate((*layers, *behind)):
        found |= _block(f"{name}.{place}", given, width, side)
    return found


def _row(name: str, given: int, width: int, number: int, side: int = 3) -> Shapes:
    found = _block(f"{name}.0", given, width, side)
    for place in range(1, number + 1):
        found |= _block(f"{name}.{place}", width, width)
    return found


def _block(name: str, channels: int, filters: int, side: int = 3) -> Shapes:
    return normalised(f"{name}.conv_block.0", f"{name}.conv_block.1", channels, filters, side, bias=True)


_SMALL: dict[str, Any] = {
    "widths": [4, 5, 6, 7, 8],
    "repeats": [1, 0, 1, 2],
    "decoded": [7, 8, 6, 5, 4],
    "decoded_repeats": [1, 0, 1, 2, 0],
    "audio": [3, 4, 5, 6, 8],
    "audio_repeats": [1, 0, 2, 1],
    "painted": 9,
}
_SMALL_EXPERT: dict[str, Any] = {
    "frames": 3,
    "widths": [4, 5, 6, 7, 8, 10],
    "repeats": [1, 0, 2, 1, 0],
    "audio": [3, 4, 5, 6, 10],
    "audio_repeats": [0, 1, 2, 1],
}

OFFICIAL = {"gan": {"network": shapes()}, "exact": {"network": shapes()}}
SMALL = {"gan": {"network": shapes(**_SMALL)}}
NETWORKS = {
    "wav2lip:build": shapes(**_SMALL),
    "syncnet:build": expert_shapes(**_SMALL_EXPERT),
}
HYPER_PARAMETERS = {"Wav2Lip": _SMALL, "SyncNet": _SMALL_EXPERT}
