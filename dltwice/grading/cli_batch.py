"""The command `dltwice grade-batch`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from dltwice.grading.results import GradingError
from dltwice.grading.watch import TIME_LIMIT

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class BatchError(click.ClickException):
    """Ends the command with a message and exit code 2."""

    exit_code = 2


@click.command("grade-batch")
@click.argument("submissions", type=click.Path(path_type=Path))
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes on this machine.  [default: one per core]"
)
@click.option("--scheduler", default="", metavar="ADDRESS", help="Grade on a dask cluster: tcp://HOST:8786.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("grades"),
    show_default=True,
    help="Folder for the results and the journal.",
)
@click.option("--tests", type=FOLDER, help="Folder with private tests, laid over the public ones.")
@click.option("--master", type=FILE, help="Use this master.  [default: those in solutions/]")
@click.option("--chapter", default="", metavar="04", help="Chapter of notebooks that do not say theirs.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=TIME_LIMIT,
    show_default=True,
    help="Seconds that one answer or test cell may take.",
)
@click.option("--unsafe", is_flag=True, help="Grade also where there is no sandbox.")
@click.option("--again", is_flag=True, help="Grade anew what has been graded.")
def grade_batch(submissions: Path, workers: int | None, scheduler: str, **options: object) -> None:
    """Grade SUBMISSIONS: a folder, or the zip that Moodle or Canvas exports.

    Each notebook gets one row in results.csv and results.json, and a feedback page. Run the same command
    again to go on where it was stopped; only what is new or has changed is graded.
    """
    from dltwice.grading.batch import Settings, run_batch

    if workers and scheduler:
        raise click.UsageError(
            "--workers is for this machine and --scheduler for a cluster: give one of them."
        )
    settings = Settings(submissions, workers=workers or _cores(), scheduler=scheduler, **options)
    try:
        with _progress() as progress:
            done = run_batch(settings, progress)
    except KeyboardInterrupt:
        click.echo("\nInterrupted. All rows so far are kept; run the same command again to go on.", err=True)
        sys.exit(1)
    except (GradingError, OSError) as error:
        raise BatchError(str(error)) from None
    _say(done, settings.out)


def _say(done: object, out: Path) -> None:
    """Print the summary."""
    from dltwice.grading.batch import count_statuses

    counts = ", ".join(f"{count} {status}" for status, count in count_statuses(done.rows).items() if count)
    before = f" ({done.before} of them by an earlier run)" if done.before else ""
    click.echo(f"{len(done.rows)} submissions{before}: {counts}")
    if done.left_out:
        names = ", ".join(done.left_out[:5]) + (" …" if len(done.left_out) > 5 else "")
        click.echo(f"Left out, no submissions: {names}")
    for chapter in done.public_only:
        click.echo(f"No private tests for {chapter}: graded with the public ones.")
    click.echo(f"Results: {out / 'results.csv'}, results.json, summary.html, feedback/")


def _cores() -> int:
    """The cores that this process may use."""
    from joblib import cpu_count

    return cpu_count()


class Lines:
    """Progress as a line now and then, for logs."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.next = 0.0

    def start(self, total: int, before: int) -> None:
        """Say how much there is."""
        self.total, self.done, self.begin = total, before, before
        self.started = time.monotonic()
        self.next = self.started + 10
        self._print(f"{total} submissions, {total - before} to grade")

    def advance(self, status: str) -> None:
        """Count one, and say so every ten seconds."""
        self.done += 1
        now = time.monotonic()
        if now >= self.next:
            self.next = now + 10
            rate = (self.done - self.begin) / (now - self.started)
            left = (self.total - self.done) / rate
            self._print(f"{self.done} of {self.total}, {left:.0f} s left")

    def _print(self, text: str) -> None:
        click.echo(text, err=True)


@contextmanager
def _progress() -> Iterator[object]:
    """A bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield Bar(bar)


class Bar:
    """Progress as a bar."""

    def __init__(self, bar: object) -> None:
        self.bar = bar

    def start(self, total: int, before: int) -> None:
        """Draw it."""
        self.task = self.bar.add_task("", total=total, completed=before)

    def advance(self, status: str) -> None:
        """Count one."""
        self.bar.advance(self.task)
