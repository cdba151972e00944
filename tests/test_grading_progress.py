"""The learner's record of scores: what is kept, and that nothing about it ever stops a grade."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from dltwice.grading import progress
from dltwice.grading.cli import main
from dltwice.grading.results import GradeResult, QuestionResult

ENTRY = {"earned": 1, "points": 4, "untouched": ["half"], "date": "2026-01-02T03:04:05+09:00"}


def result(earned=1.0, chapter="03_doubling", points=3.0, **changes):
    double = QuestionResult("double", "Doubling", earned, points, "failed")
    half = QuestionResult("half", "Halving", 0.0, 1.0, "untouched")
    return GradeResult((double, half), chapter=chapter, **changes)


@pytest.fixture(autouse=True)
def book(tmp_path, monkeypatch):
    """A book with two chapters in the working directory, and a data folder that is not there yet."""
    for chapter in ("03_doubling", "04_halving"):
        (tmp_path / "exercises" / chapter).mkdir(parents=True)
        (tmp_path / "exercises" / chapter / f"{chapter}.ipynb").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTWICE_DATA", str(tmp_path / "data" / "of mine"))
    return tmp_path


def kept():
    return json.loads(progress.data_file().read_text(encoding="utf-8"))["chapters"]


def run(*arguments, **options):
    return CliRunner().invoke(main, ["progress", *arguments], **options)


def test_the_last_and_the_best_score_are_kept():
    for earned in (1, 3, 2):
        assert progress.record(result(earned))
    chapter = kept()["03_doubling"]
    assert (chapter["last"]["earned"], chapter["best"]["earned"]) == (2, 3)
    assert chapter["last"]["points"] == 4
    assert chapter["last"]["untouched"] == ["half"]
    assert chapter["last"]["date"][:2] == "20"


def test_the_best_is_the_largest_share_of_the_points():
    progress.record(result(3, points=3))
    progress.record(result(4, points=9))
    assert progress.load()["03_doubling"]["best"]["earned"] == 3


@pytest.mark.parametrize(
    ("graded", "notebook", "counts"),
    [
        (result(), None, True),
        (result(), "exercises/03_doubling/03_doubling.ipynb", True),
        (result(), "exercises/03_doubling/my copy.ipynb", True),
        (result(), "submissions/kim/03_doubling/03_doubling.ipynb", False),
        (result(chapter="essay"), None, False),
        (result(chapter=""), None, False),
        (GradeResult((), chapter="03_doubling"), None, False),
        (GradeResult((), chapter="03_doubling", status="unreadable"), None, False),
    ],
)
def test_only_exercises_of_the_book_count(graded, notebook, counts, capsys):
    assert progress.record(graded, notebook) == counts
    assert progress.data_file().exists() == counts
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"version": 1, "chapters": []}',
        b'{"version": 2, "chapters": {}}',
        b'{"version": 1, "chapters": {"03_doubling": {"last": 3}}}',
        json.dumps(
            {"version": 1, "chapters": {"a": {"last": ENTRY, "best": ENTRY | {"points": 0}}}}
        ).encode(),
        json.dumps(
            {"version": 1, "chapters": {"a": {"last": ENTRY, "best": ENTRY | {"earned": "1"}}}}
        ).encode(),
        b'{"version": 1, "chapters": {"a": {"last": {"earned": NaN}}}}',
    ],
)
def test_a_broken_record_is_set_aside_and_begun_anew(content, capsys):
    file = progress.data_file()
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert progress.record(result())
    assert "could not be read" in capsys.readouterr().err
    (aside,) = file.parent.glob("progress.broken-*.json")
    assert aside.read_bytes() == content
    assert list(kept()) == ["03_doubling"]


def test_a_record_that_can_not_be_written_costs_a_note(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DLTWICE_DATA", str(tmp_path / "file"))
    assert not progress.record(result())
    said = capsys.readouterr().err
    assert said.startswith("Note: The score was not added to")
    assert "The grade itself is complete." in said
    assert progress.load() == {}


def test_a_full_disk_leaves_the_old_record(monkeypatch, capsys):
    progress.record(result(1))
    before = progress.data_file().read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress.os, "fsync", full)
    assert not progress.record(result(2))
    assert "No space left" in capsys.readouterr().err
    assert progress.data_file().read_bytes() == before
    assert {path.name for path in progress.data_file().parent.iterdir()} <= {"progress.json", "progress.lock"}


def test_a_lock_that_is_held_costs_a_note(monkeypatch, capsys):
    monkeypatch.setattr(progress, "WAIT", 0.1)
    with progress._locked():
        assert not progress.record(result())
    assert "not added" in capsys.readouterr().err


def test_many_writers_lose_nothing(book):
    names = [f"{i:02}_x" for i in range(10, 30)]
    for name in names:
        (book / "exercises" / name).mkdir()
        (book / "exercises" / name / f"{name}.ipynb").write_text("{}")
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda name: progress.record(result(chapter=name)), names))
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_grading_progress import progress, result\n"
        "for i in range(20): assert progress.record(result(i % 4, chapter=sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    running = [subprocess.Popen([*command, chapter]) for chapter in ("03_doubling", "04_halving")]
    assert [process.wait() for process in running] == [0, 0]
    assert sorted(kept()) == sorted(["03_doubling", "04_halving", *names])
    assert kept()["03_doubling"]["best"]["earned"] == 3


def test_the_table_has_every_chapter_of_the_book():
    progress.record(result(3))
    shown = run().output
    assert "03_doubling" in shown
    assert "3 of 4 (75%)" in shown
    assert "half" in shown
    assert "04_halving" in shown
    assert "not graded yet" in shown


def test_the_record_is_printed_as_json():
    progress.record(result(3))
    data = json.loads(run("--json").output)
    assert [chapter["chapter"] for chapter in data["chapters"]] == ["03_doubling", "04_halving"]
    assert data["chapters"][0]["best"]["earned"] == 3
    assert data["chapters"][1] == {"chapter": "04_halving", "last": None, "best": None}
    assert data["file"] == str(progress.data_file())


@pytest.mark.parametrize(("answer", "left"), [("y\n", []), ("n\n", ["03_doubling"]), ("", ["03_doubling"])])
def test_clear_asks_first(answer, left):
    progress.record(result())
    run("--clear", input=answer)
    assert list(progress.load()) == left


def test_clear_without_a_record():
    assert run("--clear", input="y\n").exit_code == 0


def test_without_exercises_there_is_nothing_to_show(monkeypatch):
    monkeypatch.setattr(progress, "chapters", list)
    assert run().output == "There are no exercises here.\n"


def test_the_place_is_the_systems_own_without_the_variable(monkeypatch):
    monkeypatch.delenv("DLTWICE_DATA")
    file = progress.data_file()
    assert file.is_absolute()
    assert (file.parent.name, file.name) == ("dltwice", "progress.json")


def test_the_variable_may_name_the_home_folder(monkeypatch):
    monkeypatch.setenv("DLTWICE_DATA", "~/scores")
    assert "~" not in str(progress.data_file())


def test_a_terminal_gets_no_control_characters():
    progress.record(result())
    text = progress.data_file().read_text().replace("half", r"\u001b[31m")
    progress.data_file().write_text(text)
    assert "\x1b" not in run().output
