"""The results of a batch: a table, the same as JSON, and the pages for learners and instructor.

A row is a dictionary, one of the list in `results.json`:

| key | value |
|---|---|
| `student`, `student_id` | the name; the learning platform's number or "" |
| `email` | the name, if it is an e-mail address, or "" |
| `chapter` | such as "04_convolution"; "" if it is not known |
| `status`, `reason` | see `GradeResult` |
| `earned`, `points`, `percent` | numbers; None, never 0, if the status is "unreadable" |
| `file`, `sha256` | the input; the hash of its content, "" if it could not be read |
| `late` | whether the platform marks it as late |
| `notes` | a list of sentences about the input beside others, such as a second file of the same student |
| `feedback` | the learner's page, relative to the output folder |
| `result` | `GradeResult.to_dict()` |

`results.csv` has the same without `result`, and for each question the columns `chapter/question`, the points
earned, and `chapter/question:max`, those that can be earned. It is UTF-8 with a byte order mark: Excel takes
a file without one for the local code page, while LibreOffice, Moodle and pandas drop the mark. A text that a
spreadsheet would take for a formula gets an apostrophe in front.
"""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dltwice.grading.collect import Submission
from dltwice.grading.naming import email_of
from dltwice.grading.notebook import Master
from dltwice.grading.report import feedback_page, summary_page
from dltwice.grading.results import GradeResult

Row = dict[str, Any]

TEMPORARY = ".tmp"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
TEXT = ("student", "student_id", "email", "chapter", "status")
LONGEST = 2000  # characters of a text in the table
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*#%&\s]+')  # in a file's name, on some system or in a link
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
SEVERAL = "{} handed in {} files for {}: {}. Each is graded and has a row; keep the one that counts."


def make_row(submission: Submission, sha256: str, data: dict[str, Any]) -> Row:
    """The row of one submission, without its notes and its page; `data` is its result out of the journal."""
    result = GradeResult.from_dict(data)
    graded = result.status != "unreadable"
    earned, points = (result.earned, result.points) if graded else (None, None)
    return {
        "student": submission.student,
        "student_id": submission.student_id,
        "email": email_of(submission.student),
        "chapter": result.chapter,
        "status": result.status,
        "reason": result.reason,
        "earned": earned,
        "points": points,
        "percent": round(100 * earned / points, 2) if points else None,
        "file": submission.file,
        "sha256": sha256,
        "late": submission.late,
        "notes": [],
        "feedback": "",
        "result": data,
    }


def complete(rows: list[Row]) -> None:
    """Add to each row what depends on the others: notes on a student's other files, and a page of its own."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["student"], row["student_id"], row["chapter"]].append(row)
    folders = _folders(rows)
    taken: Counter[str] = Counter()
    for (student, number, chapter), group in groups.items():
        if len(group) > 1:
            files = ", ".join(row["file"] for row in group)
            note = SEVERAL.format(student, len(group), chapter or "an unknown chapter", files)
        for row in group:
            row["notes"] = [note] if len(group) > 1 else []
            page = f"feedback/{folders[student, number]}/{safe_name(chapter or 'submission')}"
            taken[page.casefold()] += 1
            again = f"-{taken[page.casefold()]}" if taken[page.casefold()] > 1 else ""
            row["feedback"] = f"{page}{again}.html"


def table_text(rows: list[Row], masters: dict[str, Master]) -> str:
    """The table as CSV, without the byte order mark.

    Args:
        rows: the rows.
        masters: chapter → master, for the columns of the questions.
    """
    present = {row["chapter"] for row in rows}
    questions = [(name, q) for name in sorted(present & set(masters)) for q in masters[name].questions]
    titles = [f"{name}/{question}" for name, question in questions]
    emails = any(row["email"] for row in rows)
    first = [key for key in TEXT if key != "email" or emails]
    last = ["late", "file", "sha256"]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    head = [*first, "earned", "points", "percent", "reason", *last]
    writer.writerow([*head, *titles, *(f"{title}:max" for title in titles), "notes", "feedback"])
    for row in rows:
        found = {(row["chapter"], q["name"]): q for q in row["result"]["questions"]}
        writer.writerow(
            [
                *(cell(row[key]) for key in first),
                *(_number(row[key]) for key in ("earned", "points", "percent")),
                cell(row["reason"]),
                "yes" if row["late"] else "",
                *(cell(row[key]) for key in ("file", "sha256")),
                *(_number(found.get(key, {}).get("earned")) for key in questions),
                *(_number(found.get(key, {}).get("points")) for key in questions),
                cell(" ".join(row["notes"])),
                cell(row["feedback"]),
            ]
        )
    return out.getvalue()


def cell(text: str) -> str:
    """A text as a cell of the table: on one line, not endless, and never a formula."""
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return f"'{text}" if text.startswith(FORMULA) else text


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.12g}"


def safe_name(text: str) -> str:
    """A name for a file or folder that every system takes: no reserved characters or words, not too long."""
    text = UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip("._ ")
    while len(text.encode("utf-8", "replace")) > 100:
        text = text[:-1].rstrip("._ ")
    return f"_{text}" if not text or RESERVED.fullmatch(text) else text


def _folders(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    """A folder name for each student; those who would share one get their number or a hash added."""
    names = {(row["student"], row["student_id"]): safe_name(row["student"]) for row in rows}
    for longer in (_numbered, _hashed):
        counts = Counter(name.casefold() for name in names.values())
        names |= {one: longer(*one) for one, name in names.items() if counts[name.casefold()] > 1}
    return names


def _numbered(student: str, number: str) -> str:
    return safe_name(f"{student}_{number}") if number else safe_name(student)


def _hashed(student: str, number: str) -> str:
    digest = hashlib.sha256(f"{student}\n{number}".encode("utf-8", "replace")).hexdigest()[:8]
    return f"{safe_name(student)}_{digest}"


class Output:
    """The files of a batch in its output folder, each of which is written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clean()

    def write(self, rows: list[Row], masters: dict[str, Master], title: str, old: set[str]) -> set[str]:
        """Write table, JSON and pages, and delete the pages in `old` that are no longer made.

        Returns:
            The feedback pages that are there now, relative to the folder.
        """
        made = set()
        for row in rows:
            result = GradeResult.from_dict(row["result"])
            result = replace(result, notes=(*result.notes, *row["notes"]))
            self.put(row["feedback"], feedback_page(result, row["student"]))
            made.add(row["feedback"])
        self.put("summary.html", summary_page(rows, title))
        self.put("results.json", json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        self.put("results.csv", "\ufeff" + table_text(rows, masters))
        for path in old - made:
            self._remove(path)
        self.clean()
        return made

    def put(self, name: str, text: str) -> None:
        """Write one file by way of a temporary one, so that an abort leaves the old one or the new one."""
        path, temporary = self.folder / name, self.folder / TEMPORARY / "file"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.parent.mkdir(exist_ok=True)
        temporary.write_bytes(text.encode("utf-8", "replace"))
        os.replace(temporary, path)

    def clean(self) -> None:
        """Remove what an aborted write has left."""
        shutil.rmtree(self.folder / TEMPORARY, ignore_errors=True)

    def _remove(self, name: str) -> None:
        path = self.folder / name
        if ".." not in Path(name).parts and path.is_file():
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
