"""Grade one notebook: the learner's answers are set into the master and run with all of its tests."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dltwice.grading import sandbox
from dltwice.grading.notebook import (
    Cell,
    Master,
    UnreadableError,
    find_answers,
    load_master,
    locked_cells,
    read_cells,
    same_code,
    stub,
)
from dltwice.grading.pool import Pair, servers
from dltwice.grading.results import (
    GradeResult,
    Outcome,
    Problem,
    QuestionResult,
    SandboxError,
    Status,
    SubmissionStatus,
)
from dltwice.grading.watch import ENDED, TIME_LIMIT, Watch, libraries

MISSING = (
    "The answer cell of {} is missing. Undo its deletion, or copy the cell from a fresh copy of the exercise."
)
SEVERAL = (
    "The answer cell of {} is there {} times. Those with an answer were run from top to bottom, as in the "
    "notebook. Delete the ones that don't belong."
)
COLD = 10.0  # seconds on top for a cell, as long as libraries load what they load late
LONGEST = 100_000  # characters of an answer
TOO_LONG = "The answer to {} has {:,} characters; at most {:,} are read. It was not run."
STOPPED = "The answer to {} was stopped after {:g} seconds."
DIED = "The answer to {} ended the process that it ran in."


def grade_one(
    submission: bytes,
    master: Master | bytes,
    time_limit: float = TIME_LIMIT,
    *,
    unsafe: bool = True,
    hide: Sequence[Path] = (),
    warm: bool = False,
) -> GradeResult:
    """Grade a learner's notebook.

    The answers run in the sandbox where there is one, in a process that the tests are not in.

    Args:
        submission: the notebook file's content, whatever it is.
        master: the exercises with solutions and all tests: a `Master` or the content of its notebook file.
        time_limit: seconds that one answer or test cell may take.
        unsafe: whether to run the answers with the user's own rights where there is no sandbox.
        hide: folders that the sandbox must not show, should they lie among the system's or Python's own.
        warm: whether to prepare the processes for many submissions first, which takes a second.

    Returns:
        The points, status and messages of every question of the master. If the submission can't be read, a
        result with the status `unreadable` and no questions.

    Raises:
        GradingError: if the master can't be used; SandboxError if there is no sandbox and `unsafe` is false.
    """
    start = time.perf_counter()
    master = load_master(master) if isinstance(master, bytes) else master
    reason = sandbox.why_not()
    if reason and not unsafe:
        raise SandboxError(reason)
    try:
        raw = read_cells(submission)
        result = _grade(raw, master, time_limit, _Place(master, reason is None, tuple(hide), warm))
    except UnreadableError as error:
        result = GradeResult((), (str(error),), status="unreadable")
    return replace(result, sandboxed=reason is None, seconds=time.perf_counter() - start)


class _Place:
    """Where answers run."""

    def __init__(self, master: Master, sandboxed: bool, hide: tuple[Path, ...], warm: bool) -> None:
        self.master, self.sandboxed, self.hide, self.warm = master, sandboxed, hide, warm

    def run(self, cells: list[Cell], time_limit: float) -> dict[str, Outcome]:
        """The outcome of every test among `cells`."""
        with servers(libraries(self.master.cells), self.sandboxed, self.hide) as pair:
            if self.warm:
                self._prepare(pair)
            cold = 0.0 if all(server.warm for server in pair) else COLD
            outcomes = Watch(*pair, cells, time_limit, cold).run()
            self._prepare(pair)  # for the next one, while the result is being read
        return outcomes

    def _prepare(self, pair: Pair) -> None:
        for server in pair:
            server.prepare(self.master.cells)


def _grade(raw: list[dict], master: Master, time_limit: float, place: _Place) -> GradeResult:
    """Grade the cells `raw` of a notebook."""
    found = find_answers(raw, master)
    answers = {
        name: _choose(found[name], stub(master.answer(name).source), name) for name in master.questions
    }
    notes = [answer.note for answer in answers.values() if answer.note]
    status: SubmissionStatus = "partial" if notes else "ok"
    cells = [
        replace(cell, source=answers[cell.question].source) if cell.kind == "answer" else cell
        for cell in master.cells
        if cell.kind == "setup" or not answers[cell.question].status
    ]
    outcomes = place.run(cells, time_limit) if any(cell.kind == "test" for cell in cells) else {}
    questions = tuple(_question(name, master, outcomes, answers[name]) for name in master.questions)
    for name, words, worse in _stopped(questions, time_limit):
        notes.append(words.format(name, time_limit))
        status = worse if status != "timeout" else status
    if changes := locked_cells(raw, master):
        notes, status = [*changes, *notes], "tampered"
    return GradeResult(questions, tuple(notes), status=status)


def _stopped(
    questions: tuple[QuestionResult, ...], time_limit: float
) -> list[tuple[str, str, SubmissionStatus]]:
    """The questions whose answer did not come to an end, what to say, and the submission's status."""
    found: list[tuple[str, str, SubmissionStatus]] = []
    for question in questions:
        messages = [problem.message for problem in question.problems]
        if question.status == "timeout":
            found.append((question.name, STOPPED, "timeout"))
        elif ENDED in messages:
            found.append((question.name, DIED, "partial"))
    return found


@dataclass(frozen=True)
class _Answer:
    """What a submission holds for a question: a source to run, or the question's status without running."""

    source: str = ""
    status: Status | None = None
    note: str = ""


def _choose(sources: list[str], empty: str, question: str) -> _Answer:
    """Make one answer of a question's cells."""
    if not sources:
        return _Answer(status="missing", note=MISSING.format(question))
    written = [source for source in sources if not same_code(source, empty) and source.strip()]
    if not written:
        return _Answer(status="untouched")
    source = "\n\n".join(written)
    if len(source) > LONGEST:
        return _Answer(status="error", note=TOO_LONG.format(question, len(source), LONGEST))
    return _Answer(source, note=SEVERAL.format(question, len(sources)) if len(sources) > 1 else "")


def _question(name: str, master: Master, outcomes: dict[str, Outcome], answer: _Answer) -> QuestionResult:
    """Put the outcomes of a question's tests together."""
    tests = master.tests(name)
    points = sum(test.points for test in tests)
    title = master.titles[name]
    if answer.status:
        problems = (Problem(answer.note),) if answer.status == "error" else ()
        return QuestionResult(name, title, 0.0, points, answer.status, problems)
    lost = [test for test in tests if outcomes[test.name][0] != "passed"]
    status: Status = "passed"
    for worse in ("failed", "error", "timeout"):
        if any(outcomes[test.name][0] == worse for test in lost):
            status = worse
    earned = points - sum(test.points for test in lost)
    return QuestionResult(name, title, earned, points, status, _problems(lost, outcomes))


def _problems(lost: list[Cell], outcomes: dict[str, Outcome]) -> tuple[Problem, ...]:
    """What the tests say, each sentence once. The hints are dropped where several tests say the same."""
    said = [outcomes[test.name][1] for test in lost]
    problems = []
    for test, message in zip(lost, said, strict=True):
        helps = outcomes[test.name][0] == "failed" and said.count(message) == 1
        problems.append(Problem(message, test.hint if helps else ""))
    return tuple(dict.fromkeys(problems))
