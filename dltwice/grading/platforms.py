"""From the results of a batch to the CSV files that learning platforms import.

Moodle: the grading worksheet of one assignment ("Upload grading worksheet"; "Import grades" of the course
takes the same file). Its importer needs the columns `Identifier`, "Participant" with the number in the names
of downloaded submissions, `Grade` and `Last modified (grade)`, in the user's language: import with Moodle in
English. Source: mod/assign/feedback/offline/importgradeslib.php and grade/import/csv in Moodle.

Canvas: the gradebook ("Import"). The first columns are `Student`, `ID`, which is the number in the names of
downloaded submissions, `SIS User ID`, `SIS Login ID` and `Section`, then one for each assignment; the second
line gives the points possible. Canvas looks for a learner by id, SIS id, login and name, in this order.
Source: lib/gradebook_importer.rb in Canvas.
"""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dltwice.grading.harmless import one_line
from dltwice.grading.report import number
from dltwice.grading.results import GradingError
from dltwice.grading.results_csv import FORMULA, Row, with_score

MOODLE = (
    "Identifier",
    "Full name",
    "ID number",
    "Email address",
    "Grade",
    "Maximum Grade",
    "Last modified (grade)",
)
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


@dataclass
class Sheet:
    """A CSV file's text, and sentences about the rows that are not in it."""

    text: str
    count: int
    left_out: list[str] = field(default_factory=list)


def moodle(rows: Iterable[Row], chapter: str = "", out_of: float | None = None) -> Sheet:
    """The grading worksheet of one chapter.

    Args:
        rows: submissions; those without a score are left out, so that Moodle keeps what it has.
        chapter: which chapter, if there are several.
        out_of: the maximum grade in Moodle, which full points become; the chapter's points if not given.

    Raises:
        GradingError: if there are several chapters and none is named, or there is no such chapter.
    """
    rows = list(rows)
    named = _one_chapter(rows, chapter)
    entered, left_out = with_score(row for row in rows if row.chapter in (named, ""))
    lines = [MOODLE, *(_moodle_line(row, out_of) for row in entered)]
    return Sheet(_csv(lines), len(entered), left_out)


def canvas(rows: Iterable[Row], chapter: str = "", out_of: float | None = None) -> Sheet:
    """The gradebook with a column for each chapter.

    Args:
        rows: submissions; those without a score are left out.
        chapter: only this one.
        out_of: the points that full points become; the chapter's own if not given.

    Raises:
        GradingError: if there is no such chapter.
    """
    rows = list(rows)
    if chapter:
        rows = [row for row in rows if row.chapter in (_one_chapter(rows, chapter), "")]
    entered, left_out = with_score(rows)
    chapters = sorted({row.chapter for row in entered})
    points = {row.chapter: out_of or row.points for row in entered}
    students: dict[str, dict[str, Row]] = {}
    for row in entered:
        students.setdefault(row.id, {})[row.chapter] = row
    lines = [(*CANVAS, *chapters), ("Points Possible", *[""] * 4, *(number(points[c]) for c in chapters))]
    for found in students.values():
        grades = [_grade(found[c], out_of) if c in found else "" for c in chapters]
        lines.append((*_canvas_person(next(iter(found.values()))), *grades))
    return Sheet(_csv(lines), len(students), left_out)


FORMATS: dict[str, Callable[..., Sheet]] = {"moodle": moodle, "canvas": canvas}


def _one_chapter(rows: list[Row], chapter: str) -> str:
    """The chapter meant by `chapter`, its name or number, or the only one."""
    names = sorted({row.chapter for row in rows if row.chapter})
    found = [name for name in names if chapter in ("", name, name.partition("_")[0])]
    if len(found) == 1:
        return found[0]
    if not names:
        raise GradingError("There is no chapter in these results.")
    if not found:
        raise GradingError(f"There is no chapter {chapter} in these results, only {', '.join(names)}.")
    raise GradingError(f"There are several chapters: {', '.join(names)}. Name one with --chapter.")


def _moodle_line(row: Row, out_of: float | None) -> tuple[str, ...]:
    participant, other = _ids(row)
    email = row.email or next((text for text in (other, row.student) if "@" in text), "")
    return (
        f"Participant {participant}" if participant else "",
        _text(row.student),
        "" if "@" in other else _text(other),
        _text(email),
        _grade(row, out_of),
        number(out_of or row.points),
        "-",  # the date of the grade in Moodle is not known here
    )


def _canvas_person(row: Row) -> tuple[str, ...]:
    """Name, id, SIS id, login and section."""
    own, login = _ids(row)
    name = "" if "Points Possible" in row.student else _text(row.student)  # would be read as the second line
    return name, own, "", _text(login), ""


def _ids(row: Row) -> tuple[str, str]:
    """The platform's own number for a learner, or what else the learner is known by: a login, an address."""
    return (row.student_id, "") if row.student_id.isdecimal() else ("", row.id)


def _grade(row: Row, out_of: float | None) -> str:
    scaled = row.earned * out_of / row.points if out_of and row.points else row.earned
    return number(scaled)


def _text(text: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    text = one_line(text)
    return f"'{text}" if text.startswith(FORMULA) else text


def _csv(lines: Iterable[tuple[str, ...]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()
