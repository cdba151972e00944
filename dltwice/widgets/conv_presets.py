"""Named inputs and kernels of the explorers, at any size; ``window_math.js``, ``conv_math.js`` hold them too.

Every entry is a function of (height, width) that returns an array. The names are those that the widget's two
lists show; ``ConvExplorer(input="edge", kernel="sobel x")`` takes them too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

Preset = Callable[[int, int], np.ndarray]


def numbers(h: int, w: int) -> np.ndarray:
    """Small whole numbers without symmetry; a cell's value does not depend on the size."""
    r, c = np.ogrid[:h, :w]
    return (2 * r * r + 3 * c * c + r * c + 2 * c) % 5


def upstream(h: int, w: int) -> np.ndarray:
    """Return the upstream gradient dY that a new widget starts with: mixed signs, never all ones."""
    r, c = np.ogrid[:h, :w]
    return (2 * r + 3 * c + 1) % 5 - 2


def _seven(h: int, w: int) -> np.ndarray:
    r, c = np.ogrid[:h, :w]
    return (r == 0) | (c == (w - 1) * (h - r) // h)


def _binomial(n: int) -> np.ndarray:
    return np.array([math.comb(n - 1, i) for i in range(n)])


def _slope(n: int) -> np.ndarray:
    """Return a smoothed difference: [1], [-1, 1], [-1, 0, 1], [-1, -1, 1, 1] …"""
    return np.convolve(_binomial(n - 1), [-1, 1]) if n > 1 else np.array([1])


def _steps(h: int, w: int) -> np.ndarray:
    """Return how many steps, up or down, left or right, each cell is from the center."""
    r, c = np.ogrid[:h, :w]
    return abs(r - (h - 1) // 2) + abs(c - (w - 1) // 2)


def _laplacian(h: int, w: int) -> np.ndarray:
    sides = (_steps(h, w) == 1).astype(int)
    return sides - sides.sum() * (_steps(h, w) == 0)


INPUTS: Mapping[str, Preset] = {
    "numbers": numbers,
    "seven": _seven,
    "edge": lambda h, w: np.broadcast_to(2 * np.arange(w) >= w, (h, w)),
    "ramp": lambda h, w: np.broadcast_to(np.arange(w), (h, w)),
    "checkerboard": lambda h, w: np.indices((h, w)).sum(axis=0) % 2,
    "impulse": lambda h, w: _steps(h, w) == 0,
}

KERNELS: Mapping[str, Preset] = {
    "identity": lambda h, w: _steps(h, w) == 0,
    "box blur": lambda h, w: np.full((h, w), 1 / (h * w)),
    "gaussian": lambda h, w: np.outer(_binomial(h), _binomial(w)) / 2 ** (h + w - 2),
    "sobel x": lambda h, w: np.outer(_binomial(h), _slope(w)),
    "sobel y": lambda h, w: np.outer(_slope(h), _binomial(w)),
    "laplacian": _laplacian,
    "sharpen": lambda h, w: (_steps(h, w) == 0) - _laplacian(h, w),
}


def make(presets: Mapping[str, Preset], name: str, size: tuple[int, int]) -> list[list[float]]:
    """Return a preset as rows of floats. A name that is not there raises ``KeyError``."""
    return presets[name](*size).astype(float).tolist()


def resize(
    presets: Mapping[str, Preset], rows: list[list[float]], size: tuple[int, int]
) -> list[list[float]]:
    """Return rows at another size: a preset is drawn anew, edited numbers keep their places.

    Cells that edited numbers do not reach come from the preset ``numbers`` for inputs, and are 0 for kernels.
    """
    old = (len(rows), len(rows[0]))
    for name in presets:
        if make(presets, name, old) == rows:
            return make(presets, name, size)
    new = make(INPUTS, "numbers", size) if "numbers" in presets else np.zeros(size).tolist()
    for row, kept in zip(new, rows, strict=False):
        row[: len(kept)] = kept[: len(row)]
    return new
