"""Predict: a question with a number for an answer, checked on the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import traitlets

from dltwice.widgets.base import BookWidget, Finite


class Predict(BookWidget):
    """Ask for a number, say in words whether it is right, and explain.

    Parameters
    ----------
    question : plain text; what stands between backticks is shown as code.
    answer : the right number.
    tolerance : how far from `answer` a right response may be, in the answer's unit.
    unit : what the number counts, shown behind it.
    explain : shown once the reader is right or asks for the answer; plain text as `question`.
    wrong : hints for typical wrong numbers, `{36: "That is the dense layer."}`.

    `response` is the number checked last, None before that; `correct` says whether it is right. Raises
    ``TraitError`` when a number is none, or when `wrong` holds a right answer.
    """

    question = traitlets.Unicode().tag(sync=True)
    answer = Finite().tag(sync=True)
    tolerance = traitlets.Float(0.0, min=0.0).tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    explain = traitlets.Unicode().tag(sync=True)
    wrong = traitlets.Dict().tag(sync=True)
    response = traitlets.Float(None, allow_none=True).tag(sync=True)

    _shown: ClassVar[tuple[str, ...]] = ("question", "response")

    def __init__(
        self,
        question: str,
        answer: float,
        tolerance: float = 0.0,
        unit: str = "",
        explain: str = "",
        wrong: Mapping[Any, str] | None = None,
        **traits: Any,
    ) -> None:
        answer, tolerance = _number("answer", answer), _number("tolerance", tolerance)
        hints = {f"{_number('wrong', key):.17g}": text for key, text in (wrong or {}).items()}
        texts = {"question": question, "unit": unit, "explain": explain}
        super().__init__(answer=answer, tolerance=tolerance, wrong=hints, **texts, **traits)

    @traitlets.validate("wrong")
    def _validate_wrong(self, proposal: dict) -> dict[str, str]:
        for key in proposal["value"]:
            if self._is_right(float(key)):
                raise traitlets.TraitError(f"wrong: expected wrong numbers, got {key}, which is right")
        return proposal["value"]

    def _is_right(self, number: float) -> bool:
        rounding = 1e-9 * max(abs(number), abs(self.answer))
        return abs(number - self.answer) <= self.tolerance + rounding

    @property
    def correct(self) -> bool | None:
        """Whether `response` is right; None before there is one."""
        return None if self.response is None else self._is_right(self.response)


def _number(name: str, value: Any) -> float:
    """Return a number, also one of NumPy or written as text, as a float."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise traitlets.TraitError(f"{name}: expected a finite number, got {value!r}")
    return number
