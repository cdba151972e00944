"""Private tests: laid over the public ones, for classes whose learners can read this repository.

A folder has one file for each chapter that has private tests, `04_convolution.md` or `04_convolution.ipynb`,
in the short form of `solutions/*.md` (see `dltwice.authoring.exercises`), without the answers:

    ```{code-cell} ipython3
    import numpy as np                       # a helper: runs before every test below it

    EXPECTED = np.arange(6.0).reshape(2, 3)
    ```

    ```{code-cell} ipython3
    :test: output_size
    :points: 2
    assert output_size(11, 4) == 8, "output_size(11, 4): expected 8"
    ```

A test with the name of a public one takes its place. One with a new name, such as `output_size-private`, is
added after the tests of its question. Helpers run where the tests run, and never where the learner's code is.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dltwice.grading.notebook import Cell, Master, read_cells
from dltwice.grading.results import GradingError

ENDINGS = (".md", ".ipynb")


def find_tests(folder: Path, chapters: Iterable[str]) -> dict[str, Path]:
    """The files with private tests in `folder`, by chapter.

    Raises:
        GradingError: if there is no folder, none for these chapters, or two for one.
    """
    if not folder.is_dir():
        raise GradingError(f"There is no folder {folder} with private tests.")
    found: dict[str, Path] = {}
    for chapter in chapters:
        paths = [path for ending in ENDINGS if (path := folder / f"{chapter}{ending}").is_file()]
        if len(paths) > 1:
            raise GradingError(f"{folder} has private tests for {chapter} twice: keep {paths[0].name} only.")
        if paths:
            found[chapter] = paths[0]
    if not found:
        example = f"{next(iter(chapters), '04_convolution')}.md"
        raise GradingError(f"{folder} has no private tests. Expected a file named like a chapter: {example}.")
    return found


def overlay(master: Master, path: Path) -> Master:
    """Lay the private tests in `path` over a master.

    Returns:
        A new master: same answers, the tests replaced and added.

    Raises:
        GradingError: if the file can't be read, or a test has no points or names no question of the master.
    """
    cells = list(master.cells)
    helpers: list[str] = []
    seen: set[str] = set()
    for where, raw in _read(path):
        if raw.get("cell_type") != "code" or not raw["source"].strip():
            continue
        test = _test(raw, where, master, helpers)
        if test is None:
            helpers.append(raw["source"])
            continue
        if test.name in seen:
            raise GradingError(f"{where}: a second test {test.name!r}. Give it a name of its own.")
        seen.add(test.name)
        _lay(test, cells)
    if not seen:
        raise GradingError(
            f"{path} has no test. A test is a code cell with `:test: QUESTION` and `:points: 1`."
        )
    # The learners' files have the public tests, so these are what must be in them unchanged.
    public = tuple(cell for cell in master.cells if cell.kind == "test")
    return replace(master, cells=tuple(cells), locked=public)


def _lay(test: Cell, cells: list[Cell]) -> None:
    """Put a test in the place of the one with its name, or after its question's answer and tests."""
    for number, cell in enumerate(cells):
        if cell.kind == "test" and cell.name == test.name:
            cells[number] = replace(test, hint=test.hint or cell.hint)
            return
    last = max(number for number, cell in enumerate(cells) if cell.question == test.question)
    cells.insert(last + 1, test)


def _test(raw: dict[str, Any], where: str, master: Master, helpers: list[str]) -> Cell | None:
    """The test in a cell, the helpers above it included; None if the cell is a helper itself."""
    data = raw.get("metadata") if isinstance(raw.get("metadata"), dict) else {}
    graded = data.get("nbgrader") if isinstance(data.get("nbgrader"), dict) else {}
    if "answer" in data or graded.get("solution"):
        raise GradingError(f"{where}: an answer. A file of private tests has only tests and helpers.")
    if "test" not in data and not graded.get("grade"):
        return None
    name = str(data["test"]) if "test" in data else str(graded.get("grade_id", "")).removeprefix("test_")
    points = data.get("points", graded.get("points"))
    question = name.partition("-")[0]
    if question not in master.questions:
        known = ", ".join(master.questions)
        raise GradingError(f"{where}: a test of {question!r}, expected one of the questions {known}.")
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 < points < float("inf"):
        raise GradingError(f"{where}: test {name!r} needs `:points:` with a number above 0, got {points!r}.")
    source = "\n\n".join([*helpers, raw["source"]])
    try:
        compile(source, f"<{name}>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise GradingError(f"{where}: test {name!r} or a helper above it is not Python: {error}.") from None
    return Cell(f"test_{name}", "test", source, question, float(points), str(data.get("hint", "")))


def _read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The cells of a file, each with its place for messages."""
    if path.suffix == ".ipynb":
        try:
            cells = read_cells(path.read_bytes(), str(path))
        except OSError as error:
            raise GradingError(f"{path} can't be read: {error.strerror or error}.") from None
        return [(f"{path}, cell {number}", cell) for number, cell in enumerate(cells, 1)]
    from dltwice.authoring.source import AuthoringError, read_source  # takes a second to import

    try:
        source = read_source(path.resolve(), path.resolve().parent)
    except AuthoringError as error:
        raise GradingError(f"Private tests can't be read: {error}") from None
    cells = json.loads(json.dumps(source.notebook.cells))
    return [(f"{path}:{source.lines[number] - 1}", cell) for number, cell in enumerate(cells)]
