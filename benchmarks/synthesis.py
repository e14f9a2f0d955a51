"""Style transfer, step by step, against a plain restatement of the original's loop with the same feature network.

Plainly means as the original does it: eager float32, torch's own layout and convolutions, the Gram matrix as one
product in which autograd finds two, Newton and Schulz's root and Lyapunov's solution by matrix products.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.media import image
from ml4a.synthesis import Adam, Pixels, Stage, Synthesis, content, network, smoothness, style, tensor
from ml4a.synthesis.likeness import CONTENT_LAYERS, STYLE_LAYERS, Statistic

STEPS = 6
SIZES = (256, 512)
LOSSES: tuple[Statistic, ...] = ("wasserstein", "gram")
_CONTENT, _SMOOTH = 0.015, 2.0


def main() -> None:
    for side in SIZES:
        for loss in LOSSES:
            race(side, loss)


def race(side: int, loss: Statistic) -> None:
    """Let both take steps in turns, and print seconds a step, how near the losses are, and peak memory."""
    runs = {name: begin(side, loss) for name, begin in CONTENDERS.items()}
    seconds = dict.fromkeys(runs, float("inf"))
    last: dict[str, float] = {}
    for _ in range(STEPS):
        for name, steps in runs.items():
            started = time.perf_counter()
            last[name] = next(steps)
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    print(f"\nstyle transfer, {loss}, {side} px, the best of {STEPS} steps")
    ours = next(iter(runs))
    for name in runs:
        ratio = "" if name == ours else f"   ours is {seconds[name] / seconds[ours]:.2f}x as fast"
        difference = "" if name == ours else f", loss differs by {abs(last[name] / last[ours] - 1):.2%}"
        memory = _peak(name, side, loss)
        print(f"  {name:<34} {seconds[name]:7.3f} s a step, {memory:6.0f} MB{ratio}{difference}")


def ours(dtype: str) -> Callable[[int, Statistic], Iterator[float]]:
    def begin(side: int, loss: Statistic) -> Iterator[float]:
        x, painting = _pictures(side)
        wanted = style(painting, statistic=loss, exact=dtype == "float32") + _CONTENT * content(
            x, scaled=loss == "gram"
        )
        wanted += _SMOOTH * smoothness(2 if loss == "gram" else 8)
        look = network("vgg16_hed", dtype=dtype).variant(edges="replicate")  # type: ignore[attr-defined,operator]
        run = Synthesis(Pixels(x), wanted, look, [Stage((side, side), 10**6)], Adam(0.02, (0.9, 0.99)), average=0.99)
        return (sum(step.losses.values()) for step in run)

    return begin


def plain(side: int, loss: Statistic) -> Iterator[float]:
    """The original's loop."""
    x, painting = _pictures(side)
    layers = _Plain()
    style_loss = _plain_wasserstein if loss == "wasserstein" else _plain_gram
    content_loss = F.mse_loss if loss == "wasserstein" else _scaled
    with torch.no_grad():
        there, look = layers(x), layers(painting)
    goals = {name: style_loss(look[name]) for name in STYLE_LAYERS}
    picture = x.clone().requires_grad_()
    adam = torch.optim.Adam([picture], lr=0.02, betas=(0.9, 0.99))
    mean = torch.zeros_like(picture)
    while True:
        adam.zero_grad()
        seen = layers(picture)
        total = sum(
            weight / sum(STYLE_LAYERS.values()) * goals[name](seen[name]) for name, weight in STYLE_LAYERS.items()
        )
        total = total + _CONTENT * content_loss(seen[CONTENT_LAYERS[0]], there[CONTENT_LAYERS[0]])
        total = total + _SMOOTH * _variation(picture, loss)
        total.backward()
        adam.step()
        with torch.no_grad():
            picture.clamp_(0, 1)
            mean.mul_(0.99).add_(picture, alpha=0.01)
        yield total.item()


CONTENDERS: dict[str, Callable[[int, Statistic], Iterator[float]]] = {
    "ml4a, auto": ours("auto"),
    "ml4a, float32": ours("float32"),
    "the original's loop, eager, float32": plain,
}


class _Plain(nn.Module):
    """The same VGG as a row of torch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        look: Any = network("vgg16_hed", dtype="float32")
        self.mean = torch.tensor(look.convention.mean).view(3, 1, 1)
        self.rows = []
        for name in look.layers():
            if name.startswith("conv"):
                filters, channels = look.convs[name].weight.shape[:2]
                conv = nn.Conv2d(channels, filters, 3, padding=1)
                conv.weight.data = look.convs[name].weight.contiguous()
                conv.bias.data = look.convs[name].bias  # type: ignore[union-attr]
                if not self.rows:
                    conv.padding_mode = "replicate"
                    conv._reversed_padding_repeated_twice = [1, 1, 1, 1]  # noqa: SLF001
                self.rows.append((name, conv.requires_grad_(False)))
            elif name.startswith("relu"):
                self.rows.append((name, nn.ReLU()))
            else:
                self.rows.append((name, nn.MaxPool2d(2, ceil_mode=True)))
            if name == "relu5_1":
                break

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = x.flip(1) * 255 - self.mean
        found = {}
        for name, layer in self.rows:
            x = layer(x)
            if name in STYLE_LAYERS or name in CONTENT_LAYERS:
                found[name] = x
        return found


def _scaled(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    difference = a - b
    return difference.pow(2).sum() / difference.abs().sum().add(1e-8)


def _gram(features: torch.Tensor) -> torch.Tensor:
    flat = features.flatten(-2)
    return flat @ flat.transpose(-2, -1) / flat.shape[-1]


def _plain_gram(features: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    goal = _gram(features)
    return lambda seen: _scaled(_gram(seen), goal)


def _plain_wasserstein(features: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    def moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = x.mean((-2, -1))
        moment = _gram(x)
        covariance = moment - mean[..., None] @ mean[:, None] + torch.eye(x.shape[1]) * 1e-4
        return mean, covariance

    mean, covariance = moments(features)
    root = _Root.apply(covariance[0])

    def distance(seen: torch.Tensor) -> torch.Tensor:
        seen_mean, seen_covariance = moments(seen)
        overlap = _Root.apply(root @ seen_covariance[0] @ root)
        return F.mse_loss(seen_mean, mean) + (covariance[0] + seen_covariance[0] - 2 * overlap).diagonal().mean()

    return distance


class _Root(torch.autograd.Function):
    """Twelve steps of Newton and Schulz, and twelve of Lyapunov's equation back."""

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor) -> torch.Tensor:
        norm = a.norm()
        y, eye = a / norm, torch.eye(len(a)) * 3
        z = torch.eye(len(a))
        for _ in range(12):
            t = (eye - z @ y) / 2
            y, z = y @ t, t @ z
        found = y * norm.sqrt()
        ctx.save_for_backward(found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (z,) = ctx.saved_tensors
        norm, eye = z.norm(), torch.eye(len(z)) * 3
        a, q = z / norm, gradients[0] / norm
        for number in range(12):
            e = eye - a @ a
            q = (q @ e - a.T @ (a.T @ q - q @ a)) / 2
            if number < 11:
                a = a @ e / 2
        return q / 2


def _variation(x: torch.Tensor, loss: Statistic) -> torch.Tensor:
    if loss == "gram":
        padded = F.pad(x, (0, 1, 0, 1), "replicate")
        return ((padded[..., :-1, 1:] - x).pow(2) + (padded[..., 1:, :-1] - x).pow(2)).mean()
    p = F.pad(x, (1, 1, 1, 1), "replicate")
    right, below = p[..., 1:-1, 1:-1] - p[..., 1:-1, 2:], p[..., 1:-1, 1:-1] - p[..., 2:, 1:-1]
    falling, rising = p[..., 1:, 1:] - p[..., :-1, :-1], p[..., 1:, :-1] - p[..., :-1, 1:]
    parts = (right.pow(2).mean() / 3, below.pow(2).mean() / 3, falling.pow(2).mean() / 12, rising.pow(2).mean() / 12)
    return 2 * torch.stack(parts).sum()


def _pictures(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    sized = [image.load(f"sample:{name}", size=(side, side)) for name in ("astronaut", "waves")]
    return tensor(sized[0]), tensor(sized[1])


def _peak(name: str, side: int, loss: Statistic) -> float:
    """MB of a process of its own that takes two steps."""
    code = (
        f"from benchmarks import synthesis; steps = synthesis.CONTENDERS[{name!r}]({side}, {loss!r}); "
        "next(steps); next(steps); "
        "print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024
