"""A grade for people: a table for the terminal, and HTML for a notebook or a page of its own."""

from html import escape

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dltwice.grading.results import GradeResult, QuestionResult

STYLES = {"passed": "green", "failed": "red", "error": "red", "timeout": "red"}
WORDS = {
    "passed": "passed",
    "failed": "not right yet",
    "error": "error",
    "timeout": "too slow",
    "untouched": "untouched",
    "missing": "cell missing",
}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.4rem 0.6rem; border-bottom: 1px solid GrayText; }}
td p {{ margin: 0.4rem 0 0; }}
td {{ overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def print_report(result: GradeResult, console: Console | None = None) -> None:
    """Print the score, one row per question, and what to do about those without full points."""
    (console or Console(highlight=False)).print(_layout(result))


def text_report(result: GradeResult, width: int = 100) -> str:
    """The same as plain text, `width` columns wide."""
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(_layout(result))
    return capture.get()


def html_table(result: GradeResult) -> str:
    """The score and a table of the questions, as a piece of HTML."""
    rows = "\n".join(_html_row(question) for question in result.questions)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Question", "Points", "Result"))
    notes = "".join(f"<p>{escape(note)}</p>\n" for note in result.notes)
    return (
        f"<p><strong>{_score(result.earned, result.points)} points</strong></p>\n{notes}<table>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )


def html_page(result: GradeResult) -> str:
    """A page of its own: no request, light and dark."""
    return PAGE.format(title=escape(f"Grade: {result.chapter}"), body=html_table(result))


def _layout(result: GradeResult) -> Group:
    table = Table("Question", "Points", "Result", title=result.chapter, title_justify="left")
    remarks: list[Text | Padding] = [Text(f"Note: {note}") for note in result.notes]
    for question in result.questions:
        style = STYLES.get(question.status, "yellow")
        score = _score(question.earned, question.points)
        table.add_row(Text(question.title), score, Text(WORDS[question.status], style))
        if question.problems:
            remarks.append(Text(f"\n{question.title}", "bold"))
        for problem in question.problems:
            remarks.append(Padding(Text(problem.message), (0, 0, 0, 2), expand=False))
            if problem.hint:
                remarks.append(Padding(Text(f"Hint: {problem.hint}", "italic"), (0, 0, 0, 4), expand=False))
    return Group(table, Text(f"{_score(result.earned, result.points)} points", "bold"), *remarks)


def _html_row(question: QuestionResult) -> str:
    lines = [f"<strong>{WORDS[question.status]}</strong>"]
    for problem in question.problems:
        hint = f"<br><em>Hint: {escape(problem.hint)}</em>" if problem.hint else ""
        lines.append(f"<p>{escape(problem.message)}{hint}</p>")
    title, score = escape(question.title), _score(question.earned, question.points)
    return f'<tr><th scope="row">{title}</th><td>{score}</td><td>{"".join(lines)}</td></tr>'


def _score(earned: float, points: float) -> str:
    return f"{earned:g} of {points:g}"
