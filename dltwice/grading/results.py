"""What grading gives: plain data."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["passed", "failed", "error", "timeout", "untouched", "missing"]
SubmissionStatus = Literal["ok", "partial", "unreadable", "tampered", "timeout"]
Outcome = tuple[Status, str]  # of one cell: status and message


class GradingError(Exception):
    """Nothing can be graded; the message says why and what to do."""


class SandboxError(GradingError):
    """There is no sandbox, and none but a sandboxed run was allowed."""


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
    """How one submission went.

    Attributes:
        questions: its questions in order; none if it is unreadable.
        notes: remarks on the file, in sentences; together they are the reason for its status.
        chapter: the exercise's name, such as 04_convolution.
        status: `ok` (the file is whole and every answer ran to its end), `partial` (graded, but an answer
            cell is missing or there several times, or an answer ended its process), `unreadable` (not
            graded: there is no score), `tampered` (graded with the master's tests, but the file's own locked
            cells were changed) or `timeout` (graded, but an answer was stopped). The gravest that holds:
            unreadable, tampered, timeout, partial, ok.
        sandboxed: whether the answers ran in the sandbox.
        seconds: how long it took.
    """

    questions: tuple[QuestionResult, ...]
    notes: tuple[str, ...] = ()
    chapter: str = ""
    status: SubmissionStatus = "ok"
    sandboxed: bool = field(default=False, compare=False)
    seconds: float = field(default=0.0, compare=False)

    @property
    def earned(self) -> float:
        """Points earned."""
        return sum(question.earned for question in self.questions)

    @property
    def points(self) -> float:
        """Points that can be earned."""
        return sum(question.points for question in self.questions)

    @property
    def reason(self) -> str:
        """The notes as one text; empty if there is nothing to say."""
        return " ".join(self.notes)

    def to_dict(self) -> dict[str, Any]:
        """The result as numbers, strings, lists and dictionaries, ready for JSON."""
        first = {"chapter": self.chapter, "status": self.status, "earned": self.earned, "points": self.points}
        return first | {key: value for key, value in asdict(self).items() if key not in first}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "GradeResult":
        """The result that `to_dict` gave as `data`, also after JSON."""
        questions = tuple(
            QuestionResult(**question | {"problems": tuple(Problem(**p) for p in question["problems"])})
            for question in data["questions"]
        )
        known = {key: data[key] for key in ("chapter", "status", "sandboxed", "seconds")}
        return cls(questions, tuple(data["notes"]), **known)

    def __str__(self) -> str:
        from dltwice.grading.report import text_report

        return text_report(self)

    def _repr_html_(self) -> str:
        from dltwice.grading.report import html_table

        return html_table(self)
