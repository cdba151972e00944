"""Answers that can't be read, never end, end their process, or use up the machine's memory or patience."""

from .build import WORTH, answer, before, cheat, inside, refused, solved

STOPPED = {"says": "Stopped after 2", "status": "timeout"}
ENDED = {"says": "ended", "status": "partial"}

SYNTAX = [
    before("a missing colon", "def f(x)\n    return x", 0, "SyntaxError"),
    before("a wrong indent", "def f(x):\nreturn x", 0, "IndentationError"),
    before("tabs and spaces", "if True:\n        x = 1\n\tx = 2", 0, "TabError"),
    before("a non-breaking space", "x =\u00a01", 0, "U+00A0"),
    before("Python 2", "print 'hello'", 0, "print"),
    before("a return outside", "return 3", 0, "outside function"),
    before("await outside", "await x", 0, "outside function"),
    before("a null byte in the source", "x = '\0'", 0, "null bytes"),
    before("a lone surrogate in the source", "x = '\ud800'", 0, "surrogates not allowed"),
    before("an encoding that does not exist", "# -*- coding: klingon -*-"),
    before("brackets 500 deep", "x = " + "(" * 500 + ")" * 500, 0, "too many nested parentheses"),
    before("minus 100,000 times", "x = " + "-" * 100_000 + "1", 0, status="ok|partial"),
    before("a sum of 100,000 terms", "x = " + "1 + " * 100_000 + "1", 0, status="ok|partial"),
    before("%timeit", "%timeit 1 + 1", 0, "command of the notebook"),
    before("!ls", "!ls -la ~", 0, "command of the notebook"),
    before("%%bash", "%%bash\nls", 0, "command of the notebook"),
    before("a question mark", "np.pad?", 0, "SyntaxError"),
]

THREAD = """
import threading
def forever():
    while True:
        pass
threading.Thread(target=forever).start()
"""
LOOPS = [
    before("a loop that never ends", "while True: pass", 0, **STOPPED),
    answer("a loop in the function", inside("output_size", "while True: pass"), **STOPPED),
    before(
        "a loop that swallows everything",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        0,
        **STOPPED,
    ),
    before(
        "a loop that ignores all signals",
        "import signal\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: pass",
        0,
        **STOPPED,
    ),
    before("a power of 300 million digits", "x = 7 ** (10 ** 8 * 3)", 0, **STOPPED),
    before(
        "a loop in __del__", "class A:\n    def __del__(self):\n        while True: pass\nA()", 0, **STOPPED
    ),
    before("sleep", "import time\ntime.sleep(1e6)", 0, **STOPPED),
    before("stops itself", "import os\nos.kill(os.getpid(), 19)", 0, status="ok|timeout"),
    answer(
        "a loop for one test's input",
        inside("conv2d_backward", "while w.shape[2:] == (1, 1): pass"),
        3,
        question="conv2d_backward",
        **STOPPED,
    ),
    before(
        "a loop at the end of Python", "import atexit\n@atexit.register\ndef end():\n    while True: pass"
    ),
    before("a thread that never ends", THREAD, question="shifts"),
    before("a generator that never ends", "from itertools import count\nfor_ever = (x for x in count())"),
]

ENDS = [
    before("sys.exit", "import sys\nsys.exit()", 0, "stops the program"),
    answer(
        "SystemExit in the function", inside("output_size", "raise SystemExit(0)"), 0, "stops the program"
    ),
    before("exit", "exit()", 0, "exit()"),
    before("KeyboardInterrupt", "raise KeyboardInterrupt", 0, "stops the program"),
    before("GeneratorExit", "raise GeneratorExit", 0, "GeneratorExit"),
    before("os._exit", "import os\nos._exit(0)", 0, **ENDED),
    answer("os._exit in the function", inside("output_size", "os._exit(1)", "import os\n"), **ENDED),
    before("a segmentation fault", "import ctypes\nctypes.string_at(0)", 0, **ENDED),
    answer(
        "a segmentation fault in the function",
        inside("output_size", "import ctypes; ctypes.string_at(0)"),
        **ENDED,
    ),
    before("abort", "import os\nos.abort()", 0, **ENDED),
    before("kills itself", "import os\nos.kill(os.getpid(), 9)", 0, status="ok|partial"),
    before("becomes another program", "import os\nos.execv('/bin/true', ['true'])", 0, status="ok|partial"),
    before("closes everything", "import os\nos.closerange(0, 4096)", 0, status="ok|partial"),
    answer(
        "no end of recursion",
        inside("output_size", "return output_size(size, kernel_size)"),
        0,
        "RecursionError",
    ),
    before("input", "size = input()", 0, "input()"),
    answer("input in the function", inside("output_size", "size = int(input('size? '))"), 0, "input("),
    before("getpass", "import getpass\nsize = getpass.getpass()", 0, "getpass"),
]

# 6 GB is more than an answer may have. The error says that the attack was not stopped.
GIGABYTES = """
held = []
for _ in range(48):
    held.append({})
raise RuntimeError("ESCAPED")
"""
MAPPINGS = f"import mmap\n{GIGABYTES}".format("mmap.mmap(-1, 1 << 27))\n    held[-1].write(bytes(1 << 27)")
FILES = """
import os
for number in range(6):
    {}
    for _ in range(1024):
        os.write(file, bytes(1 << 20))
raise RuntimeError("ESCAPED")
"""
THREADS = """
import threading
stay = threading.Event()
for _ in range(20_000):
    threading.Thread(target=stay.wait, daemon=True).start()
raise RuntimeError("ESCAPED")
"""
BOMB = {"status": "ok|partial|timeout", "sandbox": True}
MEMORY = [
    before("a list of 6 GB", GIGABYTES.format("bytearray(b'x') * (1 << 27)"), 0, **BOMB),
    before("arrays of 6 GB", GIGABYTES.format("np.ones(1 << 24)"), 0, **BOMB),
    before("tensors of 6 GB", GIGABYTES.format("torch.ones(1 << 25)"), 0, **BOMB),
    before("mappings of 6 GB", MAPPINGS, 0, **BOMB),
    before("an array of 800 GB", "x = np.ones(10**11)", 0, "Unable to allocate", sandbox=True),
    before(
        "files of 6 GB", FILES.format("file = os.open(f'/tmp/{number}', os.O_CREAT | os.O_WRONLY)"), 0, **BOMB
    ),
    before("files of 6 GB in memory", FILES.format("file = os.memfd_create(str(number))"), 0, **BOMB),
    before("files of 6 GB in /dev/shm", FILES.format("file = os.open(f'/dev/shm/{number}', 65)"), 0, **BOMB),
    before("20,000 threads", THREADS, 0, question="shifts", **BOMB),
    refused("fork bomb", "import os\nfor _ in range(10): os.fork()"),
]

LOGGING = """
import logging, warnings
logging.basicConfig(level=0)
for _ in range(2000):
    logging.warning("x" * 1000)
    warnings.warn("é" * 1000)
"""
BAR = """
import sys
for i in range(5000):
    print(f"\\r{i / 50:3.0f}% " + "█" * (i // 100), end="", file=sys.stderr, flush=True)
"""
CLOSED = "import os, sys\nsys.stdout.close()\nsys.stderr.close()\nfor f in (0, 1, 2):\n    os.close(f)"
NO_STDOUT = "import sys\nsys.stdout = sys.stderr = sys.__stdout__ = None"
BAD_STDOUT = "import sys\nclass Out:\n    def write(self, text): 1 / 0\nsys.stdout = sys.stderr = Out()"
OUTPUT = [
    before("1 GB printed", "line = 'x' * 10**6\nfor _ in range(1000): print(line)"),
    before("1 GB to descriptor 1", "import os\nfor _ in range(1000): os.write(1, b'x' * 10**6)"),
    before("1 GB to descriptor 2", "import os\nfor _ in range(1000): os.write(2, b'x' * 10**6)"),
    answer(
        "100 kB in every call", inside("output_size", "print('x' * 10**5, flush=True)"), WORTH["output_size"]
    ),
    before("logging and warnings", LOGGING),
    before("a progress bar", BAR, question="conv2d_fast"),
    before("standard streams closed", CLOSED),
    before("standard streams removed", NO_STDOUT),
    before("standard streams that raise", BAD_STDOUT),
    answer(
        "text after the end",
        solved("output_size") + "print('\\0\\x1b[2J\\ud800'.encode('utf-8', 'replace'))",
        3,
    ),
    cheat("the score printed", "print('27 of 27 points')\nprint('[\"passed\", \"\"]')", "output_size(7, 3"),
]

RUNS = SYNTAX + LOOPS + ENDS + MEMORY + OUTPUT
