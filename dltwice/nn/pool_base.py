"""What all pooling layers share: settings, checks, geometry."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from .functional import Ints, Taps, check_half, pool_output_size, pool_taps
from .module import Module, check_input, sizes

Size = int | tuple[int, ...]


class PoolBase(Module):
    """Base class of the pooling layers; `axes` is 1 for signals, 2 for pictures."""

    axes: int

    def _check(self, x: ArrayLike) -> tuple[np.ndarray, bool]:
        """Return `x` with a batch axis, and whether it came with one."""
        self._saved = None  # what the last forward kept makes room for the next
        x = check_input(x)
        letters = "N, C, H, W" if self.axes == 2 else "N, C, L"
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise ValueError(
                f"x must have shape ({letters}), or ({letters[3:]}) for a single example, got {x.shape}: "
                "add the missing axes, for instance x[None, None]"
            )
        if 0 in x.shape[x.ndim - self.axes - 1 :]:
            raise ValueError(
                f"x must have a channel and a cell at least, got shape {x.shape}: only the batch may be empty"
            )
        batched = x.ndim == self.axes + 2
        return (x if batched else x[None]), batched


class WindowPool(PoolBase):
    """Base class of the layers with a window of a given size, which moves in steps of `stride`."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None,
        padding: Size,
        dilation: Size,
        ceil_mode: bool,
    ) -> None:
        super().__init__()
        stride = kernel_size if stride is None else stride
        self._given = {
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "ceil_mode": ceil_mode,
        }
        self.kernel_size = sizes("kernel_size", kernel_size, self.axes, 1)
        self.stride = sizes("stride", stride, self.axes, 1)
        self.padding = sizes("padding", padding, self.axes, 0)
        self.dilation = sizes("dilation", dilation, self.axes, 1)
        self.ceil_mode = bool(ceil_mode)
        for p, k in zip(self.padding, self.kernel_size, strict=True):
            check_half(p, k)
        axes = zip(self.kernel_size, self.stride, self.dilation, strict=True)
        self._side_by_side = all(s > d * (k - 1) for k, s, d in axes)

    def _windows(self, size: Ints) -> tuple[Ints, Taps]:
        """Return the output's size for an input of `size`, and the taps: see `pool_taps`."""
        settings = (self.kernel_size, self.stride, self.padding, self.dilation)
        return _geometry(size, *settings, self.ceil_mode)

    def _repr_of(self, *names: str) -> str:
        return ", ".join(f"{name}={self._given[name]}" for name in names)


@lru_cache  # training asks for the same geometry at each step
def _geometry(
    size: Ints,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
) -> tuple[Ints, Taps]:
    settings = (kernel_size, stride, padding, dilation)
    axes = list(zip(size, *settings, strict=True))
    try:
        output_size = tuple(pool_output_size(*one, ceil_mode) for one in axes)
    except ValueError as error:
        raise ValueError(f"x of {size} cells is too small: {error}") from None
    for out, (n, k, s, p, d) in zip(output_size, axes, strict=True):
        for begin in range(-p, out * s - p, s):
            if not any(0 <= begin + t * d < n for t in range(k)):
                raise ValueError(
                    f"a window reads nothing of x, of {n} cells along an axis: all its taps are in the "
                    f"padding (kernel_size {k}, padding {p}, dilation {d}); use less dilation or padding"
                )
    return output_size, pool_taps(size, *settings, output_size)
