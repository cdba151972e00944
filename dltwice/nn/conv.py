"""Convolutions and the transposed convolution."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .conv_base import ConvBase
from .functional import Pads, conv_output_size, crop, pad, spread, unfold, windows
from .module import check_gradient, sizes

Size = int | tuple[int, ...]


class Conv2d(ConvBase):
    """Cross-correlation of a picture with `out_channels` kernels, as all deep learning calls convolution.

    | array  | shape                                                           |
    |--------|-----------------------------------------------------------------|
    | x      | (N, C, H, W) or (C, H, W)                                       |
    | weight | (F, C/groups, K, K)                                             |
    | bias   | (F,)                                                            |
    | y      | (N, F, H_out, W_out), H_out = ⌊(H + 2P − D(K − 1) − 1) / S⌋ + 1 |

    Args:
        in_channels: C.
        out_channels: F, the number of kernels.
        kernel_size: K, in cells; like stride, padding and dilation one number, or one per axis.
        stride: S, steps between two places.
        padding: P, zeros on each side; "valid" is 0; "same" keeps H and W, with one more zero after than
            before when their number is odd.
        dilation: D, distance between two taps.
        groups: how many parts the channels are divided into; each part has its own kernels.
        bias: whether to add one number per kernel.
        padding_mode: only "zeros".
        dtype: type of the parameters; the computation takes the type of the input.
        rng: seed or generator of the initial values, uniform in ±1/√(C/groups·K·K).

    Raises:
        ValueError: settings out of range; `groups` that does not divide the channels; "same" with a stride;
            input of wrong rank, wrong channels, integers, or smaller than the kernel.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            dilation,
            groups,
            padding_mode,
        )
        self.padding = (
            padding
            if isinstance(padding, str)
            else sizes("padding", padding, self.axes, 0)
        )
        self._pads = self._resolve_padding()
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self._init_params(shape, bias, dtype, rng)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Put what the kernels read into columns, and multiply."""
        x, batched = self._check(x)
        padded = pad(x, self._pads)
        size = self._output_size(padded.shape[2:])
        blocks = unfold(
            padded, self.groups, self.kernel_size, self.stride, self.dilation
        )
        weights = self._weight_blocks(len(blocks), x.dtype)
        y = weights[0] @ blocks[0]  # (N, G, F/G, H_out·W_out)
        for weight, columns in zip(weights[1:], blocks[1:], strict=True):
            y += weight @ columns
        y = self._add_bias(
            y.reshape(len(x), self.out_channels, *size)
        )  # (N, F, H_out, W_out)
        self._save(blocks, padded.shape[2:], y.shape, batched)
        return y if batched else y[0]

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Fill dW = Σₙ dy columnsᵀ and db = Σ dy; return dx.

        For dx, every dy lays its kernel back onto the input.
        """
        blocks, padded_size, y_shape, batched = self._recall()
        dy = check_gradient(dy, y_shape[not batched :], blocks[0].dtype)
        (N, F, *size), G = y_shape, self.groups
        rows = dy.reshape(N, G, F // G, prod(size))  # (N, G, F/G, H_out·W_out)
        transposed = rows.swapaxes(-1, -2)  # (N, G, H_out·W_out, F/G)
        if len(blocks) > 1:
            transposed = np.ascontiguousarray(transposed)  # it is read once per block
        dweights = [
            (columns @ transposed).sum(axis=0) for columns in blocks
        ]  # (G, C/G·K·K, F/G)
        self.grads["weight"] = self._join_blocks(dweights)
        if self.bias is not None:
            self.grads["bias"] = rows.sum(axis=0).sum(axis=-1).reshape(F)
        dy = rows.reshape(N, G, F // G, *size)
        dpadded = spread(
            dy, self._weight(dy.dtype), padded_size, self.stride, self.dilation
        )
        dx = crop(dpadded, self._pads)  # (N, C, H, W)
        return dx if batched else dx[0]

    def _weight_blocks(self, count: int, dtype: DTypeLike) -> np.ndarray:
        """Return the weight in as many blocks as `unfold` gave columns: (count, G, F/G, C/G·K·K/count)."""
        weight = self._weight(dtype)  # (G, F/G, C/G, K, K)
        if count > 1:
            weight = np.moveaxis(weight, 3, 0)  # (K, G, F/G, C/G, K)
        return weight.reshape(count, self.groups, self.out_channels // self.groups, -1)

    def _join_blocks(self, dweights: list[np.ndarray]) -> np.ndarray:
        """Undo `_weight_blocks` for gradients of shape (G, C/G·K·K/count, F/G)."""
        (G, _, F), C = dweights[0].shape, self.in_channels // self.groups
        joined = np.stack(dweights).reshape(
            len(dweights), G, C, -1, F
        )  # (count, G, C/G, taps, F/G)
        return joined.transpose(1, 4, 2, 0, 3).reshape(self.weight.shape)

    def _resolve_padding(self) -> Pads:
        """Return (before, after) for each axis."""
        if self.padding == "valid":
            return ((0, 0),) * self.axes
        if self.padding == "same":
            if any(s != 1 for s in self.stride):
                raise ValueError(
                    f'padding="same" needs stride 1, got stride={self.stride}: give the padding as a number'
                )
            totals = [
                d * (k - 1)
                for k, d in zip(self.kernel_size, self.dilation, strict=True)
            ]
            return tuple((total // 2, total - total // 2) for total in totals)
        if isinstance(self.padding, str):
            raise ValueError(
                f'padding must be a number, a tuple, "same" or "valid", got {self.padding!r}'
            )
        return tuple((p, p) for p in self.padding)

    def _output_size(self, padded_size: tuple[int, ...]) -> tuple[int, ...]:
        settings = zip(
            padded_size, self.kernel_size, self.stride, self.dilation, strict=True
        )
        try:
            return tuple(conv_output_size(n, k, s, 0, d) for n, k, s, d in settings)
        except ValueError as error:
            raise ValueError(f"x is too small: {error}") from None


class Conv1d(Conv2d):
    """Cross-correlation of a signal with `out_channels` kernels: `Conv2d` with one axis.

    | array  | shape                                                    |
    |--------|----------------------------------------------------------|
    | x      | (N, C, L) or (C, L)                                      |
    | weight | (F, C/groups, K)                                         |
    | bias   | (F,)                                                     |
    | y      | (N, F, L_out), L_out = ⌊(L + 2P − D(K − 1) − 1) / S⌋ + 1 |

    Arguments and errors are those of `Conv2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html
    """

    axes = 1


class ConvTranspose2d(ConvBase):
    """Every input value lays the kernel, times itself, onto the output, as `Conv2d.backward` does with dy.

    It undoes the shape of a convolution with the same settings, not its values.

    | array  | shape                                                                       |
    |--------|-----------------------------------------------------------------------------|
    | x      | (N, C, H, W) or (C, H, W)                                                   |
    | weight | (C, F/groups, K, K)                                                         |
    | bias   | (F,)                                                                        |
    | y      | (N, F, H_out, W_out), H_out = (H − 1)S − 2P + D(K − 1) + output_padding + 1 |

    Arguments are those of `Conv2d` except `padding`, the rows taken away on each side, and `output_padding`,
    the rows added at the end: a strided convolution gives inputs of several sizes outputs of the same size,
    and this chooses among them.

    Raises:
        ValueError: as `Conv2d`; `output_padding` not smaller than stride or dilation; no output left.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html
    """

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            dilation,
            groups,
            padding_mode,
        )
        self.padding = sizes("padding", padding, self.axes, 0)
        self.output_padding = sizes("output_padding", output_padding, self.axes, 0)
        for extra, s, d in zip(
            self.output_padding, self.stride, self.dilation, strict=True
        ):
            if extra >= max(s, d):
                raise ValueError(
                    f"output_padding must be smaller than stride or dilation, got {self.output_padding} "
                    f"with stride={self.stride} and dilation={self.dilation}: use less"
                )
        shape = (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        self._init_params(shape, bias, dtype, rng)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Lay the kernels onto the output, and cut the padding off."""
        x, batched = self._check(x)
        (N, C, *size), G = x.shape, self.groups
        groups, full_size = x.reshape(N, G, C // G, *size), self._full_size(size)
        full = spread(
            groups, self._weight(x.dtype), full_size, self.stride, self.dilation
        )
        y = self._add_bias(crop(full, self._pads))  # (N, F, H_out, W_out)
        self._save(x, y.shape, batched)
        return y if batched else y[0]

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Return dx, a convolution of dy; dW and db as in `Conv2d` with the roles of x and dy exchanged."""
        x, y_shape, batched = self._recall()
        dy = check_gradient(dy, y_shape[not batched :], x.dtype).reshape(y_shape)
        (N, C, *size), G = x.shape, self.groups
        view = windows(
            pad(dy, self._pads), self.kernel_size, self.stride, self.dilation
        )
        view = view[(..., *map(slice, size))]  # (N, F, K, K, H, W)
        weight = self._weight(x.dtype).reshape(G, C // G, -1)  # (G, C/G, F/G·K·K)
        columns = view.reshape(
            N, G, weight.shape[-1], prod(size)
        )  # (N, G, F/G·K·K, H·W)
        rows = x.reshape(N, G, C // G, prod(size)).swapaxes(-1, -2)  # (N, G, H·W, C/G)
        dweight = (columns @ rows).sum(axis=0)  # (G, F/G·K·K, C/G)
        self.grads["weight"] = dweight.swapaxes(-1, -2).reshape(self.weight.shape)
        if self.bias is not None:
            self.grads["bias"] = dy.sum(axis=(0, 2, 3))
        dx = (weight @ columns).reshape(x.shape)  # (N, C, H, W)
        return dx if batched else dx[0]

    @property
    def _pads(self) -> Pads:
        return tuple((p, p) for p in self.padding)

    def _full_size(self, size: list[int]) -> tuple[int, ...]:
        """Return the output's size before the padding is cut off."""
        settings = zip(
            size,
            self.stride,
            self.dilation,
            self.kernel_size,
            self.output_padding,
            strict=True,
        )
        full = tuple(
            (n - 1) * s + d * (k - 1) + extra + 1 for n, s, d, k, extra in settings
        )
        if any(n <= 2 * p for n, p in zip(full, self.padding, strict=True)):
            raise ValueError(
                f"padding must leave something of the output of {full} cells, got {self.padding}: "
                "use less padding or a larger input"
            )
        return full
