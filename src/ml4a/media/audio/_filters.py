"""FFmpeg's audio filters, fed with blocks of samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

CHUNK = 1 << 16
"""Samples that are handed over at once."""


class Filters:
    """A chain of filters.

    Args:
        rate: Hz of the samples.
        layout: FFmpeg's name of the channels: `"stereo"`, `"3 channels"`.
        chain: Of each filter the name and its options.
    """

    def __init__(self, rate: int, layout: str, *chain: tuple[str, str]) -> None:
        from av.filter import Graph

        self._rate, self._layout = rate, layout
        self._graph = Graph()
        source = self._graph.add_abuffer(sample_rate=rate, format="flt", layout=layout)
        filters = [self._graph.add(name, options) for name, options in chain]
        self._graph.link_nodes(source, *filters, self._graph.add("abuffersink"))
        self._graph.configure()

    def whole(self, samples: np.ndarray[Any, Any]) -> Iterator[Any]:
        """The frames that come out when all of a sound, N×C float32, goes in."""
        for start in range(0, len(samples), CHUNK):
            yield from self.push(samples[start : start + CHUNK])
        yield from self.finish()

    def push(self, samples: np.ndarray[Any, Any]) -> Iterator[Any]:
        """Take a block, N×C float32; give the frames that are ready."""
        from av import AudioFrame

        flat = np.ascontiguousarray(samples).reshape(1, -1)
        frame: Any = AudioFrame.from_ndarray(flat, format="flt", layout=self._layout)
        frame.sample_rate = self._rate
        self._graph.push(frame)
        return self._ready()

    def finish(self) -> Iterator[Any]:
        """Give the rest."""
        self._graph.push(None)
        return self._ready()

    def _ready(self) -> Iterator[Any]:
        import av.error

        while True:
            try:
                yield self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
