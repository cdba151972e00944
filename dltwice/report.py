"""The comparison of two arrays, and the small table that `twin.compare` and `gradcheck` return."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """What was compared: `difference` is the largest |a − b| relative to the largest |b|."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    difference: float
    tol: float

    @property
    def verdict(self) -> str:
        """The bound that the difference keeps: the same on every machine, as its digits are not."""
        return f"< {self.tol:.0e}"


@dataclass(frozen=True)
class Report:
    """A table of comparisons that all hold: text in a terminal, HTML in a notebook."""

    title: str
    rows: list[Row]

    def __repr__(self) -> str:
        cells = [("compared", "shape", "type", "difference"), *map(_cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        padded = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in cells]
        return "\n".join([self.title, *(line.rstrip() for line in padded)])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{cell}</th>' for cell in ("compared", "shape", "type", "difference"))
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(row)) + "</tr>"
            for row in self.rows
        )
        return (
            f'<table class="dltwice-report"><caption>{html.escape(self.title)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def compare_all(
    title: str,
    pairs: dict[str, tuple[np.ndarray, np.ndarray]],
    tol: float,
    other_name: str,
    rounding: Mapping[str, float],
) -> Report:
    """Compare each pair (ours, other) and return the table; differences up to `rounding[name]` are none.

    Raises:
        AssertionError: the first pair that differs, in the order given, and the names of all others that do.
    """
    rows, failures = [], {}
    for name, (ours, other) in pairs.items():
        try:
            rows.append(compare_arrays(name, ours, other, tol, other_name, rounding[name]))
        except AssertionError as error:
            failures[name] = str(error)
    if failures:
        first, *others = failures
        also = f"\nalso different: {', '.join(others)}" if others else ""
        raise AssertionError(failures[first] + also)
    return Report(title, rows)


def compare_arrays(
    name: str, ours: np.ndarray, other: np.ndarray, tol: float, other_name: str, rounding: float
) -> Row:
    """Compare two arrays entry by entry: |ours − other| ≤ tol · largest |other|, or ≤ rounding.

    The scale is the array's, because an entry near 0 may be a sum of large terms that cancel. In an array of
    which all entries are such sums, as the gradient of a bias before batch norm, only `rounding` can judge.

    Raises:
        AssertionError: shapes or types differ, or entries do: names the worst, its index and both values.
    """
    if ours is None or ours.shape != other.shape or ours.dtype != other.dtype:
        raise AssertionError(f"{name}: NumPy has {_kind(ours)}, {other_name} has {_kind(other)}")
    scale = float(np.abs(other[np.isfinite(other)]).max(initial=0)) or 1.0
    same = (ours == other) | (np.isnan(ours) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        differences = np.abs(ours - other)
        differences = np.where(same | (differences <= rounding), 0, differences / scale)
    differences = np.where(np.isnan(differences), math.inf, differences)
    worst = float(differences.max(initial=0))
    if worst > tol:
        index = tuple(int(i) for i in np.unravel_index(np.argmax(differences), differences.shape))
        raise AssertionError(
            f"{name}[{', '.join(map(str, index))}]: NumPy has {ours[index]!s}, {other_name} has "
            f"{other[index]!s}; relative to the array's scale they differ by {worst:.2g}, allowed is "
            f"{tol:.0e} ({int((differences > tol).sum())} of {ours.size} entries differ by more)"
        )
    return Row(name, ours.shape, str(ours.dtype), worst, tol)


def _kind(array: np.ndarray | None) -> str:
    return "none" if array is None else f"shape {array.shape} of {array.dtype}"


def _cells(row: Row) -> tuple[str, str, str, str]:
    shape = " × ".join(map(str, row.shape)) or "a number"
    return row.name, shape, row.dtype, row.verdict
