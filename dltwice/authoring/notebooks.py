"""Makes `notebooks/NN_name.ipynb` from `book/NN_name.md`: converted, executed when needed, reproducible.

    python -m dltwice.authoring.notebooks [--check] [--force] [STEM ...]

A chapter is executed only when its code changed, or something that its code ran on. What it ran on stands in
the notebook, in `metadata.dltwice`:

- `code`: digest of the code cells with their metadata,
- `ran_on`: digest of each file of this project that the kernel imported or opened,
- `versions`: the version of each imported distribution that `requirements.txt` pins,
- `outputs`: digest of the outputs and the widgets' state, so that an edited output is noticed.

When only prose changed, the text is replaced and the outputs stay. `--check` writes and executes nothing; it
names each notebook that is not what its source gives, and why, and exits with 1.

Tags for code cells: `raises-exception` (the error is the point), `allow-stderr` (so is the warning),
`nbval-ignore-output` (digits that depend on the processor; the cell asserts its claim with a tolerance).
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from packaging.utils import canonicalize_name

from dltwice.authoring.source import (
    AuthoringError,
    Source,
    chapters,
    digest,
    read_source,
    remove_leftovers,
    to_text,
    write_atomically,
)

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;#]+)")


def pins(requirements: Path) -> dict[str, str]:
    """Return the versions that a requirements file and those that it includes with `-r` pin."""
    found: dict[str, str] = {}
    for line in requirements.read_text(encoding="utf-8").splitlines() if requirements.is_file() else ():
        if line.startswith("-r "):
            found |= pins(requirements.parent / line[3:].strip())
        elif match := PIN.match(line):
            found[canonicalize_name(match[1])] = match[2]
    return found


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the notebook's code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def code_digest(notebook: NotebookNode) -> str:
    """Return the digest of what is executed: the code cells with their metadata."""
    return digest(json.dumps([[cell.source, cell.metadata] for cell in code_cells(notebook)], sort_keys=True))


def outputs_digest(notebook: NotebookNode) -> str:
    """Return the digest of all outputs, execution counts and widget state."""
    cells = [[cell.execution_count, cell.outputs] for cell in code_cells(notebook)]
    return digest(json.dumps([cells, notebook.metadata.get("widgets")], sort_keys=True))


def read_notebook(path: Path) -> NotebookNode | None:
    """Return the notebook, or None when there is none or it cannot be read."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError):
        return None


def why_execute(source: Source, old: NotebookNode | None, root: Path) -> str | None:
    """Say why the outputs of the notebook `old` are not those of `source`; None when they are."""
    if old is None:
        return "no readable notebook"
    if any(cell.source.strip() and cell.execution_count is None for cell in code_cells(old)):
        return "a code cell was never executed"
    stored = old.metadata.get("dltwice", {})
    if stored.get("code") != code_digest(source.notebook) or code_digest(old) != stored["code"]:
        return "code changed"
    if stored.get("outputs") != outputs_digest(old):
        return "outputs were edited"
    for name, known in stored.get("ran_on", {}).items():
        path = root / name
        if not path.is_file() or digest(path.read_bytes()) != known:
            return f"{name} changed"
    pinned = pins(root / "requirements.txt")
    for name, known in stored.get("versions", {}).items():
        if pinned.get(name) != known:
            return f"ran on {name} {known}, requirements.txt pins {pinned.get(name, 'none')}"
    return None


def keep_outputs(source: Source, old: NotebookNode) -> None:
    """Copy outputs, widget state and our metadata from `old`, whose code cells are those of `source`."""
    for cell, executed in zip(code_cells(source.notebook), code_cells(old), strict=True):
        cell.outputs, cell.execution_count = executed.outputs, executed.execution_count
    for key in ("dltwice", "widgets"):
        if key in old.metadata:
            source.notebook.metadata[key] = old.metadata[key]


def run(source: Source, root: Path) -> NotebookNode:
    """Execute the chapter and return its notebook with outputs and what they depend on."""
    from dltwice.authoring.execute import execute  # the kernel's machinery, which --check does not need

    ran = execute(source, root)
    notebook = nbformat.reads(to_text(source.notebook), as_version=4)
    pinned = pins(root / "requirements.txt")
    notebook.metadata["dltwice"] = {
        "code": code_digest(notebook),
        "outputs": outputs_digest(notebook),
        "ran_on": {path.relative_to(root).as_posix(): digest(path.read_bytes()) for path in ran.files},
        "versions": {name: version for name, version in ran.versions.items() if name in pinned},
    }
    return notebook


def make(path: Path, root: Path, force: bool = False) -> str:
    """Bring the notebook of the chapter `path` up to date; return what was done, in words.

    Raises
    ------
    AuthoringError
        The chapter cannot be read or executed; its old notebook is left as it was.
    """
    source, target = read_source(path, root), root / "notebooks" / f"{path.stem}.ipynb"
    old = read_notebook(target)
    reason = "forced" if force else why_execute(source, old, root)
    if reason:
        changed = write_atomically(target, to_text(run(source, root)))
        return f"executed ({reason})" + ("" if changed else ", same outputs")
    keep_outputs(source, old)
    changed = write_atomically(target, to_text(source.notebook))
    return "text updated, outputs kept" if changed else "up to date"


def check(path: Path, root: Path) -> str | None:
    """Say what is wrong with the chapter's notebook, or return None. Executes and writes nothing."""
    source, target = read_source(path, root), root / "notebooks" / f"{path.stem}.ipynb"
    if not target.is_file():
        return "missing"
    old = read_notebook(target)
    if reason := why_execute(source, old, root):
        return reason
    keep_outputs(source, old)
    same = to_text(source.notebook) == target.read_text(encoding="utf-8")
    return None if same else f"not what {source.path.as_posix()} gives"


def _check_all(paths: list[Path], root: Path, complete: bool) -> int:
    problems = {f"notebooks/{path.stem}.ipynb": check(path, root) for path in paths}
    if complete:
        known = {path.stem for path in paths}
        strays = [path for path in (root / "notebooks").glob("*.ipynb") if path.stem not in known]
        problems |= {f"notebooks/{path.name}": f"no book/{path.stem}.md gives it" for path in strays}
    wrong = {name: problem for name, problem in sorted(problems.items()) if problem}
    for name, problem in wrong.items():
        print(f"{name}: {problem}")
    print(f"{len(problems) - len(wrong)} of {len(problems)} notebooks are what their sources give.")
    if wrong:
        print("Edit book/, not notebooks/, then run `make notebooks` and commit both.")
    return 1 if wrong else 0


def _make_all(paths: list[Path], root: Path, force: bool) -> int:
    failures = 0
    remove_leftovers(root, "notebooks")
    for path in paths:
        start = time.perf_counter()
        try:
            done = make(path, root, force)
        except AuthoringError as error:
            failures, done = failures + 1, "FAILED, its notebook is left as it was"
            print(f"\n{error}\n", file=sys.stderr)
        print(f"{path.stem:24} {done:50} {time.perf_counter() - start:6.1f} s", flush=True)
    return 1 if failures else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser("dltwice.authoring.notebooks", description="book/ to notebooks/")
    parser.add_argument("stems", nargs="*", metavar="STEM", help="04 or 04_convolution; default: all")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if out of date")
    parser.add_argument("--force", action="store_true", help="execute even what did not change")
    options = parser.parse_args(arguments)
    root = Path.cwd().resolve()
    try:
        paths = chapters(root / "book", "*.md", options.stems)
        if options.check:
            return _check_all(paths, root, complete=not options.stems)
        return _make_all(paths, root, options.force)
    except AuthoringError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing is half-written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
