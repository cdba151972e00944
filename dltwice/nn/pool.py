"""Max pooling: the largest value of a window stands for the window."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import ArrayLike

from .functional import Ints, Taps
from .module import check_gradient
from .pool_base import Size, WindowPool


class MaxPool2d(WindowPool):
    """The largest value of each window, channel by channel.

    | array   | shape                                                                       |
    |---------|-----------------------------------------------------------------------------|
    | x       | (N, C, H, W) or (C, H, W)                                                   |
    | y       | (N, C, H_out, W_out), H_out = ⌊(H + 2P − D(K − 1) − 1) / S⌋ + 1             |
    | indices | as y, int64: the cell that had it, row · W + column                         |

    Of equal values the first one in reading order counts. NaN counts as larger than any number, of several
    NaN the last one counts.

    Args:
        kernel_size: K, in cells; like stride, padding and dilation one number, or one per axis.
        stride: S, steps between two windows, by default K: windows side by side.
        padding: P, cells of −∞ on each side, at most K/2.
        dilation: D, distance between two taps.
        return_indices: whether `forward` returns (y, indices).
        ceil_mode: whether H_out is rounded up, so that the last window may hang over the end.

    Raises:
        ValueError: settings out of range; input of wrong rank, integers, or too small for one window; a
            dilated window that reads only padding (PyTorch returns −∞, and an index outside the input).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    """

    axes = 2

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.return_indices = bool(return_indices)

    def forward(self, x: ArrayLike) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Go through the taps; keep the maximum so far, and the tap that had it."""
        x, batched = self._check(x)
        output_size, taps = self._windows(x.shape[2:])
        y = np.full((*x.shape[:2], *output_size), -np.inf, x.dtype)
        winner = self._first_taps(taps, y.shape)
        for t, (places, cells) in enumerate(taps):
            value = x[cells].copy()  # contiguous: three steps read it
            better = (value > y[places]) | np.isnan(value)
            candidate = np.multiply(better, t, dtype=winner.dtype)
            np.maximum(winner[places], candidate, out=winner[places])
            np.maximum(y[places], value, out=y[places])
        self._save(winner, taps, x.shape, x.dtype, batched)
        y = y if batched else y[0]
        return (y, self._indices()) if self.return_indices else y

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Give each dy to the cell that had the maximum; what overlaps is added."""
        winner, taps, x_shape, dtype, batched = self._recall()
        dy = check_gradient(dy, winner.shape[not batched :], dtype)
        dy = np.ascontiguousarray(dy).reshape(winner.shape)
        dx = np.zeros(x_shape, dtype)
        for t, (places, cells) in enumerate(taps):
            given = dy[places] * (winner[places] == t)
            if self._side_by_side:
                dx[cells] = given  # no other window reads them: faster than to add
            else:
                dx[cells] += given
        return dx if batched else dx[0]

    def _first_taps(self, taps: Taps, shape: Ints) -> np.ndarray:
        """Return each place's first tap inside the input: it wins where all is −∞."""
        first = np.zeros(shape, np.min_scalar_type(len(taps)))
        if any(self.padding):
            for t, (places, _) in reversed(list(enumerate(taps))):
                first[places] = t
        return first

    def _indices(self) -> np.ndarray:
        """Return for each place the number of the cell that had the maximum."""
        winner, taps, x_shape, _, batched = self._recall()
        size = x_shape[2:]
        cell_numbers = np.arange(prod(size)).reshape(size)
        indices = np.zeros(winner.shape, np.int64)
        for t, (places, cells) in enumerate(taps):
            indices[places] += cell_numbers[cells] * (winner[places] == t)
        return indices if batched else indices[0]

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return self._repr_of(
            "kernel_size", "stride", "padding", "dilation", "ceil_mode"
        )


class MaxPool1d(MaxPool2d):
    """The largest value of each window of a signal: `MaxPool2d` with one axis.

    | array   | shape                                                    |
    |---------|----------------------------------------------------------|
    | x       | (N, C, L) or (C, L)                                      |
    | y       | (N, C, L_out), L_out = ⌊(L + 2P − D(K − 1) − 1) / S⌋ + 1 |
    | indices | as y, int64: the cell that had it                        |

    Arguments and errors are those of `MaxPool2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html
    """

    axes = 1
