"""The masters that a batch grades with, by the names of their chapters."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from dltwice.grading.notebook import Master, load_master
from dltwice.grading.private import find_tests, overlay
from dltwice.grading.results import GradingError


@dataclass(frozen=True)
class Chapter:
    """A chapter's master, with the private tests if there are any."""

    name: str
    master: Master
    private: bool = False

    @cached_property
    def digest(self) -> str:
        """A hash of everything that decides on points."""
        text = json.dumps([self.name, asdict(self.master)], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Masters:
    """The chapters that can be graded.

    Attributes:
        chapters: name → chapter, in the order of the names.
        default: the chapter that `--chapter` names, or empty.
    """

    def __init__(self, chapters: dict[str, Chapter], default: str = "") -> None:
        self.chapters = dict(sorted(chapters.items()))
        self.default = self._named(default) if default else ""

    def match(self, data: bytes) -> str:
        """The chapter with the most answer cells in a notebook, known by their names; empty if none is ahead.

        The names are looked for in the raw bytes, so that a damaged file is matched too.
        """
        counts = {
            name: sum(f'"{question}"'.encode() in data for question in chapter.master.questions)
            for name, chapter in self.chapters.items()
        }
        first, second = sorted([*counts.values(), 0, 0], reverse=True)[:2]
        return next(name for name, count in counts.items() if count == first) if first > second else ""

    def _named(self, name: str) -> str:
        """The chapter meant by 04 or 04_convolution."""
        number = name.zfill(2) if name.isdecimal() else name
        found = [key for key in self.chapters if name == key or key.partition("_")[0] == number]
        if len(found) != 1:
            there = ", ".join(self.chapters)
            raise GradingError(f"There is no chapter {name} to grade with, only {there}. Name one of these.")
        return found[0]


def find_masters(
    near: Path, master: Path | None = None, tests: Path | None = None, chapter: str = ""
) -> Masters:
    """Read the masters of the book's `solutions/`, or one `master`, and lay private tests over them.

    Args:
        near: the submissions; the book is looked for above them, above the working directory, and beside the
            package.
        master: the only master to use, its chapter being the name of the file.
        tests: a folder with private tests.
        chapter: the chapter of notebooks that do not say theirs, such as 04.

    Raises:
        GradingError: if there is no master, or a master or a private test is broken.
    """
    paths = [master] if master else _in_book(near)
    chapters = {path.stem: Chapter(path.stem, _load(path)) for path in paths}
    for name, path in (find_tests(tests, chapters) if tests else {}).items():
        chapters[name] = Chapter(name, overlay(chapters[name].master, path), private=True)
    return Masters(chapters, chapter)


def _in_book(near: Path) -> list[Path]:
    """The masters of the first book that is found."""
    for start in (near.resolve().parent, Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            paths = [path for path in folder.glob("solutions/*/*.ipynb") if path.stem == path.parent.name]
            paths = [path for path in paths if re.fullmatch(r"\d\d_\w+", path.stem)]
            if paths:
                return sorted(paths)
    raise GradingError(
        "There are no solutions to grade with. Work inside the book's folder, or name a master with --master."
    )


def _load(path: Path) -> Master:
    try:
        return load_master(path.read_bytes())
    except OSError as error:
        raise GradingError(f"{path} can't be read: {error.strerror or error}.") from None
    except (GradingError, KeyError, TypeError, ValueError) as error:
        raise GradingError(f"{path}: {error}") from None
