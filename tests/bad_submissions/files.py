"""Files that are no notebook, and notebooks that are damaged, old, enormous or not this exercise."""

import json

from .build import FULL, MASTER, Entry, change, full_solution, pick, raw, to_bytes

NONE_OF_ITS_CELLS = "none of"


def _text() -> bytes:
    return to_bytes(full_solution())


def _whole(**changes) -> bytes:
    return to_bytes(full_solution() | changes)


def _latin_1() -> bytes:
    notebook = full_solution()
    pick(notebook, "output_size")["source"] += "# Größe"
    return (
        json.dumps(notebook, ensure_ascii=True)
        .replace("\\u00f6", "ö")
        .replace("\\u00df", "ß")
        .encode("latin-1")
    )


def _source(source):
    def edit(notebook):
        pick(notebook, "output_size")["source"] = source

    return edit


def _outputs(notebook):
    """20 MB of stored outputs, as a progress bar in a loop leaves them."""
    stream = {"output_type": "stream", "name": "stdout", "text": ["x" * 99 + "\n"] * 100_000}
    pick(notebook, "conv2d_loops")["outputs"] = [stream, stream]


def _comment(size):
    def edit(notebook):
        pick(notebook, "shifts")["source"] += "\n# " + "x" * size

    return edit


def _kernel(metadata):
    return lambda notebook: notebook.update(metadata=metadata)


def _other_chapter() -> bytes:
    cell = {"cell_type": "code", "id": "mean", "metadata": {}, "source": "def mean(x):\n    return x.mean()"}
    cell["metadata"] = {"nbgrader": {"grade_id": "mean", "solution": True, "grade": False}}
    return _whole(cells=[cell])


UNREADABLE = [
    raw("empty file", b"", "is empty"),
    raw("only whitespace", b" \n\t\r\n", "is empty"),
    raw("only a byte order mark", b"\xef\xbb\xbf", "not a Jupyter notebook"),
    raw("a Python script", b"def output_size(h, k):\n    return h - k + 1\n", "not a Jupyter notebook"),
    raw("a web page", b"<!DOCTYPE html><html><body>04_convolution</body></html>", "not a Jupyter notebook"),
    raw("a PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "not a Jupyter notebook"),
    raw("a zip archive", b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(100), "not a Jupyter notebook"),
    raw("truncated by a few bytes", lambda: _text()[:-5], "not a Jupyter notebook"),
    raw("truncated in the middle", lambda: _text()[: len(_text()) // 2], "not a Jupyter notebook"),
    raw("two notebooks in one file", lambda: _text() * 2, "not a Jupyter notebook"),
    raw("git's merge conflict", lambda: b"<<<<<<< HEAD\n" + _text() + b"=======\n", "not a Jupyter notebook"),
    raw("UTF-16", lambda: _text().decode().encode("utf-16"), "not a Jupyter notebook"),
    raw("Latin-1", _latin_1, "not a Jupyter notebook"),
    raw("a lone surrogate in the bytes", lambda: _text() + b'"\xed\xa0\x80"', "not a Jupyter notebook"),
    raw("only null bytes", bytes(4096), "not a Jupyter notebook"),
    raw("null bytes at the end", lambda: _text() + bytes(512), "not a Jupyter notebook"),
    raw("nested 100,000 deep", b"[" * 100_000, "not a Jupyter notebook"),
    raw("cells nested 100,000 deep", b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "notebook"),
    raw("a list", b"[]", "no list of cells"),
    raw("a string", b'"04_convolution"', "no list of cells"),
    raw("null", b"null", "no list of cells"),
    raw("no cells", b'{"nbformat": 4, "metadata": {}}', "no list of cells"),
    raw("cells in a dictionary", lambda: _whole(cells={"0": {}}), "no list of cells"),
    raw("cells are null", lambda: _whole(cells=None), "no list of cells"),
    raw("cells are numbers", lambda: _whole(cells=[1, 2, 3]), "no list of cells"),
    raw("notebook format 3", lambda: _whole(nbformat=3), "format 3"),
    raw("notebook format 5", lambda: _whole(nbformat=5), "format 5"),
    raw("notebook format is a list", lambda: _whole(nbformat=[4]), "format"),
    raw("a notebook of another chapter", _other_chapter, NONE_OF_ITS_CELLS),
    raw("a notebook without cells", lambda: _whole(cells=[]), NONE_OF_ITS_CELLS),
]

ODD = [
    Entry("the full solution", _text),
    Entry("the master itself", lambda: MASTER),
    Entry("a byte order mark before the notebook", lambda: b"\xef\xbb\xbf" + _text()),
    Entry("whitespace around the notebook", lambda: b"\n\n" + _text() + b"\n \n"),
    Entry("Windows line ends in the file", lambda: _text().replace(b"\n", b"\r\n")),
    Entry("notebook format 4.2, without ids", lambda: _whole(nbformat_minor=2)),
    Entry("only the cells", lambda: to_bytes({"cells": full_solution()["cells"]})),
    Entry("unknown keys", lambda: _whole(worksheets=[{"cells": 1}], cell=None)),
    change("NaN in the metadata", _kernel({"kernelspec": {"name": float("nan")}, "x": float("inf")})),
    change("an unknown kernel", _kernel({"kernelspec": {"name": "julia-1.9", "language": "julia"}})),
    change("metadata are a list", _kernel(["kernelspec"])),
    change("20 MB of stored outputs", _outputs),
    change("outputs are a number", lambda notebook: pick(notebook, "conv2d_loops").update(outputs=3)),
    change("10,000 cells more", lambda notebook: notebook["cells"].extend([{"cell_type": "raw"}] * 10_000)),
    change("a lone surrogate in a text", lambda notebook: notebook["cells"][0].update(source="\ud800")),
    change("a comment of 50,000 characters", _comment(50_000)),
    change("a comment of 10 MB", _comment(10**7), FULL - 2, "at most", "partial", ("shifts",)),
]

# An answer whose source is no text is no answer.
SOURCES = [
    change(f"a source that is {what}", _source(source), FULL - 3, "output_size", questions=("output_size",))
    for what, source in {
        "null": None,
        "a number": 7,
        "true": True,
        "a dictionary": {"text/plain": "def output_size(*args): return 7"},
        "a list of numbers": [1, 2, 3],
        "a list of lists": [["def output_size(*args):"], ["return 7"]],
        "a list of null": [None],
    }.items()
]


FILES = UNREADABLE + ODD + SOURCES
