"""StyleGAN2: pickles of StyleGAN2-ADA's modules, pickles of TensorFlow's networks, and rosinality's state dicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
from layers import Shapes

WIDTHS = (512, 512, 512, 512, 512, 256, 128, 64, 32)
"""Channels at 4 pixels, at 8, … of 1024 pixels."""
FILTER = np.outer((1, 3, 3, 1), (1, 3, 3, 1)).astype(np.float32) / 64


def generator(
    widths: Sequence[int] = WIDTHS,
    mapped: Sequence[int] = (512,) * 8,
    z_dim: int = 512,
    c_dim: int = 0,
    architecture: str = "skip",
    *,
    noisy: bool = True,
    channels: int = 3,
) -> Shapes:
    """Every key of StyleGAN2-ADA's `Generator`."""
    w_dim = mapped[-1]
    found: Shapes = {"mapping.w_avg": (w_dim,)} | _mapping(mapped, z_dim, c_dim, w_dim)
    for number, made in enumerate(widths):
        resolution, block = 4 << number, f"synthesis.b{4 << number}"
        found[f"{block}.resample_filter"] = (4, 4)
        if not number:
            found[f"{block}.const"] = (made, 4, 4)
        for conv, given in _convolutions(widths, number).items():
            found |= _styled(f"{block}.{conv}", given, made, 3, w_dim)
            found[f"{block}.{conv}.resample_filter"] = (4, 4)
            if noisy:
                found[f"{block}.{conv}.noise_const"] = (resolution, resolution)
                found[f"{block}.{conv}.noise_strength"] = ()
        if architecture == "skip" or number == len(widths) - 1:
            found |= _styled(f"{block}.torgb", made, channels, 1, w_dim)
        if architecture == "resnet" and number:
            found[f"{block}.skip.weight"] = (made, widths[number - 1], 1, 1)
            found[f"{block}.skip.resample_filter"] = (4, 4)
    return found


def discriminator(
    widths: Sequence[int] = WIDTHS,
    mapped: Sequence[int] = (512,) * 8,
    c_dim: int = 0,
    architecture: str = "resnet",
    *,
    deviations: int = 1,
    channels: int = 3,
) -> Shapes:
    """Every key of StyleGAN2-ADA's `Discriminator`."""
    found: Shapes = {}
    for number in range(len(widths) - 1, 0, -1):
        block, made, handed_on = f"b{4 << number}", widths[number], widths[number - 1]
        found[f"{block}.resample_filter"] = (4, 4)
        if architecture == "skip" or number == len(widths) - 1:
            found |= _convolution(f"{block}.fromrgb", channels, made, 1)
        found |= _convolution(f"{block}.conv0", made, made, 3) | _convolution(f"{block}.conv1", made, handed_on, 3)
        if architecture == "resnet":
            found |= {f"{block}.skip.weight": (handed_on, made, 1, 1), f"{block}.skip.resample_filter": (4, 4)}
    width = widths[0]
    if c_dim:
        found |= _mapping(mapped, 0, c_dim, mapped[-1])
    if architecture == "skip":
        found |= _convolution("b4.fromrgb", channels, width, 1)
    found |= _convolution("b4.conv", width + deviations, width, 3)
    found |= {"b4.fc.weight": (width, 16 * width), "b4.fc.bias": (width,)}
    return found | {"b4.out.weight": (mapped[-1] if c_dim else 1, width), "b4.out.bias": (mapped[-1] if c_dim else 1,)}


def tensorflow(widths: Sequence[int], mapped: Sequence[int], z_dim: int, architecture: str = "skip") -> Shapes:
    """Every variable of TensorFlow's `Gs`, without labels."""
    w_dim = mapped[-1]
    found: Shapes = {"lod": (), "dlatent_avg": (w_dim,), "synthesis/4x4/Const/const": (1, widths[0], 4, 4)}
    given = z_dim
    for number, made in enumerate(mapped):
        found |= {f"mapping/Dense{number}/weight": (given, made), f"mapping/Dense{number}/bias": (made,)}
        given = made
    noise = 0
    for number, made in enumerate(widths):
        resolution, names = 4 << number, {"conv0": "Conv0_up", "conv1": "Conv1" if number else "Conv"}
        block = f"synthesis/{resolution}x{resolution}"
        for conv, given in _convolutions(widths, number).items():
            found |= _styled_tensorflow(f"{block}/{names[conv]}", given, made, 3, w_dim)
            found |= {
                f"{block}/{names[conv]}/noise_strength": (),
                f"synthesis/noise{noise}": (1, 1, resolution, resolution),
            }
            noise += 1
        if architecture == "skip" or number == len(widths) - 1:
            found |= _styled_tensorflow(f"{block}/ToRGB", made, 3, 1, w_dim)
        if architecture == "resnet" and number:
            found[f"{block}/Skip/weight"] = (1, 1, widths[number - 1], made)
    return found


def discriminator_tensorflow(widths: Sequence[int] = WIDTHS) -> Shapes:
    """Every variable of TensorFlow's `D`, without labels."""
    found: Shapes = {}
    for number in range(len(widths) - 1, 0, -1):
        block, made, handed_on = f"{4 << number}x{4 << number}", widths[number], widths[number - 1]
        if number == len(widths) - 1:
            found |= {f"{block}/FromRGB/weight": (1, 1, 3, made), f"{block}/FromRGB/bias": (made,)}
        found |= {f"{block}/Conv0/weight": (3, 3, made, made), f"{block}/Conv0/bias": (made,)}
        found |= {f"{block}/Conv1_down/weight": (3, 3, made, handed_on), f"{block}/Conv1_down/bias": (handed_on,)}
        found[f"{block}/Skip/weight"] = (1, 1, made, handed_on)
    width = widths[0]
    found |= {"4x4/Conv/weight": (3, 3, width + 1, width), "4x4/Conv/bias": (width,)}
    found |= {"4x4/Dense0/weight": (16 * width, width), "4x4/Dense0/bias": (width,)}
    return found | {"Output/weight": (width, 1), "Output/bias": (1,)}


def rosinality(widths: Sequence[int] = WIDTHS, w_dim: int = 512, depth: int = 8) -> Shapes:
    """Every key of rosinality's `Generator`."""
    found: Shapes = {"input.input": (1, widths[0], 4, 4)}
    for number in range(1, depth + 1):
        found |= {f"style.{number}.weight": (w_dim, w_dim), f"style.{number}.bias": (w_dim,)}
    noise = 0
    for number, made in enumerate(widths):
        resolution, names = 4 << number, {"conv0": f"convs.{2 * number - 2}", "conv1": f"convs.{2 * number - 1}"}
        for conv, given in _convolutions(widths, number).items():
            name = names[conv] if number else "conv1"
            found |= _modulated(name, given, made, 3, w_dim)
            found |= {f"{name}.noise.weight": (1,), f"{name}.activate.bias": (made,)}
            if conv == "conv0":
                found[f"{name}.conv.blur.kernel"] = (4, 4)
            found[f"noises.noise_{noise}"] = (1, 1, resolution, resolution)
            noise += 1
        name = f"to_rgbs.{number - 1}" if number else "to_rgb1"
        found |= _modulated(name, made, 3, 1, w_dim) | {f"{name}.bias": (1, 3, 1, 1)}
        if number:
            found[f"{name}.upsample.kernel"] = (4, 4)
    return found


def discriminator_rosinality(widths: Sequence[int] = WIDTHS) -> Shapes:
    """Every key of rosinality's `Discriminator`."""
    last = len(widths) - 1
    found: Shapes = {"convs.0.0.weight": (widths[last], 3, 1, 1), "convs.0.1.bias": (widths[last],)}
    for number in range(1, last + 1):
        block, made, handed_on = f"convs.{number}", widths[last - number + 1], widths[last - number]
        found |= {f"{block}.conv1.0.weight": (made, made, 3, 3), f"{block}.conv1.1.bias": (made,)}
        found |= {f"{block}.conv2.0.kernel": (4, 4), f"{block}.skip.0.kernel": (4, 4)}
        found |= {f"{block}.conv2.1.weight": (handed_on, made, 3, 3), f"{block}.conv2.2.bias": (handed_on,)}
        found[f"{block}.skip.1.weight"] = (handed_on, made, 1, 1)
    width = widths[0]
    found |= {"final_conv.0.weight": (width, width + 1, 3, 3), "final_conv.1.bias": (width,)}
    found |= {"final_linear.0.weight": (width, 16 * width), "final_linear.0.bias": (width,)}
    return found | {"final_linear.1.weight": (1, width), "final_linear.1.bias": (1,)}


def filled(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights as a training begins with them, StyleGAN2-ADA's: pictures come out that differ from each other."""
    return {key: _filled(key, array) for key, array in state.items()}


def _filled(key: str, array: np.ndarray) -> np.ndarray:
    if key.endswith("resample_filter"):
        return FILTER
    if key.endswith("noise_strength"):
        return np.full((), 0.1, np.float32)
    if array.ndim > 1:
        array = array * np.float32(math.sqrt(math.prod(array.shape[1:])))
    if key.endswith(".affine.bias"):
        array = array + 1
    return array * 100 if "mapping.fc" in key else array


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """The pickle of PyTorch, or where there is a `Gs` that of TensorFlow."""
    networks = {name: _below(name, state) for name in ("G_ema", "D", "Gs")}
    if networks["Gs"]:
        build = "training.networks_stylegan2.G_main"
        averaged = containers.tensorflow_network("Gs", build, _filled_tensorflow(networks["Gs"]), resolution=256)
        judge = containers.tensorflow_network("D", "training.networks_stylegan2.D_stylegan2", networks["D"])
        return containers.save_stylegan_tf(path, averaged, judge, averaged)
    modules = {
        "D": containers.persistent(filled(networks["D"]), "Discriminator"),
        "G_ema": containers.persistent(filled(networks["G_ema"]), synthesis_kwargs={"conv_clamp": 256}),
    }
    return containers.save_stylegan(path, training_set_kwargs=None, augment_pipe=None, **modules)


def _filled_tensorflow(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = {}
    for key, array in state.items():
        if key.endswith("noise_strength"):
            array = np.full((), 0.1, np.float32)
        elif array.ndim > 1:
            array = array * np.float32(math.sqrt(math.prod(array.shape[1:])))
        found[key] = array * 100 if key.startswith("mapping/Dense") else array
    return found


def _below(name: str, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key.removeprefix(f"{name}."): array for key, array in state.items() if key.startswith(f"{name}.")}


def _convolutions(widths: Sequence[int], number: int) -> dict[str, int]:
    """Of a block, with the channels that each is given."""
    return {"conv0": widths[number - 1], "conv1": widths[number]} if number else {"conv1": widths[0]}


def _mapping(mapped: Sequence[int], z_dim: int, c_dim: int, embedded: int) -> Shapes:
    found: Shapes = {}
    given = z_dim
    if c_dim:
        found |= {"mapping.embed.weight": (embedded, c_dim), "mapping.embed.bias": (embedded,)}
        given += embedded
    for number, made in enumerate(mapped):
        found |= {f"mapping.fc{number}.weight": (made, given), f"mapping.fc{number}.bias": (made,)}
        given = made
    return found


def _convolution(name: str, given: int, made: int, side: int) -> Shapes:
    shapes: Shapes = {f"{name}.weight": (made, given, side, side), f"{name}.bias": (made,)}
    return shapes | {f"{name}.resample_filter": (4, 4)}


def _styled(name: str, given: int, made: int, side: int, w_dim: int) -> Shapes:
    shapes: Shapes = {f"{name}.weight": (made, given, side, side), f"{name}.bias": (made,)}
    return shapes | {f"{name}.affine.weight": (given, w_dim), f"{name}.affine.bias": (given,)}


def _styled_tensorflow(name: str, given: int, made: int, side: int, w_dim: int) -> Shapes:
    shapes: Shapes = {f"{name}/weight": (side, side, given, made), f"{name}/bias": (made,)}
    return shapes | {f"{name}/mod_weight": (w_dim, given), f"{name}/mod_bias": (given,)}


def _modulated(name: str, given: int, made: int, side: int, w_dim: int) -> Shapes:
    shapes: Shapes = {f"{name}.conv.weight": (1, made, given, side, side)}
    return shapes | {f"{name}.conv.modulation.weight": (given, w_dim), f"{name}.conv.modulation.bias": (given,)}


def _parts(**networks: Shapes) -> Shapes:
    return {f"{name}.{key}": shape for name, shapes in networks.items() for key, shape in shapes.items()}


_SMALL = (9, 8, 6, 5)
_MAPPED = (10, 11)
_CHURCHES = WIDTHS[:7]

OFFICIAL = {
    "ffhq": {"network": _parts(G_ema=generator(), D=discriminator())},
    "churches": {"network": _parts(Gs=tensorflow(_CHURCHES, (512,) * 8, 512), D=discriminator_tensorflow(_CHURCHES))},
    "cifar10": {
        "network": _parts(
            G_ema=generator((512,) * 4, (512,) * 2, c_dim=10),
            D=discriminator((512,) * 4, (512,) * 8, 10, "orig"),
        )
    },
}
SMALL = {"ffhq": {"network": _parts(G_ema=generator(_SMALL, _MAPPED, 12), D=discriminator(_SMALL, _MAPPED))}}
NETWORKS = {
    "stylegan2:build": generator(_SMALL, (11, 11), 11),
    "stylegan2_layouts:build_tensorflow": tensorflow(_SMALL, (11, 11), 11),
    "stylegan2_layouts:build_rosinality": {**rosinality(_SMALL, 11, 2), "latent_avg": (11,)},
    "stylegan2_discriminator:build": discriminator(_SMALL),
    "stylegan2_layouts:build_discriminator_tensorflow": discriminator_tensorflow(_SMALL),
    "stylegan2_layouts:build_discriminator_rosinality": discriminator_rosinality(_SMALL),
}
HYPER_PARAMETERS = {
    "StyleGAN2": {"z_dim": 11, "mapped": [11, 11], "widths": list(_SMALL), "architecture": "skip"},
    "StyleGAN2Discriminator": {"widths": list(_SMALL), "architecture": "resnet", "deviations": 1},
}
