"""The page of a whole class: who needs a look, how the scores are spread, which questions failed most."""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dltwice.grading.harmless import LINE, one_line
from dltwice.grading.page import chapter_title, render
from dltwice.grading.report import number

Row = dict[str, Any]

STEPS = 10  # columns of the histogram, of 10 % each
SAID = 3  # messages shown for one question
PLACE = re.compile(r" \(line \d+ of your answer: .*\)(?=\.?( |$))", re.DOTALL)
LOOK = {
    "unreadable": "No score. Ask for the file again, or look at it by hand.",
    "tampered": "The test cells in the file were changed. The score comes from the original tests.",
    "timeout": "An answer was stopped, so points may be missing that a faster machine would give.",
    "partial": "An answer cell is missing or there several times, or an answer ended its process.",
}
OTHERS = "Fine in themselves, such as several files of one student."


@dataclass(frozen=True)
class Question:
    """How a class did on one question; `said` holds the most common messages and how often they came."""

    title: str
    count: int
    passed: int
    untouched: int
    mean: float
    points: float
    said: list[tuple[str, int]]

    @property
    def lost(self) -> int:
        """Submissions without full points."""
        return self.count - self.passed


@dataclass(frozen=True)
class Chapter:
    """How a class did on one chapter: percents of the graded submissions, and the questions, worst first."""

    name: str
    percents: list[float]
    questions: list[Question]

    @property
    def title(self) -> str:
        """The chapter's name for people."""
        return chapter_title(self.name) if self.name else "Unknown chapter"

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile in percent."""
        if len(self.percents) == 1:
            return (self.percents[0],) * 3
        low, middle, high = statistics.quantiles(self.percents, n=4, method="inclusive")
        return low, middle, high

    @property
    def mean(self) -> float:
        """Mean score in percent."""
        return statistics.fmean(self.percents)

    @property
    def steps(self) -> list[tuple[str, int]]:
        """The histogram: what a column stands for, and how many submissions are in it."""
        counts = Counter(min(int(percent * STEPS / 100), STEPS - 1) for percent in self.percents)
        width = 100 // STEPS
        last = STEPS - 1
        return [
            (f"{i * width} to {'' if i == last else 'under '}{(i + 1) * width} %", counts[i])
            for i in range(STEPS)
        ]


def summary_page(rows: list[Row], title: str) -> str:
    """The page that an instructor gets.

    Args:
        rows: one dictionary per submission with `student`, `student_id`, `chapter`, `status`, `reason`,
            `earned` and `points` (None where there is no score), `file`, `late`, `result` (as
            `GradeResult.to_dict` gives it) and, if there are any, `notes`, further sentences, and `feedback`,
            the learner's page relative to this one.
        title: the page's heading.

    Returns:
        The page's text, the same for the same arguments.
    """
    rows = sorted(rows, key=_order)
    look = {status: [_shown(row) for row in rows if row["status"] == status] for status in LOOK}
    look["others"] = [_shown(row) for row in rows if row["status"] == "ok" and row.get("notes")]
    return render(
        "summary.html",
        title=title,
        rows=[_shown(row) for row in rows],
        graded=sum(row["earned"] is not None for row in rows),
        late=sum(_is_late(row) for row in rows),
        counts={status: sum(row["status"] == status for row in rows) for status in ("ok", *reversed(LOOK))},
        look={group: found for group, found in look.items() if found},
        about_look=LOOK | {"others": OTHERS},
        chapters=[_chapter(name, rows) for name in sorted({row["chapter"] for row in rows})],
        histogram=histogram,
    )


def histogram(chapter: Chapter) -> dict[str, Any]:
    """Where the template draws columns and the median, on a surface of 320 by 150."""
    left, bottom, width, height = 10, 125, 30, 100
    most = max(count for _, count in chapter.steps)
    columns = [
        {"x": left + i * width + 1, "height": round(count / most * height, 1), "count": count}
        for i, (_, count) in enumerate(chapter.steps)
    ]
    median = chapter.quartiles[1]
    return {
        "columns": columns,
        "bottom": bottom,
        "width": width - 2,
        "median": round(left + median * STEPS * width / 100, 1),
        "ticks": [(left + i * width, 100 // STEPS * i) for i in range(0, STEPS + 1, 2)],
        "words": f"{len(chapter.percents)} scores. "
        + ", ".join(f"{step}: {count}" for step, count in chapter.steps if count)
        + f". Median {number(median)} %.",
    }


def _chapter(name: str, rows: list[Row]) -> Chapter:
    graded = [row for row in rows if row["chapter"] == name and row["earned"] is not None]
    percents = [100 * row["earned"] / row["points"] for row in graded if row["points"]]
    results: dict[str, list[Row]] = defaultdict(list)
    for row in graded:
        for question in (row.get("result") or {}).get("questions", ()):
            results[question["name"]].append(question)
    questions = sorted(map(_question, results.values()), key=lambda q: (-q.lost / q.count, q.title))
    return Chapter(name, percents, questions)


def _question(results: list[Row]) -> Question:
    """One question out of its results in all submissions."""
    said = Counter(message for result in results for message in _messages(result))
    common = sorted(said.items(), key=lambda item: (-item[1], item[0]))[:SAID]
    return Question(
        title=results[0]["title"],
        count=len(results),
        passed=sum(result["status"] == "passed" for result in results),
        untouched=sum(result["status"] in ("untouched", "missing") for result in results),
        mean=statistics.fmean(result["earned"] for result in results),
        points=results[0]["points"],
        said=common,
    )


def _messages(result: Row) -> Iterable[str]:
    """The different messages of one result, without the line of the answer, which is never the same."""
    return {one_line(PLACE.sub("", problem["message"]), 2 * LINE) for problem in result["problems"]}


def _shown(row: Row) -> Row:
    """What the page says of a submission."""
    return {
        "who": one_line(row["student"] or row["student_id"]) or "unknown",
        "chapter": row["chapter"],
        "status": row["status"],
        "reason": " ".join((row["reason"], *row.get("notes", ()))).strip(),
        "file": one_line(row["file"], 2 * LINE),
        "score": "none"
        if row["earned"] is None
        else f"{number(row['earned'])} of {number(row['points'] or 0)}",
        "late": _is_late(row),
        "link": _relative(row.get("feedback")),
    }


def _relative(address: str | None) -> str:
    """`address` if it stays below this page's folder, else nothing: a learner's name may be part of it."""
    parts = urlsplit((address or "").replace("\\", "/"))
    inside = not parts.scheme and not parts.netloc and not parts.path.startswith("/")
    return address if address and inside and ".." not in parts.path.split("/") else ""


def _is_late(row: Row) -> bool:
    return str(row.get("late") or "").strip().lower() not in ("", "0", "0.0", "false", "no")


def _order(row: Row) -> tuple[str, ...]:
    return tuple(str(row[key] or "") for key in ("chapter", "student", "student_id", "file"))
