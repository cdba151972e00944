"""From a folder or zip to the list of submissions: every input once, none without a reason lost.

Each notebook is a submission of its own. Two of the same student and chapter are two rows, because which one
counts is for the instructor to say. A student with other files but no notebook, or with an empty folder, is
one submission that can't be read. Files beside the students' folders, such as a list of the class, are left
out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dltwice.grading.inputs import LARGE, Archive, Entry, Folder
from dltwice.grading.naming import Named, is_notebook, is_platform_name, read_path
from dltwice.grading.results import GradingError

WRAPPERS = ("submissions", "submitted")
NO_NOTEBOOK = "There is no notebook, only {}. Hand in the .ipynb file."
EMPTY = "The folder has no notebook. Hand in the .ipynb file."
PACKED = "There is no notebook, only {}. Hand in the .ipynb file, not packed."


@dataclass(frozen=True)
class Submission:
    """One input, of which there is exactly one row.

    Attributes:
        file: its path below the folder or in the zip; unique.
        student: who handed it in.
        student_id: the learning platform's number for the student, or empty.
        late: whether the platform marks it as late.
        chapter: the chapter that its path names, or empty.
        entry: what to read.
        problem: why it can't be graded, where that is known without reading it.
    """

    file: str
    student: str
    student_id: str
    late: bool
    chapter: str
    entry: Entry
    problem: str = ""

    @property
    def who(self) -> tuple[str, str]:
        """The student's name and number, which together tell students apart."""
        return self.student, self.student_id


@dataclass
class Collection:
    """The submissions, and the files that are none."""

    submissions: list[Submission]
    left_out: list[str] = field(default_factory=list)


def collect(source: Folder | Archive, chapters: Iterable[str]) -> Collection:
    """List the submissions of a folder or zip in the order of their paths.

    Args:
        source: the folder or zip.
        chapters: the names of the chapters that there are.

    Raises:
        GradingError: if there is not a single one.
    """
    chapters = list(chapters)
    entries = source.entries()
    wrapper = _wrapper(entries, source.name)
    named = [(entry, _read(entry, wrapper, chapters)) for entry in entries if entry.path != wrapper]
    found = [_submission(e, n) for e, n in named if not e.folder and is_notebook(e.path)]
    full = {part for e, _ in named if not e.folder for part in _folders_of(e.path)}
    others = [(e, n) for e, n in named if not (is_notebook(e.path) and not e.folder) and _counts(e, n, full)]
    nested = any(not n.loose for _, n in named)
    left_out = [e.path for e, n in others if n.loose and nested and not e.problem]
    others = [(e, n) for e, n in others if e.path not in set(left_out)]
    found += _without_notebook(others, found)
    if not found:
        raise GradingError(
            f"There is no submission in {source.path}. Expected notebooks, such as STUDENT/04_convolution/"
            "04_convolution.ipynb or STUDENT_04_convolution.ipynb, or the zip of Moodle or Canvas."
        )
    return Collection(sorted(found, key=lambda s: s.file), left_out)


def _wrapper(entries: list[Entry], name: str) -> str:
    """The one folder around all others, as zips often have it; a student's own folder is none."""
    tops = {entry.path.split("/")[0] for entry in entries}
    top = tops.pop() if len(tops) == 1 else ""
    if not top or not any(entry.folder and entry.path == top for entry in entries) or is_platform_name(top):
        return ""
    inside = {entry.path.split("/")[1] for entry in entries if entry.path != top}
    notebooks = sum(is_notebook(entry.path) for entry in entries)
    known = top.casefold() in WRAPPERS or (top.casefold() == name.casefold() and notebooks > 1)
    return top if known or any(is_platform_name(child) for child in inside) else ""


def _read(entry: Entry, wrapper: str, chapters: list[str]) -> Named:
    path = entry.path.removeprefix(f"{wrapper}/") if wrapper else entry.path
    return read_path(f"{path}/" if entry.folder else path, chapters)


def _folders_of(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _counts(entry: Entry, named: Named, full: set[str]) -> bool:
    """Whether an entry that is no notebook says something: a file, or a student's folder without files."""
    return not entry.folder or (entry.path not in full and not named.loose) or bool(entry.problem)


def _submission(entry: Entry, named: Named, problem: str = "") -> Submission:
    return Submission(
        file=entry.path,
        student=named.student,
        student_id=named.student_id,
        late=named.late,
        chapter=named.chapter,
        entry=entry,
        problem=problem if problem and entry.problem in ("", LARGE) else entry.problem,
    )


def _without_notebook(others: list[tuple[Entry, Named]], notebooks: list[Submission]) -> list[Submission]:
    """One submission for each student, or chapter of a student, with files or folders but no notebook."""
    handed_in: dict[tuple[str, str], set[str]] = {}
    for submission in notebooks:
        handed_in.setdefault(submission.who, set()).add(submission.chapter)
    groups: dict[tuple[str, str, str], list[tuple[Entry, Named]]] = {}
    for entry, named in others:
        chapters = handed_in.get((named.student, named.student_id), set())
        unread = entry.folder and entry.problem  # what is in it is not known
        if not chapters or unread or (named.chapter and not chapters & {named.chapter, ""}):
            groups.setdefault((named.student, named.student_id, named.chapter), []).append((entry, named))
    several = {key[:2] for key in groups if key[2]}
    return [
        _submission(*_first(group), _reason([entry for entry, _ in group]))
        for key, group in groups.items()
        if key[2] or key[:2] not in several or any(entry.problem for entry, _ in group)
    ]


def _first(group: list[tuple[Entry, Named]]) -> tuple[Entry, Named]:
    """What stands for a group: the first that can't be read, or the first."""
    return next((pair for pair in group if pair[0].problem), group[0])


def _reason(entries: list[Entry]) -> str:
    names = [entry.path.rpartition("/")[2] for entry in entries if not entry.folder]
    if not names:
        return EMPTY
    text = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    packed = all(name.casefold().endswith((".zip", ".rar", ".7z", ".gz", ".tar")) for name in names)
    return (PACKED if packed else NO_NOTEBOOK).format(text)
