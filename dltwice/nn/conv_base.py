"""What all convolutions share: settings, checks, initial values."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .module import Module, check_input, sizes, uniform


class ConvBase(Module):
    """Base class of the convolutions; `axes` is 1 for signals, 2 for pictures."""

    axes: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...],
        dilation: int | tuple[int, ...],
        groups: int,
        padding_mode: str,
    ) -> None:
        super().__init__()
        self.in_channels = sizes("in_channels", in_channels, 1, 1)[0]
        self.out_channels = sizes("out_channels", out_channels, 1, 1)[0]
        self.groups = sizes("groups", groups, 1, 1)[0]
        self.kernel_size = sizes("kernel_size", kernel_size, self.axes, 1)
        self.stride = sizes("stride", stride, self.axes, 1)
        self.dilation = sizes("dilation", dilation, self.axes, 1)
        for which in ("in_channels", "out_channels"):
            if (channels := getattr(self, which)) % self.groups:
                raise ValueError(
                    f"groups must divide {which}, got groups={groups} and {which}={channels}: "
                    "choose a divisor of both in_channels and out_channels"
                )
        if padding_mode != "zeros":
            raise ValueError(
                f'padding_mode must be "zeros", got {padding_mode!r}: pad the input yourself'
            )

    def _init_params(
        self, shape: tuple[int, ...], bias: bool, dtype: DTypeLike, rng: Any
    ) -> None:
        rng, fan_in = np.random.default_rng(rng), prod(shape[1:])
        self.params["weight"] = uniform(rng, fan_in, shape, dtype)
        if bias:
            self.params["bias"] = uniform(rng, fan_in, (self.out_channels,), dtype)
        else:
            self.bias = None

    def _check(self, x: ArrayLike) -> tuple[np.ndarray, bool]:
        """Return `x` with a batch axis, and whether it came with one."""
        self._saved = None  # the last columns make room for the next
        x = check_input(x)
        letters = "N, C, H, W" if self.axes == 2 else "N, C, L"
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise ValueError(
                f"x must have shape ({letters}), or ({letters[3:]}) for a single example, got {x.shape}: "
                "add the missing axes, for instance x[None, None]"
            )
        batched = x.ndim == self.axes + 2
        x = x if batched else x[None]
        if x.shape[1] != self.in_channels:
            raise ValueError(
                f"x must have in_channels={self.in_channels} channels in its shape ({letters}), got "
                f"{x.shape[1]} in {x.shape}: build the layer for them, or move the channels to axis 1"
            )
        return x, batched

    def _weight(self, dtype: DTypeLike) -> np.ndarray:
        """Return the weight in groups, (G, rows/G, …), in the type of the computation."""
        weight = self.weight.astype(dtype, copy=False)
        return weight.reshape(
            self.groups, len(weight) // self.groups, *weight.shape[1:]
        )

    def _add_bias(self, y: np.ndarray) -> np.ndarray:
        if self.bias is not None:
            y += self.bias.reshape(-1, *[1] * self.axes).astype(y.dtype, copy=False)
        return y

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        text = f"{self.in_channels}, {self.out_channels}"
        text += f", kernel_size={self.kernel_size}, stride={self.stride}"
        for name, default in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            value = getattr(self, name, (default,) * self.axes)
            if value != (default,) * self.axes:
                text += f", {name}={value}"
        text += f", groups={self.groups}" if self.groups != 1 else ""
        return text + (", bias=False" if self.bias is None else "")
