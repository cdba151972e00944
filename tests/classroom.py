"""A class for the tests of batches: a book with one small chapter, students, and ways to grade them."""

import contextlib
import csv
import json
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from dltwice.grading import batch
from dltwice.grading.sandbox import why_not

STEM = "03_doubling"
DOUBLE = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
HALF = "def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION"
GOOD, WRONG = "def double(x):\n    return 2 * x", "def double(x):\n    return x"
TEST = "assert double(1) == 2, f'double(1): expected 2, got {double(1)}'"
HIDDEN = "### BEGIN HIDDEN TESTS\nassert double(-3) == -6, 'double(-3) is wrong'\n### END HIDDEN TESTS"
REQUIRED = os.environ.get("DLTWICE_REQUIRE_SANDBOX")
LOCAL = {  # a dask cluster on this machine
    "n_workers": 2,
    "threads_per_worker": 1,
    "host": "127.0.0.1",
    "dashboard_address": ":0",
    "worker_dashboard_address": None,
    "silence_logs": 50,
}
needs_sandbox = pytest.mark.skipif(bool(why_not()) and not REQUIRED, reason=str(why_not()))


def code(source, name="", points=0):
    graded = {"grade_id": name, "solution": not points, "grade": points > 0, "locked": points > 0}
    graded |= {"points": points} if points else {}
    data = {"nbgrader": graded} if name else {}
    return {"cell_type": "code", "id": name or "x", "metadata": data, "source": source, "outputs": []}


def notebook(*cells):
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


MASTER = notebook(
    code("import math"),
    code(DOUBLE, "double"),
    code(f"{TEST}\n{HIDDEN}", "test_double", 2),
    code(HALF, "half"),
    code("assert half(3) == 1.5, 'half(3) is wrong'", "test_half", 1),
)


def submission(double=GOOD, half="def half(x):\n    return x / 2", extra=()):
    return notebook(
        code(double, "double"),
        code(TEST, "test_double", 2),
        code(half, "half"),
        code("assert half(3) == 1.5, 'half(3) is wrong'", "test_half", 1),
        *extra,
    )


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book with one chapter, in the working directory."""
    (tmp_path / "solutions" / STEM).mkdir(parents=True)
    (tmp_path / "solutions" / STEM / f"{STEM}.ipynb").write_bytes(MASTER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hand_in(root, **students):
    """Write the submissions of students: bytes, or nothing for an empty folder."""
    for student, data in students.items():
        folder = root / "class" / student / STEM
        folder.mkdir(parents=True, exist_ok=True)
        if data is not None:
            (folder / f"{STEM}.ipynb").write_bytes(data)
    return root / "class"


def mixed(root):
    """A class in which every status occurs."""
    students = {f"good{i}": submission() for i in range(8)}
    students |= {f"wrong{i}": submission(double=WRONG) for i in range(8)}
    hand_in(
        root,
        **students,
        endless=submission(double="while True: pass"),
        exits=submission(double="import os\nos._exit(1)"),
        text=b"hello",
        nothing=None,
        cheat=submission().replace(TEST.encode(), b"pass"),
        twice=submission(extra=[code(WRONG, "double")]),
        김민수=submission(half="def half(x):\n    return 0"),
    )
    (root / "class/word").mkdir()
    (root / "class/word/answers.docx").write_bytes(b"PK")
    (root / "class/good1" / "again.ipynb").write_bytes(submission(double=WRONG))
    return root / "class"


STATUSES = {"ok": 18, "partial": 2, "timeout": 1, "tampered": 1, "unreadable": 3}


class Quiet:
    def __init__(self):
        self.statuses = []

    def start(self, total, before):
        self.total, self.before = total, before

    def advance(self, status):
        self.statuses.append(status)


def run(source, out="grades", progress=None, **settings):
    settings = {"unsafe": True, "time_limit": 1.0, "workers": 1} | settings
    return batch.run_batch(batch.Settings(Path(source), Path(out), **settings), progress or Quiet())


def plain(rows):
    """Rows without the time that grading took."""
    return [row | {"result": row["result"] | {"seconds": 0}} for row in rows]


def written(out):
    """The rows of results.json, which must be those of results.csv."""
    rows = json.loads((Path(out) / "results.json").read_text(encoding="utf-8"))
    with open(Path(out) / "results.csv", encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [row["file"] for row in table]
    assert len({row["file"] for row in rows}) == len(rows)
    return rows


def journal_rows(out):
    """file → (number, result) of a journal that no batch has open."""
    with contextlib.closing(sqlite3.connect(Path(out) / "journal.sqlite")) as base:
        found = base.execute("SELECT file, number, result FROM rows ORDER BY number").fetchall()
    assert len({file for file, _, _ in found}) == len(found)
    return {file: (number, result) for file, number, result in found}


def command(*arguments):
    return [sys.executable, "-m", "dltwice.grading.cli", "grade-batch", *map(str, arguments)]


@pytest.fixture(scope="module")
def dask():
    """A cluster of two worker processes on this machine."""
    from distributed import LocalCluster

    with LocalCluster(**LOCAL) as found:
        yield found
