"""Activations: element by element, except softmax."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .module import Module, check_gradient, check_input


class Identity(Module):
    """y = x, for an input of any shape: holds a place where no activation is wanted.

    Raises:
        ValueError: integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Identity.html
    """

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return `x`."""
        x = check_input(x)
        self._save(x.shape, x.dtype)
        return x

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Return `dy`: the derivative is 1."""
        return check_gradient(dy, *self._recall())


class Sigmoid(Module):
    """σ(x) = 1 / (1 + e⁻ˣ), element by element, for an input of any shape.

    It is computed as ½(tanh(x/2) + 1), the same function: no exponential can overflow. The error is below
    1e-16 (in float64), so what is smaller than that comes out as 0.

    Raises:
        ValueError: integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html
    """

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return σ(x), from 0 to 1."""
        y = 0.5 * (np.tanh(0.5 * check_input(x)) + 1)
        self._save(y)
        return y

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Return dx = dy · y(1 − y): the derivative is known from the output."""
        (y,) = self._recall()
        return check_gradient(dy, y.shape, y.dtype) * (y * (1 - y))


class Tanh(Module):
    """tanh(x) = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), element by element, for an input of any shape.

    Raises:
        ValueError: integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanh.html
    """

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return tanh(x), from −1 to 1."""
        y = np.tanh(check_input(x))
        self._save(y)
        return y

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Return dx = dy · (1 − y²): the derivative is known from the output."""
        (y,) = self._recall()
        return check_gradient(dy, y.shape, y.dtype) * (1 - y * y)


class ReLU(Module):
    """max(x, 0), element by element, for an input of any shape.

    The derivative at 0 is taken as 0, as in PyTorch.

    Raises:
        ValueError: `inplace=True` (layers never modify their input); integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        _refuse_inplace(inplace)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return max(x, 0)."""
        x = check_input(x)
        self._save(x > 0, x.dtype)
        return np.maximum(x, 0)

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Let the gradient through where the input was positive."""
        positive, dtype = self._recall()
        return check_gradient(dy, positive.shape, dtype) * positive


class LeakyReLU(Module):
    """x where x > 0, otherwise `negative_slope` · x, element by element, for an input of any shape.

    Args:
        negative_slope: the slope to the left of 0, where ReLU's is 0; at 0 the derivative is this slope.
        inplace: only False.

    Raises:
        ValueError: `inplace=True` (layers never modify their input); integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        _refuse_inplace(inplace)
        self.negative_slope = negative_slope

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return x times the slope at x."""
        x = check_input(x)
        slope = np.where(x > 0, 1, self.negative_slope).astype(x.dtype, copy=False)
        self._save(slope)
        return x * slope

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Return dx = dy · slope."""
        (slope,) = self._recall()
        return check_gradient(dy, slope.shape, slope.dtype) * slope

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return f"negative_slope={self.negative_slope}"


class GELU(Module):
    """x Φ(x), element by element; Φ(x) is the share of a standard normal distribution below x.

    Args:
        approximate: "none" computes Φ(x) = ½(1 + erf(x/√2)), with SciPy's erf; "tanh" takes
            ½(1 + tanh(√(2/π) (x + 0.044715 x³))), which needs NumPy alone and is off by less than 0.001.

    Raises:
        ValueError: another `approximate`; integer input.

    Source: Hendrycks & Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.GELU.html
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(
                f'approximate must be "none" or "tanh", got {approximate!r}'
            )
        self.approximate = approximate

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return x Φ(x)."""
        x = check_input(x)
        share, slope = self._exact(x) if self.approximate == "none" else self._tanh(x)
        self._save(share + x * slope)  # the product rule: (x Φ)' = Φ + x Φ'
        return x * share

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Return dx = dy · (Φ(x) + x Φ'(x))."""
        (derivative,) = self._recall()
        return check_gradient(dy, derivative.shape, derivative.dtype) * derivative

    @staticmethod
    def _exact(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return Φ(x) and Φ'(x), the density of the normal distribution."""
        from scipy.special import erf  # here, so that the other layers need NumPy alone

        return 0.5 * (1 + erf(x / math.sqrt(2))), np.exp(-0.5 * x * x) / math.sqrt(
            2 * math.pi
        )

    @staticmethod
    def _tanh(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the approximation of Φ(x) and its own derivative."""
        scale, square = math.sqrt(2 / math.pi), x * x
        t = np.tanh(scale * x * (1 + 0.044715 * square))
        return 0.5 * (1 + t), 0.5 * (1 - t * t) * scale * (1 + 3 * 0.044715 * square)

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    """pₖ = exp(xₖ) / Σⱼ exp(xⱼ) along one axis: positive numbers that add up to 1.

    The largest entry is subtracted first. That changes nothing, because it cancels, and nothing overflows.

    Args:
        dim: the axis along which the numbers add up to 1; for (N, C) it is 1.

    Raises:
        ValueError: the input has no such axis; integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if isinstance(dim, bool) or not isinstance(dim, int | np.integer):
            raise ValueError(
                f"dim must be an integer, got {dim!r}: write dim=1 for an input of shape (N, C)"
            )
        self.dim = int(dim)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return the probabilities, of the shape of `x`."""
        x = check_input(x)
        if not -x.ndim <= self.dim < x.ndim:
            raise ValueError(
                f"dim={self.dim} must be an axis of x, got shape {x.shape}: choose another dim"
            )
        exponentials = np.exp(x - x.max(axis=self.dim, keepdims=True, initial=-np.inf))
        y = exponentials / exponentials.sum(axis=self.dim, keepdims=True)
        self._save(y)
        return y

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Return dx = y · (dy − Σ dy · y): raising one entry lowers all the others."""
        (y,) = self._recall()
        dy = check_gradient(dy, y.shape, y.dtype)
        return y * (dy - (dy * y).sum(axis=self.dim, keepdims=True))

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return f"dim={self.dim}"


def _refuse_inplace(inplace: bool) -> None:
    if inplace:
        raise ValueError(
            "inplace must be False: layers of dltwice.nn never modify their input"
        )
