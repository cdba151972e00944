"""Watches over one submission: passes messages between tests and answers, and stops what takes too long.

This process loads neither tests nor answers. It does not read what passes; it takes outcomes from the tests
only.
"""

import ast
import json
import time
from dataclasses import asdict, dataclass, field, replace

from dltwice.grading.channel import (
    BROKEN,
    CELL,
    DONE,
    NEW,
    OUTCOME,
    RELAY,
    STOPPED,
    Channel,
    ClosedError,
    PipeChannel,
    SlowError,
)
from dltwice.grading.notebook import Cell
from dltwice.grading.results import GradingError, Outcome
from dltwice.grading.servers import ForkServer, StayingServer

TIME_LIMIT = 20.0  # seconds for one answer or test cell
SUBMISSION = 6  # times that for a whole submission
SETUP_LIMIT = 60.0  # seconds for the exercise's own cells
ENDLESS = "Stopped after {:g} seconds. Is there a loop that does not end?"
ENDED = "The answer ended the whole Python process."
STRANGE = "The answer gives something that the tests can't deal with."

Server = ForkServer | StayingServer


@dataclass
class Watch:
    """One submission under way.

    Attributes:
        cells: the exercise's cells with the learner's answers in them.
        time_limit: seconds for one answer or test cell.
        cold: more seconds for it, while the libraries still load what they load late.
        trial: whether it only has to be seen if the exercise's own cells run.
        outcomes: what is known of the tests so far, by name.
    """

    tests: Server
    answers: Server
    cells: list[Cell]
    time_limit: float
    cold: float = 0.0
    trial: bool = False
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def run(self) -> dict[str, Outcome]:
        """The outcome of every test.

        Raises:
            GradingError: if the exercise's own cells do not run.
        """
        self.end = time.monotonic() + SUBMISSION * (self.time_limit + self.cold) + SETUP_LIMIT
        self.answered = self.again = False  # whether anything of the learner has run; a second attempt
        try:
            while not self._attempt():
                pass
        finally:
            self.answers.finish()
        return self.outcomes

    def _attempt(self) -> bool:
        """Let a tests' process work through the questions; false if it had to be stopped on the way."""
        self.deadline = time.monotonic() + SETUP_LIMIT
        channel, done = self.tests.open(), self._done()
        job = {"cells": [asdict(cell) for cell in self.cells], "done": done}
        try:
            channel.send(json.dumps(job).encode(), self.deadline)
            while self._step(channel):
                pass
        except ClosedError:
            return self._lost(("error", STRANGE))
        except SlowError:
            return self._lost(("timeout", ENDLESS.format(self.time_limit)))
        self.tests.finish()
        return True

    def _step(self, channel: Channel | PipeChannel) -> bool:
        """Deal with one message of the tests; false after the last."""
        message = channel.receive(self.deadline)
        kind, rest = message[:1], message[1:]
        if kind == RELAY:
            channel.send(self._relay(rest), self.deadline)
        elif kind == NEW:
            self.connection = self.answers.open(calm=bool(rest))
        elif kind == CELL:
            self._begin(*json.loads(rest))
        elif kind == OUTCOME:
            name, status, text = json.loads(rest)
            self.outcomes[name] = (status, text)
        elif kind == BROKEN:
            raise GradingError(f"The exercise's imports do not run here. {rest.decode()}")
        return kind != DONE

    def _begin(self, question: str, name: str, alone: bool) -> None:
        """Note that a cell begins, and give it its time.

        The exercise's own cells get theirs in full as long as no answer has run in the same process.
        """
        now = time.monotonic()
        if now > self.end:
            raise SlowError
        self.question = question
        self.answered |= not alone
        limit = self.time_limit + self.cold
        self.deadline = now + SETUP_LIMIT if alone else min(now + limit, self.end)

    def _relay(self, request: bytes) -> bytes:
        """The answers' reply to a request, or why there is none."""
        try:
            self.connection.send(request, self.deadline)
            return RELAY + self.connection.receive(self.deadline)
        except SlowError:
            reason = ("timeout", ENDLESS.format(self.time_limit))
        except ClosedError:
            reason = ("error", ENDED)
        self.answers.stop()
        self.deadline += 1.0  # for the tests to take note
        return STOPPED + json.dumps(reason).encode()

    def _lost(self, outcome: Outcome) -> bool:
        """Note that the tests of a question could not be run to their end."""
        self.tests.stop()
        if not self.answered:
            self._blame(outcome)
            if outcome[0] == "error" and not self.again:  # a process may also end for want of memory
                self.again = True
                return False
        left = [cell for cell in self.cells if cell.kind == "test" and cell.name not in self.outcomes]
        if self.answered and time.monotonic() < self.end:
            left = [cell for cell in left if cell.question == self.question]
        self.outcomes |= dict.fromkeys((cell.name for cell in left), outcome)
        return not any(c.kind == "test" and c.name not in self.outcomes for c in self.cells)

    def _blame(self, outcome: Outcome) -> None:
        """Find out whether the exercise or the submission is to blame: run it with an empty answer."""
        if self.trial:
            raise GradingError(f"The exercise's imports do not run here. {outcome[1]}")
        empty = next(replace(cell, source="") for cell in self.cells if cell.kind == "answer")
        cells = [*(cell for cell in self.cells if cell.kind == "setup"), empty]
        Watch(self.tests, self.answers, cells, self.time_limit, self.cold, trial=True).run()

    def _done(self) -> list[str]:
        """Questions whose tests all have an outcome."""
        tests = [cell for cell in self.cells if cell.kind == "test"]
        open_ones = {cell.question for cell in tests if cell.name not in self.outcomes}
        return [cell.question for cell in tests if cell.question not in open_ones]


def libraries(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """The modules that an exercise's own cells import, to be loaded ahead."""
    found: dict[str, None] = {}
    for cell in cells:
        if cell.kind != "setup":
            continue
        try:
            tree = ast.parse(cell.source)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name: None for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found[node.module] = None
    return tuple(found)
