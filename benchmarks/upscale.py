"""Real-ESRGAN x4plus, 128 → 512 px, against plain eager float32 PyTorch and against ncnn on the CPU."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import ml4a
from ml4a import image, weights

from .race import matrix_product, race

FINER = {"conv_up.0": 4, "conv_up.1": 16, "conv_hr": 16, "conv_last": 16}
"""How many times more pixels a layer works on than the input has."""


class PlainRRDBNet(nn.Module):
    """The network as its paper writes it, for comparison: concatenations, no memory format, no fusion."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.state = state

    def conv(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """A 3×3 convolution."""
        return F.conv2d(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×3×4H×4W."""
        features = self.conv("conv_first", x)
        trunk = features
        for block in range(23):
            out = trunk
            for dense in (1, 2, 3):
                parts = [out]
                for layer in (1, 2, 3, 4):
                    grown = self.conv(f"body.{block}.rdb{dense}.conv{layer}", torch.cat(parts, 1))
                    parts.append(F.leaky_relu(grown, 0.2))
                out = out + 0.2 * self.conv(f"body.{block}.rdb{dense}.conv5", torch.cat(parts, 1))
            trunk = trunk + 0.2 * out
        x = features + self.conv("conv_body", trunk)
        for name in ("conv_up.0", "conv_up.1"):
            x = F.leaky_relu(self.conv(name, F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv("conv_last", F.leaky_relu(self.conv("conv_hr", x), 0.2))


def main() -> None:
    photo = image.load("sample:chelsea").crop((160, 90, 288, 218))
    x = torch.from_numpy(np.asarray(photo, np.float32).transpose(2, 0, 1) / 255)[None]
    reference = ml4a.load("real_esrgan", dtype="float32")
    plain = PlainRRDBNet(reference.network.state_dict())

    def eager() -> torch.Tensor:
        with torch.inference_mode():
            return plain(x)

    ours = ml4a.load("real_esrgan")
    contenders = {
        f"ml4a, auto ({ours.dtype})": lambda: ours(photo),
        "ml4a, float32": lambda: reference(photo),
        "PyTorch, eager, float32": eager,
        "ncnn, CPU": _ncnn(photo),
    }
    best = race("x4plus, 128x128 → 512x512", contenders, rounds=3)
    flop = 128 * 128 * _flop_per_pixel(reference.network)
    for name, dtype in ((f"ml4a, auto ({ours.dtype})", ours.dtype), ("ml4a, float32", torch.float32)):
        share = flop / best[name] / matrix_product(dtype)
        print(f"  {name}: {flop / best[name] / 1e9:.0f} GFLOP/s, {share:.0%} of the best matrix product in {dtype}")


def _flop_per_pixel(network: nn.Module) -> float:
    """Multiplications and additions for each input pixel, as the plain network computes them."""
    total = 0.0
    for name, value in network.state_dict().items():
        if name.endswith(".weight"):
            finer = FINER.get(name.removesuffix(".weight"), 1)
            total += 2 * value.numel() * finer
    return total


def _ncnn(photo):
    import ncnn  # pyright: ignore[reportMissingImports]

    files = weights.fetch("real_esrgan/x4plus")
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = torch.get_num_threads()
    net.load_param(str(files["param"]))
    net.load_model(str(files["bin"]))
    pixels = np.asarray(photo)

    def run():
        extractor = net.create_extractor()
        mat = ncnn.Mat.from_pixels(pixels, ncnn.Mat.PixelType.PIXEL_RGB, photo.width, photo.height)
        mat.substract_mean_normalize([], [1 / 255.0] * 3)
        extractor.input("data", mat)
        return np.array(extractor.extract("output")[1])

    return run
