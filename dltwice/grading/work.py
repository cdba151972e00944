"""One task of a batch: plain data in, plain data out, whatever happens in between."""

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dltwice.grading.grader import grade_one
from dltwice.grading.notebook import Master
from dltwice.grading.results import GradeResult, GradingError


@dataclass(frozen=True)
class Task:
    """What a worker gets.

    Attributes:
        number: the submission's place in the batch.
        sha256: the hash of `data`.
        settings: the hash of what it is graded with.
        chapter: the chapter's name.
        data: the notebook file; None if it could not be read.
        master: the chapter's exercises and tests; None if the chapter is not known.
        time_limit: seconds for one cell.
        unsafe: whether to grade where there is no sandbox.
        hide: folders that the sandbox must not show.
        problem: why it can't be graded, if it can't.
    """

    number: int
    sha256: str
    settings: str
    chapter: str
    data: bytes | None = field(repr=False)
    master: Master | None = field(repr=False)
    time_limit: float = 20.0
    unsafe: bool = False
    hide: tuple[Path, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Answer:
    """What a worker gives back.

    Attributes:
        number: the submission's place in the batch.
        sha256: the hash of the file that was graded.
        settings: the hash of what it was graded with.
        chapter: the chapter's name.
        result: `GradeResult.to_dict()`, or None.
        failed: why there is no result, though the file may be fine: to be tried again.
        stop: why nothing can be graded at all.
    """

    number: int
    sha256: str
    settings: str
    chapter: str
    result: dict[str, Any] | None = None
    failed: str = ""
    stop: str = ""


def answer(task: Task, **rest: Any) -> Answer:
    """The answer to a task."""
    return Answer(task.number, task.sha256, task.settings, task.chapter, **rest)


def grade_task(task: Task) -> Answer:
    """Grade one submission. What it raises is a part of the answer."""
    if task.problem:
        result = GradeResult((), (task.problem,), task.chapter, "unreadable")
        return answer(task, result=result.to_dict())
    try:
        result = grade_one(
            task.data, task.master, task.time_limit, unsafe=task.unsafe, hide=task.hide, warm=True
        )
    except GradingError as error:  # the master or this machine, not the submission
        return answer(task, stop=str(error))
    except Exception as error:
        return answer(task, failed=explain(error))
    return answer(task, result=result.to_dict() | {"chapter": task.chapter})


def explain(error: BaseException) -> str:
    """An exception of the grader itself as a reason for a row."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return f"The grader failed on this file, and the next run tries it again. {text}"


def follow(parent: int) -> None:
    """Prepare a process of a pool: leave Ctrl-C to the parent, and end soon after it, should it be killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if os.name == "posix":  # elsewhere the number of the parent stays after its end
        threading.Thread(target=watch, daemon=True).start()
