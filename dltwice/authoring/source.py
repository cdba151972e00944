"""Reads a MyST source (`book/*.md`, `solutions/*/*.md`) and writes notebooks, always the same bytes."""

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupytext.myst import myst_to_notebook
from nbformat import NotebookNode

STEM = re.compile(r"\d\d_[a-z0-9_]+")
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}


class AuthoringError(Exception):
    """Something that the author has to change; the message says where and what."""


@dataclass(frozen=True)
class Source:
    """A MyST source and the notebook that it gives, without outputs.

    `lines[i]` is the line of the file (the first is 1) where the text of `notebook.cells[i]` begins.
    """

    path: Path
    notebook: NotebookNode
    lines: list[int]

    def where(self, cell: int, line: int = 1) -> str:
        """Return `path:line` of a line (the first is 1) of the cell with this index."""
        return f"{self.path.as_posix()}:{self.lines[cell] + line - 1}"


def digest(data: bytes | str, length: int = 16) -> str:
    """Return the first `length` hexadecimal digits of the SHA-256 of `data`, whatever its line ends."""
    raw = data.encode() if isinstance(data, str) else data
    return hashlib.sha256(raw.replace(b"\r\n", b"\n")).hexdigest()[:length]


def read_source(path: Path, root: Path) -> Source:
    """Convert the MyST notebook `path` (below `root`) to a notebook with stable cell ids.

    The notebook's metadata are what a learner needs and nothing more: with jupytext's own, JupyterLab would
    write a second file beside the notebook.

    Raises
    ------
    AuthoringError
        The file cannot be read as a MyST notebook.
    """
    relative = path.relative_to(root)
    try:
        text = path.read_text(encoding="utf-8")
        notebook = myst_to_notebook(text, add_source_map=True)
    except Exception as error:  # jupytext, yaml and markdown-it each raise their own
        raise AuthoringError(f"{relative.as_posix()}: not a MyST notebook: {error}") from error
    starts = zip(notebook.metadata.pop("source_map"), notebook.cells, strict=True)
    lines = [_first_line(text, start, cell.source) for start, cell in starts]
    for key in ("jupytext", "jupyter"):
        notebook.metadata.pop(key, None)
    notebook.metadata.update(kernelspec=dict(KERNELSPEC), language_info=dict(LANGUAGE))
    set_ids(notebook)
    return Source(relative, notebook, lines)


def _first_line(text: str, start: int, source: str) -> int:
    """Find the line, counted from 1, where `source` begins at or after the index `start`."""
    lines, wanted = text.splitlines(), source.splitlines()
    for index in range(start, len(lines)):
        if lines[index : index + len(wanted)] == wanted:
            return index + 1
    return start + 1


def set_ids(notebook: NotebookNode) -> None:
    """Give each cell an id made from its own text, so that a new cell changes no other cell's id."""
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        name = digest(f"{cell.cell_type}\n{cell.source}", 8)
        seen[name] += 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"


def to_text(notebook: NotebookNode) -> str:
    """Return the notebook file's text: sorted keys, one space of indentation, a newline at the end.

    Raises
    ------
    nbformat.ValidationError
        It is not a valid notebook.
    """
    notebook.update(nbformat=4, nbformat_minor=5)
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def write_atomically(path: Path, text: str) -> bool:
    """Write `text` so that an abort leaves the old file or the new one; return whether anything changed.

    The temporary file is `.NAME.tmp` beside it; git ignores it, and the next run removes it.
    """
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(text.encode())
    os.replace(temporary, path)
    return True


def remove_leftovers(root: Path, *folders: str) -> None:
    """Remove the temporary files that an aborted run left in these folders (patterns below `root`)."""
    for folder in folders:
        for leftover in root.glob(f"{folder}/.*.ipynb.tmp"):
            leftover.unlink()


def chapters(folder: Path, pattern: str, stems: list[str]) -> list[Path]:
    """Return the files below `folder` that match `pattern` and are named like a chapter, in order.

    With `stems`, only these; `04` is enough for `04_convolution`.

    Raises
    ------
    AuthoringError
        The folder is missing, or a stem names no chapter.
    """
    if not folder.is_dir():
        raise AuthoringError(f"no folder {folder.name}/ here: run this in the folder that holds the Makefile")
    found = sorted(path for path in folder.glob(pattern) if STEM.fullmatch(path.stem))
    if not stems:
        return found
    for stem in stems:
        if not any(_named(path, stem) for path in found):
            known = ", ".join(path.stem for path in found) or "none"
            raise AuthoringError(f"no chapter {stem!r} in {folder.name}/; there are: {known}")
    return [path for path in found if any(_named(path, stem) for stem in stems)]


def _named(path: Path, stem: str) -> bool:
    stem = stem.zfill(2) if stem.isdecimal() else stem
    return path.stem == stem or path.stem.startswith(f"{stem}_")
