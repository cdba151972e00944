"""The learner's own record of scores, on this computer only: `progress.json` in the user's data folder.

    record(result)         # after a grade: the last and the best score of the chapter
    load()                 # what is kept
    overview()             # the same for every chapter of the book

The folder is the system's place for such data, or the one that the environment variable `DLTWICE_DATA` names.
A record that can't be written costs a note and never a grade; one that can't be read is kept under another
name.
"""

import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_data_path

from dltwice.grading.results import GradeResult

VERSION = 1
WAIT = 10.0  # seconds for another process that is writing
_FAILURES = (OSError, RuntimeError)  # the second where a file system has no locks, or there is no home

Scores = dict[str, dict[str, dict[str, Any]]]  # chapter → "last" and "best" → earned, points, untouched, date


def data_file() -> Path:
    """Where the record is."""
    named = os.environ.get("DLTWICE_DATA")
    folder = Path(named).expanduser() if named else user_data_path("dltwice", appauthor=False)
    return folder / "progress.json"


def record(result: GradeResult, notebook: str | Path | None = None) -> bool:
    """Keep the score of an exercise of the book.

    Args:
        result: the grade. What is not a chapter of the book, or has no score, is left out.
        notebook: the graded file, if it is known: only those in `exercises/` count, so that an instructor's
            look at somebody else's file does not.

    Returns:
        Whether it was kept. If the file can't be written, a note says so; nothing is raised.
    """
    try:
        if result.status == "unreadable" or not result.points or not _of_the_book(result.chapter, notebook):
            return False
        _add(result)
    except _FAILURES as error:
        reason = getattr(error, "strerror", None) or error
        _note(f"The score was not added to {data_file()}: {reason}. The grade itself is complete.")
        return False
    return True


def load() -> Scores:
    """The last and the best score by chapter; empty if there is no record that can be read."""
    try:
        with _locked():
            return _read()
    except _FAILURES:  # a folder that can't be written may still be read
        with suppress(OSError, ValueError):
            return _parse(data_file().read_bytes())
        return {}


def clear() -> None:
    """Forget all scores.

    Raises:
        OSError: if the file can't be deleted.
    """
    with _locked():
        data_file().unlink(missing_ok=True)


def overview() -> list[dict[str, Any]]:
    """One dictionary per chapter: `chapter`, and `last` and `best` as kept, or None without a grade."""
    scores = load()
    names = sorted({*chapters(), *scores})
    return [{"chapter": name} | (scores.get(name) or {"last": None, "best": None}) for name in names]


def chapters() -> list[str]:
    """The chapters of the book that have exercises: those of the folder that we are in, or of the package."""
    for root in _roots():
        found = sorted(p.stem for p in root.glob("exercises/*/*.ipynb") if p.stem == p.parent.name)
        if found:
            return found
    return []


def _add(result: GradeResult) -> None:
    entry = {
        "earned": result.earned,
        "points": result.points,
        "untouched": [question.name for question in result.questions if question.status == "untouched"],
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    with _locked():
        scores = _read()
        best = scores.get(result.chapter, {}).get("best")
        better = best is None or _share(entry) >= _share(best)
        scores[result.chapter] = {"last": entry, "best": entry if better else best}
        _write(scores)


def _roots() -> Iterator[Path]:
    here = Path.cwd()
    yield from (here, *here.parents, Path(__file__).resolve().parents[2])


def _of_the_book(chapter: str, notebook: str | Path | None) -> bool:
    if notebook is not None:
        folder = Path(notebook).resolve().parent
        return folder.name == chapter and folder.parent.name == "exercises"
    return chapter in chapters()


@contextmanager
def _locked() -> Iterator[None]:
    """Hold the record for this process alone."""
    folder = data_file().parent
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "progress.lock", timeout=WAIT):
        yield


def _read() -> Scores:
    """The record. A broken one is set aside under a name that says so, and a new one is begun."""
    path = data_file()
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        aside = path.with_name(f"progress.broken-{datetime.now():%Y%m%d-%H%M%S-%f}.json")
        path.replace(aside)
        _note(f"{path} could not be read. It is kept as {aside.name}, and a new one is begun.")
        return {}


def _parse(data: bytes) -> Scores:
    """The scores in the file's content; ValueError if it is not what `_write` writes."""
    try:
        kept = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(kept, dict) or kept.get("version") != VERSION:
        raise ValueError("not a record of this version")
    scores = kept.get("chapters")
    if not isinstance(scores, dict) or not all(map(_is_chapter, scores.values())):
        raise ValueError("not a record of scores")
    return scores


def _is_chapter(value: Any) -> bool:
    return (
        isinstance(value, dict) and value.keys() == {"last", "best"} and all(map(_is_entry, value.values()))
    )


def _is_entry(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("date"), str):
        return False
    numbers = (value.get("earned"), value.get("points"))
    names = value.get("untouched")
    return (
        all(type(n) in (int, float) and math.isfinite(n) for n in numbers)
        and value["points"] > 0
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
    )


def _write(scores: Scores) -> None:
    """Replace the file in one step: whoever reads finds the old one or the new one."""
    path = data_file()
    text = json.dumps({"version": VERSION, "chapters": scores}, indent=2, ensure_ascii=False) + "\n"
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".progress-", suffix=".tmp")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _share(entry: dict[str, Any]) -> float:
    """The part of the points that was earned: the points of a chapter may change with a new edition."""
    return entry["earned"] / entry["points"]


def _note(text: str) -> None:
    """Say something beside the output: with `--json`, standard output is for the result."""
    print(f"Note: {text}", file=sys.stderr)
