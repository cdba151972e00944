"""ConvExplorer: a convolution cell by cell, forward and backward."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import traitlets

from dltwice.nn import Conv2d

from . import conv_presets as presets
from .base import Finite, Matrix, Pair
from .window_explorer import AXES, WindowExplorer, number_text, tensor_lines


class ConvExplorer(WindowExplorer):
    """One image, one kernel, every number of the convolution, forward and backward.

    Pairs are (height, width); a whole number stands for both. ``input`` and ``kernel`` take rows of numbers
    or the name of a preset (``conv_presets``); new rows set the size, a new size brings rows that fit it.

    ============  ========  ==========================================================================
    trait         range     meaning
    ============  ========  ==========================================================================
    input_size    1 to 16   H, W: cells of the input X
    kernel_size   1 to 7    K: cells of the kernel W
    stride        1 to 8    S: cells from one window to the next
    padding       0 to 8    P: zeros on either side
    dilation      1 to 4    D: cells from one tap of the kernel to the next
    input         numbers   X, shape (H, W)
    kernel        numbers   W, shape (K, K)
    upstream      numbers   dY, the gradient of a loss with respect to Y; where it is short, a fixed pattern
    bias          number    b, added to every output
    flip          bool      True: convolution as in mathematics; False: cross-correlation, as in torch
    view          choice    "forward" or "backward" (forward and backward in one view)
    predict       choice    "off", "size" or "value": what the reader is asked before it shows
    selected      pair      the output cell that is shown in detail
    ============  ========  ==========================================================================

    A value out of range raises ``TraitError``. Values in range may still be impossible together, a kernel
    larger than the padded input: the widget then explains it and offers the nearest possible setting,
    ``valid`` is False, and the computed properties raise ``ValueError``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """

    _shown: ClassVar[tuple[str, ...]] = ("input_size", "kernel_size", "stride", "padding", "dilation")
    _parts: ClassVar[tuple[str, ...]] = (
        *("core.js", "pair.js", "grid.js", "stepper.js"),
        *("window_math.js", "window_panels.js", "conv_math.js"),
    )
    _presets: ClassVar = {"input": presets.INPUTS, "kernel": presets.KERNELS}

    input_size = Pair(5, min=1, max=16).tag(sync=True)
    kernel_size = Pair(3, min=1, max=7).tag(sync=True)
    stride = Pair(1, min=1, max=8).tag(sync=True)
    padding = Pair(0, min=0, max=8).tag(sync=True)
    dilation = Pair(1, min=1, max=4).tag(sync=True)
    input = Matrix(rows=16, cols=16, names=presets.INPUTS).tag(sync=True)
    kernel = Matrix(rows=7, cols=7, names=presets.KERNELS).tag(sync=True)
    upstream = Matrix(rows=32, cols=32, empty=True).tag(sync=True)
    bias = Finite(0.0).tag(sync=True)
    flip = traitlets.Bool(False).tag(sync=True)
    view = traitlets.Enum(["forward", "backward"], "forward").tag(sync=True)
    predict = traitlets.Enum(["off", "size", "value"], "off").tag(sync=True)
    selected = Pair(0, min=0, max=31).tag(sync=True)

    @traitlets.default("input")
    def _default_input(self) -> list[list[float]]:
        return presets.make(presets.INPUTS, "numbers", self.input_size)

    @traitlets.default("kernel")
    def _default_kernel(self) -> list[list[float]]:
        return presets.make(presets.KERNELS, "sobel x", self.kernel_size)

    @property
    def valid(self) -> bool:
        """Whether the kernel fits into the padded input."""
        return all(D * (K - 1) < N + 2 * P for N, K, _, P, D in map(self._axis, (0, 1)))

    @property
    def output_size(self) -> tuple[int, int]:
        """(H_out, W_out). Raises ``ValueError`` with the reason when the kernel does not fit."""
        sizes = []
        for axis, name in enumerate(AXES):
            N, K, S, P, D = self._axis(axis)
            if D * (K - 1) >= N + 2 * P:
                raise ValueError(
                    f"along the {name}, kernel_size {K} with dilation {D} reaches over "
                    f"{D * (K - 1) + 1} cells, but the padded input has {N + 2 * P}. "
                    "Use a smaller kernel or dilation, or more padding."
                )
            sizes.append((N + 2 * P - D * (K - 1) - 1) // S + 1)
        return tuple(sizes)

    def _oriented(self, kernel: np.ndarray) -> np.ndarray:
        return kernel[::-1, ::-1] if self.flip else kernel

    def _run(self) -> tuple[Conv2d, np.ndarray]:
        """Return the book's own layer with these settings, and its output, shape (1, H_out, W_out)."""
        layer = Conv2d(1, 1, self.kernel_size, self.stride, self.padding, self.dilation, dtype=np.float64)
        kernel = self._oriented(np.array(self.kernel))
        layer.load_state_dict({"weight": kernel[None, None], "bias": np.array([self.bias])})
        return layer, layer.forward(np.array(self.input)[None])

    @property
    def output(self) -> np.ndarray:
        """Y, shape (H_out, W_out)."""
        return self._run()[1][0]

    @property
    def input_grad(self) -> np.ndarray:
        """dX, the gradient of sum(dY · Y) with respect to the input, shape (H, W)."""
        return self._run()[0].backward(self.upstream_shown[None])[0]

    @property
    def weight_grad(self) -> np.ndarray:
        """dW, the gradient of sum(dY · Y) with respect to the kernel, shape (K, K)."""
        layer, _ = self._run()
        layer.backward(self.upstream_shown[None])
        return self._oriented(layer.grads["weight"][0, 0])

    @property
    def bias_grad(self) -> float:
        """db, the sum of dY."""
        return float(self.upstream_shown.sum())

    def code(self) -> str:
        """Return the PyTorch program that computes what the widget shows."""
        weight, note = ("w.flip(0, 1)", "  # flipped: true convolution") if self.flip else ("w", "")
        settings = ", ".join(f"{name}={getattr(self, name)}" for name in ("stride", "padding", "dilation"))
        grad = ", requires_grad=True"
        lines = [
            "import torch",
            "import torch.nn.functional as F",
            "",
            *tensor_lines("x", self.input, grad),
            *tensor_lines("w", self.kernel, grad),
            f"b = torch.tensor([{number_text(self.bias)}], dtype=torch.float64{grad})",
            f"y = F.conv2d(x[None, None], {weight}[None, None], b, {settings}){note}",
            "print(y[0, 0])",
        ]
        if self.view == "backward":
            lines += ["", *tensor_lines("dy", self.upstream_shown.tolist(), "")]
            lines += ["y.backward(dy[None, None])", "print(x.grad, w.grad, b.grad)"]
        return "\n".join([*lines, ""])
