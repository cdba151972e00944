"""What ConvExplorer and PoolExplorer share: an image of numbers that windows slide over, and its traits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import traitlets

from . import conv_presets as presets
from .base import BookWidget

AXES = ("height", "width")


class WindowExplorer(BookWidget):
    """Base of the explorers whose windows read the cells of an input X.

    A subclass has the traits ``input_size``, ``kernel_size``, ``stride``, ``padding`` and ``dilation``
    (pairs), ``input`` and ``upstream`` (rows of numbers), and the property ``output_size``. ``_presets``
    names the traits that take rows or a preset's name; each has a trait of its size, as ``input_size``.
    """

    _presets: ClassVar[Mapping[str, Mapping[str, presets.Preset]]] = {"input": presets.INPUTS}

    def __init__(self, **kwargs: Any) -> None:
        for name in self._presets:
            if name in kwargs and f"{name}_size" in kwargs and not isinstance(kwargs[name], str):
                rows, size = kwargs[name], kwargs[f"{name}_size"]
                pair = getattr(type(self), f"{name}_size").validate(self, size)
                if np.shape(getattr(type(self), name).validate(self, rows)) != pair:
                    raise traitlets.TraitError(
                        f"{name} has shape {np.shape(rows)}, but {name}_size is {pair}. "
                        f"Leave {name}_size out: it follows from {name}."
                    )
        super().__init__(**kwargs)

    @traitlets.validate("input", "kernel")
    def _named(self, proposal: Mapping[str, Any]) -> list[list[float]]:
        """Turn the name of a preset into its numbers at the present size."""
        name, value = proposal["trait"].name, proposal["value"]
        if isinstance(value, str):
            return presets.make(self._presets[name], value, getattr(self, f"{name}_size"))
        return value

    @traitlets.observe("input", "kernel")
    def _size_follows(self, change: Mapping[str, Any]) -> None:
        setattr(self, f"{change['name']}_size", np.shape(change["new"]))

    @traitlets.observe("input_size", "kernel_size")
    def _numbers_follow(self, change: Mapping[str, Any]) -> None:
        name = change["name"].removesuffix("_size")
        if name in self._presets and np.shape(getattr(self, name)) != change["new"]:
            setattr(self, name, presets.resize(self._presets[name], getattr(self, name), change["new"]))

    def _axis(self, axis: int) -> tuple[int, int, int, int, int]:
        """Return N, K, S, P, D along height (0) or width (1)."""
        pairs = (self.input_size, self.kernel_size, self.stride, self.padding, self.dilation)
        return tuple(pair[axis] for pair in pairs)

    def _taps(self, axis: int) -> np.ndarray:
        """Return the cells that each output reads along one axis, padding too, shape (outputs, K)."""
        _, K, S, P, D = self._axis(axis)
        return S * np.arange(self.output_size[axis])[:, None] + D * np.arange(K) - P

    def _reads(self, axis: int) -> np.ndarray:
        """Return how often each input cell is read along one axis, shape (N,)."""
        cells, N = self._taps(axis), self.input_size[axis]
        return np.bincount(cells[(cells >= 0) & (cells < N)], minlength=N)

    @property
    def usage(self) -> np.ndarray:
        """How many outputs read each input cell, shape (H, W)."""
        return np.outer(self._reads(0), self._reads(1))

    @property
    def unread_rows(self) -> list[int]:
        """Rows of the input that no output reads: left over by the floor, or skipped between the taps."""
        return np.flatnonzero(self.usage.sum(axis=1) == 0).tolist()

    @property
    def unread_cols(self) -> list[int]:
        """Columns of the input that no output reads."""
        return np.flatnonzero(self.usage.sum(axis=0) == 0).tolist()

    @property
    def upstream_shown(self) -> np.ndarray:
        """dY as the widget shows it, shape (H_out, W_out): ``upstream``, completed by a fixed pattern."""
        dy = presets.upstream(*self.output_size).astype(float)
        for row, given in zip(dy, self.upstream, strict=False):
            row[: len(given)] = given[: len(row)]
        return dy


def number_text(value: float) -> str:
    """Return a number as the page writes it into a program."""
    return str(int(value)) if value == int(value) else repr(value)


def tensor_lines(name: str, rows: list[list[float]], grad: str) -> list[str]:
    """Return the lines of a program that make a tensor, one per row."""
    body = [f"    [{', '.join(map(number_text, row))}]," for row in rows]
    return [f"{name} = torch.tensor([", *body, f"], dtype=torch.float64{grad})"]
