"""What convolutions are made of, for pictures (two axes) and signals (one) alike.

Here `size`, `kernel_size`, `stride` and `dilation` are tuples, one entry per axis; shapes are for two axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

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
    for name, value, least in (
        ("input_size", input_size, 0),
        ("kernel_size", kernel_size, 1),
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    extent = dilation * (kernel_size - 1) + 1
    padded = input_size + 2 * padding
    if extent > padded:
        raise ValueError(
            f"the kernel covers {extent} cells (kernel_size {kernel_size}, dilation {dilation}), but the "
            f"padded input has {padded}: use a larger input, more padding, a smaller kernel or less dilation"
        )
    return (padded - extent) // stride + 1


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

    It is the transpose of `windows`. The loop is over the K·K taps, never over positions.
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
