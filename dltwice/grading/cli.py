"""The command `dltwice`."""

import json
import sys
from pathlib import Path

import click

from dltwice.grading import grade as grade_notebook
from dltwice.grading.watch import TIME_LIMIT
from dltwice.grading.results import GradingError


class CannotGradeError(click.ClickException):
    """Ends the command with a message and exit code 2."""

    exit_code = 2


@click.group()
@click.version_option(package_name="dltwice")
def main() -> None:
    """Deep Learning, Twice: tools of the book."""


@main.command()
@click.argument("notebook")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the result as an HTML page."
)
@click.option(
    "--master", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Use this master."
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=TIME_LIMIT,
    show_default=True,
    help="Seconds that one answer or test cell may take.",
)
def grade(notebook: str, as_json: bool, html: Path | None, master: Path | None, time_limit: float) -> None:
    """Grade NOTEBOOK: a file, a folder (exercises/04_convolution) or a chapter (04).

    The notebook is graded as it was saved. Its code runs with your own rights.
    """
    try:
        result = grade_notebook(notebook, master=master, time_limit=time_limit)
        if html:
            from dltwice.grading.report import html_page

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


if __name__ == "__main__":
    sys.exit(main())
