"""Films whose motion is known exactly, and how much an effect on them flickers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT = 320, 240
_X, _Y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))


def texture(height: int, width: int, seed: int) -> np.ndarray:
    """H×W×3 float32 in [0, 1]: coloured clouds with detail at every scale."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(6):
        noise = rng.normal(size=(height, width, 3)).astype(np.float32)
        layer = cv2.GaussianBlur(noise, (0, 0), 1.2 * 2**octave)
        total += layer / layer.std() * 1.6**octave
    return ((total - total.mean()) / total.std() * 0.18 + 0.5).clip(0, 1)


@dataclass
class KnownFilm:
    """A camera that pans, zooms and rolls over a texture, with a square that moves before it."""

    count: int = 12
    pan: tuple[float, float] = (1.7, 0.6)
    zoom: float = 1.002
    roll: float = 0.0015
    square: int = 56
    """Side in pixels; 0 for none."""
    square_step: tuple[float, float] = (-3.4, 1.2)
    grain: float = 1.5 / 255
    seed: int = 0

    def __post_init__(self) -> None:
        self._ground = texture(HEIGHT + 200, WIDTH + 200, self.seed)
        self._patch = 1 - texture(self.square or 1, self.square or 1, self.seed + 1)
        rng = np.random.default_rng(self.seed + 2)
        grain = rng.normal(0, self.grain, (self.count, HEIGHT, WIDTH, 3))
        self.clean = [self._frame(number) for number in range(self.count)]
        self.frames = [(f + g).clip(0, 1).astype(np.float32) for f, g in zip(self.clean, grain, strict=True)]

    def flow_back(self, number: int) -> np.ndarray:
        """H×W×2: where each pixel of this frame was in the one before."""
        (a, b), (a0, b0) = self._camera(number), self._camera(number - 1)
        back = np.linalg.inv(a0)
        x, y = _apply(back @ a, back @ (b - b0))
        inside = self._inside_square(number)
        x = np.where(inside, _X - self.square_step[0], x)
        y = np.where(inside, _Y - self.square_step[1], y)
        return np.stack([x - _X, y - _Y], axis=2).astype(np.float32)

    def uncovered(self, number: int) -> np.ndarray:
        """H×W: pixels of the ground that the square hid in the frame before."""
        hidden = pull(self._inside_square(number - 1).astype(np.float32), self.flow_back(number)) > 0.01
        return hidden & ~self._inside_square(number) & self._was_in_frame(number)

    def seen_before(self, number: int) -> np.ndarray:
        """H×W: pixels that the frame before showed, too."""
        return self._was_in_frame(number) & ~self.uncovered(number)

    def _was_in_frame(self, number: int) -> np.ndarray:
        flow = self.flow_back(number)
        x, y = _X + flow[:, :, 0], _Y + flow[:, :, 1]
        return (x >= 2) & (y >= 2) & (x <= WIDTH - 3) & (y <= HEIGHT - 3)

    def _camera(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        scale, angle = self.zoom**-number, self.roll * number
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = np.array([WIDTH / 2, HEIGHT / 2])
        return turn, centre + 100 + np.array(self.pan) * number - turn @ centre

    def _corner(self, number: int) -> np.ndarray:
        return np.array([190.0, 60.0]) + np.array(self.square_step) * number

    def _inside_square(self, number: int) -> np.ndarray:
        x, y = self._corner(number)
        last = self.square - 1
        return (x <= _X) & (y <= _Y) & (x + last >= _X) & (y + last >= _Y)

    def _frame(self, number: int) -> np.ndarray:
        x, y = _apply(*self._camera(number))
        ground = cv2.remap(self._ground, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        left, top = self._corner(number).astype(np.float32)
        patch = cv2.remap(self._patch, _X - left, _Y - top, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        return np.where(self._inside_square(number)[:, :, None], patch, ground).clip(0, 1)


def effect(picture: np.ndarray) -> np.ndarray:
    """Harder contrast and drawn edges."""
    edges = picture - cv2.GaussianBlur(picture, (0, 0), 2)
    return (0.5 + 1.2 * (picture - 0.5) + 0.9 * edges).clip(0, 1)


def flickering_effect(film: KnownFilm, seed: int = 5) -> list[np.ndarray]:
    """`effect` on every frame, each with a contrast, a hue and a texture of its own, as frame-wise networks give."""
    rng = np.random.default_rng(seed)
    results = []
    for frame in film.frames:
        brush = np.zeros_like(frame)
        for sigma, strength in ((1.2, 0.04), (5, 0.05)):
            noise = cv2.GaussianBlur(rng.normal(size=frame.shape).astype(np.float32), (0, 0), sigma)
            brush += strength * noise / noise.std()
        changed = 0.5 + (effect(frame) - 0.5) * (1 + rng.normal(0, 0.06)) + rng.normal(0, 0.03, 3) + brush
        results.append(changed.clip(0, 1).astype(np.float32))
    return results


def pull(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The picture moved along an exact flow."""
    return cv2.remap(picture, _X + flow[:, :, 0], _Y + flow[:, :, 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def flicker(film: KnownFilm, results: list[np.ndarray]) -> float:
    """Mean difference in levels between each result and the one before, moved along the film's true motion."""
    differences = [
        np.abs(results[n] - pull(results[n - 1], film.flow_back(n)))[film.seen_before(n)].mean()
        for n in range(2, film.count)
    ]
    return 255 * float(np.mean(differences))


def laplacian_energy(results: list[np.ndarray]) -> float:
    """How much fine detail the results have, from the third on."""
    return float(np.mean([(cv2.Laplacian(each.mean(axis=2), cv2.CV_32F) ** 2).mean() for each in results[2:]]))


def error_where_uncovered(film: KnownFilm, results: list[np.ndarray]) -> float:
    """Mean difference in levels from the effect without flicker, where the square has just moved away."""
    differences = [np.abs(results[n] - effect(film.clean[n]))[film.uncovered(n)] for n in range(2, film.count)]
    return 255 * float(np.concatenate(differences).mean())


def _apply(matrix: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = matrix[0, 0] * _X + matrix[0, 1] * _Y + offset[0]
    y = matrix[1, 0] * _X + matrix[1, 1] * _Y + offset[1]
    return x.astype(np.float32), y.astype(np.float32)
