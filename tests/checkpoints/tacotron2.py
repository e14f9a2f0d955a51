"""Tacotron 2: a bare state dict. WaveGlow: the module itself, pickled, as torch of before 1.2 did it.

PyTorch Hub has both as state dicts below `module.`, with what training needs beside them.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import containers
import numpy as np
from layers import Shapes, batch_norm
from torch import nn
from torch.nn.utils.weight_norm import WeightNorm

FRAMES = 20
"""That each text takes: see `counting`."""
SIZES = (8, 8, 8, 8, 6, 6, 6, 6, 4, 4, 4, 4)


def reader_shapes(
    symbols: int = 148,
    embedding: int = 512,
    convolutions: int = 3,
    kernel: int = 5,
    encoder: int = 256,
    prenet: Sequence[int] = (256, 256),
    attention_rnn: int = 1024,
    attention: int = 128,
    filters: int = 32,
    span: int = 31,
    decoder_rnn: int = 1024,
    mels: int = 80,
    postnet: Sequence[int] = (512, 512, 512, 512),
    postnet_kernel: int = 5,
) -> Shapes:
    """Every key that the original's network has."""
    memory, look = 2 * encoder, "decoder.attention_layer"
    found: Shapes = {"embedding.weight": (symbols, embedding)}
    for layer in range(convolutions):
        found |= _normalised(f"encoder.convolutions.{layer}", embedding, embedding, kernel)
    for way in ("", "_reverse"):
        found |= _lstm("encoder.lstm", embedding, encoder, f"_l0{way}")
    for layer, (given, size) in enumerate(pairwise((mels, *prenet))):
        found[f"decoder.prenet.layers.{layer}.linear_layer.weight"] = (size, given)
    found |= _lstm("decoder.attention_rnn", prenet[-1] + memory, attention_rnn)
    found[f"{look}.query_layer.linear_layer.weight"] = (attention, attention_rnn)
    found[f"{look}.memory_layer.linear_layer.weight"] = (attention, memory)
    found[f"{look}.v.linear_layer.weight"] = (1, attention)
    found[f"{look}.location_layer.location_conv.conv.weight"] = (filters, 2, span)
    found[f"{look}.location_layer.location_dense.linear_layer.weight"] = (attention, filters)
    found |= _lstm("decoder.decoder_rnn", attention_rnn + memory, decoder_rnn)
    for name, size in (("linear_projection", mels), ("gate_layer", 1)):
        found[f"decoder.{name}.linear_layer.weight"] = (size, decoder_rnn + memory)
        found[f"decoder.{name}.linear_layer.bias"] = (size,)
    for layer, (given, size) in enumerate(pairwise((mels, *postnet, mels))):
        found |= _normalised(f"postnet.convolutions.{layer}", given, size, postnet_kernel)
    return found


def vocoder_shapes(
    mels: int = 80,
    sizes: Sequence[int] = SIZES,
    layers: int = 8,
    channels: int = 256,
    kernel: int = 3,
    window: int = 1024,
) -> Shapes:
    """Every key that WaveGlow has."""
    found: Shapes = {"upsample.weight": (mels, mels, window), "upsample.bias": (mels,)}
    for flow, size in enumerate(sizes):
        name = f"WN.{flow}"
        for layer in range(layers):
            found |= _weighed(f"{name}.in_layers.{layer}", channels, 2 * channels, kernel)
            out = channels if layer == layers - 1 else 2 * channels
            found |= _weighed(f"{name}.res_skip_layers.{layer}", channels, out)
        found |= _weighed(f"{name}.start", size // 2, channels)
        found |= {f"{name}.end.weight": (size, channels, 1), f"{name}.end.bias": (size,)}
        found |= _weighed(f"{name}.cond_layer", mels * sizes[0], 2 * channels * layers)
        found[f"convinv.{flow}.conv.weight"] = (size, size, 1)
    return found


def invertible(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A WaveGlow whose sound neither grows nor vanishes from flow to flow."""
    tamed = dict(state)
    for key, array in state.items():
        if key.startswith("convinv."):
            tamed[key] = np.eye(len(array), dtype=np.float32)[:, :, None] + np.float32(0.3) * array
        elif ".end." in key:
            tamed[key] = array * np.float32(0.1)
    return tamed


def counting(state: Mapping[str, np.ndarray], frames: float = FRAMES) -> dict[str, np.ndarray]:
    """A Tacotron 2 that comes to its end after so many frames: one cell of an LSTM counts them."""
    counted = {key: array.copy() for key, array in state.items()}
    rnn, gate = "decoder.decoder_rnn", "decoder.gate_layer.linear_layer"
    size = counted[f"{rnn}.weight_hh"].shape[1]
    for row, bias in zip(range(0, 4 * size, size), (20, 20, math.atanh(1 / FRAMES), 20), strict=True):
        counted[f"{rnn}.weight_ih"][row] = counted[f"{rnn}.weight_hh"][row] = counted[f"{rnn}.bias_hh"][row] = 0
        counted[f"{rnn}.bias_ih"][row] = bias
    counted[f"{gate}.weight"][:] = 0
    counted[f"{gate}.weight"][0, 0] = 100
    counted[f"{gate}.bias"][:] = -100 * math.tanh((frames - 0.5) / FRAMES)
    return counted


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As the originals' authors published them, by the file's name."""
    state = counting(state) if role == "reader" else invertible(state)
    tensors = containers.tensors(state)
    if path.name.startswith("nvidia_"):
        below = {f"module.{key}": tensor for key, tensor in tensors.items()}
        config = {"n_mel_channels": 80, "encoder_kernel_size": 5}
        return containers.save_stream(path, {"epoch": 1500, "config": config, "state_dict": OrderedDict(below)})
    if role == "reader":
        return containers.save_stream(path, {"state_dict": OrderedDict(tensors)})
    return save_module(path, tensors)


def save_module(path: Path, tensors: Mapping[str, Any], *, stream: bool = True) -> Path:
    """WaveGlow as its training pickled it: {'model': the module}."""
    classes = {
        "glow": {"WaveGlow": _WaveGlow, "WN": _WN, "Invertible1x1Conv": _Invertible1x1Conv},
        "torch.nn.backends.thnn": {"_get_thnn_function_backend": _get_thnn_function_backend},
    }
    value = {"model": _module(tensors), "iteration": 580_000, "learning_rate": 1e-4}
    return containers.save_module(path, value, classes, stream=stream)


class _WaveGlow(nn.Module):
    n_flows = 12


class _WN(nn.Module):
    n_layers = 8


class _Invertible1x1Conv(nn.Module):
    pass


def _get_thnn_function_backend() -> None:
    raise AssertionError("nothing of a pickle is to be called")


class _Backend:
    """What modules of before torch 1.2 have as their `_backend`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _get_thnn_function_backend, ()


_KINDS: dict[str, type[nn.Module]] = {
    "": _WaveGlow,
    "upsample": nn.ConvTranspose1d,
    "WN": nn.ModuleList,
    "convinv": nn.ModuleList,
    "in_layers": nn.ModuleList,
    "res_skip_layers": nn.ModuleList,
}


def _module(tensors: Mapping[str, Any]) -> nn.Module:
    root = _empty(_WaveGlow)
    for key, tensor in tensors.items():
        *parts, last = key.split(".")
        module = root
        for depth, part in enumerate(parts):
            if part not in module._modules:
                kind = _KINDS.get(part, nn.Conv1d)
                if depth == 1:
                    kind = _WN if parts[0] == "WN" else _Invertible1x1Conv
                module._modules[part] = _empty(kind)
            module = module._modules[part]
            assert module is not None
        module._parameters[last] = nn.Parameter(tensor)
        if last == "weight_g":
            module._forward_pre_hooks[0] = WeightNorm("weight", 0)
            module.weight = tensor.new_zeros(3)  # what the hook computed last: no parameter
    return root


def _empty(kind: type[nn.Module]) -> Any:
    module = kind.__new__(kind)
    nn.Module.__init__(module)
    module.__dict__ |= {"_backend": _Backend(), "in_channels": 3, "padding_mode": "zeros", "kernel_size": (1,)}
    return module


def _normalised(name: str, channels: int, filters: int, kernel: int) -> Shapes:
    conv = {f"{name}.0.conv.weight": (filters, channels, kernel), f"{name}.0.conv.bias": (filters,)}
    return conv | batch_norm(f"{name}.1", filters)


def _lstm(name: str, given: int, size: int, ending: str = "") -> Shapes:
    kernels: Shapes = {f"{name}.weight_ih{ending}": (4 * size, given), f"{name}.weight_hh{ending}": (4 * size, size)}
    return kernels | {f"{name}.bias_{kind}{ending}": (4 * size,) for kind in ("ih", "hh")}


def _weighed(name: str, channels: int, filters: int, kernel: int = 1) -> Shapes:
    """Of a convolution with weight normalisation."""
    return {
        f"{name}.bias": (filters,),
        f"{name}.weight_g": (filters, 1, 1),
        f"{name}.weight_v": (filters, channels, kernel),
    }


_SMALL_READER: dict[str, Any] = {
    "symbols": 148,
    "embedding": 12,
    "convolutions": 2,
    "kernel": 3,
    "encoder": 5,
    "prenet": [7, 9],
    "attention_rnn": 11,
    "attention": 6,
    "filters": 4,
    "span": 7,
    "decoder_rnn": 13,
    "mels": 10,
    "postnet": [8, 14],
    "postnet_kernel": 3,
}
_SMALL_VOCODER: dict[str, Any] = {
    "mels": 10,
    "sizes": [8, 8, 6, 4],
    "layers": 3,
    "channels": 8,
    "kernel": 3,
    "window": 1024,
}
_SMALL = {"reader": reader_shapes(**_SMALL_READER), "vocoder": vocoder_shapes(**_SMALL_VOCODER)}

OFFICIAL = {"ljspeech": {"reader": reader_shapes(), "vocoder": vocoder_shapes()}}
SMALL = {"ljspeech": _SMALL, "torchhub": _SMALL}
NETWORKS = {"tacotron2:build": _SMALL["reader"], "waveglow:build": _SMALL["vocoder"]}
HYPER_PARAMETERS = {"Tacotron2": _SMALL_READER, "WaveGlow": _SMALL_VOCODER}
