"""From the results of a batch to nbgrader's own gradebook, the database that `nbgrader export` reads."""

import os
import sqlite3
import sysconfig
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dltwice.grading.harmless import one_line
from dltwice.grading.results import GradingError
from dltwice.grading.results_csv import Row, with_score

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

NOT_WRITTEN = (
    "{} can't be written as nbgrader's gradebook: {}. Is it one, and of this version (see `nbgrader db "
    "upgrade`)? If so, run this again: nothing is lost."
)


@dataclass
class Transfer:
    """What was entered, and what was not and why: sentences for the terminal."""

    entered: int = 0
    left_out: list[str] = field(default_factory=list)


def to_nbgrader(rows: Iterable[Row], database: Path) -> Transfer:
    """Enter the scores into nbgrader's gradebook, one grade cell per question.

    What is there is updated, so the same rows may be entered again. Grades that a person gave in nbgrader
    (manual scores) stay, and count before these.

    Args:
        rows: submissions; those without a score are not entered, also not as 0.
        database: nbgrader's `gradebook.db`; made if it is not there.

    Raises:
        GradingError: if it is not such a database, or has other graded cells for one of these chapters.
    """
    from nbgrader.api import InvalidEntry
    from sqlalchemy.exc import SQLAlchemyError

    entered, left_out = with_score(rows)
    _refuse_other_databases(database)
    new = not database.exists()
    file = database.with_name(f".{database.name}.new") if new else database
    try:
        _enter(entered, file)
        if new:
            file.replace(database)
    except (SQLAlchemyError, InvalidEntry, OSError) as error:
        reason = one_line(getattr(error, "orig", None) or error)
        raise GradingError(NOT_WRITTEN.format(database, reason)) from None
    finally:
        if new:
            file.unlink(missing_ok=True)
    return Transfer(len(entered), left_out)


def _enter(rows: list[Row], database: Path) -> None:
    with closing(_open(database)) as gradebook:
        for chapter in sorted({row.chapter for row in rows}):
            _enter_chapter(gradebook, [row for row in rows if row.chapter == chapter])


def _student_ids(rows: list[Row]) -> list[str]:
    """nbgrader's id of the student of each row of one chapter.

    Moodle numbers its participants anew in each assignment, so there only the name is the same in all
    chapters; those who share one in this chapter get their number added.
    """
    names = Counter(row.student for row in rows)

    def student(row: Row) -> str:
        if not row.from_moodle or not row.student:
            return row.id
        return row.student if names[row.student] == 1 else f"{row.student} {row.student_id}"

    return [_plain(student(row)) for row in rows]


def _open(database: Path) -> "Gradebook":
    from nbgrader.api import Gradebook
    from sqlalchemy import URL

    before = os.environ.get("PATH", "")
    # A new database is stamped by the command alembic; without an active environment it would not be found.
    os.environ["PATH"] = f"{sysconfig.get_path('scripts')}{os.pathsep}{before}"
    try:
        return Gradebook(URL.create("sqlite", database=str(database)))
    finally:
        os.environ["PATH"] = before


def _refuse_other_databases(database: Path) -> None:
    """Refuse a database of another program: nbgrader would add its tables to it."""
    if not database.exists() or not database.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(database)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise GradingError(f"{database} can't be read as nbgrader's gradebook: {error}.") from None
    if "submitted_assignment" not in tables:
        raise GradingError(f"{database} is not nbgrader's gradebook. Name another file, or one that is new.")


def _enter_chapter(gradebook: "Gradebook", rows: list[Row]) -> None:
    """Enter one assignment with its cells, then one submission per row."""
    chapter = rows[0].chapter
    points: dict[str, float] = {}
    for row in rows:
        for name, (_, most) in row.questions.items():
            if points.setdefault(name, most) != most:
                raise GradingError(
                    f"{chapter}/{name} has {points[name]:g} points, but {most:g} in line {row.line}. "
                    "Grade all submissions with the same solutions."
                )
    gradebook.update_or_create_assignment(chapter)
    gradebook.update_or_create_notebook(chapter, chapter)
    _refuse_other_cells(gradebook, chapter, set(points))
    for name, most in points.items():
        gradebook.update_or_create_grade_cell(name, chapter, chapter, max_score=most, cell_type="code")
    for row, student in zip(rows, _student_ids(rows), strict=True):
        _enter_row(gradebook, row, student)


def _refuse_other_cells(gradebook: "Gradebook", chapter: str, names: set[str]) -> None:
    """Refuse an assignment with graded cells that are not ours: its maximum would be counted twice."""
    notebooks = gradebook.find_assignment(chapter).notebooks
    graded = {(book.name, cell.name) for book in notebooks for cell in (*book.grade_cells, *book.task_cells)}
    others = sorted(cell for book, cell in graded if book != chapter or cell not in names)
    if others:
        raise GradingError(
            f"The gradebook already has {chapter} with other graded cells, such as {others[0]}: made by "
            "nbgrader itself, or from older results. Name a new database."
        )


def _enter_row(gradebook: "Gradebook", row: Row, student: str) -> None:
    from nbgrader.api import Grade

    gradebook.update_or_create_student(student, **_person(row))
    with gradebook.db.no_autoflush:  # nbgrader's function warns of it three times
        submission = gradebook.update_or_create_submission(row.chapter, student)
    book = next(book for book in submission.notebooks if book.name == row.chapter)
    cells = {cell.name: cell for cell in book.notebook.grade_cells}
    grades = {grade.cell_id: grade for grade in book.grades}
    for name, (earned, _) in row.questions.items():
        cell = cells[name]
        grade = grades.get(cell.id) or Grade(cell_id=cell.id, notebook=book)
        gradebook.db.add(grade)
        grade.auto_score, grade.needs_manual_grade = earned, False
    gradebook.db.commit()


def _person(row: Row) -> dict[str, str]:
    """What is known of a student: only this is written, so that names entered in nbgrader stay."""
    known = {}
    if row.student and row.student != row.student_id and "@" not in row.student:
        last, comma, first = row.student.partition(",")
        if not comma:
            first, _, last = row.student.strip().rpartition(" ")
        known = {"first_name": _plain(first), "last_name": _plain(last)}
    email = row.email or next((text for text in (row.student_id, row.student) if "@" in text), "")
    return {key: text for key, text in (known | {"email": _plain(email)}).items() if text}


def _plain(text: str) -> str:
    """`text` without commas and quotes: `nbgrader export` writes its CSV without quoting."""
    return one_line(text.replace(",", " ").replace('"', " "))
