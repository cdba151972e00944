"""The command `dltwice`.

Every subcommand loads what it needs when it runs, so that each starts as fast as its own work allows.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import click

from dltwice.grading import grade as grade_notebook
from dltwice.grading.results import GradingError
from dltwice.grading.watch import TIME_LIMIT

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)
ELSEWHERE = {"grade-batch": "dltwice.grading.cli_batch:grade_batch"}


class CannotGradeError(click.ClickException):
    """Ends the command with a message and exit code 2."""

    exit_code = 2


class LazyGroup(click.Group):
    """A group of commands of which those in `ELSEWHERE` are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported if need be."""
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = ELSEWHERE[cmd_name].partition(":")
        return getattr(import_module(module), name)


@click.group(cls=LazyGroup)
@click.version_option(package_name="dltwice")
def main() -> None:
    """Deep Learning, Twice: tools of the book."""
    for stream in (sys.stdout, sys.stderr):  # a name that an old terminal can't write must not end a batch
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


@main.command(short_help="Grade one notebook.")
@click.argument("notebook")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--html", type=OUT, help="Write the result as an HTML page.")
@click.option("--master", type=FILE, help="Use this master.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=TIME_LIMIT,
    show_default=True,
    help="Seconds that one answer or test cell may take.",
)
def grade(notebook: str, as_json: bool, html: Path | None, master: Path | None, time_limit: float) -> None:
    """Grade NOTEBOOK: a file, a folder (exercises/04_convolution) or a chapter (04).

    The notebook is graded as it was saved.
    """
    try:
        result = grade_notebook(notebook, master=master, time_limit=time_limit)
        if html:
            from dltwice.grading.page import html_page

            html.write_text(html_page(result), encoding="utf-8")
    except (GradingError, OSError) as error:
        raise CannotGradeError(str(error)) from None
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
        return
    from dltwice.grading.report import print_report

    print_report(result)
    if html:
        click.echo(f"Page written to {html}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@click.option("--clear", is_flag=True, help="Forget all scores, after a question.")
def progress(as_json: bool, clear: bool) -> None:
    """Show the last and best score of every chapter.

    The record stays on this computer: progress.json in your data folder, or in the folder that the
    environment variable DLTWICE_DATA names.
    """
    from dltwice.grading import progress as kept
    from dltwice.grading.report import print_progress

    if clear:
        click.confirm(f"Forget the scores in {kept.data_file()}?", abort=True)
        try:
            kept.clear()
        except (OSError, RuntimeError) as error:
            raise CannotGradeError(f"The record can't be deleted: {error}.") from None
        click.echo("The record is empty.")
        return
    chapters = kept.overview()
    if as_json:
        click.echo(json.dumps({"file": str(kept.data_file()), "chapters": chapters}, indent=2))
    else:
        print_progress(chapters)


@main.command(short_help="Enter a batch's results into nbgrader's gradebook.")
@click.argument("results", type=FILE)
@click.argument("gradebook", type=OUT)
def to_nbgrader(results: Path, gradebook: Path) -> None:
    """Enter RESULTS.csv of a batch into GRADEBOOK.db, nbgrader's own database.

    It is made if it is not there. Running it again updates the scores and doubles nothing. Submissions
    without a score are listed and not entered; `nbgrader export` itself prints 0 for who has none.
    """
    from dltwice.grading.gradebook import to_nbgrader as enter
    from dltwice.grading.results_csv import read_results

    try:
        transfer = enter(read_results(results), gradebook)
    except GradingError as error:
        raise CannotGradeError(str(error)) from None
    _say_left_out(transfer.left_out)
    click.echo(f"{transfer.entered} submissions entered into {gradebook}")


@main.command(short_help="Write a batch's results for Moodle or Canvas.")
@click.option(
    "--format", "platform", required=True, type=click.Choice(["moodle", "canvas"]), help="Whose import."
)
@click.option("--chapter", default="", help="Only this chapter (04). Moodle takes one at a time.")
@click.option(
    "--out-of",
    type=click.FloatRange(min=0, min_open=True),
    help="Scale the scores, full points becoming this many: Moodle's maximum grade is often 100.",
)
@click.argument("results", type=FILE)
@click.argument("out", type=OUT)
def to_csv(platform: str, chapter: str, out_of: float | None, results: Path, out: Path) -> None:
    """Write OUT.csv with the columns that Moodle or Canvas imports, from RESULTS.csv of a batch.

    Moodle: upload it to the assignment as the grading worksheet, with Moodle in English. Canvas: import it to
    the gradebook; rename a chapter's column to an assignment there, such as "Homework 4 (1234)", to fill that
    one.
    """
    from dltwice.grading.platforms import FORMATS
    from dltwice.grading.results_csv import read_results

    try:
        sheet = FORMATS[platform](read_results(results), chapter, out_of)
        out.write_text(sheet.text, encoding="utf-8", newline="")
    except (GradingError, OSError) as error:
        raise CannotGradeError(str(error)) from None
    _say_left_out(sheet.left_out)
    click.echo(f"{sheet.count} lines written to {out}")


def _say_left_out(sentences: list[str]) -> None:
    if sentences:
        click.echo("To look at:", err=True)
    for sentence in sentences:
        click.echo(f"  {sentence}", err=True)


if __name__ == "__main__":
    sys.exit(main())
