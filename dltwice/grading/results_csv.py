"""Reads the `results.csv` of a batch: one row per submission, in words and numbers.

It has the columns `COLUMNS`, in any order, and for each question `chapter/question`, the points earned, and
`chapter/question:max`, the points that can be earned. Further columns are left alone.
"""

import csv
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dltwice.grading.harmless import one_line
from dltwice.grading.results import GradingError

COLUMNS = (
    "student",
    "student_id",
    "chapter",
    "status",
    "earned",
    "points",
    "percent",
    "reason",
    "file",
    "sha256",
    "late",
)
MAX = ":max"
MOODLE = "_assignsubmission_"
FORMULA = tuple("=+-@＝＋－＠")


@dataclass(frozen=True)
class Row:
    """One submission of `results.csv`.

    Attributes:
        line: its line in the file.
        earned: points, None without a score.
        questions: question → points earned and points that can be earned.
        from_moodle: whether Moodle named the file; then `student_id` is another one in each chapter.
    """

    line: int
    student: str
    student_id: str
    email: str
    chapter: str
    status: str
    reason: str
    earned: float | None
    points: float
    questions: dict[str, tuple[float, float]]
    from_moodle: bool = False

    @property
    def id(self) -> str:
        """What tells this student from others: the id or, without one, the name."""
        return self.student_id or self.student

    @property
    def name(self) -> str:
        """Whose submission it is, for a message."""
        return one_line(
            f"{self.student or self.student_id or 'unknown'}, {self.chapter or 'unknown chapter'}"
        )


def read_results(path: Path) -> list[Row]:
    """Read a `results.csv`.

    Raises:
        GradingError: if it is not one, or its numbers do not fit together; the message names the line.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise GradingError(
                    f"{path} has no column {missing[0]}. Expected the results.csv of `dltwice grade-batch`."
                )
            return [_row(raw, path, reader.line_num) for raw in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GradingError(f"{path} can't be read: {error}.") from None


def with_score(rows: Iterable[Row]) -> tuple[list[Row], list[str]]:
    """The rows that can be entered, one per student and chapter, and a sentence for each of the others.

    Of several submissions of one student the one with the most points counts, the first of those.
    """
    best: dict[tuple[str, str], Row] = {}
    left_out = []
    for row in rows:
        if row.earned is None:
            left_out.append(f"{row.name}: no score ({row.status}). {one_line(row.reason)}".strip())
        elif not row.id or not row.chapter:
            left_out.append(f"line {row.line}: no student or no chapter.")
        elif (other := best.get((row.id, row.chapter))) is None:
            best[row.id, row.chapter] = row
        else:
            best[row.id, row.chapter] = max(other, row, key=lambda r: r.earned)
            both = f"{other.earned:g} and {row.earned:g} points"
            left_out.append(f"{row.name}: two submissions, with {both}. The better one counts.")
    return list(best.values()), left_out


def _row(raw: dict[str, str], path: Path, line: int) -> Row:
    chapter = raw["chapter"] or ""
    try:
        questions = _questions(raw, chapter)
        earned = _number(raw["earned"]) if raw["earned"] else None
        points = _number(raw["points"]) if raw["points"] else 0.0
    except ValueError as error:
        raise GradingError(f"{path}, line {line}: expected points as a number, got {error}.") from None
    total = sum(score for score, _ in questions.values())
    if earned is not None and abs(total - earned) > 1e-6:
        raise GradingError(
            f"{path}, line {line}: earned is {earned:g}, but the questions add up to {total:g}. "
            "Change both or none."
        )
    texts = {key: _text(raw.get(key)) for key in ("student", "student_id", "email", "status", "reason")}
    from_moodle = MOODLE in (raw["file"] or "")
    return Row(
        line,
        chapter=chapter,
        earned=earned,
        points=points,
        questions=questions,
        from_moodle=from_moodle,
        **texts,
    )


def _questions(raw: dict[str, str], chapter: str) -> dict[str, tuple[float, float]]:
    """The points of the questions of `chapter`: earned and possible."""
    start = f"{chapter}/"
    names = [name for name in raw if name and name.startswith(start) and not name.endswith(MAX) and raw[name]]
    return {name.removeprefix(start): (_number(raw[name]), _number(raw.get(name + MAX))) for name in names}


def _text(text: str | None) -> str:
    """A text without the apostrophe that keeps spreadsheets from taking it for a formula."""
    text = text or ""
    return text[1:] if text.startswith("'") and text[1:2] in FORMULA else text


def _number(text: str | None) -> float:
    """The number that `text` is; ValueError with the text if it is none."""
    with suppress(ValueError):
        if math.isfinite(value := float(text or "")):
            return value
    raise ValueError(repr(one_line(text or "")))
