"""Normalization by the statistics of the batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .module import Module, check_gradient, check_input, sizes


class BatchNorm(Module):
    """What the batch norms share; `ranks` are the numbers of axes that an input may have.

    Statistics are taken over the batch and all positions, all axes but axis 1, one pair per channel.
    """

    ranks: tuple[int, ...]
    layouts: str

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        (self.num_features,) = sizes("num_features", num_features, 1, 1)
        if not eps >= 0:
            raise ValueError(f"eps must be 0 or more, got {eps}")
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(
                f"momentum must be from 0 to 1, or None for the plain mean, got {momentum}"
            )
        self.eps, self.momentum = float(eps), momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        if affine:
            self.params["weight"] = np.ones(num_features, dtype)
        else:
            self.weight = None
        if affine and bias:
            self.params["bias"] = np.zeros(num_features, dtype)
        else:
            self.bias = None
        if track_running_stats:
            self.buffers["running_mean"] = np.zeros(num_features, dtype)
            self.buffers["running_var"] = np.ones(num_features, dtype)
            self.buffers["num_batches_tracked"] = np.array(0, np.int64)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return γ x̂ + β with x̂ = (x − μ) / √(σ² + eps).

        In training μ and σ² are those of the batch, else the running ones.
        """
        x = self._check(x)
        axes, by_batch = (
            (0, *range(2, x.ndim)),
            self.training or not self.track_running_stats,
        )
        if by_batch:
            mean, var = self._batch_statistics(x, axes)
        else:
            mean, var = (
                self._channels(self.running_mean, x),
                self._channels(self.running_var, x),
            )
        inv_std = 1 / np.sqrt(var + self.eps)  # (1, C, 1…)
        x_hat = (x - mean) * inv_std
        self._save(x_hat, inv_std, axes, by_batch)
        y = x_hat if self.weight is None else x_hat * self._channels(self.weight, x)
        return y if self.bias is None else y + self._channels(self.bias, x)

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Fill dγ = Σ dy x̂ and dβ = Σ dy; return dx.

        In training μ and σ² depend on x: two terms more.
        """
        x_hat, inv_std, axes, by_batch = self._recall()
        dx_hat = check_gradient(dy, x_hat.shape, x_hat.dtype)
        if self.bias is not None:
            self.grads["bias"] = dx_hat.sum(axis=axes)
        if self.weight is not None:
            self.grads["weight"] = (dx_hat * x_hat).sum(axis=axes)
            dx_hat = dx_hat * self._channels(self.weight, x_hat)
        if not by_batch:
            return dx_hat * inv_std
        through_mean = dx_hat.mean(axis=axes, keepdims=True)
        through_var = x_hat * (dx_hat * x_hat).mean(axis=axes, keepdims=True)
        return (dx_hat - through_mean - through_var) * inv_std

    def _batch_statistics(
        self, x: np.ndarray, axes: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and biased variance per channel, (1, C, 1…), and follow them in training."""
        count = x.size // self.num_features
        if count < 2:
            raise ValueError(
                f"x must have more than one value per channel in training, got shape {x.shape}: the variance "
                "of one value is 0; take a larger batch, or call eval() first"
            )
        mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
        if self.training and self.track_running_stats:
            self._follow(mean.ravel(), var.ravel() * (count / (count - 1)))
        return mean, var

    def _follow(self, mean: np.ndarray, unbiased_var: np.ndarray) -> None:
        """Move the running statistics by `momentum` towards the batch's; with None, keep the plain mean."""
        self.num_batches_tracked = self.num_batches_tracked + 1
        m = (
            1 / int(self.num_batches_tracked)
            if self.momentum is None
            else self.momentum
        )
        for name, new in (("running_mean", mean), ("running_var", unbiased_var)):
            old = self.buffers[name]
            self.buffers[name] = ((1 - m) * old + m * new).astype(old.dtype, copy=False)

    def _check(self, x: ArrayLike) -> np.ndarray:
        x = check_input(x)
        if x.ndim not in self.ranks or x.shape[1] != self.num_features:
            raise ValueError(
                f"x must have shape {self.layouts} with C = num_features = {self.num_features}, got "
                f"{x.shape}: build the layer for that number of channels, or move the channels to axis 1"
            )
        return x

    @staticmethod
    def _channels(values: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return values per channel in the type of `x`, shaped (C, 1…) to stand at axis 1 of `x`."""
        return values.reshape(-1, *[1] * (x.ndim - 2)).astype(x.dtype, copy=False)

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(BatchNorm):
    """y = γ (x − μ) / √(σ² + eps) + β, with one μ, σ², γ and β per channel.

    In training, μ and σ² are the mean and the biased variance of the batch (divided by the count n). In
    evaluation they are the running statistics, which follow the batches' means and unbiased variances
    (divided by n − 1) in training. So one layer uses two variances, as in PyTorch.

    | array                                | shape              |
    |--------------------------------------|--------------------|
    | x, y                                 | (N, C), (N, C, L)  |
    | weight (γ), bias (β)                 | (C,)               |
    | buffers running_mean, running_var    | (C,)               |
    | buffer num_batches_tracked           | (), int64          |

    Args:
        num_features: C.
        eps: added to the variance, so that a constant channel divides by no 0.
        momentum: m in running ← (1 − m) running + m new; None keeps the plain mean of all batches.
        affine: whether there are γ and β.
        bias: whether there is β, if there is γ.
        track_running_stats: whether to keep running statistics; without them evaluation takes the batch's.
        dtype: type of the parameters; the computation takes the type of the input.

    Raises:
        ValueError: settings out of range; input of wrong rank or channels, or integers; in training, fewer
            than two values per channel.

    Source: Ioffe & Szegedy, "Batch normalization", ICML 2015, algorithms 1 and 2;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html
    """

    ranks = (2, 3)
    layouts = "(N, C) or (N, C, L)"


class BatchNorm2d(BatchNorm):
    """Batch norm of pictures: one μ, σ², γ and β per channel, over the batch and all cells.

    Statistics and running statistics are those of `BatchNorm1d`, as are arguments and errors. A channel has
    N·H·W values, so a batch of one picture is enough.

    | array                                | shape         |
    |--------------------------------------|---------------|
    | x, y                                 | (N, C, H, W)  |
    | weight (γ), bias (β)                 | (C,)          |
    | buffers running_mean, running_var    | (C,)          |
    | buffer num_batches_tracked           | (), int64     |

    Source: Ioffe & Szegedy, "Batch normalization", ICML 2015, section 3.2;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
    """

    ranks = (4,)
    layouts = "(N, C, H, W)"
