"""What is tested of every chapter's exercises: the worth of solutions, untouched exercises, wrong answers.

class TestExercises(ChapterExercises):
    stem = "04_convolution"
    wrong = (Wrong("output_size", "float division", "room // stride", "room / stride", 0), ...)
"""

import functools
import json
import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest

from dltwice.grading import grade_one, load_master
from dltwice.grading.notebook import BEGIN, END, Master, stub
from dltwice.grading.results import QuestionResult

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Wrong:
    """The solution of `question` with `old` replaced by `new`, and the points that this deserves."""

    question: str
    fault: str
    old: str
    new: str
    points: float

    def source(self, questions: Master) -> str:
        solution = questions.answer(self.question).source
        assert self.old in solution, f"{self.fault}: the solution has changed, adapt the wrong answer"
        return solution.replace(self.old, self.new).replace(BEGIN, "").replace(END, "")


@dataclass(frozen=True)
class Chapter:
    """The exercises of one chapter, read once."""

    master: bytes
    exercise: bytes
    questions: Master

    def submission(self, answers: dict[str, str]) -> bytes:
        """The exercise with some of its answer cells filled in."""
        notebook = json.loads(self.exercise)
        for cell in notebook["cells"]:
            cell["source"] = answers.get(cell["id"], cell["source"])
        return json.dumps(notebook).encode()

    def grade_all(self, wrong: tuple[Wrong, ...]) -> dict[str, QuestionResult]:
        """One result for each wrong answer. A submission holds one to every question."""
        columns = [[w for w in wrong if w.question == question] for question in self.questions.questions]
        results = {}
        for row in zip_longest(*columns):
            answers = {one.question: one for one in row if one}
            sources = {name: one.source(self.questions) for name, one in answers.items()}
            result = grade_one(self.submission(sources), self.questions)
            results |= {answers[q.name].fault + q.name: q for q in result.questions if q.name in answers}
        return results


@functools.cache
def read(stem: str) -> Chapter:
    master = (ROOT / "solutions" / stem / f"{stem}.ipynb").read_bytes()
    exercise = (ROOT / "exercises" / stem / f"{stem}.ipynb").read_bytes()
    return Chapter(master, exercise, load_master(master))


class ChapterExercises:
    """Inherited by the tests of each chapter, which give `stem` and `wrong`."""

    stem = ""
    wrong: tuple[Wrong, ...] = ()
    points = 20
    wrong_at_least = 5

    def pytest_generate_tests(self, metafunc):
        if "one" in metafunc.fixturenames:
            metafunc.parametrize("one", self.wrong, ids=lambda w: f"{w.question}: {w.fault}")

    @pytest.fixture(scope="class")
    @classmethod
    def chapter(cls):
        return read(cls.stem)

    @pytest.fixture(scope="class")
    @classmethod
    def results(cls, chapter):
        return chapter.grade_all(cls.wrong)

    def test_the_solution_gets_all_points(self, chapter):
        result = grade_one(chapter.master, chapter.master)
        assert [question.status for question in result.questions] == ["passed"] * len(
            chapter.questions.questions
        )
        assert result.earned == result.points >= self.points
        assert len(result.questions) >= 5
        assert not result.notes

    def test_the_untouched_exercise_gets_none(self, chapter):
        result = grade_one(chapter.exercise, chapter.master)
        assert {question.status for question in result.questions} == {"untouched"}
        assert result.earned == 0

    def test_a_wrong_answer_gets_what_it_deserves(self, one, results):
        result = results[one.fault + one.question]
        messages = [problem.message for problem in result.problems]
        assert result.earned == one.points, messages
        assert result.status in ("failed", "error")
        assert all(messages)

    def test_there_are_wrong_answers_to_every_question(self, chapter):
        assert {one.question for one in self.wrong} == set(chapter.questions.questions)
        assert len(self.wrong) >= self.wrong_at_least

    def test_headings_give_the_points_of_their_tests(self, chapter):
        cells = json.loads(chapter.master)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        promised = re.findall(r"^## .*\((\d+) points?\)", text, flags=re.MULTILINE)
        questions = chapter.questions
        earned = [sum(test.points for test in questions.tests(name)) for name in questions.questions]
        assert [float(points) for points in promised] == earned
        assert f"{sum(earned):g} points" in text

    def test_every_test_has_a_visible_and_a_hidden_part_and_a_hint(self, chapter):
        for name in chapter.questions.questions:
            for test in chapter.questions.tests(name):
                assert test.source.partition("### BEGIN HIDDEN TESTS")[0].strip()
                assert "### END HIDDEN TESTS" in test.source
                assert test.hint

    def test_the_exercise_holds_neither_solutions_nor_hidden_tests(self, chapter):
        released = chapter.exercise.decode()
        assert "BEGIN HIDDEN" not in released
        assert "BEGIN SOLUTION" not in released
        sources = {cell["id"]: "".join(cell["source"]) for cell in json.loads(released)["cells"]}
        for name in chapter.questions.questions:
            assert sources[name].strip() == stub(chapter.questions.answer(name).source).strip()
            for test in chapter.questions.tests(name):
                assert (
                    sources[test.name].strip() == test.source.partition("### BEGIN HIDDEN TESTS")[0].strip()
                )
