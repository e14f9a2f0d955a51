"""What StyleGAN3's layers hand on to each other, and the low-pass filters between.

Karras et al., Alias-Free Generative Adversarial Networks, NeurIPS 2021, arXiv:2106.12423, section 3.2 and appendix C.
Everything is a sampled signal: frequencies are in cycles, and rates in samples, per side of the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

_FIRST_CUTOFF = 2.0
_FIRST_STOPBAND = 2**2.1
_LAST_STOPBAND = 2**0.3
"""Relative to the highest frequency of the picture."""
_MARGIN = 10
"""Samples around the picture's area, so that no layer sees an edge."""
_CRITICAL = 2
"""Layers at the end that use the picture's whole band, and may alias a little."""
_BETWEEN = 2
"""How many times denser than its ends a layer samples where it is not linear."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What one layer hands on to the next."""

    size: int
    """Samples along a side, with those around the picture's area."""
    rate: int
    """Samples along the side of the picture's area."""
    cutoff: float
    """The highest frequency that should be there."""
    half_width: float
    """How far above and below the cutoff a filter goes from passing to stopping."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How one layer comes from its source to its target."""

    source: Signal
    target: Signal
    kernel: int
    """The side of the convolution's kernel; it is padded so that every pixel that sees anything is kept."""
    critical: bool
    """Whether the target uses the whole band of its rate."""
    rgb: bool
    """Whether it makes the picture: then nothing is filtered."""
    taps_per_sample: int = 6

    @property
    def rate(self) -> int:
        """At which the layer is not linear."""
        return max(self.source.rate, self.target.rate) * (1 if self.rgb else _BETWEEN)

    @property
    def up(self) -> int:
        """How many times as many samples there are in between as in the source."""
        return self.rate // self.source.rate

    @property
    def down(self) -> int:
        """How many times as many samples there are in between as in the target."""
        return self.rate // self.target.rate

    @property
    def up_taps(self) -> int:
        """Of the filter after the source; 1 is none."""
        return self._taps(self.up)

    @property
    def down_taps(self) -> int:
        """Of the filter before the target; 1 is none."""
        return self._taps(self.down)

    @property
    def padding(self) -> tuple[int, int]:
        """Samples before and behind, in between, that make the target its size."""
        wanted = (self.target.size - 1) * self.down + 1 + self.up_taps + self.down_taps - 2
        total = wanted - (self.source.size + self.kernel - 1) * self.up
        before = (total + self.up) // 2
        return before, total - before

    def _taps(self, factor: int) -> int:
        return 1 if factor == 1 or self.rgb else self.taps_per_sample * factor


def geometries(resolution: int, layers: int = 14, kernel: int = 3, taps_per_sample: int = 6) -> list[Geometry]:
    """Those of all layers of a generator, the one that makes the picture last.

    Args:
        resolution: The picture's side.
        layers: How many there are before the last.
        kernel: The side of their kernels; the last has 1.
        taps_per_sample: The length of the filters.
    """
    handed_on = signals(resolution, layers)
    pairs = zip([handed_on[0], *handed_on[:-1]], handed_on, strict=True)
    return [
        Geometry(
            source,
            target,
            kernel=1 if number == layers else kernel,
            critical=number >= layers - _CRITICAL,
            rgb=number == layers,
            taps_per_sample=taps_per_sample,
        )
        for number, (source, target) in enumerate(pairs)
    ]


def signals(resolution: int, layers: int = 14) -> list[Signal]:
    """What each layer gives; the first also is what it takes. Frequencies rise by a constant factor, then stay."""
    last = resolution / 2
    found = []
    for number in range(layers + 1):
        progress = min(number / (layers - _CRITICAL), 1)
        cutoff = _FIRST_CUTOFF * (last / _FIRST_CUTOFF) ** progress
        stopband = _FIRST_STOPBAND * (last * _LAST_STOPBAND / _FIRST_STOPBAND) ** progress
        rate = 2 ** math.ceil(math.log2(min(2 * stopband, resolution)))
        size = resolution if number >= layers - 1 else rate + 2 * _MARGIN
        found.append(Signal(size, rate, cutoff, max(stopband, rate / 2) - cutoff))
    return found


def lowpass(taps: int, cutoff: float, width: float, rate: float, *, radial: bool = False) -> torch.Tensor | None:
    """A finite low-pass filter with a Kaiser window.

    Args:
        taps: How many; 1 is no filter.
        cutoff: The frequency at which it passes half.
        width: How wide the band is in which it goes from passing to stopping.
        rate: That of the samples.
        radial: Whether it is the same in all directions, which takes a table instead of a row.

    Returns:
        float32, `taps` or `taps`×`taps`, with a sum of 1; None if there is no filter.
    """
    if taps == 1:
        return None
    half = rate / 2
    window = torch.kaiser_window(taps, periodic=False, beta=_beta(taps, width / half), dtype=torch.float64)
    places = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    if radial:
        places = places / rate
        distance = torch.hypot(*torch.meshgrid(places, places, indexing="ij"))
        ideal = torch.special.bessel_j1(2 * math.pi * cutoff * distance) / (math.pi * distance)
        ideal = ideal * window.outer(window)
    else:
        ideal = torch.sinc(cutoff / half * places) * window
    return (ideal / ideal.sum()).float()


def _beta(taps: int, width: float) -> float:
    """The Kaiser window's shape for a transition of this width, 1 being half the rate (Kaiser's formulas of 1974)."""
    attenuation = 2.285 * (taps - 1) * math.pi * width + 7.95
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0
