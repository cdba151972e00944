"""The command `grade-batch` and its results: chapters, table, pages."""

import csv
import io
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import classroom
import pytest
from classroom import MASTER, STEM, WRONG, code, hand_in, notebook, run, submission, written
from click.testing import CliRunner

from dltwice.grading.cli_batch import grade_batch
from dltwice.grading.journal import Journal, Key
from dltwice.grading.notebook import load_master
from dltwice.grading.results import GradeResult, GradingError
from dltwice.grading.table import Output, cell, complete, make_row, safe_name, table_text

book, dask = classroom.book, classroom.dask


class TestChapters:
    def rows(self, **settings):
        return [(row["student"], row["chapter"], row["earned"]) for row in run("class", **settings).rows]

    def test_by_the_cells(self, book):
        (book / "class").mkdir()
        (book / "class/ann.ipynb").write_bytes(submission())
        (book / "class/bob.ipynb").write_bytes(notebook(code("x = 1")))
        (_, _, three), (student, chapter, none) = self.rows()
        assert (three, student, chapter, none) == (3, "bob", "", None)
        reason = written("grades")[1]["reason"]
        assert "Its chapter is not known" in reason
        assert STEM in reason
        assert "--chapter" in reason
        assert self.rows(chapter="3") == [("ann", STEM, 3), ("bob", STEM, None)]

    def test_by_the_folder(self, book):
        (book / STEM).mkdir()
        (book / STEM / "ann.ipynb").write_bytes(notebook(code("x = 1")))
        assert [row["chapter"] for row in run(STEM).rows] == [STEM]

    def test_a_master_of_ones_own(self, book):
        hand_in(book, ann=submission())
        (book / "other.ipynb").write_bytes(MASTER)
        (row,) = run("class", master=book / "other.ipynb").rows
        assert (row["chapter"], row["earned"]) == ("other", 3)

    def test_what_is_not_there(self, book):
        hand_in(book, ann=submission())
        with pytest.raises(GradingError, match=f"no chapter 05 to grade with, only {STEM}"):
            run("class", chapter="05")
        (book / "broken.ipynb").write_text("{}")
        with pytest.raises(GradingError, match=r"broken\.ipynb: .*no list of cells"):
            run("class", master=book / "broken.ipynb")


def test_moodles_zip_with_everything_in_it(book):
    with zipfile.ZipFile(book / "CS101-Homework-77.zip", "w") as file:
        file.writestr("김 민수_501_assignsubmission_file/homework.ipynb", submission())
        file.writestr("Ann Lee_502_assignsubmission_file/a.ipynb", submission(double=WRONG))
        file.writestr("Ann Lee_503_assignsubmission_file/b.ipynb", submission())
        file.writestr("=HYPERLINK(1)_504_assignsubmission_file/c.ipynb", submission())
        file.writestr("Bob_505_assignsubmission_onlinetext/onlinetext.html", "hello")
    run("CS101-Homework-77.zip", chapter="03")
    table = (book / "grades/results.csv").read_bytes()
    assert table.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))
    keys = ("student", "student_id", "chapter", "earned", "percent", f"{STEM}/double", f"{STEM}/double:max")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("'=HYPERLINK(1)", "504", STEM, "3", "100", "2", "2"),
        ("Ann Lee", "502", STEM, "1", "33.33", "0", "2"),
        ("Ann Lee", "503", STEM, "3", "100", "2", "2"),
        ("Bob", "505", STEM, "", "", "", ""),
        ("김 민수", "501", STEM, "3", "100", "2", "2"),
    ]
    pages = sorted(path.relative_to(book / "grades").as_posix() for path in book.glob("grades/feedback/*/*"))
    assert pages == sorted(row["feedback"] for row in rows)
    assert {path.split("/")[1] for path in pages} >= {"Ann_Lee_502", "Ann_Lee_503", "김_민수"}
    assert "김 민수" in (book / "grades/feedback/김_민수" / f"{STEM}.html").read_text(encoding="utf-8")
    assert "5 submissions" in (book / "grades/summary.html").read_text(encoding="utf-8")


class TestCommand:
    def test_start_time(self):
        code = (
            "import sys, dltwice.grading.cli_batch;"
            "slow = {'torch', 'numpy', 'dask', 'distributed', 'joblib', 'jinja2'};"
            "print(sorted(slow & sys.modules.keys()))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_what_it_says(self, book):
        hand_in(book, ann=submission(), eve=b"x")
        (book / "class/roster.csv").write_text("ann")
        result = CliRunner().invoke(grade_batch, ["class", "--unsafe", "--workers", "1"])
        assert result.exit_code == 0, result.output
        assert "2 submissions: 1 ok, 1 unreadable" in result.output
        assert "Left out, no submissions: roster.csv" in result.output
        assert str(Path("grades/results.csv")) in result.output

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nothing"], "There is no nothing. Expected a folder of submissions or a zip."),
            (["class", "--workers", "2", "--scheduler", "tcp://h:1"], "give one of them"),
            (["class", "--workers", "0"], "0 is not in the range"),
            (["class", "--time-limit", "0"], "0.0 is not in the range"),
            (["class", "--chapter", "05"], "There is no chapter 05"),
            (["class", "--tests", "solutions"], "solutions has no private tests"),
            (["empty"], "There is no submission in empty"),
        ],
    )
    def test_usage(self, book, arguments, message):
        hand_in(book, ann=submission())
        (book / "empty").mkdir()
        result = CliRunner().invoke(grade_batch, [*arguments, "--unsafe"])
        assert result.exit_code == 2
        assert message in result.output
        assert "Traceback" not in result.output
        assert not (book / "grades").exists()

    def test_a_folder_that_can_not_be_written(self, book):
        hand_in(book, ann=submission())
        (book / "file").write_text("")
        result = CliRunner().invoke(grade_batch, ["class", "--unsafe", "--out", "file/x"])
        assert result.exit_code == 2
        assert "can't be written" in result.output

    def test_a_journal_that_is_none(self, book):
        hand_in(book, ann=submission())
        (book / "grades").mkdir()
        (book / "grades/journal.sqlite").write_bytes(b"x" * 5000)
        result = CliRunner().invoke(grade_batch, ["class", "--unsafe"])
        assert result.exit_code == 2
        assert "can't be used (file is not a database)" in result.output


class TestTable:
    def row(self, student="ann", number="", chapter=STEM):
        from dltwice.grading.collect import Submission
        from dltwice.grading.inputs import Entry

        file = f"{student}/{number}.ipynb"
        result = GradeResult((), ("Why.",), chapter, "unreadable").to_dict()
        return make_row(
            Submission(file, student, number, False, chapter, Entry(file, file)), "0" * 64, result
        )

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("ann", "ann"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'=1"),
            ("＝1", "'＝1"),
            ("a\r\n=1", "a =1"),
            ("", ""),
        ],
    )
    def test_no_text_is_a_formula(self, text, expected):
        assert cell(text) == expected

    def test_long_reasons_are_cut(self):
        assert len(cell("x" * 100_000)) == 2000

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Ann Lee", "Ann_Lee"),
            ("김 민수", "김_민수"),
            ("../../etc/passwd", "etc_passwd"),
            ('a<b>:"c"/d\\e|f?g*h', "a_b_c_d_e_f_g_h"),
            ("CON", "_CON"),
            ("com1.txt", "_com1.txt"),
            ("...", "_"),
            ("", "_"),
            ("a.", "a"),
            ("a%20b#c&d", "a_20b_c_d"),
            ("x" * 500, "x" * 100),
            ("김" * 500, "김" * 33),
        ],
    )
    def test_file_names(self, text, expected):
        assert safe_name(text) == expected

    def test_no_two_students_share_a_page(self):
        who = [("Kim", "1"), ("Kim", "2"), ("kim", ""), ("KIM", ""), ("Kim_1", ""), ("a/b", ""), ("a?b", "")]
        rows = [self.row(*one) for one in who for _ in range(2)]
        complete(rows)
        pages = [row["feedback"].casefold() for row in rows]
        assert len(set(pages)) == len(pages)
        assert rows[1]["feedback"] == rows[0]["feedback"].replace(".html", "-2.html")
        assert "handed in 2 files" in rows[0]["notes"][0]

    def test_no_score_is_never_a_zero(self):
        rows = [self.row()]
        complete(rows)
        (line,) = csv.DictReader(io.StringIO(table_text(rows, {STEM: load_master(MASTER)})))
        blank = ("earned", "points", "percent", f"{STEM}/double", f"{STEM}/double:max", f"{STEM}/half")
        assert {line[key] for key in blank} == {""}
        assert (line["status"], line["reason"]) == ("unreadable", "Why.")

    def test_e_mail_addresses(self):
        rows = [self.row("ann@uni.edu"), self.row("bob")]
        complete(rows)
        lines = list(csv.DictReader(io.StringIO(table_text(rows, {}))))
        assert [line["email"] for line in lines] == ["ann@uni.edu", ""]

    def test_an_aborted_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        output = Output(tmp_path)
        output.put("a/b.txt", "old")
        monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            output.put("a/b.txt", "new")
        monkeypatch.undo()
        Output(tmp_path)
        assert [path.name for path in tmp_path.rglob("*")] == ["a", "b.txt"]
        assert (tmp_path / "a/b.txt").read_text() == "old"


def test_the_key_decides_whether_a_row_is_the_same(tmp_path):
    key = Key("a", "b", "c")
    with Journal(tmp_path) as journal:
        journal.put(key, {"x": 1}, final=False)
        journal.put(key, {"x": 2})
        assert journal.get(key) == ({"x": 2}, True)
        for other in (replace(key, file="z"), replace(key, sha256="z"), replace(key, settings="z")):
            assert journal.get(other) is None
        journal.forget(["a"])
        assert journal.get(key) is None
