"""Initial values of weights, written into an array in place: NumPy twin of `torch.nn.init`.

Each function returns the array. `rng` is a seed or a generator.

Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks",
AISTATS 2010 (Xavier); He et al., "Delving deep into rectifiers", ICCV 2015 (Kaiming);
https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

PLAIN = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor that makes up for what a nonlinearity takes from the spread of its input.

    It is 1 for linear layers and "sigmoid", 5/3 for "tanh", √2 for "relu", 3/4 for "selu", and √(2/(1 + a²))
    for "leaky_relu", where a is `param`, or 0.01 if that is None.

    Raises:
        ValueError: an unknown nonlinearity, or a slope that is no number.
    """
    if nonlinearity in PLAIN or nonlinearity == "sigmoid":
        return 1.0
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(
                f"param must be the slope of leaky_relu, a number, got {param!r}"
            )
        return math.sqrt(2 / (1 + slope**2))
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    if nonlinearity not in gains:
        known = ", ".join(("linear", "conv2d", "sigmoid", "leaky_relu", *gains))
        raise ValueError(f"nonlinearity must be one of {known}, got {nonlinearity!r}")
    return gains[nonlinearity]


def uniform_(
    tensor: np.ndarray, a: float = 0.0, b: float = 1.0, *, rng: Any = None
) -> np.ndarray:
    """Draw every entry uniformly from `a` to `b`."""
    _check(tensor)[...] = np.random.default_rng(rng).uniform(a, b, tensor.shape)
    return tensor


def normal_(
    tensor: np.ndarray, mean: float = 0.0, std: float = 1.0, *, rng: Any = None
) -> np.ndarray:
    """Draw every entry from the normal distribution with this mean and standard deviation."""
    _check(tensor)[...] = np.random.default_rng(rng).normal(mean, std, tensor.shape)
    return tensor


def constant_(tensor: np.ndarray, val: float) -> np.ndarray:
    """Set every entry to `val`."""
    _check(tensor)[...] = val
    return tensor


def zeros_(tensor: np.ndarray) -> np.ndarray:
    """Set every entry to 0."""
    return constant_(tensor, 0.0)


def xavier_uniform_(
    tensor: np.ndarray, gain: float = 1.0, *, rng: Any = None
) -> np.ndarray:
    """Draw uniformly from ±gain·√(6 / (fan_in + fan_out)), with the deviation of `xavier_normal_`."""
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, rng=rng)


def xavier_normal_(
    tensor: np.ndarray, gain: float = 1.0, *, rng: Any = None
) -> np.ndarray:
    """Draw from the normal distribution with standard deviation gain·√(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), rng=rng)


def kaiming_uniform_(
    tensor: np.ndarray,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Any = None,
) -> np.ndarray:
    """Draw uniformly from ±gain·√(3 / fan): standard deviation gain / √fan.

    Args:
        tensor: the weight, filled in place.
        a: the slope of "leaky_relu"; with the default, 0, its gain is that of "relu", √2.
        mode: "fan_in" keeps the spread in the forward pass, "fan_out" in the backward pass.
        nonlinearity: what follows the layer, see `calculate_gain`.
        rng: seed or generator.
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, rng=rng)


def kaiming_normal_(
    tensor: np.ndarray,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Any = None,
) -> np.ndarray:
    """Draw from the normal distribution with standard deviation gain / √fan; see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), rng=rng)


def _xavier_std(tensor: np.ndarray, gain: float) -> float:
    fan_in, fan_out = _fans(tensor)
    return gain * math.sqrt(2 / (fan_in + fan_out))


def _kaiming_std(tensor: np.ndarray, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'mode must be "fan_in" or "fan_out", got {mode!r}')
    fan_in, fan_out = _fans(tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(
        fan_in if mode == "fan_in" else fan_out
    )


def _fans(tensor: np.ndarray) -> tuple[int, int]:
    """Return how many inputs one output reads, and how many outputs one input reaches."""
    if _check(tensor).ndim < 2 or tensor.size == 0:
        raise ValueError(
            f"tensor must be a weight with axes (out, in, …), none of them empty, got shape {tensor.shape}: "
            "set a bias with zeros_ or uniform_"
        )
    outputs, inputs, *kernel = tensor.shape
    return inputs * math.prod(kernel), outputs * math.prod(kernel)


def _check(tensor: np.ndarray) -> np.ndarray:
    """Return `tensor`, which is filled in place: so it must be an array, and of floats."""
    if not isinstance(tensor, np.ndarray) or not np.issubdtype(
        tensor.dtype, np.floating
    ):
        kind = (
            f"an array of {tensor.dtype}"
            if isinstance(tensor, np.ndarray)
            else type(tensor).__name__
        )
        raise ValueError(
            f"tensor must be an array of floats, filled in place, got {kind}: pass layer.weight"
        )
    return tensor
