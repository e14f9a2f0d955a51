"""Voices and faces: each network against the plainest way to compute the same, with weights drawn at random."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import ml4a
from ml4a import image
from ml4a.models import _mtcnn
from ml4a.networks.batch_norm import folded
from ml4a.networks.tacotron2 import Tacotron2
from ml4a.networks.tacotron2_decoding import dropout
from ml4a.networks.wav2lip import Wav2Lip
from ml4a.networks.waveglow import WaveGlow
from ml4a.ops.winograd import quicken

from .race import race

_FRAMES = 43
"""Half a second."""
_TEXTS, _SYMBOLS = 8, 60
_FACES = 16


def main() -> None:
    with torch.inference_mode():
        waveglow()
        tacotron2()
        wav2lip()
    mtcnn()


def waveglow() -> None:
    network = WaveGlow().eval().requires_grad_(False)
    for mixing in network.convinv:  # what training begins with: any other matrix might have no inverse to speak of
        nn.init.orthogonal_(mixing.get_parameter("conv.weight")[:, :, 0])
    network.prepare()
    mel, noise = torch.rand(1, 80, _FRAMES) * 8 - 8, network.draw(_FRAMES)
    ours, plain = network(mel, 0.666, noise), _plain(network, mel, noise, 0.666)
    assert (ours - plain).abs().max() < 1e-4 * plain.std()
    race(
        f"WaveGlow, {_FRAMES * 256 / 22_050:.1f} s of speech",
        {
            "ml4a": lambda: network(mel, 0.666, noise),
            "one convolution at a time, eager": lambda: _plain(network, mel, noise, 0.666),
        },
        rounds=3,
    )


def tacotron2() -> None:
    network = Tacotron2().eval().requires_grad_(False)
    nn.init.normal_(network.embedding.weight)
    network.decoder.attention_layer.prepare()
    texts = [torch.randint(38, 64, (_SYMBOLS,)) for _ in range(_TEXTS)]

    def read(some: list[torch.Tensor]) -> None:
        masks = dropout([None] * len(some), network.decoder.prenet_sizes)
        decoding = network.decoding(some, masks, 2 * _FRAMES)
        while decoding.step():
            pass

    race(
        f"Tacotron 2, {_TEXTS} sentences of a second",
        {
            "ml4a, all together": lambda: read(texts),
            "ml4a, one after the other": lambda: [read([text]) for text in texts],
        },
        rounds=2,
    )


def wav2lip() -> None:
    plain = Wav2Lip().eval().requires_grad_(False)
    ours = folded(copy.deepcopy(plain)).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    quicken(fast := copy.deepcopy(ours))
    audio, faces = torch.rand(_FACES, 1, 80, 16) * 8 - 4, torch.rand(_FACES, 6, plain.size, plain.size)
    assert (fast(audio, faces) - plain(audio, faces)).abs().max() < 1e-4
    race(
        f"Wav2Lip, {_FACES} faces",
        {
            "ml4a, auto (fast_float32)": lambda: fast(audio, faces),
            "ml4a, float32": lambda: ours(audio, faces),
            "normalised one by one, eager": lambda: plain(audio, faces),
        },
        rounds=3,
    )


def mtcnn() -> None:
    networks = ml4a.load("face").networks
    astronaut = image.sample("astronaut")
    for name, size in (("one face in 512x512", (512, 512)), ("six in 1536x1024", (1536, 1024))):
        picture = Image.new("RGB", size)
        for left in range(0, size[0], 512):
            for top in range(0, size[1], 512):
                picture.paste(astronaut, (left, top))
        pixels = image.to_array(picture)
        smallest = 0.04 * size[1]

        def ours(pixels: np.ndarray = pixels, smallest: float = smallest) -> _mtcnn.Found:
            return _mtcnn.find(pixels, *networks, smallest=smallest, threshold=0.9)

        def plain(pixels: np.ndarray = pixels, smallest: float = smallest) -> _mtcnn.Found:
            pnet, rnet, onet = networks
            look: Any = _OneByOne(pixels)
            boxes = _mtcnn.proposed(look, pnet, _mtcnn.SMALLEST / smallest, *pixels.shape[:2])
            return _mtcnn.judged(look, onet, _mtcnn.refined(look, rnet, boxes), 0.9)

        assert len(ours().boxes) == len(plain().boxes) > 0
        race(f"MTCNN, {name}", {"ml4a": ours, "each square cut out and scaled by itself, eager": plain}, rounds=3)


class _OneByOne:
    """What a network is shown of a picture, as the original has it: each square is scaled by itself."""

    device = torch.device("cpu")

    def __init__(self, picture: np.ndarray) -> None:
        self.size = (picture.shape[1], picture.shape[0])
        self._pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] * 255

    def level(self, height: int, width: int) -> torch.Tensor:
        return self._shown(self._pixels, height, width)

    def squares(self, boxes: np.ndarray, side: int) -> Iterator[torch.Tensor]:
        if len(boxes):
            yield torch.cat([self._shown(self._pixels[:, :, y1:y2, x1:x2], side, side) for x1, y1, x2, y2 in boxes])

    def _shown(self, pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
        return (F.interpolate(pixels, (height, width), mode="area") - 127.5) * 0.0078125


def _plain(network: WaveGlow, mel: torch.Tensor, noise: torch.Tensor, sigma: float) -> torch.Tensor:
    """The formulas of the paper, as they are published."""

    def conv(x: torch.Tensor, name: str, **options: int) -> torch.Tensor:
        return F.conv1d(x, network.get_parameter(f"{name}.weight"), network.get_parameter(f"{name}.bias"), **options)

    group, sizes = network.group, network.sizes
    spread = network.upsample(mel)[:, :, : mel.shape[2] * network.hop]
    frames = spread.unfold(2, group, group).permute(0, 1, 3, 2).flatten(1, 2)
    first = group - sizes[-1]
    x = sigma * noise[:, first:]
    for flow in reversed(range(len(sizes))):
        still, moved = x.chunk(2, dim=1)
        name = f"WN.{flow}"
        hidden, total = conv(still, f"{name}.start"), torch.zeros(())
        conditions = conv(frames, f"{name}.cond_layer").chunk(8, dim=1)
        for layer, condition in enumerate(conditions):
            gates = conv(hidden, f"{name}.in_layers.{layer}", padding=2**layer, dilation=2**layer) + condition
            tanh, sigmoid = gates.chunk(2, dim=1)
            out = conv(tanh.tanh() * sigmoid.sigmoid(), f"{name}.res_skip_layers.{layer}")
            if layer < 7:
                onwards, out = out.chunk(2, dim=1)
                hidden = hidden + onwards
            total = total + out
        shift, scale = conv(total, f"{name}.end").chunk(2, dim=1)
        x = torch.cat((still, (moved - shift) / scale.exp()), dim=1)
        x = F.conv1d(x, torch.linalg.inv(network.get_parameter(f"convinv.{flow}.conv.weight")[:, :, 0])[:, :, None])
        if flow and sizes[flow - 1] > sizes[flow]:
            before, first = first, first - (sizes[flow - 1] - sizes[flow])
            x = torch.cat((sigma * noise[:, first:before], x), dim=1)
    return x.transpose(1, 2).flatten(1)
