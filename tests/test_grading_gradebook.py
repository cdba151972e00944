"""From a batch's results.csv to nbgrader's gradebook, and to the files that Moodle and Canvas import."""

import csv
import functools
import io
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec

import nbgrader.api
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook
from nbgrader.plugins import CsvExportPlugin

from dltwice.grading import gradebook as book
from dltwice.grading import platforms
from dltwice.grading.cli import main
from dltwice.grading.results import GradingError
from dltwice.grading.results_csv import COLUMNS, read_results

C4, C5 = "04_convolution", "05_pooling"
POINTS = {f"{C4}/output_size": 3.0, f"{C4}/by_hand": 4.0, f"{C5}/pool": 2.5}
HEAD = [*COLUMNS, *(name + end for name in POINTS for end in ("", ":max"))]


def line(student="", student_id="", chapter=C4, scores=(3, 4), status="ok", **changes):
    """One line of results.csv; without scores, one that has none."""
    names = [name for name in POINTS if name.startswith(f"{chapter}/")]
    found = {"student": student, "student_id": student_id, "chapter": chapter, "status": status}
    if scores:
        found |= {"earned": sum(scores), "points": sum(POINTS[name] for name in names)}
        for name, score in zip(names, scores, strict=True):
            found |= {name: score, f"{name}:max": POINTS[name]}
    return found | changes


LINES = [
    line("Kim, Minji", "101", scores=(3, 4)),
    line("Ana Maria Souza", "102", scores=(2.5, 0)),
    line("Lee", "103", scores=(), status="unreadable", reason="The file is empty."),
    line("bo@example.org", "", scores=(1, 1), status="tampered"),
    line("Kim, Minji", "101", C5, scores=(1.25,)),
]


@pytest.fixture
def write(tmp_path):
    """Function that writes results.csv, as the batch does: with a byte order mark."""

    def write_lines(*lines, head=HEAD):
        path = tmp_path / "results.csv"
        with open(path, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, head)
            writer.writeheader()
            writer.writerows(lines)
        return path

    return write_lines


@pytest.fixture(scope="module", autouse=True)
def alembic_is_asked_once():
    """nbgrader starts a program of two seconds to learn the version of a new database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nbgrader.api, "get_alembic_version", functools.cache(nbgrader.api.get_alembic_version))
        yield


def enter(path, database):
    return book.to_nbgrader(read_results(path), database)


def export(database):
    """What nbgrader exports, by assignment and student."""
    plugin = CsvExportPlugin(to=str(database.with_suffix(".csv")))
    with Gradebook(f"sqlite:///{database}") as gradebook:
        plugin.export(gradebook)
    return read_export(plugin.to)


def read_export(path):
    with open(path, encoding="utf-8", newline="") as file:
        return {(row["assignment"], row["student_id"]): row for row in csv.DictReader(file)}


def sums(rows):
    return {key: float(row["score"]) for key, row in rows.items()}


class TestReading:
    def test_numbers_texts_and_questions(self, write):
        kim, ana, lee, bo, _ = read_results(write(*LINES))
        assert kim.questions == {"output_size": (3, 3), "by_hand": (4, 4)}
        assert (kim.earned, kim.points, kim.id, kim.line) == (7, 7, "101", 2)
        assert (lee.earned, lee.questions, lee.reason) == (None, {}, "The file is empty.")
        assert (bo.id, ana.status, bo.status) == ("bo@example.org", "ok", "tampered")

    def test_an_apostrophe_against_formulas_is_taken_off(self, write):
        (row,) = read_results(write(line("'=1+1", "'-5")))
        assert (row.student, row.student_id) == ("=1+1", "-5")
        (row,) = read_results(write(line("'Okina", "5")))
        assert row.student == "'Okina"

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"earned": "many"}, "line 2: expected points as a number, got 'many'"),
            ({"earned": "nan"}, "line 2: expected points as a number, got 'nan'"),
            ({f"{C4}/by_hand:max": ""}, "line 2: expected points as a number, got ''"),
            ({"earned": 5}, "earned is 5, but the questions add up to 7. Change both or none."),
        ],
    )
    def test_wrong_numbers_are_refused_with_their_line(self, write, changes, message):
        with pytest.raises(GradingError, match=r"results\.csv, line 2") as error:
            read_results(write(line("Kim", "1", **changes)))
        assert message in str(error.value)

    @pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"student\xff", b"PK\x03\x04\x00\x00"])
    def test_another_file_is_refused(self, tmp_path, content):
        (tmp_path / "other.csv").write_bytes(content)
        with pytest.raises(GradingError, match=r"no column student|no column student_id|can't be read"):
            read_results(tmp_path / "other.csv")


class TestNbgrader:
    def test_the_export_has_the_same_scores(self, write, tmp_path):
        database = tmp_path / "grade book.db"
        transfer = enter(write(*LINES), database)
        assert transfer.entered == 4
        assert transfer.left_out == ["Lee, 04_convolution: no score (unreadable). The file is empty."]
        rows = export(database)
        assert {key: score for key, score in sums(rows).items() if score} == {
            (C4, "101"): 7,
            (C4, "102"): 2.5,
            (C4, "bo@example.org"): 2,
            (C5, "101"): 1.25,
        }
        assert not any(student == "103" for _, student in rows)
        assert {float(row["max_score"]) for (name, _), row in rows.items() if name == C4} == {7}
        kim, ana, bo = (rows[C4, student] for student in ("101", "102", "bo@example.org"))
        assert (kim["last_name"], kim["first_name"]) == ("Kim", "Minji")
        assert (ana["last_name"], ana["first_name"]) == ("Souza", "Ana Maria")
        assert (bo["email"], bo["last_name"]) == ("bo@example.org", "")
        assert not list(tmp_path.glob(".*"))

    def test_nbgraders_own_command_reads_it(self, write, tmp_path):
        enter(write(*LINES), tmp_path / "g.db")
        code = "from nbgrader.apps import NbGraderApp; NbGraderApp.launch_instance()"
        options = ["--db", f"sqlite:///{tmp_path / 'g.db'}", "--to", "out.csv"]
        command = [sys.executable, "-c", code, "export", *options]
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
        assert sums(read_export(tmp_path / "out.csv")) == sums(export(tmp_path / "g.db"))

    def test_every_question_is_a_cell_with_its_points(self, write, tmp_path):
        enter(write(*LINES), tmp_path / "g.db")
        with Gradebook(f"sqlite:///{tmp_path / 'g.db'}") as gradebook:
            grade = gradebook.find_grade("output_size", C4, C4, "102")
            assert (grade.auto_score, grade.max_score, grade.needs_manual_grade) == (2.5, 3, False)
            submission = gradebook.find_submission(C4, "102")
            assert not submission.needs_manual_grade

    def test_entering_again_updates_and_doubles_nothing(self, write, tmp_path):
        database = tmp_path / "g.db"
        for _ in range(2):
            enter(write(*LINES), database)
        better = [line("Kim, Minji", "101", scores=(1, 0)), line("New", "200", scores=(0, 0))]
        assert enter(write(*better), database).entered == 2
        scores = sums(export(database))
        assert len(scores) == 2 * 4
        assert (scores[C4, "101"], scores[C5, "101"], scores[C4, "102"]) == (1, 1.25, 2.5)
        tables = sqlite3.connect(database)
        assert tables.execute("SELECT COUNT(*) FROM grade").fetchone() == (2 * 4 + 1,)
        tables.close()

    def test_a_persons_grade_and_names_in_nbgrader_stay(self, write, tmp_path):
        database = tmp_path / "g.db"
        enter(write(*LINES), database)
        with Gradebook(f"sqlite:///{database}") as gradebook:
            gradebook.find_grade("by_hand", C4, C4, "101").manual_score = 1
            gradebook.update_or_create_student("bo@example.org", last_name="Bo")
            gradebook.db.commit()
        enter(write(*LINES), database)
        rows = export(database)
        assert float(rows[C4, "101"]["score"]) == 4
        assert rows[C4, "bo@example.org"]["last_name"] == "Bo"

    def test_a_new_question_reaches_the_old_submissions(self, write, tmp_path):
        one = {key: value for key, value in line("Kim", "1", scores=(3, 4)).items() if "by_hand" not in key}
        enter(write(one | {"earned": 3, "points": 3}), tmp_path / "g.db")
        enter(write(line("Kim", "1", scores=(3, 2))), tmp_path / "g.db")
        assert sums(export(tmp_path / "g.db")) == {(C4, "1"): 5}

    def test_the_better_of_two_submissions_counts_in_any_order(self, write, tmp_path):
        two = [line("Kim", "1", scores=(1, 1)), line("Kim", "1", scores=(3, 1))]
        for number, lines in enumerate((two, two[::-1])):
            transfer = enter(write(*lines), tmp_path / f"{number}.db")
            assert sums(export(tmp_path / f"{number}.db")) == {(C4, "1"): 4}
            assert transfer.entered == 1
            assert "two submissions" in transfer.left_out[0]

    def test_moodle_numbers_a_student_anew_in_every_chapter(self, write, tmp_path):
        def file(number):
            return f"Kim_{number}_assignsubmission_file/answers.ipynb"

        lines = [
            line("Kim", "11", scores=(1, 0), file=file(11)),
            line("Kim", "99", C5, scores=(2,), file=file(99)),
            line("Lee", "12", scores=(2, 0), file=file(12)),
            line("Lee", "13", scores=(3, 0), file=file(13)),
        ]
        enter(write(*lines), tmp_path / "g.db")
        scores = {key: score for key, score in sums(export(tmp_path / "g.db")).items() if score}
        assert scores == {(C4, "Kim"): 1, (C5, "Kim"): 2, (C4, "Lee 12"): 2, (C4, "Lee 13"): 3}

    def test_names_that_would_break_the_export(self, write, tmp_path):
        names = ['a,b"c', "x\ny", "\u202eevil", "김 민지", "'); DROP TABLE student; --"]
        enter(write(*(line(name, scores=(1, 0)) for name in names)), tmp_path / "g.db")
        assert list(sums(export(tmp_path / "g.db")).values()) == [1] * len(names)

    def test_a_gradebook_with_cells_of_its_own_is_refused(self, write, tmp_path):
        with closing(book._open(tmp_path / "g.db")) as gradebook:
            assert isinstance(gradebook, Gradebook)
            gradebook.update_or_create_assignment(C4)
            gradebook.update_or_create_notebook(C4, C4)
            gradebook.update_or_create_grade_cell("test_by_hand", C4, C4, max_score=4, cell_type="code")
        with pytest.raises(GradingError, match="other graded cells, such as test_by_hand"):
            enter(write(*LINES), tmp_path / "g.db")

    @pytest.mark.parametrize("kind", ["text", "another program's", "folder", "no folder"])
    def test_what_is_no_gradebook_is_refused_and_left_alone(self, write, tmp_path, kind):
        database = tmp_path / ("none/g.db" if kind == "no folder" else "g.db")
        if kind == "text":
            database.write_text("hello")
        elif kind == "folder":
            database.mkdir()
        elif kind == "another program's":
            with closing(sqlite3.connect(database)) as connection:
                connection.execute("CREATE TABLE mine (x)")
        before = database.read_bytes() if database.is_file() else None
        with pytest.raises(GradingError, match="gradebook"):
            enter(write(*LINES), database)
        assert before == (database.read_bytes() if database.is_file() else None)

    def test_points_that_differ_between_lines_are_refused(self, write, tmp_path):
        lines = [line("A", "1"), line("B", "2", **{f"{C4}/by_hand:max": 5})]
        with pytest.raises(GradingError, match=r"by_hand has 4 points, but 5 in line 3"):
            enter(write(*lines), tmp_path / "g.db")
        assert not (tmp_path / "g.db").exists()


def table(sheet):
    return list(csv.DictReader(io.StringIO(sheet.text)))


class TestPlatforms:
    def test_moodles_worksheet(self, write):
        rows = read_results(write(*LINES))
        sheet = platforms.moodle(rows, "04")
        assert table(sheet)[0] == {
            "Identifier": "Participant 101",
            "Full name": "Kim, Minji",
            "ID number": "",
            "Email address": "",
            "Grade": "7",
            "Maximum Grade": "7",
            "Last modified (grade)": "-",
        }
        assert table(sheet)[2]["Identifier"] == ""
        assert table(sheet)[2]["Email address"] == "bo@example.org"
        assert (sheet.count, len(sheet.left_out)) == (3, 1)

    def test_moodle_learners_without_a_number_are_known_by_what_they_are_called(self, write):
        rows = read_results(write(line("s12345"), line("Kim", "k-7")))
        found = table(platforms.moodle(rows))
        assert [(r["Identifier"], r["ID number"]) for r in found] == [("", "s12345"), ("", "k-7")]

    def test_canvass_gradebook(self, write):
        sheet = platforms.canvas(read_results(write(*LINES)))
        lines = list(csv.reader(io.StringIO(sheet.text)))
        assert lines == [
            ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", C4, C5],
            ["Points Possible", "", "", "", "", "7", "2.5"],
            ["Kim, Minji", "101", "", "", "", "7", "1.25"],
            ["Ana Maria Souza", "102", "", "", "", "2.5", ""],
            ["bo@example.org", "", "", "bo@example.org", "", "2", ""],
        ]
        assert (sheet.count, len(sheet.left_out)) == (3, 1)

    def test_scores_are_scaled(self, write):
        rows = read_results(write(*LINES))
        assert [row["Grade"] for row in table(platforms.moodle(rows, C4, 100))] == ["100", "35.71", "28.57"]
        assert table(platforms.moodle(rows, "05", 10))[0] | {} == table(platforms.moodle(rows, C5, 10))[0]
        canvas = table(platforms.canvas(rows, out_of=100))
        assert [row[C5] for row in canvas] == ["100", "50", "", ""]

    @pytest.mark.parametrize(
        ("chapter", "message"),
        [
            ("", "several chapters: 04_convolution, 05_pooling"),
            ("06", "no chapter 06 in these results, only 04"),
        ],
    )
    def test_moodle_takes_one_chapter(self, write, chapter, message):
        with pytest.raises(GradingError, match=message):
            platforms.moodle(read_results(write(*LINES)), chapter)

    def test_canvas_may_get_one_chapter(self, write):
        sheet = platforms.canvas(read_results(write(*LINES)), "05")
        assert [row["Student"] for row in table(sheet)] == ["Points Possible", "Kim, Minji"]
        assert C4 not in sheet.text

    def test_nothing_is_a_formula_or_a_second_heading(self, write):
        rows = read_results(write(line("'=cmd|' /C calc'!A0", "1"), line("Points Possible", "2")))
        for make in platforms.FORMATS.values():
            assert "'=cmd" in make(rows).text
        assert [row["Student"] for row in table(platforms.canvas(rows))][1:] == ["'=cmd|' /C calc'!A0", ""]

    def test_results_without_a_score_give_an_empty_sheet(self, write):
        rows = read_results(write(line("Lee", "1", scores=(), status="unreadable")))
        assert platforms.canvas(rows).count == 0
        assert table(platforms.moodle(rows)) == []


class TestCommands:
    def run(self, *arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    def test_to_nbgrader(self, write, tmp_path):
        done = self.run("to-nbgrader", write(*LINES), tmp_path / "g.db")
        assert done.exit_code == 0, done.output
        assert "4 submissions entered" in done.stdout
        assert "Lee, 04_convolution: no score (unreadable). The file is empty." in done.stderr

    def test_to_csv(self, write, tmp_path):
        out = tmp_path / "out.csv"
        done = self.run("to-csv", "--format", "moodle", "--chapter", "04", "--out-of", 10, write(*LINES), out)
        assert done.exit_code == 0, done.output
        assert "3 lines written" in done.stdout
        assert out.read_bytes().startswith(b"Identifier,Full name,")
        assert b"\r" not in out.read_bytes()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["to-nbgrader", "{other}", "g.db"], "no column student"),
            (["to-nbgrader", "nothing.csv", "g.db"], "does not exist"),
            (["to-csv", "--format", "moodle", "{csv}", "out.csv"], "several chapters"),
            (["to-csv", "--format", "canvas", "{csv}", "no/folder/out.csv"], "No such file"),
            (["to-csv", "--format", "excel", "{csv}", "out.csv"], "'excel' is not one of"),
        ],
    )
    def test_mistakes_end_with_2_and_a_sentence(self, write, tmp_path, monkeypatch, arguments, message):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "other.csv").write_text("a,b\n")
        names = {"csv": write(*LINES), "other": tmp_path / "other.csv"}
        done = self.run(*(argument.format(**names) for argument in arguments))
        assert done.exit_code == 2
        assert message in done.output
        assert "Traceback" not in done.output

    def test_the_command_lists_all_and_loads_none_of_the_slow_ones(self):
        shown = self.run("--help").output
        for name in ("grade ", "grade-batch", "progress", "to-nbgrader", "to-csv"):
            assert f"  {name}" in shown
        slow = ("torch", "numpy", "dask", "distributed", "joblib", "nbgrader", "jinja2", "rich", "filelock")
        assert all(find_spec(name) for name in slow)
        code = f"import sys, dltwice.grading.cli; print([n for n in {slow} if n in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    def test_an_unknown_command_is_refused(self):
        assert "No such command 'grad'" in self.run("grad").output
