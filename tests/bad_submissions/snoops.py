"""Cheats that look for tests, solutions and results in frames, memory and files, or that forge results."""

import hashlib

from .build import Entry, answer, before, cheat
from .cheats import SEEN

FRAMES = """
import sys
def conv2d_loops(x, w, b, stride=1, padding=0):
    frame = sys._getframe()
    while frame is not None:
        for scope in (frame.f_locals, frame.f_globals, frame.f_builtins):
            if scope.get("want") is not None: return scope["want"]
        frame = frame.f_back
    return seen(x)
"""
INSPECT = """
import inspect
def conv2d_loops(x, w, b, stride=1, padding=0):
    for info in inspect.stack():
        if "want" in info.frame.f_locals: return info.frame.f_locals["want"]
    return seen(x)
"""
RAISING = """
def conv2d_loops(x, w, b, stride=1, padding=0):
    try:
        raise KeyError
    except KeyError as error:
        frame = error.__traceback__.tb_frame
        while frame:
            if "want" in frame.f_locals: return frame.f_locals["want"]
            frame = frame.f_back
    return seen(x)
"""
OBJECTS = """
import gc
def conv2d_loops(x, w, b, stride=1, padding=0):
    for found in [*gc.get_referrers(x, w), *gc.get_objects()]:
        if isinstance(found, dict) and "want" in found: return found["want"]
    return seen(x)
"""
CELL = """
import gc, types
def conv2d_loops(x, w, b, stride=1, padding=0):
    for f in gc.get_objects():
        if isinstance(f, types.FunctionType) and "want" in f.__code__.co_freevars:
            return f.__closure__[f.__code__.co_freevars.index("want")].cell_contents
    return seen(x)
"""
OTHER_THREADS = """
import sys
def conv2d_loops(x, w, b, stride=1, padding=0):
    for frame in sys._current_frames().values():
        while frame:
            if "want" in frame.f_locals: return frame.f_locals["want"]
            frame = frame.f_back
    return seen(x)
"""
TRACE = """
import ctypes, sys, threading
def spy(frame, event, arg):
    names = frame.f_locals
    if event == "call" and "got" in names and "want" in names:
        names["got"] = names["want"]
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), 0)
sys.{0}(spy)
threading.{0}(spy)
"""
MEMORIZE_AND = {
    "the frames": FRAMES,
    "inspect.stack": INSPECT,
    "an exception's frames": RAISING,
    "all objects": OBJECTS,
    "all closures": CELL,
    "the frames of all threads": OTHER_THREADS,
}


def _needle(text: str) -> dict[str, str]:
    """What finds `text` in memory without holding it: the first part backwards, and a hash of the rest."""
    first, rest = text[:-8].encode(), text[-8:].encode()
    return {"first": repr(first[::-1]), "rest": repr(hashlib.sha256(rest).hexdigest())}


# Where there is no list of the memory's regions, the heap is found by its end and by asking page for page.
SCAN = """
import ctypes, hashlib
first = bytes(reversed({first}))

def look(chunk):
    at = chunk.find(first)
    while at >= 0:
        if hashlib.sha256(chunk[at + len(first) : at + len(first) + 8]).hexdigest() == {rest}:
            raise RuntimeError("ESCAPED")
        at = chunk.find(first, at + 1)

def mapped():
    for line in open("/proc/self/maps"):
        span, mode, _, _, inode, *_ = line.split()
        if mode.startswith("rw") and inode == "0":
            yield [int(end, 16) for end in span.split("-")]

def heap():
    libc = ctypes.CDLL(None)
    libc.sbrk.restype = ctypes.c_void_p
    high = low = libc.sbrk(0)
    page = ctypes.create_string_buffer(1)
    while libc.mincore(ctypes.c_void_p(low - 4096), 4096, page) == 0:
        low -= 4096
    yield low, high

def regions():
    try: yield from mapped()
    except OSError: yield from heap()

for low, high in regions():
    for start in range(low, high, 1 << 22):
        try: look(ctypes.string_at(start, min(high - start, (1 << 22) + 256)))
        except MemoryError: pass
"""
TEXTS = """
import gc
def look():
    first = "".join(reversed({first}))
    gc.unfreeze()
    for found in gc.get_objects():
        for text in gc.get_referents(found):
            if type(text) is str and first in text or type(text) is bytes and first.encode() in text:
                raise RuntimeError("ESCAPED")
look()
"""
HIDDEN_TEXT = "parameters = {parameters} is not the number that layer"
SOLUTION_TEXT = "a kernel that spans {span} does not fit into {size"
WALK = """
import json, os
import dltwice
places = ["@CHECKOUT@", os.getcwd(), os.path.expanduser("~"), "/root", "/home", "/tmp", *dltwice.__path__]
for pid in ["self", "1", str(os.getppid()), *filter(str.isdigit, os.listdir("/proc"))]:
    places += [f"/proc/{pid}/cwd", f"/proc/{pid}/root", f"/proc/{pid}/root/@CHECKOUT@"]
    places += [f"/proc/{pid}/fd/{number}" for number in range(64)]
for place in places:
    for up in range(5):
        path = os.path.join(place, *[".."] * up, "solutions/04_convolution/04_convolution.ipynb")
        if os.path.exists(path):
            for cell in json.load(open(path))["cells"]:
                if cell["id"] == "output_size":
                    exec("".join(cell["source"]))
output_size = globals().get("output_size") or (lambda *args, **kwargs: 7)
"""
SECRETS = """
import glob, os
texts = [repr(os.environ), repr(os.environb)]
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
    try: texts.append(open(path, errors="replace").read())
    except OSError: pass
if any("-".join(["canary", "secret"]) in text for text in texts):
    raise RuntimeError("ESCAPED")
"""
DESCRIPTORS = """
import os
for number in range(3, 256):
    try: os.listdir(f"/proc/self/fd/{number}/"); os.open("..", os.O_RDONLY, dir_fd=number)
    except OSError: continue
    raise RuntimeError("ESCAPED")
"""
MODULES = """
import linecache, sys
def look():
    first = "".join(reversed({first}))
    texts = [repr(entry) for entry in linecache.cache.values()]
    for name, module in list(sys.modules.items()):
        if name == "__main__" or name.startswith("dltwice"):
            texts.append(repr(vars(module)))
    if any(first in text for text in texts):
        raise RuntimeError("ESCAPED")
look()
"""


def _looks(place: str, code: str, says: str = "", **more) -> Entry:
    """A conv2d_loops that knows the visible tests, and looks for what the hidden ones expect."""
    return answer(f"looks for the result in {place}", SEEN + code, 0, says, question="conv2d_loops", **more)


SNOOPS = [
    *(_looks(place, code) for place, code in MEMORIZE_AND.items()),
    cheat("traces the checks", TRACE.format("settrace"), "output_size(7, 3"),
    cheat("profiles the checks", TRACE.format("setprofile"), "output_size(7, 3"),
    cheat("hidden tests in its memory", SCAN.format(**_needle(HIDDEN_TEXT)), "output_size(7, 3"),
    cheat("solutions in its memory", SCAN.format(**_needle(SOLUTION_TEXT)), "output_size(7, 3"),
    *(
        cheat(f"{what} in {where}", code.format(first=repr(text[::-1])), "output_size(7, 3")
        for what, text in (("hidden tests", HIDDEN_TEXT), ("solutions", SOLUTION_TEXT))
        for where, code in (("modules", MODULES), ("all texts of Python", TEXTS))
    ),
    answer("solutions on the disk", WALK, 0, "output_size(7, 3", sandbox=True),
    before("secrets in the environment", SECRETS, sandbox=True),
    before("open folders", DESCRIPTORS, sandbox=True),
]

FORGE = """
import json, os, pickle, struct
words = [["passed", ""], {"status": "passed"}, {"ok": True, "value": 7}, ["value", 7], 7, None, []]
texts = [make(word) for word in words for make in (lambda word: json.dumps(word).encode(), pickle.dumps)]
def forge():
    for number in range(21):
        for text in texts:
            for size in ("", "<I", ">I", "<Q", ">Q"):
                frame = struct.pack(size, len(text)) + text if size else text + b"\\n"
                try: os.write(number, frame)
                except OSError: break
"""
IN_A_CALL = "\ndef output_size(*args, **kwargs):\n    forge()\n    {}\n"
READ = """
import os
def output_size(*args, **kwargs):
    for number in range(21):
        try:
            os.set_blocking(number, False)
            while os.read(number, 1 << 16): pass
        except OSError: pass
    return 7
"""
LOST = """
import os
nowhere = os.open(os.devnull, os.O_RDWR)
for number in range(21):
    if number != nowhere: os.dup2(nowhere, number)
"""
THREAD = """
import threading, time
def later():
    while True:
        forge()
        time.sleep(0.001)
threading.Thread(target=later, daemon=True).start()
"""
ANY_WAY = {"status": "ok|partial|timeout"}
FORGED = [
    cheat("forges results", FORGE + "forge()", **ANY_WAY),
    cheat("forges results and leaves", FORGE + "forge()\nos._exit(0)", **ANY_WAY),
    answer("forges results in a call", FORGE + IN_A_CALL.format("return 7"), **ANY_WAY),
    answer("forges results in a call and leaves", FORGE + IN_A_CALL.format("os._exit(0)"), **ANY_WAY),
    answer("forges results in a call and waits", FORGE + IN_A_CALL.format("while True: pass"), **ANY_WAY),
    cheat("forges results all the time", FORGE + THREAD, question="shifts", **ANY_WAY),
    answer("reads what is sent to it", READ, **ANY_WAY),
    cheat("puts other files in the place of its descriptors", LOST, **ANY_WAY),
]

SNOOPS += FORGED
