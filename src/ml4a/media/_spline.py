"""B-splines through points, or near them: curves in any number of dimensions.

Interpolation and smoothing choose knots and smoothness as FITPACK's `parcur` does (Dierckx, Curve and Surface Fitting
with Splines, 1993, chapters 4, 5 and 9), which is what SciPy's `splprep` calls; here in plain linear algebra.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

_TOLERANCE = 1e-3
"""Share of the smoothing by which its sum of squares may be missed."""
_STEPS = 20
_TOO_SMALL, _TOO_LARGE = 0.1, 0.9
_LEAP = 0.04


@dataclass(frozen=True, slots=True)
class Spline:
    """A piecewise polynomial curve."""

    knots: Array
    coefficients: Array
    """One point for each basis function."""
    degree: int

    def __call__(self, at: Array) -> Array:
        """The points at parameters within the knots."""
        return basis(self.knots, at, self.degree) @ self.coefficients


def basis(knots: Array, at: Array, degree: int) -> Array:
    """The values of all basis functions at each parameter, by the recursion of Cox and de Boor."""
    last = len(knots) - degree - 2
    span = (np.searchsorted(knots, at, side="right") - 1).clip(degree, last)
    values = np.zeros((len(at), len(knots) - 1))
    values[np.arange(len(at)), span] = 1
    for order in range(1, degree + 1):
        rising, falling = knots[order:-1] - knots[: -order - 1], knots[order + 1 :] - knots[1:-order]
        left = _over(at[:, None] - knots[: -order - 1], rising)
        right = _over(knots[order + 1 :] - at[:, None], falling)
        values = left * values[:, :-1] + right * values[:, 1:]
    return values


def interpolating(at: Array, points: Array, degree: int) -> Spline:
    """The spline through `points` (N×D) at the parameters `at`, its knots at these or halfway between (degree even)."""
    knots = _full(at, degree)
    return Spline(knots, np.linalg.solve(basis(knots, at, degree), points), degree)


def smoothing(at: Array, points: Array, degree: int, tolerance: float) -> Spline:
    """The smoothest of the splines with few knots whose squared distances from `points` sum to `tolerance`."""
    knots = _clamped(at, np.zeros(0), degree)
    most = len(at) - degree - 1
    added, before, first = 1, 0.0, 0.0
    while True:
        fitted, errors = _least_squares(knots, at, points, degree)
        total = errors.sum()
        inner = len(knots) - 2 * (degree + 1)
        if abs(total - tolerance) < _TOLERANCE * tolerance:
            return fitted
        if total < tolerance:
            break
        if inner == most:
            return fitted
        if inner:
            gained = before - total
            guess = 2 * added if gained <= _TOLERANCE * tolerance else int(added * (total - tolerance) / gained)
            added = min(2 * added, max(guess, added // 2, 1))
        else:
            first = total
        before = total
        knots = _refined(knots, at, errors, degree, added)
        if len(knots) - 2 * (degree + 1) >= most:
            knots = _full(at, degree)
    if not inner:
        return fitted
    return _relaxed(knots, at, points, degree, tolerance, first, total)


def _least_squares(knots: Array, at: Array, points: Array, degree: int) -> tuple[Spline, Array]:
    design = basis(knots, at, degree)
    coefficients = np.linalg.lstsq(design, points, rcond=None)[0]
    return Spline(knots, coefficients, degree), ((design @ coefficients - points) ** 2).sum(axis=1)


def _refined(knots: Array, at: Array, errors: Array, degree: int, number: int) -> Array:
    """Put up to `number` new knots at parameters in the middle of the spans with the largest errors."""
    ends = knots[degree:-degree]
    bounds = [0, *np.searchsorted(at, ends[1:-1]), len(at) - 1]
    spans = []
    for start, end in itertools.pairwise(bounds):
        # A parameter on a knot lies half in either span.
        halves = errors[start] * (0.5 if start else 1) + errors[end] * (0.5 if end < len(at) - 1 else 1)
        spans.append((errors[start + 1 : end].sum() + halves, start, end))
    for _ in range(number):
        open_spans = [span for span in spans if span[2] - span[1] > 1]
        if not open_spans or len(spans) > len(at) - degree - 1:
            break
        widest = max(open_spans, key=lambda span: span[0])
        error, start, end = widest
        inside = end - start - 1
        middle = start + inside // 2 + 1
        left, right = middle - start - 1, end - middle - 1
        place = spans.index(widest)
        spans[place : place + 1] = [(error * left / inside, start, middle), (error * right / inside, middle, end)]
    return _clamped(at, at[[end for _, _, end in spans[:-1]]], degree)


def _relaxed(
    knots: Array, at: Array, points: Array, degree: int, tolerance: float, first: float, total: float
) -> Spline:
    """The spline on these knots whose highest derivative jumps least, the squared distances being `tolerance`."""
    design, jumps = basis(knots, at, degree), _jumps(knots, degree)
    aims = np.concatenate([points, np.zeros((len(jumps), points.shape[1]))])

    def fitted(weight: float) -> tuple[Spline, float]:
        coefficients = np.linalg.lstsq(np.concatenate([design, jumps / weight]), aims, rcond=None)[0]
        spline = Spline(knots, coefficients, degree)
        return spline, float(((design @ coefficients - points) ** 2).sum()) - tolerance

    low, low_error = 0.0, first - tolerance
    high, high_error = -1.0, total - tolerance
    weight = design.shape[1] / np.abs(np.diag(np.linalg.qr(design, mode="r"))).sum()
    low_found = high_found = False
    spline, error = fitted(weight)
    for _ in range(_STEPS):
        if abs(error) < _TOLERANCE * tolerance:
            break
        tried = weight
        if not high_found and error - high_error <= _TOLERANCE * tolerance:
            high, high_error = weight, error
            weight *= _LEAP
            if weight <= low:
                weight = low * _TOO_LARGE + tried * _TOO_SMALL
        elif not low_found and low_error - error <= _TOLERANCE * tolerance:
            low, low_error = weight, error
            weight /= _LEAP
            if high >= 0 and weight >= high:
                weight = tried * _TOO_SMALL + high * _TOO_LARGE
        else:
            high_found, low_found = high_found or error < 0, low_found or error > 0
            weight, (low, low_error), (high, high_error) = _rational(
                (low, low_error), (weight, error), (high, high_error)
            )
        spline, error = fitted(weight)
    return spline


def _rational(
    low: tuple[float, float], middle: tuple[float, float], high: tuple[float, float]
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Where a rational function through three (weight, error) is zero, and the two that enclose it."""
    (p1, f1), (p2, f2), (p3, f3) = low, middle, high
    if p3 <= 0:  # infinity
        p = (p1 * (f1 - f3) * f2 - p2 * (f2 - f3) * f1) / ((f1 - f2) * f3)
    else:
        h1, h2, h3 = f1 * (f2 - f3), f2 * (f3 - f1), f3 * (f1 - f2)
        p = -(p1 * p2 * h3 + p2 * p3 * h1 + p3 * p1 * h2) / (p1 * h1 + p2 * h2 + p3 * h3)
    return (p, low, middle) if f2 < 0 else (p, middle, high)


def _jumps(knots: Array, degree: int) -> Array:
    """How far the highest derivative jumps at each inner knot, for each basis function."""
    inner = range(degree + 1, len(knots) - degree - 1)
    scale = (len(inner) + 1) / (knots[-1] - knots[0])
    rows = np.zeros((len(inner), len(knots) - degree - 1))
    for row, knot in enumerate(inner):
        for column in range(row, row + degree + 2):
            around = knots[column : column + degree + 2]
            others = knots[knot] - np.delete(around, knot - column)
            rows[row, column] = (around[-1] - around[0]) / (np.prod(others) * scale**degree)
    return rows


def _full(at: Array, degree: int) -> Array:
    """As many knots as a spline through all points can have."""
    if degree % 2:
        return _clamped(at, at[(degree + 1) // 2 : len(at) - (degree + 1) // 2], degree)
    middles = (at[1:] + at[:-1]) / 2
    return _clamped(at, middles[degree // 2 : len(middles) - degree // 2], degree)


def _clamped(at: Array, inner: Array, degree: int) -> Array:
    return np.concatenate([np.full(degree + 1, at[0]), inner, np.full(degree + 1, at[-1])])


def _over(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)
