"""Private tests, laid over the public ones."""

import classroom
import pytest
from classroom import DOUBLE, MASTER, STEM, code, hand_in, notebook, run, submission

from dltwice.grading.notebook import load_master
from dltwice.grading.private import overlay
from dltwice.grading.results import GradingError

book = classroom.book


def private(source, name, points, **more):
    """A private test in the short form."""
    return code(source) | {"metadata": {"test": name, "points": points} | more}


class TestPrivate:
    def lay(self, tmp_path, *cells, name="a.ipynb"):
        (tmp_path / name).write_bytes(notebook(*cells))
        return overlay(load_master(MASTER), tmp_path / name)

    def test_replaces_and_adds(self, tmp_path):
        master = self.lay(
            tmp_path,
            {"cell_type": "markdown", "source": "# Private"},
            code("BIG = 10**6"),
            private("assert double(BIG) == 2 * BIG, 'big'", "double", 5),
            private("assert half(BIG) == BIG / 2", "half-big", 1.5, hint="Hm."),
        )
        assert master.questions == ["double", "half"]
        (double,) = master.tests("double")
        assert (double.name, double.points) == ("test_double", 5)
        assert double.source == "BIG = 10**6\n\nassert double(BIG) == 2 * BIG, 'big'"
        public, new = master.tests("half")
        assert (public.name, new.name, new.points, new.hint) == ("test_half", "test_half-big", 1.5, "Hm.")
        kinds = [cell.kind for cell in master.cells]
        assert kinds == ["setup", "answer", "test", "answer", "test", "test"]

    def test_from_a_source_like_the_solutions(self, tmp_path):
        (tmp_path / "a.md").write_text(
            "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n  language: python\n---\n\n"
            "```{code-cell} ipython3\n:test: double-more\n:points: 4\n\nassert double(5) == 10\n```\n"
        )
        master = overlay(load_master(MASTER), tmp_path / "a.md")
        assert [test.points for test in master.tests("double")] == [2, 4]

    @pytest.mark.parametrize(
        ("cell", "message"),
        [
            (private("1", "triple", 1), "a test of 'triple', expected one of"),
            (private("1", "double", None), "needs `:points:` with a number above 0, got None"),
            (private("1", "double", -1), "above 0, got -1"),
            (private("(", "double", 1), "is not Python"),
            (code("1") | {"metadata": {"answer": "double"}}, "an answer. A file of private tests has only"),
            (code(DOUBLE, "double"), "an answer. A file of private tests has only"),
            (code("x = 1"), "has no test"),
        ],
    )
    def test_errors(self, tmp_path, cell, message):
        with pytest.raises(GradingError, match=r"a\.ipynb.*") as error:
            self.lay(tmp_path, cell)
        assert message in str(error.value)

    def test_two_of_a_name(self, tmp_path):
        cell = private("1", "double", 1)
        with pytest.raises(GradingError, match="cell 2: a second test 'test_double'"):
            self.lay(tmp_path, cell, cell)

    def test_unreadable_files(self, tmp_path):
        for name, text, message in (
            ("a.ipynb", "{", "can't be read as JSON"),
            ("a.md", "---\na: [\n---\n", "not a MyST notebook"),
        ):
            (tmp_path / name).write_text(text)
            with pytest.raises(GradingError, match=message):
                overlay(load_master(MASTER), tmp_path / name)

    def test_a_batch_with_them(self, book):
        small = "def double(x):\n    return 2 * x if x < 9 else 0"
        hand_in(book, ann=submission(), bob=submission(double=small))
        test = private("assert double(N) == 2 * N, 'N'", "double", 10)
        (book / "private").mkdir()
        (book / "private" / f"{STEM}.ipynb").write_bytes(notebook(code("N = 1000"), test))
        ann, bob = run("class", tests=book / "private").rows
        assert (ann["earned"], bob["earned"], ann["points"]) == (11, 1, 11)
        assert (ann["status"], bob["status"]) == ("ok", "ok")
        (book / "private" / f"{STEM}.md").write_text("")
        with pytest.raises(GradingError, match="twice"):
            run("class", tests=book / "private")
