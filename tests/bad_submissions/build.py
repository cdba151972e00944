"""How the entries of the corpus are built from the exercises of chapter 04 and their solutions."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from textwrap import indent
from typing import Any

from dltwice.grading import load_master
from dltwice.grading.notebook import BEGIN, END

ROOT = Path(__file__).parents[2]
STEM = "04_convolution"
MASTER = (ROOT / "solutions" / STEM / f"{STEM}.ipynb").read_bytes()
EXERCISE = (ROOT / "exercises" / STEM / f"{STEM}.ipynb").read_bytes()
QUESTIONS = load_master(MASTER)
WORTH = {name: sum(test.points for test in QUESTIONS.tests(name)) for name in QUESTIONS.questions}
FULL = sum(WORTH.values())
ESCAPED = "ESCAPED"  # an attack that succeeds raises an error with this word, so it must be in no result
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")

# A wrong answer to each question that is used as a target: no test of the question holds.
WRONG = {
    "output_size": "def output_size(*args, **kwargs):\n    return 7\n",
    "conv2d_loops": "def conv2d_loops(x, w, b, stride=1, padding=0):\n    return np.zeros((1, 1, 1))\n",
    "learn_kernel": "def learn_kernel(x, y, size):\n    return torch.zeros(size, size)\n",
    "shifts": "columns_zeros = columns_circular = smallest_shift = 99\n",
}


def solved(question: str) -> str:
    """The solution of `question`, without the marks around it."""
    lines = QUESTIONS.answer(question).source.split("\n")
    return "\n".join(line for line in lines if line.strip() not in (BEGIN, END)) + "\n"


@cache
def _template() -> str:
    """The exercise with all solutions filled in, as JSON."""
    notebook = json.loads(EXERCISE)
    for cell in notebook["cells"]:
        if cell["id"] in WORTH:
            cell["source"] = solved(cell["id"])
    return json.dumps(notebook)


def full_solution() -> dict[str, Any]:
    """The exercise with all solutions filled in: a submission that gets all points."""
    return json.loads(_template())


def pick(notebook: dict[str, Any], name: str) -> dict[str, Any]:
    """The cell of `notebook` with the id `name`."""
    return next(cell for cell in notebook["cells"] if cell.get("id") == name)


def to_bytes(notebook: Any) -> bytes:
    """A notebook as JupyterLab saves it."""
    try:
        return json.dumps(notebook, ensure_ascii=False, indent=1).encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can hold
        return json.dumps(notebook, indent=1).encode()


@dataclass(frozen=True)
class Entry:
    """One bad submission and what grading it must yield.

    Attributes:
        name: says what is bad about it.
        make: gives the file's bytes, with the names of `PLACES` where it needs to know its surroundings.
        points: the exact score.
        says: a piece of the result's reason or of a question's messages.
        status: the status; several, separated by |, where the limits of the machine decide.
        questions: those that may lose points; all others must have passed.
        sandbox: whether it does harm, or gets its way, where there is no sandbox.
    """

    name: str
    make: Callable[[], bytes] = field(repr=False)
    points: float = FULL
    says: str = ""
    status: str = "ok"
    questions: tuple[str, ...] = ()
    sandbox: bool = False

    def data(self, **places: Any) -> bytes:
        """The file's bytes; `places` are those of `PLACES` that the caller watches."""
        data = self.make()
        for name, value in (PLACES | places).items():
            data = data.replace(f"@{name}@".encode(), str(value).encode())
        return data


# What an attack aims at: a port that listens, a folder and an abstract socket that must stay untouched, and
# the folder of the book. The defaults are harmless.
PLACES = {"PORT": 9, "CANARY": "/nonexistent/canary", "SOCKET": "no-such-socket", "CHECKOUT": "/nonexistent"}


def raw(name: str, make: Callable[[], bytes] | bytes, says: str) -> Entry:
    """A file that can't be graded, and why not."""
    return Entry(name, make if callable(make) else lambda: make, 0.0, says, "unreadable")


def change(
    name: str,
    edit: Callable[[dict[str, Any]], Any],
    points: float = FULL,
    says: str = "",
    status: str = "ok",
    questions: tuple[str, ...] = (),
) -> Entry:
    """The full solution after `edit(notebook)`, which works in place."""

    def make() -> bytes:
        notebook = full_solution()
        edit(notebook)
        return to_bytes(notebook)

    return Entry(name, make, points, says, status, questions)


def answers(name: str, sources: dict[str, str], points: float, says: str = "", **more: Any) -> Entry:
    """The full solution with some answers replaced; `points` is what these questions still get."""

    def make() -> bytes:
        notebook = full_solution()
        for question, source in sources.items():
            pick(notebook, question)["source"] = source
        return to_bytes(notebook)

    total = FULL - sum(WORTH[question] for question in sources) + points
    return Entry(name, make, total, says, questions=tuple(sources), **more)


def answer(name: str, source: str, points: float = 0, says: str = "", **more: Any) -> Entry:
    """The full solution with the answer to one question replaced, by default to the first.

    `points` is what the question still gets. `more` may hold `question`, `status` and `sandbox`.
    """
    return answers(name, {more.pop("question", "output_size"): source}, points, says, **more)


def before(name: str, code: str, points: float | None = None, says: str = "", **more: Any) -> Entry:
    """A right answer with `code` before it: all points, unless `points` says what the question gets."""
    question = more.setdefault("question", "output_size")
    return answer(
        name, f"{code}\n{solved(question)}", WORTH[question] if points is None else points, says, **more
    )


def cheat(name: str, code: str, says: str = "", **more: Any) -> Entry:
    """A wrong answer, worth nothing, after `code` that tries to have it taken for a right one."""
    question = more.setdefault("question", "output_size")
    return answer(name, f"{code}\n{WRONG[question]}", 0, says, **more)


def refused(name: str, code: str, errors: str = "OSError", **more: Any) -> Entry:
    """A right answer after an attack that has to end in one of `errors`: nothing is lost but the attack."""
    lines = ["try:", indent(code, "    "), f"except {errors}:", "    pass"]
    attack = "\n".join([*lines, "else:", f"    raise RuntimeError('{ESCAPED}')", ""])
    return before(name, attack, sandbox=True, **more)


def inside(question: str, code: str, right: str = "") -> str:
    """The solution of `question` with `code` at the start of its function and `right` above it."""
    head, _, body = solved(question).partition("\n")
    return f"{right}{head}\n{indent(code, '    ')}\n{body}"


def hidden_lines() -> list[str]:
    """The lines of the hidden tests that are in no cell of the exercise."""
    lines = []
    for cell in QUESTIONS.cells:
        if cell.kind == "test":
            hidden = cell.source.partition(HIDDEN[0])[2].partition(HIDDEN[1])[0]
            lines += [line.strip() for line in hidden.splitlines()]
    released = EXERCISE.decode()
    return [
        line for line in dict.fromkeys(lines) if len(line) > 20 and json.dumps(line)[1:-1] not in released
    ]
