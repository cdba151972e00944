"""Grade one notebook: the learner's answers are set into the master and run with all of its tests.

The code runs in a process of its own with the rights of the user who starts it. That is right for one's own
work. It is no protection against a stranger's code.
"""

import time
from dataclasses import replace

from dltwice.grading.notebook import Cell, Master, find_answers, load_master, read_cells, same_code, stub
from dltwice.grading.process import TIME_LIMIT, run_cells
from dltwice.grading.results import GradeResult, Outcome, Problem, QuestionResult, Status

MISSING = (
    "The answer cell of {} is missing. Undo its deletion, or copy the cell from a fresh copy of the exercise."
)
SEVERAL = (
    "The answer cell of {} is there {} times. Those with an answer were run from top to bottom, as in the "
    "notebook. Delete the ones that don't belong."
)


def grade_one(submission: bytes, master: Master | bytes, time_limit: float = TIME_LIMIT) -> GradeResult:
    """Grade a learner's notebook.

    Args:
        submission: the notebook file's content.
        master: the exercises with solutions and all tests: a `Master` or the content of its notebook file.
        time_limit: seconds that one answer or test cell may take.

    Returns:
        The points, status and messages of every question of the master, whatever the submission holds.

    Raises:
        GradingError: if the submission or the master is not a notebook, or the master's imports do not run.
    """
    start = time.perf_counter()
    master = load_master(master) if isinstance(master, bytes) else master
    found = find_answers(read_cells(submission), master)
    cells, settled, notes = [], {}, []
    for cell in master.cells:
        if cell.kind != "answer":
            cells.append(cell)
            continue
        source, status, note = _choose(found[cell.question], stub(cell.source), cell.question)
        if status:
            settled[cell.question] = status
        else:
            cells.append(replace(cell, source=source))
        notes += [note] if note else []
    cells = [cell for cell in cells if not (cell.kind == "test" and cell.question in settled)]
    outcomes = run_cells(cells, time_limit) if any(cell.kind == "test" for cell in cells) else {}
    questions = tuple(_question(name, master, outcomes, settled.get(name)) for name in master.questions)
    return GradeResult(questions, tuple(notes), seconds=time.perf_counter() - start)


def _choose(sources: list[str], empty: str, question: str) -> tuple[str, Status | None, str]:
    """The source to grade out of a question's cells, the question's status if there is none, and a note."""
    if not sources:
        return "", "missing", MISSING.format(question)
    written = [source for source in sources if not same_code(source, empty) and source.strip()]
    if not written:
        return "", "untouched", ""
    note = ""
    if len(sources) > 1:
        note = SEVERAL.format(question, len(sources))
    return "\n\n".join(written), None, note


def _question(
    name: str, master: Master, outcomes: dict[str, Outcome], settled: Status | None
) -> QuestionResult:
    """Put the outcomes of a question's tests together."""
    tests = master.tests(name)
    points = sum(test.points for test in tests)
    title = master.titles[name]
    if settled:
        return QuestionResult(name, title, 0.0, points, settled)
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
