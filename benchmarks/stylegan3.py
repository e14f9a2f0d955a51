"""StyleGAN3's synthesis of one picture against a plain restatement of the published program, on the processor.

The restatement is what the paper's formulas say, in float32: a kernel for every picture, zeros put in and multiplied,
the enlarged picture as a whole, each step with a result of its own. Weights are drawn at random, in the official sizes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F

from ml4a import networks
from ml4a.networks.stylegan3 import StyleGAN3
from ml4a.networks.stylegan3_layers import CLAMP, Layer
from ml4a.ops import winograd

from .race import race
from .upfirdn import plain_modulated_conv2d, plain_upfirdn2d

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the official keys and shapes

SETS = {"ffhqu-256-t": "T, 256 px", "ffhqu-256-r": "R, 256 px"}


def main() -> None:
    for name, title in SETS.items():
        network, fast, plain = (drawn(name) for _ in range(3))
        winograd.quicken(fast)
        plain.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        ws = network.map(torch.randn(1, network.z_dim, generator=torch.Generator().manual_seed(0)))
        with torch.inference_mode():
            due = plain_synthesis(plain, ws)
            assert all((each.synthesize(ws) - due).abs().max() < 1e-3 * due.std() for each in (network, fast))
        race(
            f"StyleGAN3 {title}, one picture",
            {
                "ml4a, auto (fast_float32)": _inference(lambda network=fast, ws=ws: network.synthesize(ws)),
                "ml4a, float32": _inference(lambda network=network, ws=ws: network.synthesize(ws)),
                "restated plainly, float32": _inference(lambda network=plain, ws=ws: plain_synthesis(network, ws)),
            },
            rounds=1,
        )


def drawn(name: str) -> StyleGAN3:
    """A network of an official size with random weights, as at the beginning of a training."""
    import deterministic  # pyright: ignore[reportMissingImports]
    from checkpoints import stylegan3 as official  # pyright: ignore[reportMissingImports]

    shapes = official.OFFICIAL[name]["network"]
    generator = {key: shape for key, shape in shapes.items() if key.startswith("G_ema.")}
    state = deterministic.state_dict({key.removeprefix("G_ema."): shape for key, shape in generator.items()})
    network = networks.from_state_dict("stylegan3", official.filled(state))
    assert isinstance(network, StyleGAN3)
    return network


def plain_synthesis(network: StyleGAN3, ws: torch.Tensor) -> torch.Tensor:
    """What `synthesize` gives."""
    first, *rest = ws.unbind(1)
    x = _plain_waves(network, first)
    for layer, w in zip(network.synthesis.layers(), rest, strict=True):
        x = _plain_layer(layer, x, w)
    return x * 0.25


def _plain_waves(network: StyleGAN3, w: torch.Tensor) -> torch.Tensor:
    waves = network.synthesis.input
    style = waves.affine(w)
    cosine, sine, right, down = (style / style[:, :2].norm(dim=1, keepdim=True)).unbind(1)
    turn = torch.stack((cosine, -sine, sine, cosine), 1).view(-1, 2, 2)
    shift = -(turn @ torch.stack((right, down), 1)[:, :, None])
    phases = waves.phases + (waves.freqs @ shift)[:, :, 0]
    freqs = waves.freqs @ turn
    size, rate, cutoff = waves.signal.size, waves.signal.rate, waves.signal.cutoff
    loudness = (1 - (freqs.norm(dim=2) - cutoff) / (rate / 2 - cutoff)).clamp(0, 1)
    scale = 0.5 * size / rate
    grid = F.affine_grid(torch.tensor([[[scale, 0, 0], [0, scale, 0]]]), [1, 1, size, size], align_corners=False)
    x = torch.sin(2 * math.pi * (grid @ freqs.transpose(1, 2)[:, None] + phases[:, None, None]))
    x = x * loudness[:, None, None] @ (waves.weight / math.sqrt(len(waves.weight))).T
    return x.permute(0, 3, 1, 2).contiguous()


def _plain_layer(layer: Layer, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    geometry, kernel = layer.geometry, layer.conv.weight
    style = layer.affine(w) * layer.style_gain
    if not geometry.rgb:
        kernel = kernel * kernel.square().mean((1, 2, 3), keepdim=True).rsqrt()
        style = style * style.square().mean().rsqrt()
    x = plain_modulated_conv2d(x, kernel, style, padding=geometry.kernel - 1, demodulate=not geometry.rgb)
    x = x * layer.magnitude_ema.rsqrt() + layer.bias.view(1, -1, 1, 1)
    if layer.up_filter is not None:
        around = (*geometry.padding, *geometry.padding)
        x = plain_upfirdn2d(x, layer.up_filter, geometry.up, padding=around, gain=geometry.up**2)
    if not geometry.rgb:
        x = F.leaky_relu(x, 0.2) * math.sqrt(2)
    x = x.clamp(-CLAMP, CLAMP)
    return x if layer.down_filter is None else plain_upfirdn2d(x, layer.down_filter, down=geometry.down)


def _inference(run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    @torch.inference_mode()
    def quietly() -> torch.Tensor:
        return run()

    return quietly


if __name__ == "__main__":
    main()
