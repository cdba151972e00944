"""Makes the exercises of a chapter from `solutions/NN_name/NN_name.md`, the text that authors edit.

    python -m dltwice.authoring.exercises [--check] [STEM ...]

It writes two notebooks, both without outputs:

- `solutions/NN_name/NN_name.ipynb`, the master that the grader reads: solutions and all tests;
- `exercises/NN_name/NN_name.ipynb`, what a learner gets: made from the master by nbgrader.

The source is a MyST notebook. An answer and its tests are code cells with one or two keys:

    ```{code-cell} ipython3            ```{code-cell} ipython3
    :answer: output_size               :test: output_size
                                       :points: 2
    def output_size(N, K):
        ### BEGIN SOLUTION             assert output_size(5, 3) == 3, "A hint for the learner."
        return N - K + 1               ### BEGIN HIDDEN TESTS
        ### END SOLUTION               assert output_size(7, 7) == 1, "One position."
    ```                                ### END HIDDEN TESTS
                                       ```

They become nbgrader's metadata, and the cell's id is its `grade_id`: `output_size` and `test_output_size`. A
second test of the same answer is `:test: output_size-large` (`test_output_size-large`). All other cells are
as they are. `--check` writes nothing and exits with 1 when a notebook is not what its source gives.
"""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from dltwice.authoring.source import (
    AuthoringError,
    Source,
    chapters,
    read_source,
    remove_leftovers,
    to_text,
    write_atomically,
)

ANSWER = re.compile(r"[a-z][a-z0-9_]{0,39}")
TEST = re.compile(r"([a-z][a-z0-9_]{0,39})(-[a-z0-9_]{1,15})?")
SOLUTION_MARKS = ("BEGIN SOLUTION", "END SOLUTION")
HIDDEN_MARKS = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")


def master(path: Path, root: Path) -> NotebookNode:
    """Return the notebook with solutions and tests that the source `path` gives.

    Raises
    ------
    AuthoringError
        The source is not a MyST notebook, or its answers and tests do not fit together.
    """
    source = read_source(path, root)
    tested: dict[str, bool] = {}
    for index, cell in enumerate(source.notebook.cells):
        where = source.where(index)
        if "answer" in cell.metadata:
            name = _expand_answer(cell, where)
            if name in tested:
                raise AuthoringError(f"{where}: a second answer {name!r}; give it a name of its own")
            tested[name] = False
        elif "test" in cell.metadata:
            name = _expand_test(cell, where)
            if name not in tested:
                raise AuthoringError(f"{where}: no answer {name!r} above this test, only {list(tested)}")
            tested[name] = True
        elif any(mark in cell.source for mark in SOLUTION_MARKS + HIDDEN_MARKS):
            raise AuthoringError(f"{where}: a solution or hidden test in a cell without `answer` or `test`")
    if untested := [name for name, has_test in tested.items() if not has_test]:
        raise AuthoringError(f"{source.path.as_posix()}: no test for the answer {untested[0]!r}")
    _require_unique_ids(source)
    return source.notebook


def _expand_answer(cell: NotebookNode, where: str) -> str:
    """Replace the key `answer` by nbgrader's metadata; return the answer's name."""
    name = str(cell.metadata.pop("answer"))
    if not ANSWER.fullmatch(name):
        raise AuthoringError(f"{where}: answer {name!r}: expected a name like output_size")
    _require_region(cell, SOLUTION_MARKS, where, required=True)
    _require_region(cell, HIDDEN_MARKS, where, allowed=False)
    _set_nbgrader(cell, name, solution=True)
    return name


def _expand_test(cell: NotebookNode, where: str) -> str:
    """Replace the keys `test` and `points` by nbgrader's metadata; return the name of the tested answer."""
    name, points = str(cell.metadata.pop("test")), cell.metadata.pop("points", None)
    if not (match := TEST.fullmatch(name)):
        raise AuthoringError(f"{where}: test {name!r}: expected an answer's name, or name-part")
    if isinstance(points, bool) or not isinstance(points, int | float) or points <= 0:
        raise AuthoringError(f"{where}: test {name!r} needs `:points:` with a number above 0, got {points!r}")
    _require_region(cell, HIDDEN_MARKS, where)
    _require_region(cell, SOLUTION_MARKS, where, allowed=False)
    _set_nbgrader(cell, f"test_{name}", grade=True, locked=True, points=points)
    return match[1]


def _require_region(
    cell: NotebookNode, marks: tuple[str, str], where: str, required: bool = False, allowed: bool = True
) -> None:
    """Check that begin and end marks come in pairs, and that there is a pair where one is required."""
    found = re.findall("|".join(marks), cell.source)
    if found and not allowed:
        raise AuthoringError(f"{where}: {marks[0]} does not belong in this cell")
    if found != list(marks) * (len(found) // 2) or (required and not found):
        raise AuthoringError(f"{where}: expected ### {marks[0]} and ### {marks[1]}, found {found or 'none'}")


def _set_nbgrader(
    cell: NotebookNode,
    grade_id: str,
    *,
    grade: bool = False,
    solution: bool = False,
    locked: bool = False,
    points: float | None = None,
) -> None:
    """Give a cell nbgrader's metadata (its schema version 3) and the id `grade_id`."""
    cell.id = grade_id
    cell.metadata["nbgrader"] = {
        "cell_type": cell.cell_type,
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    } | ({} if points is None else {"points": points})


def _require_unique_ids(source: Source) -> None:
    ids = [cell.id for cell in source.notebook.cells]
    for index, name in enumerate(ids):
        if name in ids[:index]:
            raise AuthoringError(f"{source.where(index)}: a second cell {name!r}; write name-part")


def release(notebook: NotebookNode, stem: str) -> NotebookNode:
    """Return the learner's notebook: nbgrader's release version of the master, in a folder of its own.

    Raises
    ------
    AuthoringError
        nbgrader refuses the master, or a solution or hidden test is left in the result.
    """
    from nbgrader.apps import NbGraderAPI  # takes a second to import
    from traitlets.config import Config

    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        (course / "solutions" / stem).mkdir(parents=True)
        (course / "solutions" / stem / f"{stem}.ipynb").write_text(to_text(notebook), encoding="utf-8")
        config = Config()
        config.CourseDirectory.root = folder
        config.CourseDirectory.source_directory = "solutions"
        config.CourseDirectory.release_directory = "exercises"
        config.GenerateAssignment.no_database = True  # alone, SaveCells would still open one
        config.SaveCells.enabled = False
        result = NbGraderAPI(config=config).generate_assignment(stem)
        if not result["success"]:
            raise AuthoringError(f"{stem}: nbgrader failed\n{result.get('error')}\n{result.get('log')}")
        released = nbformat.read(course / "exercises" / stem / f"{stem}.ipynb", as_version=4)
    released.metadata = notebook.metadata
    if left := [mark for mark in SOLUTION_MARKS + HIDDEN_MARKS if mark in json.dumps(released.cells)]:
        raise AuthoringError(f"{stem}: {left[0]} is left in the exercise")
    return released


def build(path: Path, root: Path) -> dict[Path, str]:
    """Return the text of both notebooks that the source `path` gives, by their paths."""
    notebook, stem = master(path, root), path.stem
    return {
        root / "solutions" / stem / f"{stem}.ipynb": to_text(notebook),
        root / "exercises" / stem / f"{stem}.ipynb": to_text(release(notebook, stem)),
    }


def _strays(root: Path, stems: set[str]) -> list[str]:
    """List the notebooks in both folders that no source gives."""
    found = [path for folder in ("solutions", "exercises") for path in (root / folder).glob("*/*.ipynb")]
    return [path.relative_to(root).as_posix() for path in found if path.stem not in stems]


def _make(paths: list[Path], root: Path, check: bool) -> int:
    wrong = 0
    for path in paths:
        try:
            texts = build(path, root)
        except AuthoringError as error:
            print(error, file=sys.stderr)
            wrong += 1
            continue
        for target, text in texts.items():
            same = target.is_file() and target.read_text(encoding="utf-8") == text
            wrong += check and not same
            if not check:
                write_atomically(target, text)
            state = "up to date" if same else f"not what {path.name} gives" if check else "written"
            print(f"{target.relative_to(root).as_posix():56} {state}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser("dltwice.authoring.exercises", description="solutions/ to exercises/")
    parser.add_argument("stems", nargs="*", metavar="STEM", help="04 or 04_convolution; default: all")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if out of date")
    options = parser.parse_args(arguments)
    root = Path.cwd().resolve()
    try:
        if not options.check:
            remove_leftovers(root, "solutions/*", "exercises/*")
        paths = chapters(root / "solutions", "*/*.md", options.stems)
    except AuthoringError as error:
        print(error, file=sys.stderr)
        return 1
    wrong = _make(paths, root, options.check)
    if not options.stems:
        for name in _strays(root, {path.stem for path in paths}):
            print(f"{name}: no source in solutions/ gives it; delete it", file=sys.stderr)
            wrong += 1
    if wrong and options.check:
        print("Edit solutions/*/*.md, then run `make exercises` and commit all three.", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
