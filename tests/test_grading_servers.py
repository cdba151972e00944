"""The processes of the grader: the same results everywhere, nothing kept, nothing left behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from chapter_exercises import read as read_exercises
from grading_tools import REQUIRED, Wire, descendants, is_alive, needs_sandbox, wait_until
from test_grading import GOOD, HALF, MASTER, cell, heading, notebook
from test_grading_04_convolution import WRONG

from dltwice.grading import (
    GradeResult,
    GradingError,
    SandboxError,
    confine,
    grade_one,
    grader,
    pool,
    sandbox,
    watch,
)
from dltwice.grading import servers as servers_module
from dltwice.grading.channel import SlowError
from dltwice.grading.notebook import Cell, load_master
from dltwice.grading.remote import Link
from dltwice.grading.servers import ForkServer, StayingServer

ROOT = Path(__file__).parents[1]
CONVOLUTION = read_exercises("04_convolution")
WHY_NOT, MAKE_SERVER = sandbox.why_not, pool._server
NO_SANDBOX = "There is none in this test."
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")
by_signal = pytest.mark.skipif(os.name == "nt", reason="no such signals there")
MODES = [
    pytest.param("sandbox", marks=needs_sandbox),
    pytest.param("fork", marks=on_linux),
    pytest.param("stay"),  # the way of Windows and macOS
]


@contextlib.contextmanager
def run_by(mode: str):
    """Have `grade_one` run its processes in one of three ways."""
    pool.shutdown()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grader, "COLD", 0.0)
        if mode != "sandbox":
            patch.setattr(sandbox, "why_not", lambda: NO_SANDBOX)
        if mode == "stay":
            patch.setattr(pool, "_server", lambda role, modules, *_: StayingServer(role, modules))
        yield mode
        pool.shutdown()


@pytest.fixture(scope="module", params=MODES)
def mode(request):
    before = set(descendants())
    with run_by(request.param):
        yield request.param
    assert wait_until(lambda: set(descendants()) <= before), descendants()


def grade_double(source: str, time_limit: float = 20.0, half: str = HALF) -> GradeResult:
    return grade_one(notebook(cell(source, "double"), cell(half, "half")), MASTER, time_limit)


def earned(result: GradeResult) -> list[float]:
    return [question.earned for question in result.questions]


class TestTheSameEverywhere:
    seen: dict[str, GradeResult] = {}  # noqa: RUF012

    @pytest.mark.parametrize(("data", "points"), [(CONVOLUTION.master, 27), (CONVOLUTION.exercise, 0)])
    def test_solution_and_untouched_exercise(self, mode, data, points):
        result = grade_one(data, CONVOLUTION.questions)
        assert result.earned == points
        assert result.sandboxed == (mode == "sandbox")
        assert self.seen.setdefault(str(points), result) == result

    def test_wrong_answers(self, mode):
        wrong = {answer.question: answer for answer in reversed(WRONG)}  # the first one to every question
        assert len(wrong) >= 8
        questions = CONVOLUTION.questions
        sources = {name: answer.source(questions) for name, answer in wrong.items()}
        result = grade_one(CONVOLUTION.submission(sources), questions)
        got = {question.name: question.earned for question in result.questions if question.name in wrong}
        assert got == {name: answer.points for name, answer in wrong.items()}
        assert self.seen.setdefault("wrong", result) == result


STUCK, DEAD = "Stopped after 0.5 seconds", "The answer ended the whole Python process."
TROUBLE = [
    ("while True: pass", 0, "timeout", STUCK),
    ("def double(x):\n    while x < 0: pass\n    return 2 * x", 1, "timeout", STUCK),
    ("import os\nos._exit(0)", 0, "error", DEAD),
    ("import os\ndef double(x):\n    if x < 0: os._exit(3)\n    return 2 * x", 1, "error", DEAD),
    ("import ctypes\nctypes.string_at(0)", 0, "error", DEAD),
    ("import os\nos.closerange(0, 300)", 0, "error", ""),
    ("import sys\nsys.exit(3)", 0, "error", "The answer stops the program"),
    ("raise ValueError('\\ud800')", 0, "error", "ValueError: ? (line 1 of your answer"),
    ("def double(x): return object()", 0, "failed", "expected 2, got <object object at"),
]


class TestTrouble:
    @pytest.mark.parametrize(("source", "points", "status", "message"), TROUBLE)
    def test_it_costs_its_question_only(self, mode, source, points, status, message):
        result = grade_double(source, 0.5)
        double, half = result.questions
        assert (double.earned, double.status, half.earned) == (points, status, 1)
        assert all(message in problem.message for problem in double.problems[:1])
        json.dumps(result.to_dict(), ensure_ascii=False).encode()  # no half characters
        assert earned(grade_double(GOOD)) == [3, 1]

    def test_every_test_of_a_stopped_answer_says_the_same(self, mode):
        result = grade_double("def double(x):\n    while True: pass", 0.5, half="def half(x): return 1.5")
        assert [question.status for question in result.questions] == ["timeout", "passed"]
        assert [problem.message[: len(STUCK)] for problem in result.questions[0].problems] == [STUCK]

    def test_there_are_never_more_processes_than_two_servers(self, mode):
        pool.shutdown()
        grade_double(GOOD)
        most = len(descendants())
        assert most == {"sandbox": 4, "fork": 2, "stay": 2}[mode]
        for source in (GOOD, "import os\nos._exit(1)", "x = 1"):
            grade_double(source)
            assert wait_until(lambda: len(descendants()) <= most), descendants()


FORGE = """
import os, stat, struct
for number in range(3, 64):
    try:
        kind = os.fstat(number).st_mode
        if stat.S_ISSOCK(kind) or stat.S_ISFIFO(kind):
            os.set_blocking(number, False)
            os.write(number, struct.pack(">I", {size}) + {data!r})
    except OSError: pass
"""
EMPTY_REPLY = b'\0\0\0\x2c{"t":"dict","v":[["value",{"t":"dict","v":[]}]]}'
HARM = {
    "NumPy changed": "import builtins, numpy\nnumpy.sum = builtins.abs = builtins.sum = lambda *a: 99",
    "imports removed": "import sys\nsys.modules['numpy'] = sys.modules['random'] = None",
    "a setting by its name": "from numpy import seterr\nseterr(all='raise')",
    "the environment": "import os\nos.environ['HARM'] = '1'",
    "its folder deleted": "import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)",
    "a file": "open('harm.txt', 'w').write('x')",
    "a file by NumPy": "import numpy as np\nnp.savetxt('harm.txt', [1])",
    "no recursion": "import sys\nsys.setrecursionlimit(60)",
    "an end that waits": "import threading, os\nthreading.Timer(0.1, os._exit, [1]).start()",
    "a reply too many": FORGE.format(size=len(EMPTY_REPLY), data=EMPTY_REPLY),
    "half a reply": FORGE.format(size=100, data=b"x"),
    "another encoder": "import dltwice.grading.answers as a\na.dump = lambda *b: b''",
    "no seeds": "import numpy, random\nnumpy.random.seed = random.seed = lambda *a: None",
}
CAREFUL = """
import os, random
import numpy as np
def double(x):
    with np.errstate(invalid="ignore"):
        pass
    assert np.array([1.0]) / 0 == np.inf
    assert "HARM" not in os.environ and not os.path.exists("harm.txt") and os.listdir() == []
    assert abs(-2) == 2 and sum([1, 1]) == 2 and np.sum([1, 1]) == 2
    def deep(n): return n and deep(n - 1)
    deep(100)
    return 2 * x
"""


class TestNothingIsKept:
    @pytest.mark.parametrize("harm", HARM)
    def test_of_another_submission(self, mode, harm):
        grade_double(HARM[harm] + "\n" + GOOD, 0.5)
        result = grade_double(CAREFUL)
        assert earned(result) == [3, 1], result

    @pytest.mark.parametrize("harm", sorted(set(HARM) - {"an end that waits", "its folder deleted"}))
    def test_of_another_question(self, mode, harm):
        half = CAREFUL.replace("double", "half").replace("2 * x", "x / 2")
        if "file" in harm:
            half = half.replace('and not os.path.exists("harm.txt") and os.listdir() == []', "")
        result = grade_double(HARM[harm] + "\n" + GOOD, 0.5, half)
        assert earned(result)[1] == 1, result

    def test_random_numbers_are_the_same_for_everyone(self, mode):
        draw = "import random\nimport numpy as np\ndef double(x): return random.random() + np.random.rand()"
        one = grade_double(draw)
        grade_double(HARM["no seeds"] + "\n" + GOOD)
        assert grade_double(draw) == one
        assert one.questions[0].problems[0].message.startswith("double(1): expected 2, got 0.")

    def test_the_exercises_own_random_numbers_are_the_same_on_both_sides(self, mode):
        master = notebook(
            cell("import numpy as np\nx = np.random.rand(3)"),
            cell("def f():\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", "f"),
            cell("assert (f() == x).all(), f'{f()} is not {x}'", "test_f", 1),
        )
        assert grade_one(master, master).earned == 1


class TestTime:
    MASTER = notebook(
        cell("FACTOR = 2"),
        *(
            part
            for name in "abcd"
            for part in (
                heading(f"## {name}"),
                cell(f"def {name}(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", name),
                cell(f"assert {name}(3) == 3", f"test_{name}", 1),
            )
        ),
    )

    def test_a_submission_that_uses_all_of_it_gets_a_result(self, mode, monkeypatch):
        grade_double(GOOD)
        monkeypatch.setattr(watch, "SETUP_LIMIT", 1.0)
        monkeypatch.setattr(watch, "SUBMISSION", 0)
        data = notebook(*(cell("while True: pass", name) for name in "abcd"))
        start = time.monotonic()
        result = grade_one(data, self.MASTER, 0.5)
        assert time.monotonic() - start < 20
        assert [question.status for question in result.questions] == ["timeout"] * 4
        assert result.status in ("timeout", "tampered")

    def test_a_test_that_can_not_be_compiled_gives_the_same_every_time(self, mode):
        broken = self.MASTER.replace(b"assert b(3) == 3", b"assert b(3) ==")
        results = [grade_one(broken, broken) for _ in range(3)]
        assert results[0] == results[1] == results[2]
        assert earned(results[0]) == [1, 0, 1, 1]


@contextlib.contextmanager
def server(mode: str, role: str = "answers"):
    made = StayingServer(role, ()) if mode == "stay" else ForkServer(role, (), mode == "sandbox", ())
    try:
        yield made
    finally:
        made.close()


def inside(server, code: str, name: str = "x", seconds: float = 20.0):
    """What `code` makes of `name` in a new copy of the server."""
    link = Link(Wire(server.open(), seconds))
    told = link.ask("run", name="cell", source=code, question="q")["value"]
    assert not told, told
    return link.ask("get", names=[name])["value"].get(name)


def processes(server) -> list[psutil.Process]:
    top = psutil.Process(server.process.pid)
    return [top, *top.children(recursive=True)]


def kill(server) -> None:
    """Kill a server that is ready, and whatever it has started."""
    if not server.ready:
        server._wait()
    found = processes(server)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert wait_until(lambda: not any(map(is_alive, found)))


class TestServers:
    @pytest.fixture(scope="class", params=MODES)
    @classmethod
    def one(cls, request):
        with server(request.param) as made:
            yield made

    def test_a_new_copy_knows_nothing_of_the_one_before(self, one):
        assert inside(one, "x = 5") == 5
        assert inside(one, "y = 6") is None
        one.finish()
        assert inside(one, "y = 6") is None

    def test_killed_processes_are_replaced(self, one):
        assert inside(one, "x = 1") == 1
        kill(one)
        for _ in range(2):
            assert inside(one, "x = 2") == 2
        one.finish()
        kill(one)
        assert inside(one, "x = 3") == 3

    @by_signal
    def test_a_server_that_does_not_react_is_replaced(self, one, monkeypatch):
        monkeypatch.setattr(servers_module, "KILL_LIMIT", 0.3)
        assert inside(one, "x = 1") == 1
        old = processes(one)
        for process in old:
            process.suspend()
        one.stop()
        assert inside(one, "x = 2") == 2
        assert wait_until(lambda: not any(map(is_alive, old))), old

    def test_preparing_is_never_fatal(self, one):
        cells = [Cell("setup", "setup", "import math"), Cell("bad", "test", "x =", "q", 1.0)]
        one.prepare(cells)
        assert inside(one, "x = 1") == 1
        kill(one)
        one.prepare([Cell("big", "setup", "# " + "x" * 10**6)])
        one.stop()
        one.prepare(cells)
        assert inside(one, "x = 2") == 2

    @pytest.mark.parametrize("mode", MODES)
    def test_closing_ends_everything(self, mode):
        with server(mode) as one:
            self.check_closing(one)

    def check_closing(self, one):
        link = Link(Wire(one.open(), 0.3))
        with pytest.raises(SlowError):
            link.ask("run", name="cell", source="while True: pass", question="q")
        old, folder = processes(one), one.folder
        for _ in range(2):
            one.close()
        assert wait_until(lambda: not any(map(is_alive, old))), old
        assert folder is None or not folder.exists()

    @pytest.mark.parametrize(
        "code",
        [
            "open('a', 'w').write('x')",
            "import os\nfor i in range(200): open(str(i), 'w')",
            "import os\nos.makedirs('a/b/c')\nopen('a/b/c/d', 'w')\nos.mkdir('a/locked', 0)",
            "import os\nos.symlink('/usr', 'link')\nos.symlink('missing', 'other')",
            "import os\nos.mkfifo('pipe')",
            "import os\nfor i in range(150):\n    os.mkdir('d')\n    os.chdir('d')",
            "import tempfile\nx = [tempfile.mkdtemp(dir='.') for _ in range(9)]",
        ],
    )
    def test_its_folder_is_emptied(self, one, code):
        if os.name == "nt" and ("mkfifo" in code or "symlink" in code):
            pytest.skip("not there")
        look = "import os\nx = os.listdir()"
        assert inside(one, f"{code}\nx = 0") == 0
        server = one.process
        one.finish()
        assert inside(one, look) == []
        assert (one.process is server) == isinstance(one, ForkServer)  # not by starting a new one
        assert Path("/usr").is_dir() == (os.name != "nt")

    def test_warming_up(self):
        if sys.platform != "linux":
            pytest.skip("forks on Linux only")
        with server("fork") as one:
            freeze = "import gc\nx = gc.get_freeze_count()"
            assert inside(one, freeze) == 0
            one.prepare([Cell("setup", "setup", "import math")])
            assert inside(one, freeze) > 1000

    @pytest.mark.parametrize("mode", MODES)
    def test_no_start_is_an_error_that_says_so(self, mode, monkeypatch):
        monkeypatch.setattr(servers_module, "BOOT", "raise SystemExit({!r}, {!r})")
        with server(mode) as one, pytest.raises(GradingError, match=r"Python does not start: .*python"):
            one.open()

    @by_signal
    def test_an_interrupt_does_not_reach_it(self, one):
        assert inside(one, "x = 1") == 1
        number = one.number if isinstance(one, ForkServer) else one.process.pid
        os.kill(number, signal.SIGINT)
        time.sleep(0.1)
        assert inside(one, "x = 2") == 2
        assert number == (one.number if isinstance(one, ForkServer) else one.process.pid)


FILTERED = confine.check_filter() is None
LIMITS = [
    ("bytearray(2**31)", "MemoryError"),
    ("np.ones(2**28)", "Unable to allocate"),
    ("open('big', 'wb').write(bytes(2**25))", "Error"),
    ("[open(os.devnull) for _ in range(100)]", "Too many open files"),
]
FORBIDDEN = [
    ("os.fork()", "PermissionError"),
    ("subprocess.run(['true'])", "PermissionError"),
    ("os.system('true') == 0 or 1 / 0", "ZeroDivisionError"),
    ("socket.socket()", "PermissionError"),
    ("os.kill(os.getppid(), 9)", "PermissionError"),
]


@on_linux
class TestLimits:
    @pytest.fixture(scope="class", params=MODES[:2])
    @classmethod
    def one(cls, request):
        with server(request.param) as made:
            yield made

    @pytest.mark.parametrize(("code", "error"), LIMITS + FORBIDDEN)
    def test_what_is_too_much_is_an_error(self, one, code, error):
        if (code, error) in FORBIDDEN and not FILTERED and not REQUIRED:
            pytest.skip(f"needs the filter: {confine.check_filter()}")
        source = f"import os, socket, subprocess\nimport numpy as np\ny = {code}"
        with pytest.raises(AssertionError, match=error):
            inside(one, source)
        assert inside(one, "x = len(bytearray(2**27))") == 2**27

    def test_threads_are_allowed_and_end_with_the_copy(self, one):
        code = "import threading\nfor _ in range(5): threading.Thread(target=threading.Event().wait).start()"
        one.stop()
        before = len(processes(one))
        assert inside(one, f"{code}\nx = threading.active_count()") == 6
        one.stop()
        assert len(processes(one)) == before

    def test_what_is_used_is_not_counted_twice(self, one):
        for _ in range(3):
            assert inside(one, "held = [bytearray(2**28) for _ in range(3)]\nx = len(held)") == 3


@needs_sandbox
class TestInside:
    """What an answer sees of the system."""

    @pytest.fixture(scope="class")
    @classmethod
    def one(cls):
        os.environ["DLTWICE_SECRET"] = "secret"
        with server("sandbox") as made:
            yield made
        del os.environ["DLTWICE_SECRET"]

    def test_no_notebook_and_no_test_is_there(self, one):
        walk = (
            "import os\nx = []\nfor folder, inner, names in os.walk('/'):\n"
            "    inner[:] = [f for f in inner if f not in ('usr', 'proc', 'site-packages')]\n"
            "    x += [f'{folder}/{n}' for n in names if n.endswith('.ipynb') or STEM in folder + n]"
        )
        assert inside(one, f"STEM = '04_convolution'\n{walk}") == []

    @pytest.mark.parametrize("name", ["solutions", "exercises", "tests", "pyproject.toml", ".git", "book"])
    def test_of_the_book_only_the_package_is_there(self, one, name):
        path = str(ROOT / name)
        assert inside(one, f"import os\nx = os.listdir({path!r}) if os.path.isdir({path!r}) else []") == []
        assert inside(one, f"import os\nx = os.path.isfile({path!r})") is False
        assert inside(one, "import dltwice.grading.checks\nx = 1") == 1

    def test_folders_to_hide_are_empty(self):
        numpy = Path(sys.modules["numpy"].__file__).parent / "random"
        with contextlib.closing(ForkServer("answers", (), True, (numpy / "tests",))) as made:
            assert inside(made, f"import os\nx = os.listdir({str(numpy / 'tests')!r})") == []
            assert "mtrand" in str(inside(made, f"import os\nx = os.listdir({str(numpy)!r})"))

    @pytest.mark.parametrize(
        ("code", "want"),
        [
            ("'DLTWICE_SECRET' in os.environ or 'secret' in str(os.environ)", False),
            ("sorted(os.listdir())", []),
            ("os.getcwd()", "/scratch"),
            ("os.path.expanduser('~')", "/scratch"),
            ("os.path.exists('/home') and os.listdir('/home') != []", False),
            ("os.path.exists('/etc/passwd')", False),
            ("[p for p in os.listdir('/proc') if p.isdigit()] if os.path.exists('/proc') else []", []),
            ("os.getppid()", 1),
            ("os.access('/usr', os.W_OK) or os.access('/', os.W_OK)", False),
            ("os.environ['OMP_NUM_THREADS']", "1"),
            ("sys.stdin.read() + str(print('x' * 10**6))", "None"),
        ],
    )
    def test_the_surroundings(self, one, code, want):
        assert inside(one, f"import os, sys\nx = {code}") == want

    def test_the_disk_is_small(self, one):
        fill = "for i in range(9): open(str(i), 'wb').write(bytes(2**22))"
        with pytest.raises(AssertionError, match="No space left on device"):
            inside(one, fill)
        one.finish()
        assert inside(one, "open('a', 'wb').write(bytes(2**23))\nx = 1") == 1

    def test_only_its_own_descriptors_are_open(self, one):
        look = (
            "import os, stat\nx = []\nfor number in range(64):\n"
            "    try: x.append(stat.S_IFMT(os.fstat(number).st_mode))\n    except OSError: pass"
        )
        kinds = inside(one, look)
        assert kinds.count(0o140000) == 1  # a socket: the channel
        assert set(kinds) == {0o140000, 0o020000}  # /dev/null


class TestWhyNot:
    @pytest.fixture(autouse=True)
    def _anew(self, monkeypatch):
        pool.shutdown()
        monkeypatch.setattr(sandbox, "why_not", WHY_NOT)
        monkeypatch.setattr(pool, "_server", MAKE_SERVER)
        WHY_NOT.cache_clear()
        yield
        WHY_NOT.cache_clear()
        pool.shutdown()

    @pytest.fixture
    def path(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        return tmp_path

    @on_linux
    def test_without_bubblewrap(self, path):
        reason = sandbox.why_not()
        assert reason.startswith("The sandbox needs the program bubblewrap (bwrap), which is not installed.")
        assert "apt install bubblewrap" in reason
        assert "apparmor_restrict_unprivileged_userns=0" in reason

    @on_linux
    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ("echo one >&2\necho 'bwrap: No permissions to create' >&2\nexit 1", "bwrap: No permissions"),
            ("exit 7", "exit code 7"),
            ("kill -9 $$", "exit code -9"),
        ],
    )
    def test_where_bubblewrap_does_not_work(self, path, script, said):
        if reason := confine.check_filter():
            pytest.skip(reason)
        (path / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
        (path / "bwrap").chmod(0o755)
        reason = sandbox.why_not()
        assert reason.startswith("The sandbox does not start: ")
        assert said in reason
        assert "--security-opt" in reason

    @on_linux
    def test_without_the_filter(self, monkeypatch):
        monkeypatch.setattr(confine, "check_filter", lambda: "the filter is missing.")
        monkeypatch.setattr(sandbox.shutil, "which", lambda name: "/usr/bin/bwrap")
        assert sandbox.why_not() == "The sandbox does not work here: the filter is missing."

    @pytest.mark.parametrize("system", ["darwin", "win32"])
    def test_on_other_systems(self, monkeypatch, system):
        monkeypatch.setattr(sys, "platform", system)
        assert sandbox.why_not() == f"The sandbox needs Linux, this is {system}."

    @on_linux
    def test_safe_grading_is_refused_with_the_reason(self, path):
        data = notebook(cell(GOOD, "double"))
        before = descendants()
        with pytest.raises(SandboxError, match=r"bubblewrap \(bwrap\), which is not installed"):
            grade_one(data, MASTER, unsafe=False)
        with pytest.raises(SandboxError):
            grade_one(b"not a notebook", MASTER, unsafe=False)
        assert descendants() == before
        assert isinstance(SandboxError(""), GradingError)

    @on_linux
    def test_unsafe_grading_is_said_to_be(self, path):
        result = grade_double(GOOD)
        assert (earned(result), result.sandboxed) == ([3, 1], False)

    @needs_sandbox
    def test_safe_grading_works_where_it_can(self):
        assert sandbox.why_not() is None
        result = grade_one(notebook(cell(GOOD, "double")), MASTER, unsafe=False)
        assert (result.earned, result.sandboxed) == (3, True)


ANSWERS = {
    GOOD: [3, 1],
    "def double(x): return abs(2 * x)": [1, 1],
    "def double(x): return 3": [0, 1],
    "import os\nos._exit(1)": [0, 1],
    "import numpy as np\nnp.abs = None\n" + GOOD: [3, 1],
}


def grade_number(number: int) -> list[float]:
    return earned(grade_double(list(ANSWERS)[number % len(ANSWERS)]))


EXPECTED = [list(ANSWERS.values())[number % len(ANSWERS)] for number in range(20)]


class TestManyAtOnce:
    def test_threads(self, mode):
        count = 8 if mode == "stay" else 20
        with ThreadPoolExecutor(3) as executor:
            assert list(executor.map(grade_number, range(count))) == EXPECTED[:count]
        pool.shutdown()

    def test_an_end_in_one_thread_leaves_the_others_alone(self, mode):
        with ThreadPoolExecutor(2) as executor:  # so that there are two pairs
            list(executor.map(grade_number, range(4)))
        idle = sum(map(len, pool._idle.values()))
        results = []
        thread = threading.Thread(target=lambda: results.append(grade_double("while True: pass", 0.5)))
        thread.start()
        assert wait_until(lambda: sum(map(len, pool._idle.values())) < idle)
        pool.shutdown()  # what is at work is not idle
        assert earned(grade_double(GOOD)) == [3, 1]
        thread.join(20)
        assert earned(results[0]) == [0, 1]
        pool.shutdown()


FORKED = """
    grade_double(GOOD)
    child = os.fork()
    result = [grade_number(n) for n in range(3)]
    if not child:
        sys.exit(result != EXPECTED[:3])  # and not os._exit, so that all that is registered for the end runs
    assert os.waitpid(child, 0)[1] == 0
    for one in next(iter(pool._idle.values()))[0]:
        kill(one)  # so that it has to be started anew, in the same place
    print(json.dumps(result + [grade_number(n) for n in range(3, 6)]))
"""
WORKERS = """
    from joblib import Parallel, delayed
    print(json.dumps(Parallel(2)(delayed(grade_number)(n) for n in range(6))))
"""


def script(mode: str, code: str, folder: Path) -> subprocess.Popen:
    """Run `code` where answers run by `mode`; temporary folders are made in `folder`."""
    start = f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    start += f"from test_grading_servers import *\nwith run_by({mode!r}):"
    variables = os.environ | {"TMPDIR": str(folder), "TMP": str(folder)}
    return subprocess.Popen([sys.executable, "-c", start + code], stdout=subprocess.PIPE, env=variables)


SCRIPTS = [
    *(pytest.param(FORKED, *param.values, marks=[*param.marks, by_signal]) for param in MODES),
    pytest.param(WORKERS, *MODES[0].values, marks=MODES[0].marks),
]


@pytest.mark.parametrize(("code", "mode"), SCRIPTS, ids=["fork 1", "fork 2", "fork 3", "joblib"])
def test_each_process_has_its_own_servers(mode, code, tmp_path):
    with script(mode, code, tmp_path) as grading:
        said = grading.communicate(timeout=60)[0]
    assert grading.returncode == 0
    assert json.loads(said) == EXPECTED[:6]
    assert wait_until(lambda: not list(tmp_path.glob("dltwice-*")))


ENDLESS = """
    try:
        print("ready", flush=True)
        grade_double("while True: pass", 60.0)
    except KeyboardInterrupt:
        print("interrupted", len(pool._idle), earned(grade_double(GOOD)))
"""


@by_signal
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ending", ["SIGINT", "SIGKILL"])
def test_ends_in_the_middle_leave_nothing_behind(mode, ending, tmp_path):
    with script(mode, ENDLESS, tmp_path) as grading:
        assert grading.stdout.readline() == b"ready\n"
        started = psutil.Process(grading.pid)
        wanted = {"sandbox": 6, "fork": 4, "stay": 2}[mode]  # two servers with their copies
        assert wait_until(lambda: len(started.children(recursive=True)) >= wanted)
        time.sleep(0.3)
        children = started.children(recursive=True)
        grading.send_signal(getattr(signal, ending))
        said = grading.communicate(timeout=20)[0]
    assert said == (b"interrupted 0 [3.0, 1.0]\n" if ending == "SIGINT" else b"")
    assert wait_until(lambda: not any(map(is_alive, children))), children
    assert wait_until(lambda: not list(tmp_path.glob("dltwice-*")))


def measure() -> dict[str, int]:
    """Open descriptors, processes that ended unnoticed, files, memory in MB."""
    tree = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return {
        "descriptors": tree[0].num_fds(),
        "theirs": max(process.num_fds() for process in tree[1:] if is_alive(process)),
        "zombies": sum(process.status() == psutil.STATUS_ZOMBIE for process in tree),
        "folders": len(list(Path(tempfile.gettempdir()).glob("dltwice-*"))),
        "memory": sum(process.memory_info().rss for process in tree if is_alive(process)) >> 20,
    }


@by_signal
def test_nothing_grows(mode, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pool.shutdown()
    sources = [*ANSWERS, "def double(x) return", "open('a', 'w').write('x')\n" + GOOD]
    for source in sources:
        grade_double(source)
    before = measure()
    for number in range(50 if mode != "stay" else 8):
        grade_double(sources[number % len(sources)])
    after = measure()
    assert after.pop("memory") <= before.pop("memory") + 20
    assert {key: max(0, after[key] - before[key]) for key in before} == dict.fromkeys(before, 0)
    pool.shutdown()
    assert not list(tmp_path.iterdir())


def test_the_exercise_is_to_blame_only_if_it_is(mode):
    master = load_master(MASTER.replace(b"FACTOR = 3", b"import no_such_module"))
    for source in (GOOD, "import os\nos._exit(1)"):
        with pytest.raises(GradingError, match="No module named 'no_such_module'"):
            grade_one(notebook(cell(source, "double")), master)
    assert earned(grade_double(GOOD)) == [3, 1]


def test_an_error_ends_the_pair(mode):
    old = []

    def fail():
        with pool.servers((), mode == "sandbox") as pair:
            old.extend(process for one in pair for process in processes(one))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(old) >= 2
    assert wait_until(lambda: not any(map(is_alive, old))), old
