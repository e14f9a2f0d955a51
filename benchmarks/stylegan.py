"""StyleGAN2's synthesis of one picture against a plain restatement of the published program, on the processor.

The restatement is what the paper's formulas say, in float32: a kernel for every picture, zeros put in and multiplied,
each step with a result of its own. Weights are drawn at random, in the official sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn import functional as F

from ml4a.networks.stylegan2 import StyleGAN2
from ml4a.networks.stylegan2_layers import StyledConvolution
from ml4a.networks.stylegan2_synthesis import Block
from ml4a.ops import upfirdn, winograd

from .race import race
from .upfirdn import plain_modulated_conv2d, plain_upfirdn2d

SIZES = {
    "256 px (paper256)": (512, 512, 512, 512, 256, 128, 64),
    "512 px": (512, 512, 512, 512, 512, 256, 128, 64),
}
"""Channels at 4 pixels, at 8, …"""


def main() -> None:
    for size, widths in SIZES.items():
        torch.manual_seed(0)
        network, fast, plain = (drawn(StyleGAN2(widths=widths)) for _ in range(3))
        fast.load_state_dict(network.state_dict())
        winograd.quicken(fast)
        plain.load_state_dict(network.state_dict())
        plain.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        ws = network.map(torch.randn(1, network.z_dim))
        race(
            f"StyleGAN2, {size}, one picture",
            {
                "ml4a, auto (fast_float32)": _inference(lambda network=fast, ws=ws: network.synthesize(ws)),
                "ml4a, float32": _inference(lambda network=network, ws=ws: network.synthesize(ws)),
                "restated plainly, float32": _inference(lambda network=plain, ws=ws: plain_synthesis(network, ws)),
            },
            rounds=3,
        )


def drawn(network: StyleGAN2) -> StyleGAN2:
    """A network with random weights, as at the beginning of a training."""
    for name, tensor in network.state_dict().items():
        if name.endswith("resample_filter"):
            tensor.copy_(upfirdn.setup_filter([1, 3, 3, 1]))
        elif name.endswith("affine.bias"):
            tensor.fill_(1)
        elif name.endswith(("bias", "w_avg", "noise_strength")):
            tensor.fill_(0.1)
        else:
            tensor.normal_(std=100 if ".fc" in name else 1)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)


def plain_synthesis(network: StyleGAN2, ws: torch.Tensor) -> torch.Tensor:
    """What `synthesize` gives, of a skip network with its constant noise."""
    x = image = None
    styles = iter(ws.unbind(1))
    style = next(styles)
    for block in network.synthesis.blocks:
        x, style = _plain_block(block, x, style, styles)
        colours = block.torgb
        rgb = plain_modulated_conv2d(
            x,
            colours.conv.weight,
            colours.affine(style) / math.sqrt(x.shape[1]),
            demodulate=False,
        )
        rgb = rgb + colours.bias.view(1, -1, 1, 1)
        if image is not None:
            image = plain_upfirdn2d(image, block.resample_filter, 2, padding=(2, 1, 2, 1), gain=4)
        image = rgb if image is None else image + rgb
    assert image is not None
    return image


def _plain_block(
    block: Block, x: torch.Tensor | None, style: torch.Tensor, styles: object
) -> tuple[torch.Tensor, torch.Tensor]:
    layers = block.layers
    if x is None:
        x = block.const.expand(len(style), -1, -1, -1)
    for layer in layers:
        x = _plain_layer(layer, x, style)
        style = next(styles)  # type: ignore[call-overload]
    return x, style


def _plain_layer(layer: StyledConvolution, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    options = {"f": layer.resample_filter, "up": 2} if layer.up else {}
    x = plain_modulated_conv2d(x, layer.conv.weight, layer.affine(w), padding=1, **options)
    if layer.noisy:
        x = x + layer.noise_const * layer.noise_strength
    return F.leaky_relu(x + layer.bias.view(1, -1, 1, 1), 0.2) * math.sqrt(2)


def _inference(run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    def inference() -> torch.Tensor:
        with torch.inference_mode():
            return run()

    return inference


if __name__ == "__main__":
    main()
