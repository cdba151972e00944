"""Check a hand-written backward pass against central differences, at every entry."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from .nn.module import Module, check_input, convert
from .report import Report, compare_all


def gradcheck(
    layer: Module,
    x: ArrayLike,
    *,
    target: ArrayLike | None = None,
    eps: float = 1e-6,
    tol: float = 1e-6,
    seed: int = 0,
) -> Report:
    """Compare `layer.backward` with (f(v + eps) − f(v − eps)) / 2 eps for every entry v.

    f is the layer's output times a random upstream gradient, summed. All is computed in float64, on copies of
    the layer, so dropout draws the same mask each time, and batch norm begins with the same statistics. At a
    kink, such as ReLU at 0, there is no derivative to agree on: choose another input.

    Args:
        layer: a layer, a `Sequential` or, with `target`, a loss.
        x: the input.
        target: the loss's second argument.
        eps: the step of the differences.
        tol: allowed |difference|, relative to the largest gradient of its array. Where all are 0, what
            rounding does to a central difference is allowed: 16 units in the last place of f, divided by eps.
        seed: seed of the upstream gradient.

    Returns:
        A small table of what was compared.

    Raises:
        AssertionError: names the worst mismatch, its index and both values.
        ValueError: `x` does not hold floats.

    Source: Baydin et al., "Automatic differentiation in machine learning: a survey", JMLR 2018, section 2.1
    """
    layer, x = copy.deepcopy(layer), check_input(x).astype(np.float64)
    convert(layer, np.float64)
    arguments = (x,) if target is None else (x, target)
    used = copy.deepcopy(layer)
    y = used(*arguments)
    dy = np.random.default_rng([seed, 1]).standard_normal(np.shape(y))
    by_hand = {"input": used.backward(dy)} | {name: p.grad for name, p in used.named_parameters()}
    values = {"input": x} | {name: p.data for name, p in layer.named_parameters()}
    expected = {
        name: _central_differences(lambda: float(np.sum(copy.deepcopy(layer)(*arguments) * dy)), value, eps)
        for name, value in values.items()
    }
    pairs = {f"gradient of {name}": (by_hand[name], expected[name]) for name in values}
    title = f"{type(layer).__name__}: backward agrees with central differences"
    rounding = 16 * np.finfo(np.float64).eps * float(np.sum(np.abs(y * dy))) / eps
    return compare_all(title, pairs, tol, "central difference", dict.fromkeys(pairs, rounding))


def _central_differences(f: Callable[[], float], value: np.ndarray, eps: float) -> np.ndarray:
    """Return the derivative of `f()` in every entry of `value`, which is moved in place and restored."""
    gradient = np.empty_like(value)
    for index in np.ndindex(value.shape):
        kept = value[index]
        value[index] = kept + eps
        above = f()
        value[index] = kept - eps
        below = f()
        value[index] = kept
        gradient[index] = (above - below) / (2 * eps)
    return gradient
