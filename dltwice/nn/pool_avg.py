"""Average pooling: the mean of a window stands for the window."""

from __future__ import annotations

from functools import reduce
from itertools import product
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from .functional import Ints, Taps
from .module import check_gradient, sizes
from .pool_base import PoolBase, Size, WindowPool


class AvgPool2d(WindowPool):
    """The average of each window, channel by channel.

    | array | shape                                                     |
    |-------|-----------------------------------------------------------|
    | x     | (N, C, H, W) or (C, H, W)                                 |
    | y     | (N, C, H_out, W_out), H_out = ⌊(H + 2P − K) / S⌋ + 1      |

    Args:
        kernel_size: K, in cells; like stride and padding one number, or one per axis.
        stride: S, steps between two windows, by default K: windows side by side.
        padding: P, zeros on each side, at most K/2.
        ceil_mode: whether H_out is rounded up, so that the last window may hang over the end.
        count_include_pad: whether the sum is divided by all cells of a window, those in the padding too;
            without, only by the cells in the input. What hangs over the padding never counts.
        divisor_override: divides every sum, in place of the number of cells.

    Raises:
        ValueError: settings out of range; input of wrong rank, integers, or too small for one window.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html
    """

    axes = 2

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = bool(count_include_pad)
        whole = isinstance(divisor_override, int | np.integer)
        if divisor_override is not None and not (whole and divisor_override):
            raise ValueError(
                f"divisor_override must be an integer other than 0, got {divisor_override!r}: "
                "give the number to divide by, or None for the number of cells"
            )
        self.divisor_override = divisor_override

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Add up what the taps read, and divide by the number of cells."""
        x, batched = self._check(x)
        output_size, taps = self._windows(x.shape[2:])
        y = np.zeros((*x.shape[:2], *output_size), x.dtype)
        for places, cells in taps:
            y[places] += x[cells]
        divisor = self._divisor(x.shape[2:], output_size, x.dtype)
        y /= divisor
        self._save(divisor, taps, x.shape, y.shape, batched)
        return y if batched else y[0]

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Give all cells of a window equal shares of dy; what overlaps is added."""
        divisor, taps, x_shape, y_shape, batched = self._recall()
        dy = check_gradient(dy, y_shape[not batched :], divisor.dtype)
        share = dy.reshape(y_shape) / divisor
        dx = np.zeros(x_shape, share.dtype)
        for places, cells in taps:
            if self._side_by_side:
                dx[cells] = share[places]  # no other window reads them
            else:
                dx[cells] += share[places]
        return dx if batched else dx[0]

    def _divisor(self, size: Ints, output_size: Ints, dtype: np.dtype) -> np.ndarray:
        """Return what each window's sum is divided by, (H_out, W_out)."""
        if self.divisor_override is not None:
            return np.full(output_size, self.divisor_override, dtype)
        counts = []
        settings = (size, output_size, self.kernel_size, self.stride, self.padding)
        for n, out, k, s, p in zip(*settings, strict=True):
            begin = np.arange(out) * s - p
            end = np.minimum(begin + k, n + p)
            if not self.count_include_pad:
                begin, end = np.maximum(begin, 0), np.minimum(end, n)
            counts.append(end - begin)
        return reduce(np.multiply.outer, counts).astype(dtype)

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return self._repr_of("kernel_size", "stride", "padding")


class AvgPool1d(AvgPool2d):
    """The average of each window of a signal: `AvgPool2d` with one axis, without `divisor_override`.

    | array | shape                                          |
    |-------|------------------------------------------------|
    | x     | (N, C, L) or (C, L)                            |
    | y     | (N, C, L_out), L_out = ⌊(L + 2P − K) / S⌋ + 1  |

    Arguments and errors are those of `AvgPool2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html
    """

    axes = 1

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        for name in ("kernel_size", "stride", "padding"):
            self._given[name] = getattr(self, name)  # PyTorch shows tuples here


class AdaptiveAvgPool2d(PoolBase):
    """The averages of `output_size` windows that share the input out, whatever its size.

    Window i covers the rows ⌊i·H / H_out⌋ to ⌈(i + 1)·H / H_out⌉ − 1, the columns likewise: where the sizes
    do not divide, windows differ by a cell and overlap. `AdaptiveAvgPool2d(1)` is global average pooling.

    | array | shape                      |
    |-------|----------------------------|
    | x     | (N, C, H, W) or (C, H, W)  |
    | y     | (N, C, H_out, W_out)       |

    Args:
        output_size: H_out and W_out, one number or a pair; None in a pair keeps the input's size.

    Raises:
        ValueError: sizes below 1; input of wrong rank, integers, or without a cell.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html
    """

    axes = 2

    def __init__(self, output_size: int | tuple[int | None, ...]) -> None:
        super().__init__()
        self.output_size = numbers = output_size
        if self.axes > 1 and isinstance(output_size, tuple | list):
            numbers = tuple(1 if n is None else n for n in output_size)
        sizes("output_size", numbers, self.axes, 1)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Average what each window covers."""
        x, batched = self._check(x)
        output_size, windows = self._windows(x.shape[2:])
        y = np.empty((*x.shape[:2], *output_size), x.dtype)
        axes = tuple(range(2, x.ndim))
        for place, cells in windows:
            y[place] = x[cells].mean(axis=axes)
        self._save(windows, x.shape, y.shape, x.dtype, batched)
        return y if batched else y[0]

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Give all cells of a window equal shares of dy; what overlaps is added."""
        windows, x_shape, y_shape, dtype, batched = self._recall()
        dy = check_gradient(dy, y_shape[not batched :], dtype).reshape(y_shape)
        dx = np.zeros(x_shape, dtype)
        for place, cells in windows:
            window = dx[cells]  # a view
            share = dy[place] / prod(window.shape[2:])
            window += share.reshape(*share.shape, *[1] * self.axes)
        return dx if batched else dx[0]

    def _windows(self, size: Ints) -> tuple[Ints, Taps]:
        """Return the output's size, and for each place its index and the cells that its window covers."""
        wanted = self.output_size
        if not isinstance(wanted, tuple | list):
            wanted = (wanted,) * self.axes
        output_size = tuple(
            n if out is None else out for n, out in zip(size, wanted, strict=True)
        )
        axes = [
            [slice(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]
            for n, out in zip(size, output_size, strict=True)
        ]
        places, cells = np.ndindex(output_size), product(*axes)
        both = zip(places, cells, strict=True)
        return output_size, [((..., *place), (..., *window)) for place, window in both]

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """The averages of `output_size` windows that share a signal out: `AdaptiveAvgPool2d` with one axis.

    | array | shape                |
    |-------|----------------------|
    | x     | (N, C, L) or (C, L)  |
    | y     | (N, C, output_size)  |

    Arguments and errors are those of `AdaptiveAvgPool2d`; `output_size` is a number.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool1d.html
    """

    axes = 1
