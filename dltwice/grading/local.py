"""Grades the tasks of a batch on this machine: one after the other, or in a pool of processes (joblib)."""

import contextlib
import os
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator

from dltwice.grading.pool import shutdown
from dltwice.grading.work import Answer, Task, answer, follow, grade_task

KILLED = (
    "The process that graded this file was killed, twice: it may have used up the memory. The next run tries "
    "it again."
)


def run_here(tasks: Iterable[Task]) -> Iterator[Answer]:
    """Grade one task after the other in this process."""
    try:
        yield from map(grade_task, tasks)
    finally:
        shutdown()


def run_pool(tasks: Iterable[Task], workers: int) -> Iterator[Answer]:
    """Grade in `workers` processes; answers come as they are ready.

    Tasks are taken from the iterator a few at a time. When a process is killed, by the system for want of
    memory for example, the pool is made anew; what was in work is graded again, one by one, and the task
    during which a process is killed again gets an answer that says so.
    """
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    flying: dict[int, Task] = {}
    todo = _remember(tasks, flying)
    try:
        while True:
            try:
                yield from _parallel(todo, flying, workers)
                return
            except BrokenProcessPool:
                suspects = list(flying.values())
            for suspect in suspects:
                try:
                    yield from _parallel([suspect], flying, workers)
                except BrokenProcessPool:
                    flying.pop(suspect.number, None)
                    yield answer(suspect, failed=KILLED)
    finally:
        get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=bool(flying))


def _parallel(tasks: Iterable[Task], flying: dict[int, Task], workers: int) -> Iterator[Answer]:
    from joblib import Parallel, delayed

    pool = Parallel(
        n_jobs=max(workers, 2),  # with 1, joblib would use this process
        batch_size=1,
        pre_dispatch=2 * workers,
        return_as="generator_unordered",
        max_nbytes=None,
        initializer=follow,
        initargs=(os.getpid(),),
    )
    with _no_ctrl_c():
        answers = pool(delayed(grade_task)(task) for task in tasks)
    try:
        for done in answers:
            flying.pop(done.number, None)
            yield done
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib would complain that tasks are cancelled
            answers.close()


@contextlib.contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Processes that are started meanwhile never see Ctrl-C, not even while they start."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _remember(tasks: Iterable[Task], flying: dict[int, Task]) -> Iterator[Task]:
    """The tasks, each noted when it is taken."""
    for task in tasks:
        flying[task.number] = task
        yield task
