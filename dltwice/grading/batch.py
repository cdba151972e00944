"""A batch: grade every submission once, keep each row as it comes, and write the results at the end."""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from dltwice.grading.collect import Collection, Submission, collect
from dltwice.grading.inputs import Archive, Folder, open_input
from dltwice.grading.journal import Journal, Key
from dltwice.grading.masters import Masters, find_masters
from dltwice.grading.naming import chapter_in
from dltwice.grading.notebook import UnreadableError
from dltwice.grading.results import GradeResult, GradingError
from dltwice.grading.table import Output, Row, complete, make_row
from dltwice.grading.watch import TIME_LIMIT
from dltwice.grading.work import Answer, Task, explain, grade_task

UNKNOWN = (
    "Its chapter is not known: neither the path nor the cells' names tell which of {} it is. Keep the "
    "exercise's file name, or grade with --chapter."
)
REFUSED = (
    "Nothing was graded, because submissions would run with your own rights. {} To grade all the same, on a "
    "machine that holds nothing of value: --unsafe."
)


@dataclass(frozen=True)
class Settings:
    """What to grade, and how.

    Attributes:
        source: a folder or zip of submissions.
        out: the folder for journal and results.
        workers: processes on this machine.
        scheduler: the address of a dask scheduler, in place of them, or empty.
        tests: a folder with private tests.
        master: the only master to use.
        chapter: the chapter of notebooks that do not say theirs.
        time_limit: seconds for one answer or test cell.
        unsafe: whether to grade where there is no sandbox.
        again: whether to grade anew what has been graded.
    """

    source: Path
    out: Path
    workers: int = 1
    scheduler: str = ""
    tests: Path | None = None
    master: Path | None = None
    chapter: str = ""
    time_limit: float = TIME_LIMIT
    unsafe: bool = False
    again: bool = False


class Progress(Protocol):
    """Is told how far a batch is."""

    def start(self, total: int, before: int) -> None:
        """There are `total` submissions, of which `before` have their rows from an earlier run."""

    def advance(self, status: str) -> None:
        """One more has its row."""


@dataclass
class Done:
    """A finished batch: its rows, how many are from an earlier run, and the files that are no submissions."""

    rows: list[Row]
    before: int
    left_out: list[str] = field(default_factory=list)
    public_only: list[str] = field(default_factory=list)


def run_batch(settings: Settings, progress: Progress) -> Done:
    """Grade a folder or zip of submissions and write the results.

    Args:
        settings: what to grade, and how.
        progress: is told how far it is.

    Returns:
        The rows, exactly one for each submission.

    Raises:
        GradingError: if there is nothing to grade, a master or private test is broken, there is no sandbox,
            or another batch has the output folder. Rows that were written stay.
        KeyboardInterrupt: when the user stops it; the next run goes on.
    """
    masters = find_masters(settings.source, settings.master, settings.tests, settings.chapter)
    with contextlib.closing(open_input(settings.source, skip=settings.out)) as source:
        collection = collect(source, masters.chapters)
        if not settings.scheduler and not settings.unsafe and (reason := sandbox_problem()):
            raise GradingError(REFUSED.format(reason))
        with Journal(settings.out) as journal:
            return _Batch(settings, masters, source, collection, journal).run(progress)


def sandbox_problem() -> str | None:
    """Why there is no sandbox on this machine, or None."""
    from dltwice.grading.sandbox import why_not

    return why_not()


class _Batch:
    """A batch that has its journal."""

    def __init__(
        self,
        settings: Settings,
        masters: Masters,
        source: Folder | Archive,
        found: Collection,
        journal: Journal,
    ) -> None:
        self.settings, self.masters, self.source, self.journal = settings, masters, source, journal
        self.submissions, self.left_out = found.submissions, found.left_out
        self.keys: dict[int, Key] = {}
        self.root_chapter = chapter_in(source.name, masters.chapters)
        self.digests = {name: self._digest(chapter.digest) for name, chapter in masters.chapters.items()}
        folders = [] if settings.scheduler else [settings.source, settings.out, settings.tests]
        self.hide = tuple(folder.resolve() for folder in folders if folder)

    def run(self, progress: Progress) -> Done:
        """Grade what has no row yet, then write the results."""
        output = Output(self.settings.out)
        if self.settings.again:
            self.journal.forget(submission.file for submission in self.submissions)
        todo, before = self._plan()
        progress.start(len(self.submissions), len(self.submissions) - len(todo))
        if todo:
            with contextlib.closing(self._answers(todo)) as answers:
                for done in answers:
                    progress.advance(self._record(done))
        rows = self._rows()
        masters = {name: chapter.master for name, chapter in self.masters.chapters.items()}
        title = f"Grades: {self.source.name}"
        self.journal.set_pages(output.write(rows, masters, title, self.journal.pages()))
        return Done(rows, before, self.left_out, self._without_private(rows))

    def _without_private(self, rows: list[Row]) -> list[str]:
        """The chapters that were graded with the public tests, though there is a folder of private ones."""
        present = {row["chapter"] for row in rows} if self.settings.tests else set()
        chapters = self.masters.chapters.items()
        return [name for name, chapter in chapters if name in present and not chapter.private]

    def _plan(self) -> tuple[list[int], int]:
        """The numbers of the submissions to grade, and how many rows are there from an earlier run.

        Submissions that can't be graded get their rows at once.
        """
        todo, before = [], 0
        for number in range(len(self.submissions)):
            task = self._task(number)
            key = self._key(task.number, task.sha256, task.settings)
            found = self.journal.get(key)
            result = grade_task(task).result if task.problem else None
            if found and found[1] and (not result or list(result["notes"]) == found[0]["notes"]):
                before += 1
            elif result:
                self.journal.put(key, result)
            else:
                todo.append(number)
        return todo, before

    def _task(self, number: int) -> Task:
        """The task of one submission, read from disk now."""
        submission = self.submissions[number]
        data, problem = None, submission.problem
        if not problem:
            try:
                data = self.source.read(submission.entry)
            except UnreadableError as error:
                problem = str(error)
            except Exception as error:  # nothing that one file does may end the batch
                problem = explain(error)
        chapter = self._chapter(submission, data)
        if not problem and chapter not in self.masters.chapters:
            problem = UNKNOWN.format(", ".join(self.masters.chapters))
        return Task(
            number=number,
            sha256="" if data is None else hashlib.sha256(data).hexdigest(),
            settings="" if problem else self.digests[chapter],
            chapter=chapter,
            data=None if problem else data,
            master=None if problem else self.masters.chapters[chapter].master,
            time_limit=self.settings.time_limit,
            unsafe=self.settings.unsafe,
            hide=self.hide,
            problem=problem,
        )

    def _chapter(self, submission: Submission, data: bytes | None) -> str:
        """The chapter that the path names, else `--chapter`, the folder's or zip's name, or the cells."""
        named = submission.chapter or self.masters.default or self.root_chapter
        return named or (self.masters.match(data) if data else "")

    def _digest(self, master: str) -> str:
        """A hash of what decides on a result besides the submission."""
        parts = [version("dltwice"), master, self.settings.time_limit, self.settings.unsafe]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _key(self, number: int, sha256: str, settings: str) -> Key:
        """The key of a submission's row, remembered for the table."""
        self.keys[number] = Key(self.submissions[number].file, sha256, settings)
        return self.keys[number]

    def _answers(self, todo: list[int]) -> Iterator[Answer]:
        """The answers to the tasks, which are read when their turn comes."""
        tasks = (self._task(number) for number in todo)
        if self.settings.scheduler:
            from dltwice.grading.cluster import run_cluster

            return run_cluster(tasks, self.settings.scheduler, self.settings.unsafe)
        from dltwice.grading.local import run_here, run_pool

        return run_here(tasks) if self.settings.workers == 1 else run_pool(tasks, self.settings.workers)

    def _record(self, done: Answer) -> str:
        """Write the row of an answer; return its status."""
        if done.stop:
            raise GradingError(f"{done.chapter}: {done.stop}" if done.chapter else done.stop)
        result = done.result or GradeResult((), (done.failed,), done.chapter, "unreadable").to_dict()
        key = self._key(done.number, done.sha256, done.settings)
        self.journal.put(key, result, final=done.result is not None)
        return result["status"]

    def _rows(self) -> list[Row]:
        """One row for each submission, out of the journal."""
        rows = []
        for number, submission in enumerate(self.submissions):
            result, _ = self.journal.get(self.keys[number])
            rows.append(make_row(submission, self.keys[number].sha256, result))
        complete(rows)
        return rows


def count_statuses(rows: list[Row]) -> dict[str, int]:
    """How many rows have which status, the gravest last."""
    counts = Counter(row["status"] for row in rows)
    return {status: counts[status] for status in ("ok", "partial", "timeout", "tampered", "unreadable")}
