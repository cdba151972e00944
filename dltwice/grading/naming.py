"""Who handed in a file, and for which chapter: read from its path, as people and platforms name it.

| layout | example |
|---|---|
| a folder per student | `alice/04_convolution/04_convolution.ipynb`, `alice/answers.ipynb` |
| a folder per chapter | `04_convolution/alice/04_convolution.ipynb`, `04_convolution/alice.ipynb` |
| a flat folder | `alice_04_convolution.ipynb`, `04_convolution-alice.ipynb`, `alice.ipynb` |
| Moodle | `Alice Kim_12345_assignsubmission_file/04_convolution.ipynb` |
| Moodle, without folders | `Alice Kim_12345_assignsubmission_file_04_convolution.ipynb` |
| Canvas | `kimalice_LATE_678_91011_04_convolution-1.ipynb` |

Moodle (mod/assign/classes/downloader.php) writes the full name with its underscores made spaces, then the
participant number, which is `Participant 12345` in the assignment's grading worksheet; a team has its group's
number, and the default group none. Older versions end the folder's name in one more underscore. Canvas
(lib/content_zipper.rb) writes the sortable name in lower case without spaces, `LATE`, the user's id, which is
the column `ID` of its gradebook, the file's id, and the file's name; an anonymous one has `anon_` and a code.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

MOODLE = re.compile(
    r"(?P<name>.*?)(?:_(?P<id>\d+))?_assignsubmission_(?P<kind>[a-z]+?)(?:_(?P<rest>.*))?", re.DOTALL
)
CANVAS = re.compile(
    r"(?:(?P<name>.+?)_)?(?:(?P<late>late)_)?(?P<id>\d+|anon_[a-z0-9]+)_"
    r"(?:(?P<file>\d{3,})_(?P<rest>.+)|(?P<text>text|link)\.html)",  # two digits would be a chapter's number
    re.IGNORECASE | re.DOTALL,
)
NOTEBOOK = re.compile(r"\.ipynb(\.(txt|json|download))?$", re.IGNORECASE)  # some browsers add an ending
COPY = re.compile(r"(\s*\(\d+\)|[-_ ]copy\d*)+$", re.IGNORECASE)  # "alice (1)", "alice-Copy1"
HIDDEN = ("__macosx", "__pycache__", "thumbs.db", "desktop.ini")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


@dataclass(frozen=True)
class Named:
    """What a path says.

    Attributes:
        student: the name; never empty.
        student_id: the platform's number for the student, if the path has one.
        late: whether the platform marks it as late.
        chapter: one of the known chapters, or empty if the path names none.
        platform: "moodle", "canvas" or empty.
        loose: whether nothing but the file's own name says whose it is.
    """

    student: str
    student_id: str = ""
    late: bool = False
    chapter: str = ""
    platform: str = ""
    loose: bool = False


def read_path(path: str, chapters: Iterable[str]) -> Named:
    """Read the path of a file, relative to the folder or zip of submissions, with `/` between its parts.

    Only names of known `chapters` count as chapters: `12_kim` may be a student.
    """
    *folders, file = path.split("/")
    chapters = list(chapters)
    chapter, rest = "", []
    for folder in folders:
        found = chapter_in(folder, chapters, whole=True)
        rest += [] if found and not chapter else [folder]
        chapter = chapter or found
    own = chapter_in(NOTEBOOK.sub("", file), chapters)
    named = _of_platform(rest, file)
    if named is None and rest:
        named = Named(_without(rest[0], chapter_in(rest[0], chapters)))
    elif named is None:
        named = Named(_student_in(file, own), loose=True)
    inside = (chapter_in(folder, chapters) for folder in reversed(rest))
    return replace(named, chapter=chapter or own or next(filter(None, inside), ""))


def chapter_in(text: str, chapters: Iterable[str], whole: bool = False) -> str:
    """The known chapter that `text` names, or is if `whole`; empty if there is none."""
    for chapter in sorted(chapters, key=len, reverse=True):
        pattern = _pattern(chapter)
        if pattern.fullmatch(text) if whole else pattern.search(text):
            return chapter
    return ""


def is_notebook(path: str) -> bool:
    """Whether a file is a notebook by its name."""
    return bool(NOTEBOOK.search(path))


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the student's doing: checkpoints, macOS's and Windows's own."""
    return name.startswith((".", "~$")) or name.casefold() in HIDDEN


def is_platform_name(name: str) -> bool:
    """Whether a file or folder is named by Moodle or Canvas."""
    return bool(MOODLE.fullmatch(name) or CANVAS.fullmatch(name))


def email_of(student: str) -> str:
    """The name, if it is an e-mail address."""
    return student if EMAIL.fullmatch(student) else ""


def tidy(text: str) -> str:
    """A name as people write it: composed characters (macOS decomposes them), single spaces, printable."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split()) or "unnamed"


def _of_platform(folders: list[str], file: str) -> Named | None:
    """What Moodle or Canvas says in the name of the student's folder or of the file."""
    for text in (*folders[:1], file):
        if found := MOODLE.fullmatch(text):
            return Named(tidy(found["name"]), found["id"] or "", platform="moodle")
    first = folders[0] if folders else file
    found = CANVAS.fullmatch(first)
    if not found and folders and (found := CANVAS.fullmatch(file)) and found["name"] != folders[0]:
        found = None  # in a student's own folder, hw_2024_1031.ipynb is a file's name
    if not found:
        return None
    name, number = found["name"] or "", found["id"]
    late = bool(found["late"]) or (name.casefold() == "late" and not number.isdigit())
    if not number.isdigit():
        return Named(number, late=late, platform="canvas")
    return Named(tidy(name or number), number, late, platform="canvas")


def _student_in(file: str, chapter: str) -> str:
    """The student in a file's name: what is left without its ending, the chapter and the marks of a copy."""
    stem = NOTEBOOK.sub("", file) if is_notebook(file) else file.rpartition(".")[0] or file
    name = COPY.sub("", _without(COPY.sub("", stem), chapter))
    return tidy(stem) if chapter_in(name, [chapter] if chapter else [], whole=True) else tidy(name)


def _without(text: str, chapter: str) -> str:
    """A student's name without the chapter's; all of `text` if nothing else is in it."""
    name = _pattern(chapter).sub("", text).strip(" _-.()[]+,") if chapter else text
    return tidy(name or text)


def _pattern(chapter: str) -> re.Pattern[str]:
    """Finds a chapter's name, also with spaces or hyphens, but not as a part of a longer one."""
    words = r"[\s_-]+".join(re.escape(word) for word in chapter.split("_"))
    return re.compile(rf"(?<!\d){words}(?![^\W_])", re.IGNORECASE)
