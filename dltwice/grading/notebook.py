"""Notebook files as plain data: the master's cells, and the learner's answers.

The file is read as JSON: it takes a hundredth of the time that nbformat needs to start, and it also reads
files that nbformat refuses for small faults, such as a missing cell id.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from dltwice.grading.results import GradingError

FOREIGN = "The file has none of this exercise's cells. Is it the notebook of another chapter?"
MOST_PARTS = 1_000_000  # lists and dictionaries in a notebook file
MOST_CELLS = 20_000
LARGEST = 32 * 2**20  # bytes of a notebook file
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
HEADING = re.compile(r"^##\s+(.+?)(?:\s*\([\d.]+ points?\))?\s*$", re.MULTILINE)  # its points are dropped
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HIDDEN = re.compile(
    r"^[ \t]*### BEGIN HIDDEN TESTS.*?^[ \t]*### END HIDDEN TESTS[^\n]*\n?", re.DOTALL | re.MULTILINE
)


class UnreadableError(GradingError):
    """The file is not a notebook that can be graded; the message says why and what to do."""


@dataclass(frozen=True)
class Cell:
    """One code cell of a master. `kind` is "setup", "answer" or "test"."""

    name: str
    kind: str
    source: str
    question: str = ""
    points: float = 0.0
    hint: str = ""


@dataclass(frozen=True)
class Master:
    """The exercises of a chapter with solutions, all tests and points.

    Attributes:
        cells: the code cells in the order in which they run.
        titles: question name → the heading that it stands under, without the points in brackets.
        locked: the tests as learners have them, where private tests are laid over; None if they are the same.
    """

    cells: tuple[Cell, ...]
    titles: dict[str, str]
    locked: tuple[Cell, ...] | None = None

    @property
    def questions(self) -> list[str]:
        """Names of the questions, in the notebook's order."""
        return list(self.titles)

    def answer(self, question: str) -> Cell:
        """The master's answer cell of `question`: the solution."""
        return next(cell for cell in self.cells if cell.kind == "answer" and cell.question == question)

    def tests(self, question: str) -> list[Cell]:
        """The test cells of `question`."""
        return [cell for cell in self.cells if cell.kind == "test" and cell.question == question]


def read_cells(data: bytes, what: str = "The file") -> list[dict[str, Any]]:
    """The cells of the notebook file `data`, each with its source as one string.

    Raises:
        UnreadableError: if `data` is not a notebook of format 4, in words that name `what`.
    """
    if not data.strip():
        raise UnreadableError(f"{what} is empty. Save the notebook and try again.")
    if len(data) > LARGEST:
        size = f"{len(data) / 2**20:.0f} MB"
        raise UnreadableError(
            f"{what} is larger than 32 MB ({size}). Clear its outputs, save it and try again."
        )
    if data.count(b"{") + data.count(b"[") > MOST_PARTS:
        raise UnreadableError(
            f"{what} has more than {MOST_PARTS:,} parts. Clear its outputs, save it and try again."
        )
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError):
        raise UnreadableError(f"{what} is not a Jupyter notebook: it can't be read as JSON.") from None
    if isinstance(notebook, dict) and notebook.get("nbformat", 4) != 4:
        raise UnreadableError(
            f"{what} has notebook format {ascii(notebook['nbformat'])[:20]}, expected 4. "
            "Open it in JupyterLab and save."
        )
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise UnreadableError(f"{what} is not a Jupyter notebook: it has no list of cells.")
    if len(cells) > MOST_CELLS:
        raise UnreadableError(f"{what} has {len(cells):,} cells; at most {MOST_CELLS:,} are read.")
    return [cell | {"source": _source(cell)} for cell in cells]


def load_master(data: bytes) -> Master:
    """Read a master, the notebook that `make exercises` writes to `solutions/`.

    Raises:
        GradingError: if it is not a notebook or has no graded cell.
    """
    cells, titles, heading = [], {}, ""
    for index, raw in enumerate(read_cells(data, "The master notebook")):
        if raw.get("cell_type") == "markdown":
            found = HEADING.findall(raw["source"])
            heading = found[-1] if found else heading
        elif raw.get("cell_type") == "code":
            cell = _master_cell(raw, index)
            cells.append(cell)
            if cell.kind == "answer":
                titles[cell.question] = heading or cell.question
    if not titles:
        raise GradingError("the master notebook has no answer cell. Run `make exercises` to make it anew.")
    return Master(tuple(cells), titles)


def stub(solution: str) -> str:
    """What the learner gets in place of `solution`: every region between the solution marks cleared."""
    lines, inside = [], False
    for line in solution.split("\n"):
        if line.strip() == BEGIN:
            inside = True
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + text for text in STUB]
        elif line.strip() == END:
            inside = False
        elif not inside:
            lines.append(line)
    return "\n".join(lines)


def find_answers(cells: list[dict[str, Any]], master: Master) -> dict[str, list[str]]:
    """The sources that a submission holds for each question, in the notebook's order.

    An answer is known by the `grade_id` in its metadata or, where a tool has dropped that, by its cell id.
    A deleted answer has an empty list, one that was copied or split in two has several entries.

    Raises:
        UnreadableError: if the submission has not a single cell of the exercise.
    """
    found = _sources(cells, [cell.name for cell in master.cells if cell.kind != "setup"])
    if not any(found.values()):
        raise UnreadableError(FOREIGN)
    return {question: found[question] for question in master.questions}


def locked_cells(cells: list[dict[str, Any]], master: Master) -> list[str]:
    """What was done to the tests in a submission, in sentences. Only the master's tests are run."""
    changes: dict[str, list[str]] = {"deleted": [], "copied": [], "changed": []}
    tests = [cell for cell in master.cells if cell.kind == "test"] if master.locked is None else master.locked
    sources = _sources(cells, [test.name for test in tests])
    for test in tests:
        there = sources[test.name]
        if not there:
            changes["deleted"].append(test.name)
        elif len(there) > 1:
            changes["copied"].append(test.name)
        elif not same_code(there[0], released(test.source)) and not same_code(there[0], test.source):
            changes["changed"].append(test.name)
    return [
        f"Test cells were {what}; the exercise's own tests were run: {', '.join(names)}."
        for what, names in changes.items()
        if names
    ]


def released(test: str) -> str:
    """What a learner gets of a test: all but its hidden regions."""
    return HIDDEN.sub("", test)


def same_code(one: str, other: str) -> bool:
    """Whether two sources are equal but for blank lines and spaces at the ends of lines."""

    def normal(source: str) -> list[str]:
        return [line.rstrip() for line in source.splitlines() if line.strip()]

    return normal(one) == normal(other)


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _metadata(cell: dict[str, Any]) -> dict[str, Any]:
    metadata = cell.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _sources(cells: list[dict[str, Any]], names: list[str]) -> dict[str, list[str]]:
    """The sources of the code cells with these names, by `grade_id` or else by id."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for cell in cells:
        name = _graded(cell).get("grade_id")
        name = name if isinstance(name, str) else cell.get("id")
        if isinstance(name, str) and name in found and cell.get("cell_type") == "code":
            found[name].append(cell["source"])
    return found


def _graded(cell: dict[str, Any]) -> dict[str, Any]:
    graded = _metadata(cell).get("nbgrader")
    return graded if isinstance(graded, dict) else {}


def _master_cell(raw: dict[str, Any], index: int) -> Cell:
    graded = _graded(raw)
    name = str(graded.get("grade_id", f"setup-{index}"))
    if graded.get("solution"):
        return Cell(name, "answer", raw["source"], question=name)
    if graded.get("grade"):
        question = name.removeprefix("test_").partition("-")[0]
        hint = str(_metadata(raw).get("hint", ""))
        return Cell(name, "test", raw["source"], question, float(graded["points"]), hint)
    return Cell(name, "setup", raw["source"])
