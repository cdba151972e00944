"""What a batch takes for a submission: layouts, names, and files that can't be read."""

import io
import os
import stat
import zipfile

import pytest

from dltwice.grading import inputs
from dltwice.grading.collect import collect
from dltwice.grading.inputs import open_input
from dltwice.grading.naming import Named, read_path
from dltwice.grading.notebook import LARGEST, UnreadableError
from dltwice.grading.results import GradingError

CHAPTERS = ["03_doubling", "04_conv", "04_convolution"]
CONV = "04_convolution"


@pytest.mark.parametrize(
    ("path", "student", "number", "chapter"),
    [
        # a folder per student
        ("alice/04_convolution/04_convolution.ipynb", "alice", "", CONV),
        ("alice/04_convolution.ipynb", "alice", "", CONV),
        ("alice/answers.ipynb", "alice", "", ""),
        ("alice/work/04 Convolution final.ipynb", "alice", "", CONV),
        ("alice/04_convolution-main/x.ipynb", "alice", "", CONV),
        ("12_kim/04_convolution/x.ipynb", "12_kim", "", CONV),
        ("Kim  Min-su/x.ipynb", "Kim Min-su", "", ""),
        ("김민수/04_convolution/04_convolution.ipynb", "김민수", "", CONV),
        ("김민수/x.ipynb", "김민수", "", ""),
        ("alice@uni.edu/04_convolution.ipynb", "alice@uni.edu", "", CONV),
        ("alice_04_convolution/x.ipynb", "alice", "", CONV),
        ("alice/hw_2024_1031_final.ipynb", "alice", "", ""),
        # a folder per chapter
        ("04_convolution/alice/04_convolution.ipynb", "alice", "", CONV),
        ("04_convolution/alice.ipynb", "alice", "", CONV),
        ("03_doubling/alice_04_convolution.ipynb", "alice", "", "03_doubling"),
        # flat
        ("alice_04_convolution.ipynb", "alice", "", CONV),
        ("04_convolution-alice (1).ipynb", "alice", "", CONV),
        ("alice-Copy1.ipynb", "alice", "", ""),
        ("김민수_20231234_04_convolution.ipynb", "김민수_20231234", "", CONV),
        ("alice_04_conv.ipynb", "alice", "", "04_conv"),
        ("alice_04_convolve.ipynb", "alice_04_convolve", "", ""),
        ("alice_04_convolution.ipynb.txt", "alice", "", CONV),
        ("04_convolution.ipynb", CONV, "", CONV),
        ("04_convolution (2).ipynb", "04_convolution (2)", "", CONV),
        # Moodle
        ("Ann Lee_12345_assignsubmission_file/04_convolution.ipynb", "Ann Lee", "12345", CONV),
        ("Ann Lee_12345_assignsubmission_file_/a/x.ipynb", "Ann Lee", "12345", ""),
        ("Ann Lee_12345_assignsubmission_file_04_convolution.ipynb", "Ann Lee", "12345", CONV),
        ("김 민수_77_assignsubmission_file/과제.ipynb", "김 민수", "77", ""),
        ("Default group_assignsubmission_file/x.ipynb", "Default group", "", ""),
        ("04_convolution/Ann Lee_12345_assignsubmission_file/x.ipynb", "Ann Lee", "12345", CONV),
        ("Ann Lee_12345_assignsubmission_onlinetext/onlinetext.html", "Ann Lee", "12345", ""),
        # Canvas
        ("leeann_12345_67890_04_convolution.ipynb", "leeann", "12345", CONV),
        ("leeann_12345_67890_04_convolution-1.ipynb", "leeann", "12345", CONV),
        ("김민수_12345_67890_x.ipynb", "김민수", "12345", ""),
        ("leeann/leeann_12345_67890_x.ipynb", "leeann", "12345", ""),
        ("leeann_12345_67890_04_convolution/x.ipynb", "leeann", "12345", CONV),
        ("leeann_12345_text.html", "leeann", "12345", ""),
        ("anon_a1B2c_67890_x.ipynb", "anon_a1B2c", "", ""),
    ],
)
def test_names(path, student, number, chapter):
    named = read_path(path, CHAPTERS)
    assert (named.student, named.student_id, named.chapter) == (student, number, chapter)
    assert not named.late


@pytest.mark.parametrize(
    ("path", "student", "number"),
    [
        ("leeann_LATE_12345_67890_04_convolution-1.ipynb", "leeann", "12345"),
        ("leeann_late_12345_67890_04_convolution.ipynb", "leeann", "12345"),
        ("LATE_anon_a1B2c_67890_04_convolution.ipynb", "anon_a1B2c", ""),
    ],
)
def test_canvas_says_what_is_late(path, student, number):
    assert read_path(path, CHAPTERS) == Named(student, number, True, CONV, "canvas")


def test_names_from_a_mac_are_composed():
    assert read_path("김민수/x.ipynb", []).student == "김민수"


def make_folder(root, *names):
    """Files, or folders where the name ends in a slash."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(name.encode())
    return root


def make_zip(path, *names):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, b"" if name.endswith("/") else name.encode())
    return path


@pytest.fixture(params=["folder", "zip"])
def listed(request, tmp_path):
    """Lists the submissions of some files, in a folder and in a zip."""

    def submissions(*names, at="class"):
        make = make_folder if request.param == "folder" else make_zip
        path = make(tmp_path / (at if request.param == "folder" else f"{at}.zip"), *names)
        source = open_input(path)
        found = collect(source, CHAPTERS)
        for submission in found.submissions:
            if not submission.problem:
                assert source.read(submission.entry).decode() == submission.entry.path
        source.close()
        return found

    return submissions


def rows(found):
    return [(s.student, s.chapter, s.file, s.problem) for s in found.submissions]


def test_one_row_for_each_notebook_in_the_order_of_the_paths(listed):
    names = ("bob/04_convolution/b", "alice/04_convolution/b", "alice/04_convolution/a")
    found = listed(*(f"{name}.ipynb" for name in names))
    assert rows(found) == [
        ("alice", CONV, "alice/04_convolution/a.ipynb", ""),
        ("alice", CONV, "alice/04_convolution/b.ipynb", ""),
        ("bob", CONV, "bob/04_convolution/b.ipynb", ""),
    ]


def test_what_is_hidden_is_no_submission(listed):
    found = listed(
        "alice/x.ipynb",
        "alice/.ipynb_checkpoints/x-checkpoint.ipynb",
        "alice/._x.ipynb",
        "__MACOSX/alice/._x.ipynb",
        ".DS_Store",
        "Thumbs.db",
        ".hidden/y.ipynb",
    )
    assert [s.file for s in found.submissions] == ["alice/x.ipynb"]
    assert found.left_out == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["eve/answers.pdf"], ("eve", "", "eve/answers.pdf", "only answers.pdf")),
        (["eve/a.py", "eve/b/c.docx"], ("eve", "", "eve/a.py", "only a.py, c.docx")),
        (["eve/04_convolution/a.zip"], ("eve", CONV, "eve/04_convolution/a.zip", "not packed")),
        (["eve/"], ("eve", "", "eve", "The folder has no notebook")),
        (["eve/.ipynb_checkpoints/x.ipynb"], ("eve", "", "eve", "The folder has no notebook")),
        (["eve/04_convolution/"], ("eve", CONV, "eve/04_convolution", "The folder has no notebook")),
        (["E E_1_assignsubmission_file/a.txt"], ("E E", "", "E E_1_assignsubmission_file/a.txt", "a.txt")),
        (["ee_1_text.html"], ("ee", "", "ee_1_text.html", "ee_1_text.html")),
        (["ee_LATE_1_2000_a.pdf", "ee_LATE_1_2001_b.pdf"], ("ee", "", "ee_LATE_1_2000_a.pdf", "_b.pdf")),
    ],
)
def test_a_student_without_a_notebook_does_not_vanish(listed, names, expected):
    found = listed("zoe/x.ipynb", *names)
    assert len(found.submissions) == 2
    (row,) = [row for row in rows(found) if row[0] != "zoe"]
    assert row[:3] == expected[:3]
    assert expected[3] in row[3]


def test_other_files_of_a_student_with_a_notebook_are_not_rows(listed):
    found = listed("alice/x.ipynb", "alice/data.csv", "alice/img/", "ann_1_2000_x.ipynb", "ann_1_2001_y.png")
    assert [s.file for s in found.submissions] == ["alice/x.ipynb", "ann_1_2000_x.ipynb"]


def test_a_missing_chapter_of_a_student_is_a_row(listed):
    found = listed("alice/04_convolution/x.ipynb", "alice/03_doubling/x.pdf")
    assert [(s.chapter, bool(s.problem)) for s in found.submissions] == [("03_doubling", True), (CONV, False)]


def test_files_beside_the_students_are_left_out(listed):
    found = listed("alice/x.ipynb", "roster.csv", "04_convolution/README.md")
    assert [s.student for s in found.submissions] == ["alice"]
    assert found.left_out == ["04_convolution/README.md", "roster.csv"]


def test_in_a_flat_folder_every_file_is_somebodys(listed):
    found = listed("alice_04_convolution.ipynb", "bob_04_convolution.pdf")
    assert [(s.student, s.chapter, bool(s.problem)) for s in found.submissions] == [
        ("alice", CONV, False),
        ("bob", CONV, True),
    ]


@pytest.mark.parametrize(
    ("names", "students"),
    [
        (["submissions/alice/x.ipynb", "submissions/bob/x.ipynb"], ["alice", "bob"]),
        (["class/alice/x.ipynb", "class/bob/x.ipynb"], ["alice", "bob"]),
        (["week 4/ann_1_2000_x.ipynb"], ["ann"]),
        (["week 4/Ann Lee_1_assignsubmission_file/x.ipynb"], ["Ann Lee"]),
        (["Ann Lee_1_assignsubmission_file/x.ipynb"], ["Ann Lee"]),
        (["alice/04_convolution/x.ipynb"], ["alice"]),
        (["class/x.ipynb"], ["class"]),
    ],
)
def test_a_folder_around_all_of_them_is_no_student(listed, names, students):
    assert [s.student for s in listed(*names).submissions] == students


def test_nothing_to_grade(listed):
    with pytest.raises(GradingError, match=r"There is no submission in .*Expected notebooks, such as"):
        listed(".DS_Store", "__MACOSX/x.ipynb")


def test_what_is_neither_folder_nor_zip(tmp_path):
    make_folder(tmp_path, "x.ipynb", "x.rar")
    with pytest.raises(GradingError, match="one notebook: type `dltwice grade"):
        open_input(tmp_path / "x.ipynb")
    with pytest.raises(GradingError, match=r"There is no .*Expected a folder"):
        open_input(tmp_path / "nothing")
    with pytest.raises(GradingError, match=r"x\.rar is not a zip, or is cut off"):
        open_input(tmp_path / "x.rar")
    whole = make_zip(tmp_path / "a.zip", "alice/x.ipynb").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:-30])
    with pytest.raises(GradingError, match=r"a\.zip is not a zip, or is cut off"):
        open_input(tmp_path / "a.zip")


class TestFolder:
    def read(self, root, skip=None):
        source = open_input(root, skip)
        found = collect(source, CHAPTERS)
        return source, {s.file: s for s in found.submissions}

    def test_large_files_are_not_read(self, tmp_path):
        make_folder(tmp_path, "alice/x.ipynb")
        with open(tmp_path / "alice/x.ipynb", "r+b") as file:
            file.truncate(LARGEST + 1)
        source, found = self.read(tmp_path)
        assert "more than 32 MB" in found["alice/x.ipynb"].problem
        with pytest.raises(UnreadableError, match="more than 32 MB"):
            source.read(found["alice/x.ipynb"].entry)

    def test_a_file_that_is_gone_is_a_reason(self, tmp_path):
        source, found = self.read(make_folder(tmp_path, "alice/x.ipynb"))
        (tmp_path / "alice/x.ipynb").unlink()
        with pytest.raises(UnreadableError, match="can't be read: No such file"):
            source.read(found["alice/x.ipynb"].entry)

    @pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
    def test_links(self, tmp_path):
        root = make_folder(tmp_path / "class", "alice/x.ipynb", "bob/", "carol/", "dan/", "eve/")
        make_folder(tmp_path / "elsewhere", "secret.ipynb")
        (root / "bob/x.ipynb").symlink_to(tmp_path / "elsewhere/secret.ipynb")
        (root / "carol/x.ipynb").symlink_to("../alice/x.ipynb")
        (root / "dan/x.ipynb").symlink_to("x.ipynb")
        (root / "frank").symlink_to(tmp_path / "elsewhere")
        (root / "eve/up").symlink_to(root)
        source, found = self.read(root)
        assert "outside" in found["bob/x.ipynb"].problem
        assert source.read(found["carol/x.ipynb"].entry) == b"alice/x.ipynb"
        assert "can't be read" in found["dan/x.ipynb"].problem
        assert "link to a folder" in found["frank"].problem
        assert "link to a folder" in found["eve/up"].problem
        assert len(found) == 6

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_a_pipe_is_not_opened(self, tmp_path):
        make_folder(tmp_path, "alice/")
        os.mkfifo(tmp_path / "alice/x.ipynb")
        assert "not a regular file" in self.read(tmp_path)[1]["alice/x.ipynb"].problem

    def test_what_may_not_be_read(self, tmp_path, monkeypatch):
        """Without chmod, which does not stop root."""
        make_folder(tmp_path, "alice/x.ipynb", "bob/x.ipynb")

        def forbid(function, part):
            def forbidden(path, *rest):
                if part in str(path):
                    raise PermissionError(13, "Permission denied")
                return function(path, *rest)

            return forbidden

        monkeypatch.setattr(inputs.os, "scandir", forbid(os.scandir, "bob"))
        monkeypatch.setattr(inputs, "open", forbid(open, "alice"), raising=False)
        source, found = self.read(tmp_path)
        with pytest.raises(UnreadableError, match="Permission denied"):
            source.read(found["alice/x.ipynb"].entry)
        assert "can't be opened: Permission denied" in found["bob"].problem

    def test_the_output_folder_is_left_out(self, tmp_path):
        make_folder(tmp_path, "alice/x.ipynb", "grades/feedback/alice/x.html")
        assert list(self.read(tmp_path, skip=tmp_path / "grades")[1]) == ["alice/x.ipynb"]

    @pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are Unicode there")
    def test_names_that_are_not_unicode(self, tmp_path):
        folder = os.fsencode(tmp_path) + b"/ren\xe9"
        os.mkdir(folder)
        with open(folder + b"/x\n.ipynb", "wb") as file:
            file.write(b"x")
        source, found = self.read(tmp_path)
        (submission,) = found.values()
        submission.file.encode("utf-8")
        assert submission.file == "ren\\udce9/x\\n.ipynb"
        assert source.read(submission.entry) == b"x"


class TestZip:
    def read(self, data, tmp_path):
        (tmp_path / "a.zip").write_bytes(data)
        source = open_input(tmp_path / "a.zip")
        return source, {s.file: s for s in collect(source, CHAPTERS).submissions}

    def packed(self, *members):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in members:
                file.writestr(name, data)
        return out.getvalue()

    def test_a_bomb_is_not_read(self, tmp_path):
        data = self.packed(("alice/x.ipynb", bytes(LARGEST + 1)), ("bob/x.ipynb", b"b"))
        assert len(data) < 100_000
        _, found = self.read(data, tmp_path)
        assert "more than 32 MB" in found["alice/x.ipynb"].problem
        assert not found["bob/x.ipynb"].problem

    def test_a_bomb_that_lies_about_its_size(self, tmp_path):
        data = self.packed(("alice/x.ipynb", bytes(LARGEST + 1)))
        data = data.replace((LARGEST + 1).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
        source, found = self.read(data, tmp_path)
        with pytest.raises(UnreadableError, match="damaged in the zip"):
            source.read(found["alice/x.ipynb"].entry)

    def test_a_damaged_member_stops_no_other(self, tmp_path):
        noise = os.urandom(1000)
        data = bytearray(self.packed(("alice/x.ipynb", noise), ("bob/x.ipynb", b"b")))
        data[200] ^= 255
        source, found = self.read(bytes(data), tmp_path)
        with pytest.raises(UnreadableError, match="damaged in the zip"):
            source.read(found["alice/x.ipynb"].entry)
        assert source.read(found["bob/x.ipynb"].entry) == b"b"

    def encrypted(self, data, count):
        """Set the flag of encryption in the first `count` members, in both places."""
        data = bytearray(data)
        for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            start = -1
            for _ in range(count):
                start = data.index(mark, start + 1)
                data[start + offset] |= 1
        return bytes(data)

    def test_encryption(self, tmp_path):
        data = self.packed(("alice/x.ipynb", b"a"), ("bob/x.ipynb", b"b"))
        _, found = self.read(self.encrypted(data, 1), tmp_path)
        assert "encrypted" in found["alice/x.ipynb"].problem
        with pytest.raises(GradingError, match=r"is encrypted\. Make the zip without a password"):
            self.read(self.encrypted(data, 2), tmp_path)

    def test_links_and_paths_that_lead_out(self, tmp_path):
        link = zipfile.ZipInfo("alice/x.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        data = self.packed((link, "/etc/passwd"), ("../../bob/x.ipynb", b"b"), ("/carol/x.ipynb", b"c"))
        _, found = self.read(data, tmp_path)
        assert "outside" in found["alice/x.ipynb"].problem
        assert sorted(s.student for s in found.values()) == ["alice", "bob", "carol"]
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]

    def test_members_of_the_same_name_are_rows_of_their_own(self, tmp_path):
        with pytest.warns(UserWarning, match="Duplicate name"):
            data = self.packed(("alice/x.ipynb", b"1"), ("alice/x.ipynb", b"2"))
        source, found = self.read(data, tmp_path)
        assert {file: source.read(s.entry) for file, s in found.items()} == {
            "alice/x.ipynb": b"1",
            "alice/x (2).ipynb": b"2",
        }

    @pytest.mark.parametrize("encoding", ["utf-8", "euc_kr", "cp437"])
    def test_names_without_the_flag_for_utf_8(self, tmp_path, encoding):
        name = "josé" if encoding == "cp437" else "김민수"
        raw = name.encode(encoding)
        data = self.packed(("x" * len(raw) + "/x.ipynb", b"x")).replace(b"x" * len(raw) + b"/", raw + b"/")
        _, found = self.read(data, tmp_path)
        assert [s.student for s in found.values()] == [name]

    def test_paths_from_windows(self, tmp_path):
        _, found = self.read(self.packed(("alice\\04_convolution\\x.ipynb", b"x")), tmp_path)
        assert [(s.student, s.chapter) for s in found.values()] == [("alice", CONV)]
