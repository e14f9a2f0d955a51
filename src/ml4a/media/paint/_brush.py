"""A canvas and a brush: strokes of many bristles that follow a current, wet paint that stands up and catches light."""

from __future__ import annotations

import cv2
import numpy as np

from ._noise import Field

_FINE = 4
"""Bits below the pixel in OpenCV's drawing."""


class Canvas:
    """Colours and the height of the paint, `side` pixels square."""

    def __init__(self, ground: Field, rng: np.random.Generator) -> None:
        """`ground` is the H×W×3 float picture under the paint."""
        self.side = ground.shape[0]
        self.rng = rng
        self.layers = np.full((self.side, self.side, 4), 96, np.uint8)
        self.layers[:, :, :3] = (ground.clip(0, 1) * 255).astype(np.uint8)

    def strokes(
        self,
        picture: Field,
        angle: Field,
        *,
        count: int,
        width: float,
        length: float,
        jitter: float = 0.05,
        dry: float = 0.2,
        where: Field | None = None,
        bend: float = 1.0,
    ) -> None:
        """Lay `count` strokes in the colours of `picture`, along `angle`.

        Args:
            picture: H×W×3 float colours, taken where a stroke begins.
            angle: H×W radians.
            count: Strokes tried; fewer are laid where `where` is below 1.
            width: Of a stroke, in units of the side.
            length: The same.
            jitter: How far colours stray.
            dry: 0 to 1: how ragged the ends are.
            where: H×W, the chance that a stroke begins there.
            bend: 1 follows the current, 0 goes straight on.
        """
        starts = self.rng.random((count, 2)) * self.side
        rows, columns = starts[:, 1].astype(int), starts[:, 0].astype(int)
        if where is not None:
            kept = self.rng.random(count) < where[rows, columns]
            starts, rows, columns = starts[kept], rows[kept], columns[kept]
        colours = picture[rows, columns] * 255
        colours = colours * (1 + self.rng.normal(0, jitter, (len(starts), 1)))
        colours = colours + self.rng.normal(0, jitter * 90, (len(starts), 3))
        sizes = self.rng.uniform(0.7, 1.3, len(starts))
        paths = self._follow(starts, angle, length * self.side * self.rng.uniform(0.6, 1.3, len(starts)), bend)
        for path, shade, size in zip(paths, colours, sizes, strict=True):
            self._stroke(path, shade, max(1.5, width * self.side * size), dry)

    def stroke(
        self, points: Field, shade: Field, width: float, dry: float = 0.2, pressure: Field | None = None
    ) -> None:
        """One stroke along K×2 points, in units of the side, K ≥ 2; `pressure` scales the width at each of them."""
        path = np.asarray(points, np.float64) * self.side
        self._stroke(path, np.asarray(shade) * 255, width * self.side, dry, pressure)

    def finished(self, relief: float = 0.5, light: tuple[float, float] = (-0.7, -0.7)) -> Field:
        """The H×W×3 float picture, its relief lit from `light` (x, y)."""
        layers = self.layers.astype(np.float32) / 255
        paint, height = layers[:, :, :3], cv2.GaussianBlur(layers[:, :, 3], (0, 0), 0.8)
        slope_y, slope_x = np.gradient(height)
        shade = -(slope_x * light[0] + slope_y * light[1]) * relief * 3
        return (paint * (1 + shade.clip(-0.35, 0.35)[..., None]) + shade.clip(0, 0.3)[..., None] * 0.25).clip(0, 1)

    def _follow(self, starts: Field, angle: Field, lengths: Field, bend: float, steps: int = 9) -> Field:
        """N×steps×2 points of paths through `starts`, in both directions along `angle`."""
        halves = []
        for sign in (-1, 1):
            point, path = starts.copy(), []
            heading = self._angle_at(angle, point)
            for _ in range(steps // 2 + 1):
                path.append(point.copy())
                along = self._angle_at(angle, point)
                # The shorter way round, so that a stroke never turns back on itself.
                turn = (along - heading + np.pi / 2) % np.pi - np.pi / 2
                heading = heading + turn * bend
                direction = np.stack([np.cos(heading), np.sin(heading)], axis=1)
                point = point + sign * direction * (lengths / (steps - 1))[:, None]
            halves.append(path)
        backward, forward = halves
        return np.stack([*reversed(backward[1:]), *forward], axis=1)

    def _angle_at(self, angle: Field, points: Field) -> Field:
        columns, rows = (points.astype(int).clip(0, self.side - 1)).T
        return angle[rows, columns]

    def _stroke(self, path: Field, shade: Field, width: float, dry: float, pressure: Field | None = None) -> None:
        tangent = np.gradient(path, axis=0)
        normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        if pressure is not None:
            normal *= pressure[:, None]
        bristles = max(3, round(width / 2.2))
        offsets = np.linspace(-0.5, 0.5, bristles) * width
        shades = shade + self.rng.normal(0, 7, (bristles, 1)) + self.rng.normal(0, 3, (bristles, 3))
        heights = 96 + self.rng.normal(0, 34, bristles) + 30 * np.cos(np.linspace(-1.5, 1.5, bristles))
        thickness = max(1, round(width / bristles * 1.5))
        first = self._ragged(bristles, len(path), dry)
        last = len(path) - self._ragged(bristles, len(path), dry)
        wobble = self.rng.normal(0, width * 0.02, (bristles, 2))
        inks = np.concatenate([shades, heights[:, None]], axis=1).clip(0, 255).tolist()
        lines = path + normal * offsets[:, None, None] + wobble[:, None]
        fixed = np.round(lines * 2**_FINE).astype(np.int32)
        for bristle in self.rng.permutation(bristles):
            points = fixed[bristle, first[bristle] : last[bristle]]
            if len(points) > 1:
                cv2.polylines(self.layers, [points], False, inks[bristle], thickness, cv2.LINE_8, _FINE)

    def _ragged(self, bristles: int, length: int, dry: float) -> Field:
        return (self.rng.random(bristles) ** 2 * dry * length * 0.5).astype(int)
