"""What grading gives: plain data."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["passed", "failed", "error", "timeout", "untouched", "missing"]
Outcome = tuple[Status, str]  # of one cell: status and message


class GradingError(Exception):
    """Nothing can be graded; the message says why and what to do."""


@dataclass(frozen=True)
class Problem:
    """Why a test gave no points, in its own words, and its hint if the result was wrong and it has one."""

    message: str
    hint: str = ""


@dataclass(frozen=True)
class QuestionResult:
    """How one question went.

    Attributes:
        name: the question's name, its answer cell's `grade_id`.
        title: the heading that it stands under.
        earned: points earned; a test cell gives all of its points or none.
        points: points that can be earned.
        status: `passed` (all points), `failed` (a wrong result), `error` (an exception), `timeout`,
            `untouched` (the answer is still the empty stub) or `missing` (the answer's cell was deleted).
        problems: what went wrong, test by test.
    """

    name: str
    title: str
    earned: float
    points: float
    status: Status
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class GradeResult:
    """How one submission went: its questions in order, and remarks on the file itself."""

    questions: tuple[QuestionResult, ...]
    notes: tuple[str, ...] = ()
    chapter: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def earned(self) -> float:
        """Points earned."""
        return sum(question.earned for question in self.questions)

    @property
    def points(self) -> float:
        """Points that can be earned."""
        return sum(question.points for question in self.questions)

    def to_dict(self) -> dict[str, Any]:
        """The result as numbers, strings, lists and dictionaries, ready for JSON."""
        return {"chapter": self.chapter, "earned": self.earned, "points": self.points} | {
            key: value for key, value in asdict(self).items() if key != "chapter"
        }

    def __str__(self) -> str:
        from dltwice.grading.report import text_report

        return text_report(self)

    def _repr_html_(self) -> str:
        from dltwice.grading.report import html_table

        return html_table(self)
