"""PoolExplorer: max and average pooling cell by cell, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import traitlets

from . import conv_presets as presets
from .base import Finite, Matrix, Pair
from .window_explorer import AXES, WindowExplorer, tensor_lines

INPUTS = {
    **presets.INPUTS,
    "blank": lambda h, w: np.zeros((h, w)),
    "negative": lambda h, w: presets.numbers(h, w) - 5,
}


class PoolExplorer(WindowExplorer):
    """One image, its windows, and what each window keeps of them: the largest number, or the mean.

    Pairs are (height, width); a whole number stands for both. ``input`` takes rows of numbers or the name of
    a preset (``INPUTS``); new rows set the size, a new size brings rows that fit it.

    =================  ========  =====================================================================
    trait              range     meaning
    =================  ========  =====================================================================
    input_size         1 to 12   H, W: cells of the input X
    kernel_size        1 to 12   K: cells of the window
    stride             1 to 12   S: cells from one window to the next; as in torch, K when left out
    padding            0 to 6    P: cells on either side, −∞ for max, 0 for average; at most K / 2
    dilation           1 to 4    D: cells from one cell of the window to the next; max only, else 1
    kind               choice    "max" or "average"
    ceil_mode          bool      True: one window more where the floor leaves cells over
    count_include_pad  bool      average only: whether the mean divides by padding too
    input              numbers   X, shape (H, W)
    pixel              pair      cell of X where the bright pixel is, or None: no such pixel
    bright             number    value of the bright pixel
    upstream           numbers   dY, the gradient of a loss with respect to Y; short: a fixed pattern
    view               choice    "forward" or "backward" (forward and backward in one view)
    predict            choice    "off", "size", "value" or "gradient": what the reader is asked first
    selected           pair      the output cell that is shown in detail
    =================  ========  =====================================================================

    A value out of range raises ``TraitError``. Values in range may still be impossible together, as torch
    refuses them: the widget then explains it and offers the nearest possible setting, ``valid`` is False,
    and the computed properties raise ``ValueError``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    and https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html
    """

    _shown: ClassVar[tuple[str, ...]] = ("kind", "input_size", "kernel_size", "stride", "padding")
    _parts: ClassVar[tuple[str, ...]] = (
        *("core.js", "pair.js", "grid.js", "stepper.js"),
        *("window_math.js", "window_panels.js", "pool_math.js", "pool_parts.js"),
    )
    _presets: ClassVar = {"input": INPUTS}

    input_size = Pair(6, min=1, max=12).tag(sync=True)
    kernel_size = Pair(2, min=1, max=12).tag(sync=True)
    stride = Pair(2, min=1, max=12).tag(sync=True)
    padding = Pair(0, min=0, max=6).tag(sync=True)
    dilation = Pair(1, min=1, max=4).tag(sync=True)
    kind = traitlets.Enum(["max", "average"], "max").tag(sync=True)
    ceil_mode = traitlets.Bool(False).tag(sync=True)
    count_include_pad = traitlets.Bool(True).tag(sync=True)
    input = Matrix(rows=12, cols=12, names=INPUTS).tag(sync=True)
    pixel = Pair(None, min=0, max=11, allow_none=True).tag(sync=True)
    bright = Finite(9.0).tag(sync=True)
    upstream = Matrix(rows=13, cols=13, empty=True).tag(sync=True)
    view = traitlets.Enum(["forward", "backward"], "forward").tag(sync=True)
    predict = traitlets.Enum(["off", "size", "value", "gradient"], "off").tag(sync=True)
    selected = Pair(0, min=0, max=12).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.get("stride") is None:
            kwargs.pop("stride", None)
            if "kernel_size" in kwargs:
                kwargs["stride"] = kwargs["kernel_size"]
        super().__init__(**kwargs)

    @traitlets.default("input")
    def _default_input(self) -> list[list[float]]:
        return presets.make(INPUTS, "numbers", self.input_size)

    def _axis(self, axis: int) -> tuple[int, int, int, int, int]:
        """Return N, K, S, P, D along height (0) or width (1); average pooling has no dilation."""
        *rest, D = super()._axis(axis)
        return *rest, D if self.kind == "max" else 1

    def _problem(self, axis: int) -> str | None:
        """Return why torch refuses the setting along an axis, or None."""
        N, K, S, P, D = self._axis(axis)
        reach, room = D * (K - 1) + 1, N + 2 * P
        if 2 * P > K:
            return (
                f"along the {AXES[axis]}, padding {P} is more than half of kernel_size {K}. "
                f"Use {K // 2} or less."
            )
        if reach > room + (S - 1 if self.ceil_mode else 0):
            return (
                f"along the {AXES[axis]}, kernel_size {K} with dilation {D} reaches over {reach} cells, "
                f"but the padded input has {room}. Use a smaller kernel or dilation, or more padding."
            )
        return None

    @property
    def valid(self) -> bool:
        """Whether torch takes the setting: padding at most half the kernel, and a window fits."""
        return not any(map(self._problem, (0, 1)))

    @property
    def output_size(self) -> tuple[int, int]:
        """(H_out, W_out). Raises ``ValueError`` with the reason when torch refuses the setting."""
        sizes = []
        for axis in (0, 1):
            if problem := self._problem(axis):
                raise ValueError(problem)
            N, K, S, P, D = self._axis(axis)
            count = (N + 2 * P - D * (K - 1) - 1 + (S - 1 if self.ceil_mode else 0)) // S + 1
            # With ceil_mode no window starts in the padding at the end.
            sizes.append(count - 1 if self.ceil_mode and (count - 1) * S >= N + P else count)
        return tuple(sizes)

    @property
    def input_shown(self) -> np.ndarray:
        """X as the widget shows it, shape (H, W): ``input`` with the bright pixel in it."""
        x = np.array(self.input)
        if self.pixel is not None:
            r, c = np.minimum(self.pixel, np.subtract(self.input_size, 1))
            x[r, c] = self.bright
        return x

    def _windows(self) -> Iterator[tuple[tuple[int, int], np.ndarray, np.ndarray, int]]:
        """Yield for each output its place, the rows and columns of X that it reads, the mean's divisor."""
        taps, counted = [self._taps(axis) for axis in (0, 1)], []
        for axis in (0, 1):
            N, P = self.input_size[axis], self.padding[axis]
            limits = (-P, N + P) if self.count_include_pad else (0, N)
            counted.append(((taps[axis] >= limits[0]) & (taps[axis] < limits[1])).sum(axis=1))
        for y in np.ndindex(*self.output_size):
            rows, cols = (taps[axis][y[axis]] for axis in (0, 1))
            inside = [
                cells[(cells >= 0) & (cells < N)]
                for cells, N in zip((rows, cols), self.input_size, strict=True)
            ]
            yield y, *inside, int(counted[0][y[0]] * counted[1][y[1]])

    def _pool(self, x: np.ndarray, kind: str) -> np.ndarray:
        y = np.full(self.output_size, 0.0 if kind == "pick" else -np.inf)
        for at, rows, cols, n in self._windows():
            window = x[np.ix_(rows, cols)]
            if kind == "average":
                y[at] = window.sum() / n
            elif window.size:
                y[at] = window.max() if kind == "max" else window[0, 0]
        return y

    @property
    def output(self) -> np.ndarray:
        """Y, shape (H_out, W_out); −∞ where a window of max pooling reads no cell of X."""
        return self._pool(self.input_shown, self.kind)

    @property
    def winners(self) -> np.ndarray:
        """Where each output's maximum is, shape (H_out, W_out): r · W + c for X[r, c], as torch's indices.

        The first in row-major order wins a tie; −1 where a window reads no cell of X. Raises ``ValueError``
        for average pooling, where no cell wins.
        """
        if self.kind == "average":
            raise ValueError('average pooling has no winners, every cell has its share; set kind="max"')
        x, found = self.input_shown, np.full(self.output_size, -1)
        for at, rows, cols, _ in self._windows():
            if rows.size and cols.size:
                i, j = divmod(int(x[np.ix_(rows, cols)].argmax()), cols.size)
                found[at] = rows[i] * x.shape[1] + cols[j]
        return found

    @property
    def input_grad(self) -> np.ndarray:
        """dX, the gradient of sum(dY · Y) with respect to the input, shape (H, W)."""
        dx, dy = np.zeros(self.input_size), self.upstream_shown
        if self.kind == "max":
            won = self.winners
            np.add.at(dx.reshape(-1), won[won >= 0], dy[won >= 0])
            return dx
        for at, rows, cols, n in self._windows():
            dx[np.ix_(rows, cols)] += dy[at] / n
        return dx

    def changed_by_move(self, pixel: int | tuple[int, int]) -> int:
        """Return how many outputs change when the bright pixel moves to a cell (row, column) of X."""
        moved = PoolExplorer(**{name: getattr(self, name) for name in self._settings}, pixel=pixel)
        return int(_changes(self.output, moved.output))

    def changed_by_shift(self, rows: int = 0, cols: int = 0) -> dict[str, int]:
        """Return how many outputs change when all of X moves down and right, and zeros come in.

        One number for each way to make X smaller with these windows: ``max``, ``average``, and ``picking``
        the first cell of X in each window.
        """
        x = self.input_shown
        shifted = np.zeros_like(x)
        for r, c in np.ndindex(x.shape):
            if 0 <= r - rows < x.shape[0] and 0 <= c - cols < x.shape[1]:
                shifted[r, c] = x[r - rows, c - cols]
        kinds = {"max": "max", "average": "average", "picking": "pick"}
        return {way: _changes(self._pool(x, kind), self._pool(shifted, kind)) for way, kind in kinds.items()}

    @property
    def _settings(self) -> list[str]:
        names = ("kernel_size", "stride", "padding", "dilation", "kind", "ceil_mode", "count_include_pad")
        return [*names, "input", "bright"]

    def code(self) -> str:
        """Return the PyTorch program that computes what the widget shows."""
        pairs = {
            name: f"{name}={getattr(self, name)}" for name in ("kernel_size", "stride", "padding", "dilation")
        }
        dilation, ceil = pairs.pop("dilation"), f"ceil_mode={self.ceil_mode}"
        if self.kind == "max":
            call, rest = "y, winners = F.max_pool2d(", f"{dilation}, {ceil}, return_indices=True"
            more = ["print(winners[0, 0])  # the winner of each output, counted row by row in x"]
        else:
            call, rest = "y = F.avg_pool2d(", f"{ceil}, count_include_pad={self.count_include_pad}"
            more = []
        lines = ["import torch", "import torch.nn.functional as F", ""]
        lines += tensor_lines("x", self.input_shown.tolist(), ", requires_grad=True")
        lines += [
            call,
            f"    x[None, None], {', '.join(pairs.values())},",
            f"    {rest},",
            ")",
            "print(y[0, 0])",
            *more,
        ]
        if self.view == "backward":
            lines += self._backward_code()
        return "\n".join([*lines, ""])

    def _backward_code(self) -> list[str]:
        # There torch's own backward writes outside of the input's gradient (2.13: index past the plane).
        if self.kind == "max" and (self.winners < 0).any():
            return ["# No backward: a window without any cell of x has no winner for its gradient."]
        dy = tensor_lines("dy", self.upstream_shown.tolist(), "")
        return ["", *dy, "y.backward(dy[None, None])", "print(x.grad)"]


def _changes(before: np.ndarray, after: np.ndarray) -> int:
    """Return how many entries differ; −∞ does not differ from −∞."""
    return int(np.sum(~np.isclose(before, after, rtol=0, atol=1e-9)))
