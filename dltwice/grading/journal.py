"""The journal of a batch: an SQLite file in the output folder with one row for each graded input.

A row is written when its result comes and is safe from then on: a process that is killed loses none. One
batch at a time can have the journal: SQLite's exclusive lock is the operating system's, so it ends with the
process, however that ends.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltwice.grading.results import GradingError

NAME = "journal.sqlite"
VERSION = 1
TABLES = """
CREATE TABLE rows (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    settings TEXT NOT NULL,
    final INTEGER NOT NULL,
    result TEXT NOT NULL,
    UNIQUE (file, sha256, settings)
);
CREATE TABLE pages (path TEXT PRIMARY KEY);
"""


@dataclass(frozen=True)
class Key:
    """What a result belongs to.

    Attributes:
        file: the input's path.
        sha256: the hash of its content; empty if it could not be read.
        settings: a hash of the master, the private tests and the settings that it was graded with.
    """

    file: str
    sha256: str
    settings: str

    @property
    def values(self) -> tuple[str, str, str]:
        """The three as SQL wants them."""
        return self.file, self.sha256, self.settings


class Journal:
    """The journal in `folder`, made if there is none. Use it as a context.

    Raises:
        GradingError: if another batch has it, or it can't be used.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        with self._in_words():
            folder.mkdir(parents=True, exist_ok=True)
            self.base = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            self.base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.base.execute("PRAGMA journal_mode = WAL")
            self.base.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing with it
            self._prepare()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self.base.close()

    def get(self, key: Key) -> tuple[dict[str, Any], bool] | None:
        """The result under `key`, and whether it is final: if not, the next batch tries again."""
        with self._in_words():
            found = self.base.execute(
                "SELECT result, final FROM rows WHERE file = ? AND sha256 = ? AND settings = ?", key.values
            ).fetchone()
        return (json.loads(found[0]), bool(found[1])) if found else None

    def put(self, key: Key, result: dict[str, Any], final: bool = True) -> None:
        """Write the row of `key`, in place of an earlier one.

        Raises:
            GradingError: if the disk is full, or the file is damaged.
        """
        with self._in_words():
            self.base.execute(
                "INSERT OR REPLACE INTO rows (file, sha256, settings, final, result) VALUES (?, ?, ?, ?, ?)",
                (*key.values, final, json.dumps(result)),
            )

    def forget(self, files: Iterable[str]) -> None:
        """Delete all rows of these inputs."""
        with self._at_once():
            self.base.executemany("DELETE FROM rows WHERE file = ?", ((file,) for file in files))

    def pages(self) -> set[str]:
        """The feedback pages that earlier batches have written, relative to the output folder."""
        with self._in_words():
            return {path for (path,) in self.base.execute("SELECT path FROM pages")}

    def set_pages(self, paths: Iterable[str]) -> None:
        """Remember the feedback pages that are there."""
        with self._at_once():
            self.base.execute("DELETE FROM pages")
            self.base.executemany("INSERT INTO pages VALUES (?)", ((path,) for path in paths))

    def _prepare(self) -> None:
        """Take the lock, which stays until the file is closed, and make the tables."""
        with self._at_once():
            (version,) = self.base.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError(f"its version is {version}, expected {VERSION}")
            if version == 0:
                for statement in TABLES.strip().split(";\n"):
                    self.base.execute(statement)
                self.base.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """All changes or, if the process ends before, none."""
        with self._in_words():
            self.base.execute("BEGIN EXCLUSIVE")
            yield
            self.base.execute("COMMIT")

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """What SQLite raises as a GradingError."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise GradingError(_why(error, self.path)) from None


def _why(error: Exception, path: Path) -> str:
    if "locked" in str(error):
        return (
            f"Another batch is writing to {path.parent}. Wait until it ends, or choose another folder: --out."
        )
    if isinstance(error, OSError):
        return f"{path.parent} can't be written: {error.strerror or error}. Choose another folder: --out."
    return f"{path} can't be used ({error}). Free the disk, choose another folder with --out, or delete it."
