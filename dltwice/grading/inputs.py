"""The files of a folder or a zip of submissions: what is there, and their bytes, read one at a time.

A zip is never extracted: its members' names are only labels. Nothing larger than `LARGEST` is read, so a zip
bomb costs at most that much memory. What can't be read gets a sentence that says so and stops nothing.
"""

import itertools
import os
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dltwice.grading.naming import is_hidden
from dltwice.grading.notebook import LARGEST, UnreadableError
from dltwice.grading.results import GradingError

MOST_MEMBERS = 200_000  # of a zip
LARGE = f"The file has more than {LARGEST // 2**20} MB and was not read. Clear its outputs and save it."
LINK = "It is a link to something outside of the submissions, which is not followed. Hand in the file itself."
LINKED_FOLDER = "It is a link to a folder, which is not followed. Hand in the folder itself."
SPECIAL = "It is not a regular file."
NO_FILE = "The file can't be read: {}."
LOCKED = "The file is encrypted in the zip. Make the zip without a password."


@dataclass(frozen=True)
class Entry:
    """One file or folder.

    Attributes:
        path: below the folder or in the zip, with `/` between its parts; unique, and safe to print.
        place: the path on disk, or the member's number in the zip.
        folder: whether it is a folder.
        problem: why it can't be read, where that is known without reading.
    """

    path: str
    place: str | int
    folder: bool = False
    problem: str = ""


class Folder:
    """A folder of submissions. `skip` is a folder in it that is none, such as the output's."""

    def __init__(self, path: Path, skip: Path | None = None) -> None:
        self.path = path
        self.skip = skip.resolve() if skip else None
        self.name = path.resolve().name

    def entries(self) -> list[Entry]:
        """All that is not hidden, in the order of the paths."""
        return _unique(self._walk(str(self.path)))

    def read(self, entry: Entry) -> bytes:
        """The bytes of a file.

        Raises:
            UnreadableError: if it has too many, or can't be read.
        """
        try:
            with open(entry.place, "rb") as file:
                return _limited(file.read(LARGEST + 1))
        except OSError as error:
            raise UnreadableError(NO_FILE.format(error.strerror or error)) from None

    def close(self) -> None:
        """Nothing is open."""

    def _walk(self, folder: str) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as found:
                items = sorted((item for item in found if not is_hidden(item.name)), key=lambda i: i.name)
        except OSError as error:
            problem = f"The folder can't be opened: {error.strerror or error}."
            yield Entry(self._label(folder), folder, folder=True, problem=problem)
            return
        for item in items:
            name = self._label(item.path)
            if item.is_dir(follow_symlinks=False):
                if self.skip is None or Path(item.path).resolve() != self.skip:
                    yield Entry(name, item.path, folder=True)
                    yield from self._walk(item.path)
            elif item.is_symlink() and os.path.isdir(item.path):
                yield Entry(name, item.path, folder=True, problem=LINKED_FOLDER)
            else:
                yield Entry(name, item.path, problem=self._file_problem(item))

    def _file_problem(self, item: os.DirEntry) -> str:
        try:
            if item.is_symlink() and self.path.resolve() not in Path(item.path).resolve().parents:
                return LINK
            info = item.stat()
        except (OSError, RuntimeError) as error:
            return NO_FILE.format(getattr(error, "strerror", None) or error)
        if not stat.S_ISREG(info.st_mode):
            return SPECIAL
        return LARGE if info.st_size > LARGEST else ""

    def _label(self, path: str) -> str:
        return label(os.path.relpath(path, self.path).replace(os.sep, "/"))


class Archive:
    """A zip of submissions.

    Raises:
        GradingError: if it is no zip, is cut off, or is encrypted as a whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.stem
        try:
            self.zip = zipfile.ZipFile(path)
        except OSError as error:
            raise GradingError(f"{path} can't be opened: {error.strerror or error}.") from None
        except Exception:  # zipfile raises several kinds for damaged files
            raise GradingError(f"{path} is not a zip, or is cut off. Download it again.") from None
        self.members = self.zip.infolist()
        files = [member for member in self.members if not member.is_dir()]
        if len(files) > MOST_MEMBERS:
            raise GradingError(f"{path} has {len(files):,} files, expected at most {MOST_MEMBERS:,}.")
        if files and all(member.flag_bits & 1 for member in files):
            raise GradingError(f"{path} is encrypted. Make the zip without a password, or unpack it.")

    def entries(self) -> list[Entry]:
        """All that is not hidden, in the order of the paths."""
        return _unique(self._walk())

    def read(self, entry: Entry) -> bytes:
        """The bytes of a member.

        Raises:
            UnreadableError: if it has too many, or is damaged.
        """
        try:
            with self.zip.open(self.members[entry.place]) as file:
                return _limited(file.read(LARGEST + 1))
        except UnreadableError:
            raise
        except Exception as error:  # BadZipFile, zlib.error, EOFError, NotImplementedError, …
            raise UnreadableError(
                f"The file is damaged in the zip: {str(error) or 'it ends early'}."
            ) from None

    def close(self) -> None:
        """Close the zip."""
        self.zip.close()

    def _walk(self) -> Iterator[Entry]:
        for number, member in enumerate(self.members):
            parts = [part for part in member_name(member).split("/") if part not in ("", ".", "..")]
            shown = list(itertools.takewhile(lambda part: not is_hidden(part), parts))
            for depth in range(1, min(len(shown) + 1, len(parts))):  # many zips do not list their folders
                yield Entry(label("/".join(parts[:depth])), number, folder=True)
            if parts and shown == parts:
                problem = "" if member.is_dir() else _member_problem(member)
                yield Entry(label("/".join(parts)), number, folder=member.is_dir(), problem=problem)


def open_input(path: Path, skip: Path | None = None) -> Folder | Archive:
    """The submissions in `path`, a folder or a zip; `skip` is a folder to leave out.

    Raises:
        GradingError: if it is neither.
    """
    if path.is_dir():
        return Folder(path, skip)
    if path.suffix.casefold() == ".ipynb":
        raise GradingError(f"{path} is one notebook: type `dltwice grade {path}`, or name its folder.")
    if path.is_file():
        return Archive(path)
    raise GradingError(f"There is no {path}. Expected a folder of submissions or a zip.")


def member_name(member: zipfile.ZipInfo) -> str:
    """The name of a zip's member, with `/` between its parts.

    The format has a flag for UTF-8; without it Python reads code page 437. Many tools write UTF-8 without the
    flag, and zips made by a Korean Windows have EUC-KR, so these are tried first.
    """
    name = member.filename
    if not member.flag_bits & 0x800 and not name.isascii():
        for encoding in ("utf-8", "euc_kr"):
            try:
                name = member.filename.encode("cp437").decode(encoding)
                break
            except UnicodeError:
                continue
    return name.replace("\\", "/")


def label(path: str) -> str:
    """A path as text: composed characters, what can't be printed or is not Unicode written as `\\x…`."""
    path = unicodedata.normalize("NFC", path)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)


def _member_problem(member: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(member.external_attr >> 16):
        return LINK
    if member.flag_bits & 1:
        return LOCKED
    return LARGE if member.file_size > LARGEST else ""


def _limited(data: bytes) -> bytes:
    if len(data) > LARGEST:
        raise UnreadableError(LARGE)
    return data


def _unique(entries: Iterator[Entry]) -> list[Entry]:
    """The entries in the order of their paths; files of the same path, which a zip may have, get a number."""
    found: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda e: (e.path, e.folder, e.folder and not e.problem)):
        if entry.path not in found:
            found[entry.path] = entry
        elif not entry.folder:
            stem, ending = os.path.splitext(entry.path)
            numbered = (f"{stem} ({number}){ending}" for number in itertools.count(2))
            path = next(path for path in numbered if path not in found)
            found[path] = replace(entry, path=path)
    return list(found.values())
