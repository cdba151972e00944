"""What people see of a grade: the table in the terminal, the learner's page, the page of a class."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltwice.grading import report
from dltwice.grading.harmless import LINES, harmless, one_line
from dltwice.grading.page import chapter_title, code
from dltwice.grading.results import GradeResult, Problem, QuestionResult
from dltwice.grading.summary import Chapter, histogram

EVIL = "</p><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31mred\x07\u202etxt.\u2066'\"&`"
TAGS = set(
    "html head meta link title style body main header footer cite h1 h2 h3 p strong em code bdi div span br "
    "table caption thead tbody tr th td nav ul li a dl dt dd figure figcaption svg rect text path".split()
)
WORDS = {"p": "passed", "f": "failed", "e": "error", "t": "timeout", "u": "untouched", "m": "missing"}


def question(letter, number=0, points=2.0, messages=(), hint=""):
    """A question of which only the first letter of the status matters."""
    earned = points if letter == "p" else 0.0
    problems = tuple(Problem(message, hint) for message in messages)
    return QuestionResult(f"q{number}", f"Exercise {number}", earned, points, WORDS[letter], problems)


def result(letters="", status="ok", notes=(), chapter="04_convolution", **changes):
    questions = tuple(question(letter, i) for i, letter in enumerate(letters, 1))
    return GradeResult(questions, tuple(notes), chapter, status, **changes)


def row(letters="p", status="ok", student="Kim", **changes):
    graded = result(letters, status, chapter=changes.get("chapter", "04_convolution"))
    if "questions" in changes:
        graded = GradeResult(tuple(changes.pop("questions")), (), graded.chapter, status)
    known = status != "unreadable"
    return {
        "student": student,
        "student_id": "",
        "chapter": graded.chapter,
        "status": status,
        "reason": "",
        "earned": graded.earned if known else None,
        "points": graded.points if known else None,
        "percent": None,
        "file": "kim/04_convolution.ipynb",
        "sha256": "",
        "late": False,
        "result": graded.to_dict(),
    } | changes


class Page(HTMLParser):
    """The tags, attributes and visible text of a page; every tag must be closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.text += " " if tag in ("th", "td", "dt", "dd") else ""
        self.attributes += attrs
        if tag not in ("meta", "link", "br", "rect", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("rect", "path"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    @property
    def words(self):
        return " ".join(self.text.split())


class TestHarmless:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("plain, 한국어, 😀, naïve", "plain, 한국어, 😀, naïve"),
            ("a\x1b[31mb", r"a\x1b[31mb"),
            ("a\x00\x07\x08\x7f", r"a\x00\x07\x08\x7f"),
            ("photo\u202egnp.exe", r"photo\u202egnp.exe"),
            ("\u2066\u200e\ufeff\u200b\xad", r"\u2066\u200e\ufeff\u200b\xad"),
            ("\ud800", r"\ud800"),
            ("tab\tno-break\xa0space", "tab no-break space"),
            ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
            ("👩\u200d🔬 \u200c", "👩\u200d🔬 \u200c"),
            (7, "7"),
            ("", ""),
        ],
    )
    def test_what_can_not_be_printed_is_written_out(self, text, shown):
        assert harmless(text) == shown

    def test_long_messages_keep_their_beginning_and_end(self):
        shown = harmless("start " + "x" * 5000 + " end")
        assert shown.startswith("start x")
        assert shown.endswith("x end")
        assert "(4,310 characters left out)" in shown
        assert len(shown) < 800

    def test_many_lines_keep_the_first_and_the_last(self):
        shown = harmless("\n".join(map(str, range(100)))).split("\n")
        assert len(shown) == LINES
        assert (shown[0], shown[-1]) == ("0", "99")
        assert "(89 lines left out)" in shown[-3]

    @given(st.text(st.characters(exclude_categories=())))
    def test_any_text_becomes_printable(self, text):
        for shown in (harmless(text), one_line(text)):
            assert all(c.isprintable() or c in "\n\u200c\u200d" for c in shown)
        assert "\n" not in one_line(text)


class TestText:
    @pytest.mark.parametrize(
        ("letters", "line"),
        [
            ("pp", ""),
            ("pu", "1 question is untouched: Exercise 2."),
            ("uupu", "3 questions are untouched: Exercise 1, Exercise 2, Exercise 4."),
            ("uuu", "All 3 questions are untouched."),
            ("u", "1 question is untouched: Exercise 1."),
            ("m", ""),
        ],
    )
    def test_untouched_questions_are_named(self, letters, line):
        graded = result(letters)
        assert report.untouched_line(graded.questions) == line
        assert line in " ".join(report.text_report(graded).split())
        assert line in Page(report.html_page(graded)).words

    @pytest.mark.parametrize("status", ["ok", "partial", "timeout", "tampered", "unreadable"])
    def test_every_status_is_explained_with_its_reasons(self, status):
        graded = result("" if status == "unreadable" else "pf", status, ["The cell `q1` is special."])
        text, page = report.text_report(graded), Page(report.html_page(graded))
        for shown in (" ".join(text.split()), page.words):
            assert report.ABOUT[status] in shown
            assert ("2 of 4 points" in shown) == (status != "unreadable")
        assert "Note: The cell `q1` is special." in text
        assert "The cell q1 is special." in page.words

    @pytest.mark.parametrize(
        ("letters", "sandboxed", "said"),
        [("pf", False, True), ("pf", True, False), ("um", False, False), ("", False, False)],
    )
    def test_a_grade_without_the_sandbox_has_one_line_about_it(self, letters, sandboxed, said):
        graded = result(letters, sandboxed=sandboxed)
        assert (report.UNSANDBOXED in report.text_report(graded)) == said
        assert "sandbox" not in report.html_page(graded)

    def test_the_terminal_gets_no_control_characters(self):
        graded = GradeResult((question("f", messages=[EVIL], hint=EVIL),), (EVIL,), EVIL, "partial")
        text = report.text_report(graded)
        assert all(c.isprintable() or c == "\n" for c in text)
        assert r"\x1b[31m" in text

    def test_points_have_no_needless_digits(self):
        assert [report.number(x) for x in (3.0, 2.5, 2 / 3, 1e6)] == ["3", "2.5", "0.67", "1000000"]
        assert report.score(8 / 3, 3) == "2.67 of 3"

    def test_an_unknown_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="no_such_name"):
            report.no_such_name  # noqa: B018


def all_pages():
    evil = GradeResult((question("f", messages=[EVIL, "x" * 9999], hint=EVIL),), (EVIL,), EVIL, "tampered")
    rows = [
        row("pfu", student=EVIL, reason=EVIL, file=EVIL, status="tampered", feedback="feedback/kim.html"),
        row(questions=evil.questions, student=EVIL, student_id=EVIL, notes=[EVIL]),
        row("", "unreadable", EVIL, reason=EVIL, chapter=EVIL),
    ]
    return {
        "half-finished": report.html_page(result("pfu")),
        "evil": report.feedback_page(evil, EVIL),
        "unreadable": report.feedback_page(result(status="unreadable"), "Kim"),
        "class": report.summary_page(rows, EVIL),
        "no class": report.summary_page([], "Nobody"),
    }


PAGES = all_pages()


@pytest.mark.parametrize("name", PAGES)
class TestPages:
    def test_nothing_of_a_learner_becomes_markup(self, name):
        page = Page(PAGES[name])
        assert set(page.tags) <= TAGS
        assert not any(key.startswith("on") for key, _ in page.attributes)
        assert all(c.isprintable() or c == "\n" for c in PAGES[name])

    def test_the_page_is_one_file_without_requests_and_scripts(self, name):
        page = Page(PAGES[name])
        assert "script" not in page.tags
        assert not {"src", "srcset", "data", "action"} & {key for key, _ in page.attributes}
        links = {value for key, value in page.attributes if key == "href"}
        assert all(link.startswith(("#", "feedback/")) or link == "data:," for link in links)
        assert not re.search(r"https?:|url\(|@import|//", PAGES[name])
        assert "default-src 'none'" in PAGES[name]

    def test_the_page_has_a_language_a_title_and_one_main_heading(self, name):
        page = Page(PAGES[name])
        assert ("lang", "en") in page.attributes
        assert [page.tags.count(tag) for tag in ("title", "h1", "main")] == [1 + page.tags.count("svg"), 1, 1]
        levels = [int(tag[1]) for tag in page.tags if re.fullmatch(r"h\d", tag)]
        assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
        ids = [value for key, value in page.attributes if key == "id"]
        assert len(ids) == len(set(ids))

    def test_the_page_is_the_same_every_time(self, name):
        assert all_pages()[name] == PAGES[name]


class TestFeedback:
    def test_it_has_the_name_the_score_and_every_word(self):
        graded = GradeResult(
            (question("p", 1), question("f", 2, 3, ["f(1): expected `2`, got <3>."], "Mind the sign.")),
            ("04_convolution.ipynb was last saved 9 minutes ago.",),
            "04_convolution",
        )
        words = Page(report.feedback_page(graded, "Ana\nSouza")).words
        for part in (
            "Chapter 4: convolution",
            "Ana Souza",
            "2 of 5 points",
            "Exercise 1 2 of 2 passed",
            "Exercise 2 0 of 3 not right yet f(1): expected 2, got <3>. Hint: Mind the sign.",
            "last saved 9 minutes ago",
        ):
            assert part in words

    def test_an_unreadable_file_is_not_a_zero(self):
        words = Page(report.feedback_page(result(status="unreadable", notes=["The file is empty."]))).words
        assert "No score" in words
        assert "The file is empty." in words
        assert "points" not in words

    def test_a_notebook_shows_the_same_table(self):
        graded = result("pf")
        assert graded._repr_html_() in report.html_page(graded)
        assert "<style" not in graded._repr_html_()

    @pytest.mark.parametrize(
        ("text", "markup"),
        [
            ("`a<b`", "<code>a&lt;b</code>"),
            ("line 2: `return y`.", "line 2: <code>return y</code>."),
            ("one ` only", "one ` only"),
            ("`a` and `b", "<code>a</code> and `b"),
            ("``", "<code></code>"),
        ],
    )
    def test_what_stands_between_backticks_is_code(self, text, markup):
        assert str(code(text)) == markup

    @pytest.mark.parametrize(
        ("chapter", "title"),
        [
            ("04_convolution", "Chapter 4: convolution"),
            ("12_a_long_name", "Chapter 12: a long name"),
            ("answers", "answers"),
            ("", "Grade"),
        ],
    )
    def test_chapters_have_titles(self, chapter, title):
        assert chapter_title(chapter) == title


class TestSummary:
    def test_submissions_are_counted_by_status(self):
        rows = [
            row("p"),
            row("p", late="yes"),
            row("f", "tampered"),
            row("", "unreadable"),
            row("f", "timeout"),
        ]
        words = Page(report.summary_page(rows, "A class")).words
        assert "5 submissions, 4 with a score." in words
        assert "ok 2 partial 0 timeout 1 tampered 1 unreadable 1 late 1" in words
        assert "Needs a look: 3" in words

    @pytest.mark.parametrize("late", [False, "", "no", "0", 0, None])
    def test_what_is_not_late_is_not_counted(self, late):
        assert "late" not in Page(report.summary_page([row("p", late=late)], "A class")).words

    def test_rows_that_need_a_look_come_with_reason_file_and_page(self):
        rows = [
            row("p", student="Fine"),
            row(
                "f",
                "partial",
                "Ana",
                reason="A cell is missing.",
                file="ana.ipynb",
                feedback="feedback/a.html",
            ),
            row("p", student="Bo", notes=["Bo handed in 2 files."]),
        ]
        page = report.summary_page(rows, "A class")
        look = Page(page).words.partition("Needs a look Partial: 1")[2].partition("Chapter 4")[0]
        assert "Ana, 0 of 2 A cell is missing. ana.ipynb" in look
        assert "Bo handed in 2 files." in look
        assert "Fine," not in look
        assert '<a href="feedback/a.html"><bdi>Ana</bdi></a>' in page

    @pytest.mark.parametrize(
        "address",
        [
            "javascript:alert(1)",
            "//other.org/x",
            "https://other.org",
            "/etc/x",
            "../x",
            "a/../../x",
            "\\\\host\\x",
        ],
    )
    def test_links_stay_below_the_page(self, address):
        assert "<bdi>Kim" in report.summary_page([row(feedback=address)], "A class")
        assert "other.org" not in report.summary_page([row(feedback=address)], "A class")
        assert f'href="{address}"' not in report.summary_page([row(feedback=address)], "A class")

    @pytest.mark.parametrize(
        ("percents", "mean", "quartiles"),
        [
            ([50.0], 50, (50, 50, 50)),
            ([0.0, 100.0], 50, (25, 50, 75)),
            ([10.0, 20, 30, 40, 100], 40, (20, 30, 40)),
        ],
    )
    def test_mean_and_quartiles(self, percents, mean, quartiles):
        chapter = Chapter("04_convolution", percents, [])
        assert chapter.mean == pytest.approx(mean)
        assert chapter.quartiles == pytest.approx(quartiles)

    def test_the_histogram_has_every_score_once_and_says_so_in_words(self):
        chapter = Chapter("04_convolution", [0.0, 9.99, 10.0, 55.0, 99.9, 100.0], [])
        assert [count for _, count in chapter.steps] == [2, 1, 0, 0, 0, 1, 0, 0, 0, 2]
        assert chapter.steps[0][0] == "0 to under 10 %"
        assert chapter.steps[-1][0] == "90 to 100 %"
        drawing = histogram(chapter)
        assert max(column["height"] for column in drawing["columns"]) == 100
        assert drawing["words"].startswith("6 scores. 0 to under 10 %: 2, 10 to under 20 %: 1")
        assert drawing["words"].endswith("Median 32.5 %.")

    def test_questions_are_ordered_by_failures_and_show_the_common_messages(self):
        def place(line):
            return (
                f"NameError: name 'y' is not defined (line {line} of your answer: `return (y)`). Define it."
            )

        rows = [
            row(questions=[question("p", 1), question("f", 2, messages=[place(i), place(i)])])
            for i in range(3)
        ]
        rows += [row(questions=[question("e", 1, messages=["rare"]), question("u", 2)])]
        words = Page(report.summary_page(rows, "A class")).words.partition("Questions, most failed first")[2]
        assert "Exercise 2 4 1 0 of 2 3 × NameError: name 'y' is not defined. Define it." in words
        assert words.index("Exercise 2") < words.index("Exercise 1")
        assert "Exercise 1 1 0 1.5 of 2 1 × rare" in words

    def test_chapters_stand_apart(self):
        rows = [row("p"), row("f", chapter="05_pooling"), row("", "unreadable", chapter="")]
        words = Page(report.summary_page(rows, "A class")).words
        assert words.count("1 score, in percent of the points") == 2
        assert "Unknown chapter" in words

    def test_an_exercise_without_points_has_no_percent(self):
        rows = [row(questions=[]), row("", "unreadable")]
        assert "in percent" not in report.summary_page(rows, "A class")
