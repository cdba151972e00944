"""The side on which the tests run. No code of the learner is loaded here.

One call of `Examination.run` goes through the questions of one submission. For each, the answers' process
starts anew: it runs the exercise's own cells, the earlier answers that the question's answer uses, and the
answer. Where the answers are not calm (see `calm.py`), each question gets a process of its own.
"""

import contextlib
import json
from functools import lru_cache
from types import CodeType
from typing import Any

from dltwice.grading import names, plain, remote
from dltwice.grading.answers import seed
from dltwice.grading.calm import is_calm
from dltwice.grading.channel import BROKEN, CELL, DONE, NEW, OUTCOME, Channel, PipeChannel
from dltwice.grading.notebook import Cell
from dltwice.grading.remote import AnswerError, Link, Remote, StoppedError
from dltwice.grading.results import Outcome

DEFINE = " The answer must define it."


class Examination:
    """The tests of one submission."""

    def __init__(self, channel: Channel | PipeChannel, cells: list[Cell], done: list[str]) -> None:
        self.channel, self.cells, self.done = channel, cells, done
        self.given: dict[str, Any] = {"__name__": "__main__"}  # what the exercise's own cells define
        self.ready = 0  # cells before this one were run here
        self.objections: dict[tuple[int, str], str | None] = {}
        self.link: Link | None = None
        self.fresh = False  # whether no answer has run in the answers' process

    def run(self) -> None:
        """Run every question that has not been done, and report each test's outcome."""
        remote.current = self
        sources = [[cell.source for cell in self.cells if cell.kind == kind] for kind in ("answer", "setup")]
        self.shared = is_calm(*sources)
        for index, cell in enumerate(self.cells):
            if cell.kind == "answer" and cell.question not in self.done:
                self._question(index, cell)
        self.channel.send(DONE)

    def _question(self, index: int, answer: Cell) -> None:
        """Run one answer and its tests."""
        tests = [
            i for i, cell in enumerate(self.cells) if cell.kind == "test" and cell.question == answer.question
        ]
        self.index = index
        problem: Outcome | None = None
        try:
            self._new_link()
            problem = self._prepare(index, answer)
        except StoppedError as stopped:
            problem = stopped.outcome
        for number in tests:
            status, message = self._test(self.cells[number], number, problem)
            message = message.encode("utf-8", "replace").decode()  # without half characters
            self.channel.send(OUTCOME + json.dumps([self.cells[number].name, status, message]).encode())

    def _new_link(self) -> None:
        """Get an answers' process: a new one, or the same with its memory cleared."""
        if self.link and self.shared and not self.link.broken:
            self.link.ask("reset")
            return
        self.channel.send(NEW + b"1" * self.shared)
        self.link, self.fresh = Link(self.channel), True

    def objection(self, name: str) -> str | None:
        """Why the function `name` of the question under way is not plain NumPy, or None.

        From now to the end of the test, the answers' process can't use PyTorch.
        """
        self.link.ask("lock")
        if (self.index, name) not in self.objections:
            numbers = [*names.needed(self.index, self.cells), self.index]
            sources = [self.cells[number].source for number in numbers]
            self.objections[self.index, name] = plain.objection(name, sources, self.given)
        return self.objections[self.index, name]

    def there(self, name: str) -> Any:
        """What `name` is where the answers run."""
        return self.link.ask("get", names=[name])["value"][name]

    def _prepare(self, index: int, answer: Cell) -> Outcome | None:
        """Run the cells before an answer that it needs, then the answer; why it did not run to its end."""
        wanted = names.needed(index, self.cells)
        for number, cell in enumerate(self.cells[:index]):
            if cell.kind == "setup":
                self._setup(number)
            elif number in wanted:
                self._start(answer.name)
                self._run_there(cell)
        self._start(answer.name)
        message = self._run_there(answer)
        return ("error", message) if message else None

    def _run_there(self, cell: Cell) -> str:
        """Run a cell in the answers' process; the message if it did not run to its end."""
        question = cell.question if cell.kind == "answer" else ""
        self.fresh = self.fresh and not question
        try:
            message = self.link.ask("run", name=cell.name, source=cell.source, question=question).get("value")
        except AnswerError as error:
            message = error.text
        return str(message or "")[:1500]

    def _setup(self, number: int) -> None:
        """Run one of the exercise's own cells on both sides, here only once."""
        cell = self.cells[number]
        self._start(cell.name)
        if number >= self.ready:
            try:
                seed()  # as there
                exec(compiled(cell.source, f"<{cell.name}>"), self.given)
            except Exception as error:
                self._give_up(f"{type(error).__name__}: {error}")
            self.ready = number + 1
        fresh = self.fresh
        try:
            message = self._run_there(cell)
        except StoppedError as stopped:
            if fresh:
                self._give_up(stopped.outcome[1])
            raise
        if message and fresh:  # no answer has run there, so none is to blame
            self._give_up(message)

    def _give_up(self, message: str) -> None:
        self.channel.send(BROKEN + message[:1000].encode("utf-8", "replace"))
        raise SystemExit(1)

    def _start(self, name: str) -> None:
        """Tell the watcher that a cell begins: its time starts."""
        alone = self.fresh and name != self.cells[self.index].name  # with the exercise's own cells
        self.channel.send(CELL + json.dumps([self.cells[self.index].question, name, alone]).encode())

    def _test(self, cell: Cell, number: int, problem: Outcome | None) -> Outcome:
        """The outcome of one test: the answer's message if it fails after an answer that did not run."""
        if self.link.broken and problem:
            return problem
        try:
            self._setups_until(number)
            self._start(cell.name)
            status, message = self._execute(cell)
        except StoppedError as stopped:
            return stopped.outcome
        if status != "passed" and problem:
            return problem
        return status, message

    def _setups_until(self, number: int) -> None:
        """Run the exercise's own cells that stand between an answer and its test, on both sides."""
        for earlier in range(self.ready, number):
            if self.cells[earlier].kind == "setup":
                self._setup(earlier)

    def _execute(self, cell: Cell) -> Outcome:
        """Run a test with what the answer defines."""
        try:
            scope = self.given | self._answers(cell)
            seed()
            exec(compiled(cell.source, f"<{cell.name}>"), scope)
        except AnswerError as error:
            return "error", error.text
        except AssertionError as error:
            return "failed", str(error)[:2000] or "A check of this test does not hold."
        except NameError as error:
            return "error", f"NameError: {error}.{DEFINE}"
        except Exception as error:
            return "error", f"{type(error).__name__}: {str(error)[:1000]}"
        return "passed", ""

    def _answers(self, cell: Cell) -> dict[str, Any]:
        """What the answers define of the names that a test uses."""
        wanted = sorted(names.used(cell.source) - self.given.keys())
        found = self.link.ask("get", names=wanted).get("value")
        found = found if isinstance(found, dict) else {}
        for name, value in found.items():
            if isinstance(value, Remote):
                value.__name__ = str(name)
        return {name: found[name] for name in wanted if name in found}


@lru_cache(maxsize=1000)
def compiled(source: str, file: str) -> CodeType:
    """The code of one of the exercise's own cells or tests."""
    return compile(source, file, "exec", dont_inherit=True)


def prime(cells: list[Cell]) -> None:
    """Read the exercise once, so that no copy of this process has to."""
    for cell in cells:
        if cell.kind != "answer":
            with contextlib.suppress(SyntaxError, ValueError):  # it is reported when the cell is run
                compiled(cell.source, f"<{cell.name}>")
        names.used(cell.source)


def examine(channel: Channel | PipeChannel) -> None:
    """Receive one submission's cells and run their tests."""
    job = json.loads(channel.receive())
    Examination(channel, [Cell(**cell) for cell in job["cells"]], job["done"]).run()
