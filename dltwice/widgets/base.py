"""What every widget of the book shares on the Python side: its files, its repr and its trait types."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import anywidget
import traitlets
from rjsmin import jsmin

HERE = Path(__file__).parent


def read(path: Path) -> str:
    """Return the text of a file of the package."""
    return path.read_text(encoding="utf-8")


class BookWidget(anywidget.AnyWidget):
    """A widget made of ``name.py``, ``name.js`` and ``name.css``, lying side by side.

    ``core.js`` and ``name.js`` are joined into one module, ``core.css`` and ``name.css`` into one style
    sheet; ``_parts`` names what else a widget's module is made of, in order, and a part that has a style
    sheet of its name brings it along. Joining replaces a bundler: a widget's module is handed to the
    browser as text, where a relative import has nothing to be relative to.

    ``_shown`` lists the traits that the repr prints. The repr has no address in it, so that a notebook's
    stored output stays the same from run to run.
    """

    _shown: ClassVar[tuple[str, ...]] = ()
    _parts: ClassVar[tuple[str, ...]] = ("core.js",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        script = Path(inspect.getfile(cls)).with_suffix(".js")
        # ipywidgets derives one more class per instance, which carries `_esm` as a trait already.
        if "_esm" not in vars(cls) and script.exists():
            parts = [*(HERE / part for part in cls._parts), script]
            styles = [part.with_suffix(".css") for part in parts]
            # A built page stores the text once per widget, so comments and white space go. Scripts keep
            # templates out of templates: rjsmin would take white space out of the inner one.
            cls._esm = jsmin("\n".join(map(read, parts)))
            cls._css = "\n".join(read(style) for style in styles if style.exists())
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits: Any) -> None:
        if unknown := sorted(traits.keys() - set(self.trait_names())):
            known = ", ".join(name for name in self._shown or self.trait_names(sync=True) if name[0] != "_")
            raise traitlets.TraitError(
                f"{type(self).__name__}: expected settings such as {known}; got {unknown[0]!r}. Leave it out."
            )
        super().__init__(**traits)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._shown)
        return f"{type(self).__name__}({shown})"


class Pair(traitlets.TraitType):
    """A whole number, or a pair (height, width) of them, kept as a pair, each within ``min`` and ``max``.

    Raises ``TraitError`` with the allowed range for anything else.
    """

    info_text = "a whole number or a pair (height, width)"

    def __init__(
        self,
        default: int | tuple[int, int] | None = 1,
        *,
        min: int = 0,
        max: int = 2**31 - 1,
        allow_none: bool = False,
    ) -> None:
        self.min, self.max = min, max
        pair = (default, default) if isinstance(default, int) else default
        super().__init__(default_value=pair, allow_none=allow_none)

    def validate(self, obj: traitlets.HasTraits, value: Any) -> tuple[int, int]:
        """Return the value as a pair, or raise ``TraitError``."""
        items = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * 2
        try:
            pair = tuple(operator.index(item) for item in items if not isinstance(item, bool))
        except TypeError:
            pair = ()
        if len(items) == len(pair) == 2 and all(self.min <= item <= self.max for item in pair):
            return pair
        raise traitlets.TraitError(
            f"{self.name}: expected a whole number from {self.min} to {self.max}, or a pair (height, width) "
            f"of them, got {value!r}. Write {self.name}={max(self.min, 1)} or "
            f"{self.name}=({max(self.min, 1)}, {min(self.max, 2)})."
        )


class Finite(traitlets.CFloat):
    """A finite number. A page's JSON can hold no other: ``TraitError`` for NaN and the infinities."""

    def validate(self, obj: traitlets.HasTraits, value: Any) -> float:
        """Return the value as a float, or raise ``TraitError``."""
        number = super().validate(obj, value)
        if not math.isfinite(number):
            raise traitlets.TraitError(f"{self.name}: expected a finite number, got {value!r}. Replace it.")
        return number


class Matrix(traitlets.TraitType):
    """A rectangle of finite numbers, kept as a list of rows; any two-dimensional array-like is accepted.

    ``rows`` and ``cols`` are the largest sizes. ``names`` are words that may stand for numbers; the widget
    turns them into rows. ``empty`` allows no rows at all. Raises ``TraitError`` with the reason otherwise.
    """

    info_text = "a list of rows of numbers"

    def __init__(self, *, rows: int, cols: int, names: Collection[str] = (), empty: bool = False) -> None:
        self.rows, self.cols, self.names, self.empty = rows, cols, names, empty
        super().__init__(default_value=[])

    def validate(self, obj: traitlets.HasTraits, value: Any) -> list[list[float]] | str:
        """Return the value as a list of rows of floats, or as a known name, or raise ``TraitError``."""
        value = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(value, str) and value in self.names:
            return value
        try:
            matrix = [
                [float(number) for number in row] for row in (None if isinstance(value, str) else value)
            ]
        except (TypeError, ValueError, OverflowError):
            known = f" or one of {', '.join(map(repr, self.names))}" if self.names else ""
            self._refuse(f"rows of numbers such as [[1, 2], [3, 4]]{known}", repr(value))
        widths = sorted({len(row) for row in matrix}) or [0]
        if len(widths) > 1:
            self._refuse("rows of one length", f"lengths {widths}")
        if len(matrix) > self.rows or widths[0] > self.cols or not (self.empty or widths[0]):
            self._refuse(
                f"1 to {self.rows} rows and 1 to {self.cols} columns",
                f"{len(matrix)} rows and {widths[0]} columns",
            )
        if not all(math.isfinite(number) for row in matrix for number in row):
            self._refuse("finite numbers", "a NaN or an infinity; replace it")
        return matrix

    def _refuse(self, expected: str, got: str) -> NoReturn:
        raise traitlets.TraitError(f"{self.name}: expected {expected}, got {got}.") from None
