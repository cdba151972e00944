"""Cells that are deleted, copied, moved, split, edited, or lost their names."""

from copy import deepcopy

from dltwice.grading.notebook import stub

from .build import FULL, QUESTIONS, WORTH, change, pick, solved

ONE = ("output_size",)
ALL = tuple(WORTH)


def _delete(*names):
    def edit(notebook):
        notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] not in names]

    return edit


def _delete_kind(chosen):
    def edit(notebook):
        notebook["cells"] = [cell for cell in notebook["cells"] if not chosen(cell["id"])]

    return edit


def _update(name, **changes):
    return lambda notebook: pick(notebook, name).update(changes)


def _all(update):
    """Apply `update(cell)` to every cell."""

    def edit(notebook):
        for cell in notebook["cells"]:
            update(cell)

    return edit


def _lose_all(cell):
    cell["metadata"] = {}
    del cell["id"]


def _copy(name, first=None, second=None, **changes):
    """Put a copy of a cell below it; `first` and `second` replace the two sources."""

    def edit(notebook):
        cell = pick(notebook, name)
        copy = deepcopy(cell) | changes
        copy["source"] = cell["source"] if second is None else second
        cell["source"] = cell["source"] if first is None else first
        notebook["cells"].insert(notebook["cells"].index(cell) + 1, copy)

    return edit


def _nbgrader(name, **changes):
    return lambda notebook: pick(notebook, name)["metadata"]["nbgrader"].update(changes)


def _scratch(source):
    """A cell of the learner's own, at the top."""
    cell = {"cell_type": "code", "id": "scratch", "metadata": {}, "source": source}
    return lambda notebook: notebook["cells"].insert(0, cell)


def _windows(cell):
    source = cell["source"]
    cell["source"] = (source if isinstance(source, str) else "".join(source)).replace("\n", "\r\n")


def _reverse(notebook):
    notebook["cells"].reverse()


STUB = stub(QUESTIONS.answer("output_size").source)
BY_HAND = solved("by_hand").strip().split("\n")
SPLIT = "\n".join(BY_HAND[:-3]), "\n".join(BY_HAND[-3:])  # the comments with `parameters`, and the rest
NO_ERROR = "def output_size(*args): return 7"

ANSWER_CELLS = [
    change("an answer deleted", _delete("output_size"), FULL - 3, "output_size is missing", "partial", ONE),
    change("all answers deleted", _delete(*ALL), 0, "missing", "partial", ALL),
    change("an answer copied", _copy("output_size"), FULL, "2 times", "partial"),
    change("a copy with a new id", _copy("output_size", id="a1b2c3"), FULL, "2 times", "partial"),
    change("a copy without metadata", _copy("output_size", metadata={}), FULL, "2 times", "partial"),
    change("the stub below the answer", _copy("output_size", second=STUB), FULL, "2 times", "partial"),
    change("wrong, then right", _copy("output_size", first=NO_ERROR), FULL, "2 times", "partial"),
    change("right, then wrong", _copy("output_size", second=NO_ERROR), FULL - 3, "2 times", "partial", ONE),
    change("an answer split in two", _copy("by_hand", *SPLIT), FULL, "2 times", "partial"),
    change(
        "an answer split into a cell without name",
        _copy("by_hand", *SPLIT, id="a1b2c3", metadata={}),
        FULL - 3,
        "heights",
        questions=("by_hand",),
    ),
    change(
        "an answer made markdown",
        _update("output_size", cell_type="markdown"),
        FULL - 3,
        "missing",
        "partial",
        ONE,
    ),
    change(
        "an answer made raw", _update("output_size", cell_type="raw"), FULL - 3, "missing", "partial", ONE
    ),
    change(
        "a cell type that is null",
        _update("output_size", cell_type=None),
        FULL - 3,
        "missing",
        "partial",
        ONE,
    ),
    change("an answer emptied", _update("output_size", source=""), FULL - 3, "", "ok", ONE),
    change("cells in reverse order", _reverse),
    change("imports edited", lambda notebook: notebook["cells"][1].update(source="import pandas")),
    change("imports deleted", lambda notebook: notebook["cells"].pop(1)),
    change("a cell of one's own that never ends", _scratch("while True: pass")),
    change("a cell of one's own that can't be read", _scratch("%load_ext autoreload\n)")),
    change("Windows line ends in the cells", _all(_windows)),
]

NAMES = [
    change("metadata lost in one cell", _update("output_size", metadata={})),
    change("metadata lost in all cells", _all(lambda cell: cell.update(metadata={}))),
    change("metadata that are no dictionary", _all(lambda cell: cell.update(metadata="gone"))),
    change("ids lost", _all(lambda cell: cell.pop("id"))),
    change("ids that are numbers", _all(lambda cell: cell.update(id=7))),
    change("the same id everywhere", _all(lambda cell: cell.update(id="cell"))),
    change("a grade_id that is null", _nbgrader("output_size", grade_id=None)),
    change("a grade_id that is a list", _nbgrader("output_size", grade_id=["output_size"])),
    change("a text with an answer's id", lambda notebook: notebook["cells"][0].update(id="output_size")),
    change(
        "name and id lost", _update("output_size", id="x", metadata={}), FULL - 3, "missing", "partial", ONE
    ),
    change("names and ids lost everywhere", _all(_lose_all), 0, "none of", "unreadable", ALL),
    change(
        "an answer with another one's name",
        _nbgrader("output_size", grade_id="conv2d_same"),
        FULL - 3,
        "output_size is missing",
        "partial",
        ONE,
    ),
    change("1000 points", _nbgrader("test_output_size", points=1000), status="ok|tampered"),
]

TEST = "test_output_size"
PASS = "assert True"
TEST_CELLS = [
    change("a test deleted", _delete(TEST), FULL, TEST, "tampered"),
    change("all tests deleted", _delete_kind(lambda name: name.startswith("test_")), FULL, TEST, "tampered"),
    change("a test replaced", _update(TEST, source=PASS), FULL, TEST, "tampered"),
    change("a test emptied", _update(TEST, source=""), FULL, TEST, "tampered"),
    change("a test with a source that is null", _update(TEST, source=None), FULL, TEST, "tampered"),
    change("a test made markdown", _update(TEST, cell_type="markdown"), FULL, TEST, "tampered"),
    change("a test copied", _copy(TEST), FULL, TEST, "tampered"),
    change("a second test with its name", _copy(TEST, second=PASS), FULL, TEST, "tampered"),
    change(
        "a test that is named as an answer", _nbgrader(TEST, grade_id="output_size"), FULL, TEST, "tampered"
    ),
    change(
        "a wrong answer and its tests replaced",
        lambda notebook: (
            pick(notebook, "output_size").update(source=NO_ERROR),
            pick(notebook, TEST).update(source=PASS),
            pick(notebook, "test_output_size-fit").update(source=PASS),
        ),
        FULL - 3,
        TEST,
        "tampered",
        ONE,
    ),
    change(
        "a test replaced and an answer deleted",
        lambda notebook: (pick(notebook, TEST).update(source=PASS), _delete("output_size")(notebook)),
        FULL - 3,
        "missing",
        "tampered",
        ONE,
    ),
]

CELLS = ANSWER_CELLS + NAMES + TEST_CELLS
