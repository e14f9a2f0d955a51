"""Taming transformers: checkpoints of Lightning, with much beside the weights, and of transformers a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import containers
import deterministic
import numpy as np
import torch
from layers import Shapes, batch_norm, convolution

CONFIG = """model:
  base_learning_rate: 4.5e-06
  target: taming.models.cond_transformer.Net2NetTransformer
  params:
    cond_stage_key: segmentation
    transformer_config:
      target: taming.modules.transformer.mingpt.GPT
      params:
        vocab_size: 1024
        block_size: 512
        n_layer: 24
        n_head: {heads}
        n_embd: 1024
"""
"""As the original's are written, in part."""


def vqgan(
    channels: int = 3,
    width: int = 128,
    multiples: Sequence[int] = (1, 1, 2, 2, 4),
    blocks: int = 2,
    attention: Sequence[int] = (4,),
    latent: int = 256,
    codes: int = 1024,
    code_width: int = 256,
    *,
    scored: bool = False,
    colorize: bool = False,
) -> Shapes:
    """Every key of encoder, decoder and codebook."""
    widths = [width * multiple for multiple in multiples]
    found: Shapes = {"colorize": (3, channels, 1, 1)} if colorize else {}
    found |= convolution("encoder.conv_in", channels, width)
    for level, (given, made) in enumerate(pairwise([width, *widths])):
        found |= _level(f"encoder.down.{level}", given, made, blocks, level in attention)
        if level < len(widths) - 1:
            found |= convolution(f"encoder.down.{level}.downsample.conv", made, made)
    found |= _middle("encoder", widths[-1], latent) | convolution("decoder.conv_in", latent, widths[-1])
    for level, (made, given) in enumerate(pairwise([*widths, widths[-1]])):
        found |= _level(f"decoder.up.{level}", given, made, blocks + 1, level in attention)
        if level:
            found |= convolution(f"decoder.up.{level}.upsample.conv", made, made)
    found |= _middle("decoder", widths[-1], channels, last=width)
    if scored:
        found |= convolution("quantize.proj", code_width, codes, 1) | {"quantize.embed.weight": (codes, code_width)}
    else:
        found["quantize.embedding.weight"] = (codes, code_width)
    return (
        found | convolution("quant_conv", latent, code_width, 1) | convolution("post_quant_conv", code_width, latent, 1)
    )


def gpt(vocabulary: int = 1024, block_size: int = 512, layers: int = 24, width: int = 1024) -> Shapes:
    """Every key of the transformer."""
    found: Shapes = {"pos_emb": (1, block_size, width), "tok_emb.weight": (vocabulary, width)}
    for layer in range(layers):
        block = f"blocks.{layer}"
        found |= _affine(f"{block}.ln1", width) | _affine(f"{block}.ln2", width)
        found[f"{block}.attn.mask"] = (1, 1, block_size, block_size)
        for name in ("key", "query", "value", "proj"):
            found |= _linear(f"{block}.attn.{name}", width, width)
        found |= _linear(f"{block}.mlp.0", width, 4 * width) | _linear(f"{block}.mlp.2", 4 * width, width)
    return found | _affine("ln_f", width) | {"head.weight": (vocabulary, width)}


def net2net(first: Shapes, second: Shapes, transformer: Shapes) -> Shapes:
    """Every key of all three networks; `second` may be empty."""
    parts = {"first_stage_model": first, "cond_stage_model": second, "transformer": transformer}
    return {f"{part}.{key}": shape for part, shapes in parts.items() for key, shape in shapes.items()}


def discriminator(channels: int = 3, width: int = 64, *, actnorm: bool = False) -> Shapes:
    """Every key of the network that training is led by."""
    widths = [channels, width, 2 * width, 4 * width, 8 * width]
    found = convolution("main.0", channels, width, 4)
    for layer, (given, made) in enumerate(pairwise(widths[1:]), start=1):
        conv, norm = f"main.{3 * layer - 1}", f"main.{3 * layer}"
        found |= convolution(conv, given, made, 4, bias=actnorm)
        if actnorm:
            found |= {f"{norm}.loc": (1, made, 1, 1), f"{norm}.scale": (1, made, 1, 1), f"{norm}.initialized": ()}
        else:
            found |= batch_norm(norm, made)
    return found | convolution("main.11", widths[-1], 1, 4)


def state_dict(shapes: Shapes, unmasked: int = 0) -> dict[str, np.ndarray]:
    """Deterministic weights, and masks with which the first `unmasked` places see each other.

    Codebooks and embeddings are enlarged, so that tokens differ clearly.
    """
    found = deterministic.state_dict(shapes)
    for key in found:
        if key.endswith("attn.mask"):
            found[key] = np.tri(shapes[key][2], dtype=np.float32)[None, None]
            found[key][:, :, :unmasked, :unmasked] = 1
        for name, gain in _GAINS.items():
            if key.endswith(name):
                found[key] = found[key] * np.float32(gain)
    return found


_GAINS = {
    "quantize.embedding.weight": 3,
    "quantize.proj.weight": 3,
    "tok_emb.weight": 5,
    "pos_emb": 20,
    "head.weight": 3,
}


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As Lightning wrote it; of a configuration, the lone key says how many heads there are."""
    if role == "config":
        (heads,) = state
        path.write_text(CONFIG.format(heads=heads), encoding="utf-8")
        return path
    state = {key: np.asarray(array) for key, array in state.items()}
    state |= state_dict({key: array.shape for key, array in state.items() if key.endswith("attn.mask")})
    classes: dict[str, dict[str, Any]] = {
        "pytorch_lightning.callbacks.model_checkpoint": {"ModelCheckpoint": type("ModelCheckpoint", (), {})},
        "omegaconf.dictconfig": {"DictConfig": type("DictConfig", (), {})},
        "omegaconf.base": {"ContainerMetadata": type("ContainerMetadata", (), {})},
    }
    with containers.modules_of(classes):
        checkpoint = classes["pytorch_lightning.callbacks.model_checkpoint"]["ModelCheckpoint"]
        settings = classes["omegaconf.dictconfig"]["DictConfig"]()
        settings._metadata = classes["omegaconf.base"]["ContainerMetadata"]()
        settings._content = {"n_embed": 1024}
        return containers.save_torch(
            path,
            {
                "epoch": 62,
                "global_step": 221_300,
                "pytorch-lightning_version": "0.9.0",
                "callbacks": {checkpoint: {"best_model_score": torch.tensor(0.83), "best_model_path": "/x.ckpt"}},
                "state_dict": containers.tensors(state),
                "optimizer_states": [{"state": {0: {"step": 7, "exp_avg": torch.zeros(3)}}, "param_groups": []}],
                "lr_schedulers": [],
                "hyper_parameters": {"ddconfig": settings},
            },
        )


def _level(name: str, given: int, made: int, blocks: int, attention: bool) -> Shapes:
    found: Shapes = {}
    for number in range(blocks):
        found |= _block(f"{name}.block.{number}", made if number else given, made)
    for number in range(blocks if attention else 0):
        found |= _attention(f"{name}.attn.{number}", made)
    return found


def _middle(name: str, width: int, made: int, last: int | None = None) -> Shapes:
    """The middle, and the layers at the end, which may be narrower."""
    last = width if last is None else last
    found = _block(f"{name}.mid.block_1", width, width) | _block(f"{name}.mid.block_2", width, width)
    found |= _attention(f"{name}.mid.attn_1", width) | _affine(f"{name}.norm_out", last)
    return found | convolution(f"{name}.conv_out", last, made)


def _block(name: str, given: int, made: int) -> Shapes:
    found = _affine(f"{name}.norm1", given) | convolution(f"{name}.conv1", given, made)
    found |= _affine(f"{name}.norm2", made) | convolution(f"{name}.conv2", made, made)
    return found | convolution(f"{name}.nin_shortcut", given, made, 1) if given != made else found


def _attention(name: str, width: int) -> Shapes:
    found = _affine(f"{name}.norm", width)
    for layer in ("q", "k", "v", "proj_out"):
        found |= convolution(f"{name}.{layer}", width, width, 1)
    return found


def _affine(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _linear(name: str, width: int, made: int) -> Shapes:
    return {f"{name}.weight": (made, width), f"{name}.bias": (made,)}


_TRAINING = {f"loss.discriminator.{key}": shape for key, shape in discriminator(width=8).items()}
"""In front of everything that only training needs stands `loss.`; the official files have VGG-16 there, too."""
SMALL_SIZES: dict[str, Any] = {
    "width": 32,
    "multiples": [1, 1, 1, 2, 2],
    "blocks": 1,
    "latent": 16,
    "codes": 64,
    "code_width": 8,
}
_SMALL_GPT = {"vocabulary": 64, "block_size": 32, "layers": 2, "width": 32}
"""Its window has 4×4 places."""
SMALL_SCENES = net2net(vqgan(**SMALL_SIZES), vqgan(182, **SMALL_SIZES, colorize=True), gpt(**_SMALL_GPT))
"""Of a set that paints, 64 pixels at a time."""

OFFICIAL = {"imagenet": {"network": vqgan(codes=16384) | _TRAINING}}
"""Of the others, files would be of gigabytes."""
SMALL = {
    "imagenet": {"network": vqgan(**SMALL_SIZES) | _TRAINING},
    "sflckr": {"network": SMALL_SCENES, "config": {"4": ()}},
}
_ODD: dict[str, Any] = {**SMALL_SIZES, "multiples": [1, 3], "blocks": 3, "attention": [0, 1]}
NETWORKS = {
    "vqgan:build": vqgan(**_ODD, channels=4),
    "vqgan:build_gumbel": vqgan(**_ODD | {"code_width": 16}, scored=True),
    "vqgan:build_segmentation": vqgan(**_ODD, channels=7, colorize=True),
    "gpt:build": gpt(30, 21, 3, 24),
    "net2net:build": net2net(vqgan(**_ODD), {}, gpt(**_SMALL_GPT)),
    "patchgan:build": discriminator(5, 6, actnorm=True),
}
HYPER_PARAMETERS = {
    "VQModel": {**_ODD, "channels": 4},
    "GumbelVQ": {**_ODD, "channels": 3, "code_width": 16},
    "VQSegmentationModel": {**_ODD, "channels": 7},
    "GPT": {"vocabulary": 30, "block_size": 21, "layers": 3, "heads": 3, "width": 24, "unmasked": 0, "scored": 30},
    "Net2Net": {
        "pictures": {"kind": "VQModel", **_ODD, "channels": 3},
        "conditions": {},
        "transformer": {**_SMALL_GPT, "heads": 4, "unmasked": 0, "scored": 64},
    },
    "NLayerDiscriminator": {"channels": 5, "width": 6, "layers": 3, "actnorm": True},
}
