"""A grade as HTML: a table for a notebook, and pages that are single files.

Templates are in `templates/`. Every value that they are given is first made harmless (`harmless.py`) and then
escaped by Jinja2; the pages also carry a policy that forbids scripts and requests, should both ever fail.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dltwice.grading.harmless import harmless, one_line
from dltwice.grading.report import ABOUT, WORDS, number, score, untouched_line
from dltwice.grading.results import GradeResult

TEMPLATES = Path(__file__).with_name("templates")
CHAPTER = re.compile(r"(\d+)_(\w+)")


def html_table(result: GradeResult) -> str:
    """The score and a table of the questions, as a piece of HTML."""
    return render("grade.html", result=result)


def html_page(result: GradeResult) -> str:
    """A page of its own: no request, light and dark."""
    return feedback_page(result)


def feedback_page(result: GradeResult, student: str = "") -> str:
    """The page that a learner gets.

    Args:
        result: the grade.
        student: the learner's name or id, shown under the title.

    Returns:
        The page's text, the same for the same arguments.
    """
    return render("feedback.html", result=result, student=student)


def render(template: str, **values: Any) -> str:
    """The text that `template` gives for these values."""
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    """The templates, with the words and filters that they share."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_final,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"code": code, "chapter": chapter_title, "one_line": one_line, "number": number}
    css = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    made.globals |= {
        "css": Markup(css),
        "about": ABOUT,
        "words": WORDS,
        "score": score,
        "untouched_line": untouched_line,
    }
    return made


def chapter_title(chapter: str) -> str:
    """ "Chapter 4: convolution" for 04_convolution; another name stays as it is."""
    found = CHAPTER.fullmatch(chapter)
    return f"Chapter {int(found[1])}: {found[2].replace('_', ' ')}" if found else one_line(chapter) or "Grade"


def code(text: str) -> Markup:
    """`text` with what stands between backticks as code, escaped."""
    parts = harmless(text).split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner
        parts[-2:] = ["`".join(parts[-2:])]
    pieces = (Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))
    return Markup("").join(pieces)


def _final(value: Any) -> Any:
    """What Jinja2 does with each value before it escapes it."""
    return value if isinstance(value, Markup) else harmless(value)
