"""Runs the cells of one exercise and says how each went. The grader starts it as a script.

Standard input is a JSON list of cells, `{"name", "kind", "source", "question"}`. Standard output is one line
of JSON when Python is ready, `[]`, and one after each cell, `[status, message]`, the status being passed,
failed or error. What the cells print goes nowhere.

A test that does not pass after an answer that did not run to its end gets the answer's message. Messages
quote lines of the learner's answer and never a line of a test. Only the standard library is used, so that
the start is fast.
"""

import json
import linecache
import os
import sys
import traceback
from types import TracebackType
from typing import Any, TextIO


def answer_file(question: str) -> str:
    """The file name under which the answer to `question` is compiled."""
    return f"<answer {question}>"


def run(cells: list[dict[str, Any]], out: TextIO) -> None:
    """Execute `cells` in one namespace and write a line to `out` before the first and after each."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    given: dict[str, Any] = {}  # what the master's own cells define, restored for every test
    broken: dict[str, str] = {}  # question -> why its answer did not run

    print([], file=out, flush=True)
    for cell in cells:
        kind, question = cell["kind"], cell["question"]
        before = dict(namespace)
        scope = namespace | given if kind == "test" else namespace  # answers don't see the tests' variables
        status, message = execute(cell, scope)
        if kind == "test" and status != "passed" and question in broken:
            status, message = "error", broken[question]
        if kind == "setup":
            given |= {key: value for key, value in namespace.items() if before.get(key) is not value}
        elif kind == "answer" and status != "passed":
            broken[question] = message
        message = message.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate can't be printed
        print(json.dumps([status, message]), file=out, flush=True)


def execute(cell: dict[str, Any], scope: dict[str, Any]) -> tuple[str, str]:
    """Execute one cell; its status and, unless it passed, the message for the learner."""
    source, file = cell["source"], f"<{cell['name']}>"
    if cell["kind"] == "answer":
        file = answer_file(cell["question"])
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    try:
        code = compile(source, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "error", explain_syntax(error, source)
    try:
        exec(code, scope)
    except BaseException as error:
        place = answer_line(error.__traceback__)
        if isinstance(error, AssertionError) and not place:
            return "failed", str(error) or "A check of this test does not hold."
        return "error", explain(error, place)
    return "passed", ""


def explain(error: BaseException, place: str) -> str:
    """An exception in words; `place` is the line of the learner's answer that it came through, if any."""
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return f"The answer stops the program{place}. Remove the call, such as `sys.exit()`."
    if isinstance(error, NotImplementedError) and not str(error):
        return f"Not written yet: `raise NotImplementedError()` still stands there{place}."
    text = "".join(traceback.format_exception_only(error)).strip()[:1000]
    if isinstance(error, NameError):
        advice = (
            "Only answer cells are graded: define it in yours." if place else "The answer must define it."
        )
        return f"{text}{place}{'' if text.endswith('?') and not place else '.'} {advice}"
    return f"{text}{place}"


def answer_line(step: TracebackType | None) -> str:
    """The innermost line of an answer in a traceback: " (line 3 of your answer: `return y`)", or ""."""
    place = ""
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file.startswith("<answer "):
            line = linecache.getline(file, step.tb_lineno).strip()
            place = f" (line {step.tb_lineno} of your answer: `{line}`)"
        step = step.tb_next
    return place


def explain_syntax(error: Exception, source: str) -> str:
    """Why a cell can't be compiled, with the line."""
    if not isinstance(error, SyntaxError) or not error.lineno:
        return f"The answer can't be read as Python: {error}."
    lines = source.splitlines()
    line = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
    if line.startswith(("%", "!")):
        return (
            f"Line {error.lineno} of your answer, `{line}`, is a command of the notebook, not Python. "
            "Answers are graded as plain Python: move it to a cell of its own."
        )
    return f"{type(error).__name__}: {error.msg} (line {error.lineno} of your answer: `{line}`)"


def main() -> None:
    """Read the job, put the true standard output aside, and run."""
    cells = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    run(cells, out)


if __name__ == "__main__":
    main()
