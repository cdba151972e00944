"""Grading of the exercises on the learner's own machine.

    from dltwice.grading import grade
    grade()                    # the notebook of this folder, as it was saved
    grade("04")                # exercises/04_convolution

`grade_one` is the same without files: bytes in, plain data out. `dltwice.grading.checks` has the checks that
the exercises' tests use.
"""

import time
from dataclasses import replace
from pathlib import Path

from dltwice.grading.find import find_master, find_notebook
from dltwice.grading.grader import grade_one
from dltwice.grading.notebook import Master, load_master
from dltwice.grading.pool import shutdown
from dltwice.grading.results import GradeResult, GradingError, QuestionResult, SandboxError
from dltwice.grading.watch import TIME_LIMIT

__all__ = [
    "GradeResult",
    "GradingError",
    "Master",
    "QuestionResult",
    "SandboxError",
    "grade",
    "grade_one",
    "load_master",
    "shutdown",
]


def grade(
    notebook: str | Path = ".", master: str | Path | None = None, time_limit: float = TIME_LIMIT
) -> GradeResult:
    """Grade the saved file of a notebook. Save before you call it from the notebook itself.

    Args:
        notebook: a notebook, a folder with one, or a chapter such as "04"; by default the working directory,
            which is the notebook's folder when this is called in JupyterLab.
        master: the notebook with solutions and tests; by default the one in `solutions/`.
        time_limit: seconds that one answer or test cell may take.

    Returns:
        The result; a notebook shows it as a table, `print` as text. `dltwice progress` remembers the score.

    Raises:
        GradingError: if there is nothing to grade; the message says what to do.
    """
    path = find_notebook(notebook)
    found = Path(master) if master else find_master(path)
    try:
        result = grade_one(path.read_bytes(), found.read_bytes(), time_limit)
    except GradingError as error:
        raise GradingError(f"{path}: {error}") from None
    if result.status == "unreadable":
        raise GradingError(f"{path}: {result.reason}")
    from dltwice.grading.progress import record

    minutes = (time.time() - path.stat().st_mtime) / 60
    note = f"{path.name} was last saved {minutes:.0f} minutes ago." if minutes >= 2 else ""
    result = replace(result, chapter=found.stem, notes=(note, *result.notes) if note else result.notes)
    record(result, path)
    return result
