"""Fully connected layers, and what leads to them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .module import Module, check_gradient, check_input, sizes, uniform


class Linear(Module):
    """y = x Wᵀ + b.

    | array  | shape                       |
    |--------|-----------------------------|
    | x      | (..., in_features)          |
    | weight | (out_features, in_features) |
    | bias   | (out_features,)             |
    | y      | (..., out_features)         |

    Args:
        in_features: size of the input's last axis.
        out_features: size of the output's last axis.
        bias: whether to add b.
        dtype: type of the parameters; the computation takes the type of the input.
        rng: seed or generator of the initial values, uniform in ±1/√in_features.

    Raises:
        ValueError: sizes below 1; an input whose last axis is not `in_features`; integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        super().__init__()
        for name, size in (
            ("in_features", in_features),
            ("out_features", out_features),
        ):
            sizes(name, size, 1, 1)
        rng = np.random.default_rng(rng)
        self.in_features, self.out_features = in_features, out_features
        self.params["weight"] = uniform(
            rng, in_features, (out_features, in_features), dtype
        )
        if bias:
            self.params["bias"] = uniform(rng, in_features, (out_features,), dtype)
        else:
            self.bias = None

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return x Wᵀ + b."""
        x = check_input(x)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"x must have in_features={self.in_features} values on its last axis, "
                f"got shape {x.shape}: flatten it first, or build Linear with that size"
            )
        self._save(x)
        y = x @ self.weight.T.astype(x.dtype, copy=False)
        if self.bias is not None:
            y += self.bias.astype(x.dtype, copy=False)
        return y

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Fill dW = dyᵀ x and db = Σ dy; return dx = dy W.

        Both sums run over all leading axes.
        """
        (x,) = self._recall()
        dy = check_gradient(dy, (*x.shape[:-1], self.out_features), x.dtype)
        rows = dy.reshape(-1, self.out_features)
        self.grads["weight"] = rows.T @ x.reshape(-1, self.in_features)
        if self.bias is not None:
            self.grads["bias"] = rows.sum(axis=0)
        return dy @ self.weight.astype(x.dtype, copy=False)

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        has_bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={has_bias}"


class Flatten(Module):
    """Merge the axes from `start_dim` to `end_dim` into one; by default all but the batch.

    Raises:
        ValueError: the input has not these axes, or `start_dim` comes after `end_dim`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Flatten.html
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return `x` with the axes merged, for instance (N, C, H, W) as (N, C·H·W)."""
        x = check_input(x)
        start, end = (
            dim + x.ndim if dim < 0 else dim for dim in (self.start_dim, self.end_dim)
        )
        if not 0 <= start <= end < x.ndim:
            raise ValueError(
                f"start_dim={self.start_dim} and end_dim={self.end_dim} must be axes of x in this order, "
                f"got shape {x.shape}: give x a batch axis, or choose other axes"
            )
        y = x.reshape(
            *x.shape[:start], prod(x.shape[start : end + 1]), *x.shape[end + 1 :]
        )
        self._save(x.shape, y.shape, x.dtype)
        return y

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Give the gradient the shape of the input."""
        x_shape, y_shape, dtype = self._recall()
        return check_gradient(dy, y_shape, dtype).reshape(x_shape)

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
