"""A grade for people: a table for the terminal. The pages are made by `page` and `summary`.

The functions that make HTML can be imported from here too; they load the templates when they are first used.
"""

from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dltwice.grading.harmless import harmless, one_line
from dltwice.grading.results import GradeResult, QuestionResult

WORDS = {
    "passed": "passed",
    "failed": "not right yet",
    "error": "error",
    "timeout": "too slow",
    "untouched": "untouched",
    "missing": "cell missing",
}
"""What is said of a question, by its status."""

ABOUT = {
    "ok": "",
    "partial": "Graded, but the file is not whole or an answer ended its process.",
    "timeout": "Graded, but an answer was stopped because it took too long.",
    "tampered": "Graded with the original tests: the test cells in the file were changed.",
    "unreadable": "No score: the file could not be graded. That is not a score of 0.",
}
"""What is said of a submission, by its status."""

UNSANDBOXED = "Graded without the sandbox: fine for your own code."

_STYLES = {"passed": "green", "failed": "red", "error": "red", "timeout": "red"}
_MADE_ELSEWHERE = {
    "html_table": "page",
    "html_page": "page",
    "feedback_page": "page",
    "summary_page": "summary",
}


def __getattr__(name: str) -> Any:
    """The functions that make HTML, loaded on first use: the terminal needs no template engine."""
    if name not in _MADE_ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"dltwice.grading.{_MADE_ELSEWHERE[name]}"), name)


def print_report(result: GradeResult, console: Console | None = None) -> None:
    """Print the score, one row per question, and what to do about those without full points."""
    (console or Console(highlight=False)).print(_layout(result))


def text_report(result: GradeResult, width: int = 100) -> str:
    """The same as plain text, `width` columns wide."""
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(_layout(result))
    return capture.get()


def print_progress(chapters: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Print the record of scores, a row per chapter as `progress.overview` gives it."""
    table = Table("Chapter", "Last", "Best", "Untouched", "Date")
    for row in chapters:
        cells = ["", "", "not graded yet", ""]
        if row["last"]:
            last, best = row["last"], row["best"]
            shares = [
                f"{score(e['earned'], e['points'])} ({e['earned'] / e['points']:.0%})" for e in (last, best)
            ]
            untouched = ", ".join(map(one_line, last["untouched"]))
            cells = [*shares, untouched or "none", one_line(last["date"])[:10]]
        table.add_row(*(Text(cell) for cell in (one_line(row["chapter"]), *cells)))
    (console or Console(highlight=False)).print(table if chapters else "There are no exercises here.")


def score(earned: float, points: float) -> str:
    """Points in words, without digits that nobody needs: "2.67 of 3"."""
    return f"{number(earned)} of {number(points)}"


def number(value: float) -> str:
    """A number with at most two decimals: 3, 2.5, 0.67."""
    return f"{round(value, 2):.10g}"


def untouched_line(questions: Sequence[QuestionResult]) -> str:
    """Which questions are untouched, as a sentence; empty if none is."""
    names = [one_line(question.title) for question in questions if question.status == "untouched"]
    if not names:
        return ""
    if len(names) == len(questions) > 1:
        return f"All {len(names)} questions are untouched."
    return f"{len(names)} question{'s are' if len(names) > 1 else ' is'} untouched: {', '.join(names)}."


def _layout(result: GradeResult) -> Group:
    parts: list[RenderableType] = []
    if result.status == "unreadable":
        parts.append(Text(one_line(result.chapter), "italic"))
    else:
        parts += [_table(result), Text(f"{score(result.earned, result.points)} points", "bold")]
    if ABOUT[result.status]:
        parts.append(Text(ABOUT[result.status], "yellow"))
    parts += [Text(f"Note: {harmless(note)}") for note in result.notes]
    if line := untouched_line(result.questions):
        parts.append(Text(line))
    for question in result.questions:
        parts += _problems(question)
    if _ran_unprotected(result):
        parts.append(Text(f"\n{UNSANDBOXED}", "dim"))
    return Group(*parts)


def _table(result: GradeResult) -> Table:
    table = Table("Question", "Points", "Result", title=Text(one_line(result.chapter)), title_justify="left")
    for question in result.questions:
        status = Text(WORDS[question.status], _STYLES.get(question.status, "yellow"))
        table.add_row(Text(one_line(question.title)), score(question.earned, question.points), status)
    return table


def _problems(question: QuestionResult) -> list[RenderableType]:
    """What the tests of a question say, under its title."""
    if not question.problems:
        return []
    parts: list[RenderableType] = [Text(f"\n{one_line(question.title)}", "bold")]
    for problem in question.problems:
        parts.append(Padding(Text(harmless(problem.message)), (0, 0, 0, 2), expand=False))
        if problem.hint:
            hint = Text(f"Hint: {harmless(problem.hint)}", "italic")
            parts.append(Padding(hint, (0, 0, 0, 4), expand=False))
    return parts


def _ran_unprotected(result: GradeResult) -> bool:
    """Whether an answer ran, and no sandbox was around it."""
    return not result.sandboxed and any(q.status not in ("untouched", "missing") for q in result.questions)
