"""What convolutions and pooling are made of, for pictures (two axes) and signals (one) alike.

Here `size`, `kernel_size`, `stride` and `dilation` are tuples, one entry per axis; shapes are for two axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]
Index = tuple[Any, ...]
Taps = list[tuple[Index, Index]]

FEW_CHANNELS = (
    4  # below, a product per kernel row or per tap is too small to be worth its call
)


def conv_output_size(
    input_size: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> int:
    """⌊(N + 2P − D(K − 1) − 1) / S⌋ + 1: how many places a kernel has along one axis, in steps of `stride`.

    Raises:
        ValueError: kernel, stride or dilation below 1, negative padding, or a kernel that covers more than
            the padded input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """
    _check_least(input_size=input_size, kernel_size=kernel_size, stride=stride)
    _check_least(padding=padding, dilation=dilation)
    extent = dilation * (kernel_size - 1) + 1
    padded = input_size + 2 * padding
    if extent > padded:
        raise ValueError(
            f"the kernel covers {extent} cells (kernel_size {kernel_size}, dilation {dilation}), but the "
            f"padded input has {padded}: use a larger input, more padding, a smaller kernel or less dilation"
        )
    return (padded - extent) // stride + 1


def pool_output_size(
    size: int,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> int:
    """(N + 2P − D(K − 1) − 1) / S + 1, rounded down: how many windows fit along one axis.

    With `ceil_mode` it is rounded up, so the last window may hang over the end, as long as it begins in the
    input or in the padding before it. `stride` is `kernel_size` if not given.

    Raises:
        ValueError: size, kernel, stride or dilation below 1; padding below 0 or above half of the kernel; no
            window fits.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    """
    stride = kernel_size if stride is None else stride
    _check_least(size=size, kernel_size=kernel_size, stride=stride)
    _check_least(padding=padding, dilation=dilation)
    check_half(padding, kernel_size)
    room = size + 2 * padding - (dilation * (kernel_size - 1) + 1)
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    if count < 1:
        raise ValueError(
            f"no window fits: kernel_size {kernel_size} with dilation {dilation} covers "
            f"{dilation * (kernel_size - 1) + 1} cells, the padded input has {size + 2 * padding}: use a "
            "larger input, a smaller kernel or less dilation"
        )
    return count


def check_half(padding: int, kernel_size: int) -> None:
    """Refuse padding of more than half of a pooling window, as PyTorch does.

    Raises:
        ValueError: 2P > K.
    """
    if 2 * padding > kernel_size:
        raise ValueError(
            f"padding must be at most half of kernel_size, got padding {padding} with kernel_size "
            f"{kernel_size}: use {kernel_size // 2} or less, or a larger kernel"
        )


def _check_least(**settings: int) -> None:
    for name, value in settings.items():
        least = 0 if name in ("input_size", "padding") else 1
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")


def pad(x: np.ndarray, pads: Pads) -> np.ndarray:
    """Put zeros around `x`: `pads` holds (before, after) for each of the last axes. No padding, no copy."""
    if not any(map(any, pads)):
        return x
    n = len(pads)
    size = [cells + sum(p) for cells, p in zip(x.shape[-n:], pads, strict=True)]
    padded = np.zeros((*x.shape[:-n], *size), x.dtype)
    crop(padded, pads)[...] = x
    return padded


def crop(x: np.ndarray, pads: Pads) -> np.ndarray:
    """Take away what `pad` has put around: a view."""
    size = x.shape[-len(pads) :]
    return x[
        (..., *(slice(p[0], cells - p[1]) for cells, p in zip(size, pads, strict=True)))
    ]


def windows(
    x: np.ndarray, kernel_size: Ints, stride: Ints, dilation: Ints
) -> np.ndarray:
    """Return what each tap reads at each place: (N, C, H, W) → (N, C, K, K, H_out, W_out), a view."""
    n = len(kernel_size)
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilation, strict=True))
    view = sliding_window_view(x, extent, axis=tuple(range(-n, 0)))
    view = view[
        (..., *(slice(None, None, step) for step in stride + dilation))
    ]  # (N, C, H_out, W_out, K, K)
    return view.transpose(0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))


def unfold(
    x: np.ndarray, groups: int, kernel_size: Ints, stride: Ints, dilation: Ints
) -> list[np.ndarray]:
    """Return the windows of `x` (N, C, H, W) as columns, in one matrix or in one per kernel row.

    With few channels it is one matrix, (N, G, C/G·K·K, H_out·W_out): a copy. With more it is one for each row
    of the kernel, (N, G, C/G·K, H_out·W_out). With stride 1 these are views into one copy, K times smaller.
    """
    N, C = len(x), x.shape[1] // groups
    if len(kernel_size) == 1 or C < FEW_CHANNELS:
        view = windows(x, kernel_size, stride, dilation)  # (N, C, K, K, H_out, W_out)
        return [
            view.reshape(
                N, groups, C * prod(kernel_size), prod(view.shape[-len(kernel_size) :])
            )
        ]
    (K, K_w), (S, S_w), (D, D_w) = kernel_size, stride, dilation
    wide = sliding_window_view(x, D_w * (K_w - 1) + 1, axis=3)  # (N, C, H, W_out, K)
    copy = np.ascontiguousarray(
        np.moveaxis(wide[..., ::S_w, ::D_w], -1, 2)
    )  # (N, C, K, H, W_out)
    places = range(
        0, x.shape[2] - D * (K - 1), S
    )  # where the first row of the kernel stands
    rows = (
        copy[:, :, :, D * u : D * u + places[-1] + 1 : S] for u in range(K)
    )  # (N, C, K, H_out, W_out)
    return [
        row.reshape(N, groups, C * K_w, len(places) * row.shape[-1]) for row in rows
    ]


def taps(
    kernel_size: Ints, stride: Ints, dilation: Ints, output_size: Ints
) -> Iterator[tuple[Ints, tuple[slice, ...]]]:
    """Return for each kernel tap its index and the cells that it reads: one strided slice per axis."""
    axes = zip(kernel_size, stride, dilation, output_size, strict=True)
    cells = [
        [slice(t * d, t * d + s * (o - 1) + 1, s) for t in range(k)]
        for k, s, d, o in axes
    ]
    return zip(product(*map(range, kernel_size)), product(*cells), strict=True)


def fold(columns: np.ndarray, size: Ints, stride: Ints, dilation: Ints) -> np.ndarray:
    """Add every window back to where `windows` read it.

    (N, C, K, K, H_out, W_out) → (N, C, H, W).

    It is the transpose of `windows`. The loop is over the K·K taps, never over
    positions.
    """
    n = len(size)
    x = np.zeros((*columns.shape[:2], *size), columns.dtype)
    for tap, cells in taps(
        columns.shape[2 : 2 + n], stride, dilation, columns.shape[2 + n :]
    ):
        x[(..., *cells)] += columns[(slice(None), slice(None), *tap)]
    return x


def spread(
    y: np.ndarray, weight: np.ndarray, size: Ints, stride: Ints, dilation: Ints
) -> np.ndarray:
    """Let every value of `y` lay the kernel, times itself, onto a picture of zeros; what overlaps is added.

    It is the transpose of the convolution: the gradient of `Conv2d` in its input, and the forward of
    `ConvTranspose2d`. The two ways to compute it give the same sum and differ in speed.

    | array  | shape                          |
    |--------|--------------------------------|
    | y      | (N, G, F/G, H_out, W_out)      |
    | weight | (G, F/G, C/G, K, K)            |
    | result | (N, C, H, W); `size` is (H, W) |
    """
    if weight.shape[2] < FEW_CHANNELS:
        return spread_at_once(y, weight, size, stride, dilation)
    return spread_by_taps(y, weight, size, stride, dilation)


def spread_at_once(
    y: np.ndarray, weight: np.ndarray, size: Ints, stride: Ints, dilation: Ints
) -> np.ndarray:
    """`spread` with one product for all taps, then `fold`."""
    (N, G, F), output_size = y.shape[:3], y.shape[3:]
    C, kernel_size = weight.shape[2], weight.shape[3:]
    transposed = weight.reshape(G, F, C * prod(kernel_size)).swapaxes(
        -1, -2
    )  # (G, C/G·K·K, F/G)
    columns = transposed @ y.reshape(
        N, G, F, prod(output_size)
    )  # (N, G, C/G·K·K, H_out·W_out)
    return fold(
        columns.reshape(N, G * C, *kernel_size, *output_size), size, stride, dilation
    )


def spread_by_taps(
    y: np.ndarray, weight: np.ndarray, size: Ints, stride: Ints, dilation: Ints
) -> np.ndarray:
    """`spread` with one product per tap, channels last: each fits the cache and is added in long runs."""
    (N, G, F), output_size = y.shape[:3], y.shape[3:]
    C, kernel_size = weight.shape[2], weight.shape[3:]
    rows = y.reshape(N, G, F, prod(output_size)).swapaxes(
        -1, -2
    )  # (N, G, H_out·W_out, F/G)
    kernels = np.ascontiguousarray(
        np.moveaxis(weight, (0, 1, 2), (-3, -2, -1))
    )  # (K, K, G, F/G, C/G)
    x = np.zeros((N, G, *size, C), y.dtype)
    for tap, cells in taps(kernel_size, stride, dilation, output_size):
        x[(slice(None), slice(None), *cells)] += (rows @ kernels[tap]).reshape(
            N, G, *output_size, C
        )
    return np.moveaxis(x, -1, 2).reshape(N, G * C, *size)


def pool_taps(
    size: Ints,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    output_size: Ints,
) -> Taps:
    """Return for each kernel tap the places where it is inside the input, and the cells that it reads there.

    Both are indices into arrays (…, H_out, W_out) and (…, H, W). What is outside is left out: no tap reads
    the padding, nor what a last window with `ceil_mode` hangs over.
    """
    axes = [
        [_one_tap(t * d - p, s, n, out) for t in range(k)]
        for n, k, s, p, d, out in zip(
            size, kernel_size, stride, padding, dilation, output_size, strict=True
        )
    ]
    return [
        ((..., *(places for places, _ in tap)), (..., *(cells for _, cells in tap)))
        for tap in product(*axes)
    ]


def _one_tap(
    start: int, stride: int, size: int, output_size: int
) -> tuple[slice, slice]:
    """`pool_taps` along one axis, for the tap that reads cell `start` at place 0."""
    first = max(0, -(start // stride))  # ⌈−start / S⌉
    last = min(output_size - 1, (size - 1 - start) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    cells = slice(start + first * stride, start + last * stride + 1, stride)
    return slice(first, last + 1), cells
