"""Answers that give odd values and odd exceptions: equal to everything, without end, or with evil methods."""

from .build import Entry, answer, before, cheat, inside, solved

EQUAL = """
class Equal({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return False
    def __gt__(self, other): return False
    def __sub__(self, other): return 0
    def __len__(self): return 3
    def __getitem__(self, index): return self
    __hash__ = object.__hash__
"""
ALL_FOUR = "parameters = unread_rows = receptive_field = heights = Equal({value})\n"
LIAR = """
class Equal:
    __class__ = int
    def __eq__(self, other): return True
    def __len__(self): return 3
    def __getitem__(self, index): return self
"""
NUMBER = """
import numbers
class Equal:
    def __eq__(self, other): return True
    def __len__(self): return 3
    def __getitem__(self, index): return self
    def __index__(self): return 5
numbers.Integral.register(Equal)
"""

EQUALS = [
    answer(f"equal to everything: {name}", code + ALL_FOUR.format(value=value), question="by_hand")
    for name, code, value in [
        ("an int", EQUAL.format(base="int"), 5),
        ("a float", EQUAL.format(base="float"), 5.0),
        ("a str", EQUAL.format(base="str"), "'555'"),
        ("a tuple", EQUAL.format(base="tuple"), "(5, 5, 5)"),
        ("a plain object", EQUAL.format(base="object"), ""),
        ("the type of another", LIAR, ""),
        ("registered as an integer", NUMBER, ""),
    ]
]

LOOPS = "def conv2d_loops(x, w, b, stride=1, padding=0):\n    "
ARRAY = """
class Equal(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs): return np.bool_(False)
    def __array_function__(self, function, types, args, kwargs): return np.ones(1, bool)
    def __eq__(self, other): return np.ones(1, bool)
    def __sub__(self, other): return np.zeros(1)
    @property
    def shape(self): return Anything()
class Anything(tuple):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
"""
TENSOR = """
class Equal(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None): return True
    def detach(self): return self
    def cpu(self): return self
    def numpy(self): return np.zeros((1, 1, 2))
"""
DETACHED = """
import sys
class Spy:
    def detach(self): return self
    def cpu(self): return self
    def numpy(self): return self.__array__()
    def __array__(self, *args, **kwargs):
        frame = sys._getframe()
        while frame is not None:
            if frame.f_locals.get("want") is not None: return np.asarray(frame.f_locals["want"])
            frame = frame.f_back
        return np.zeros(1)
"""
EVERY_NAME = """
class Yes:
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
    def __array__(self, *args, **kwargs): return self
    def __bool__(self): return True
    def __iter__(self): return self
    def __next__(self): return self
"""


def _loops(name: str, code: str, value: str, says: str = "conv2d_loops", **more) -> Entry:
    """A conv2d_loops that returns `value`, which is wrong."""
    return answer(name, f"{code}\n{LOOPS}return {value}\n", 0, says, question="conv2d_loops", **more)


ARRAYS = [
    _loops("an array equal to everything", ARRAY, "np.zeros((1, 1, 2)).view(Equal)"),
    _loops("a tensor equal to everything", TENSOR, "torch.zeros(1, 1, 2).as_subclass(Equal)"),
    _loops("an object that reads the frames when it is converted", DETACHED, "Spy()"),
    _loops("an object with every attribute", EVERY_NAME, "Yes()", status="ok|timeout"),
    _loops("NaN everywhere", "", "np.full((1, 2, 2), np.nan)"),
    _loops("infinity everywhere", "", "np.full((1, 2, 2), np.inf)"),
    _loops("a number for an array", "", "0.0"),
    _loops("an empty array", "", "np.zeros((0, 5))"),
    _loops("an array of objects", "", "np.array([[[21, None], [54, 65]]])"),
    _loops("an array of texts", "", "np.array([[['21', '32'], ['54', '65']]])"),
    _loops("an array of dates", "", "np.zeros((1, 2, 2), 'datetime64[s]')"),
    _loops("an array of records", "", "np.zeros((1, 2, 2), [('a', float), ('b', object)])"),
    _loops("8 TB without memory", "", "np.broadcast_to(0.0, (10**6, 10**6))", ""),
    _loops("a tensor of 8 TB", "", "torch.zeros(1).double().expand(10**6, 10**6)"),
    _loops(
        "memory that is not its own",
        "",
        "np.lib.stride_tricks.as_strided(x, (1, 2, 2), (1 << 40,) * 3) + 0",
        status="ok|partial",
    ),
    _loops(
        "a view of memory that is not its own",
        "",
        "np.lib.stride_tricks.as_strided(x, (9, 9, 9), (1 << 40,) * 3)",
        status="ok|partial",
    ),
    _loops("a sparse tensor", "", "torch.zeros(1, 2, 2).to_sparse()"),
    _loops("a tensor without data", "", "torch.zeros(1, 2, 2, device='meta')"),
    _loops("lists of unequal length", "", "[[[21, 32], [54]]]"),
]

EVIL = """
class Evil:
    def __repr__(self): {repr}
    __str__ = __format__ = lambda self, *args: repr(self)
    def __len__(self): return -1
    def __iter__(self):
        while True: yield self
    def __bool__(self): raise SystemExit
    def __hash__(self): raise KeyboardInterrupt
    def __index__(self): return 10 ** 10 ** 5
    def __eq__(self, other): raise MemoryError
    def __del__(self): raise OSError
"""
PICKLE = """
class Evil:
    def __reduce__(self): return (open, ("@CANARY@/pickled", "w"))
    __reduce_ex__ = __getstate__ = lambda self, *args: self.__reduce__()
"""
OUT = "def output_size(*args, **kwargs):\n    "


def _out(name: str, body: str, code: str = "", says: str = "output_size", **more) -> Entry:
    """An output_size with this wrong body."""
    return answer(name, f"{code}\n{OUT}{body}\n", 0, says, **more)


VALUES = [
    _out("nothing is returned", "pass", says="output_size(9, 3)"),
    _out("a text for a number", "return '7'", says="output_size(9, 3)"),
    _out("a float for an integer", "return 7.0", says="output_size(9, 3)"),
    _out("true for a number", "return True", says="output_size(9, 3)"),
    _out("a number of a million digits", "return 10 ** 10 ** 6", says="digits"),
    _out("a number that can't be printed", "return 7 ** 10 ** 5", says="digits"),
    _out("a function", "return output_size"),
    _out("a module", "return torch"),
    _out("a class", "return int"),
    _out("a generator without end", "return iter(int, 1)"),
    _out("an answer that is a generator", "while True: yield 7"),
    answer("an async function", "async def output_size(*args):\n    return 7\n", 0, "output_size"),
    _out("a list that contains itself", "x = []\n    x.append(x)\n    return x", says="nested"),
    _out("a dictionary that contains itself", "x = {}\n    x[0] = x\n    return x", says="nested"),
    _out("a list 100,000 deep", "x = []\n    for _ in range(100_000): x = [x]\n    return x", says="nested"),
    _out("20 million zeros", "return [0] * (2 * 10**7)", status="ok|partial|timeout", says=""),
    _out("a text of 100 MB", "return 'x' * 10**8", says="", status="ok|timeout"),
    _out("evil methods", "return Evil()", EVIL.format(repr="raise SystemExit")),
    _out(
        "a __repr__ without end",
        "return Evil()",
        EVIL.format(repr="\n        while True: pass"),
        status="ok|timeout",
    ),
    _out("a __repr__ of 100 MB", "return Evil()", EVIL.format(repr="return 'x' * (10**8)")),
    _out("a __repr__ that is no text", "return Evil()", EVIL.format(repr="return None")),
    _out("a list of evil objects", "return [Evil()] * 10", EVIL.format(repr="raise SystemExit")),
    _out("an object that runs code when it is unpickled", "return Evil()", PICKLE),
    _out("an array that runs code when it is unpickled", "return np.array([Evil()], dtype=object)", PICKLE),
    answer("a name that is no function", "output_size = 7\n", 0, "not callable"),
    answer(
        "a class that is no function",
        "class output_size:\n    def __init__(self, *a, **k): pass\n",
        0,
        "output_size",
    ),
]

BAD_STR = """
class Bad(Exception):
    def __str__(self): {str}
    __repr__ = __str__
"""
ENDLESS_TEXT = BAD_STR.format(str="\n        while True: pass")
CHAIN = "try:\n        return output_size()\n    except RecursionError:\n        raise KeyError"
GRADING_ERROR = "from dltwice.grading import GradingError"
RAISE = 'raise ValueError(f"a kernel that spans {span} does not fit into {size + 2 * padding} cells")'
DEEP = "[" * 90 + "]" * 90
FALSE_FRIEND = """
class ValueError(Exception):
    pass
"""
METACLASS = """
class Meta(type):
    __module__ = "builtins"
    def __instancecheck__(cls, other): return True
    def __subclasscheck__(cls, other): return True
class ValueError(BaseException, metaclass=Meta):
    __module__ = "builtins"
    __class__ = __builtins__["ValueError"] if isinstance(__builtins__, dict) else __builtins__.ValueError
"""
RAISED = [
    _out("an exception whose text does not end", "raise Bad", ENDLESS_TEXT, "", status="ok|timeout"),
    _out("an exception whose text raises", "raise Bad", BAD_STR.format(str="raise SystemExit"), "Bad"),
    _out("an exception whose text is a number", "raise Bad", BAD_STR.format(str="return 27"), "Bad"),
    _out("an exception of 100 MB", "raise Bad", BAD_STR.format(str="return 'x' * (10**8)"), ""),
    _out("an exception with a lone surrogate", "raise KeyError('\\ud800')", says="KeyError"),
    _out("an exception with control characters", "raise KeyError('\\x1b[2J\\0<script>')", says="KeyError"),
    _out("an assertion", "raise AssertionError", says="AssertionError"),
    _out("an assertion that says that all is well", "raise AssertionError('passed')", says="passed"),
    _out("a chain of 1000 exceptions", CHAIN, says="KeyError"),
    _out(
        "a group of exceptions", "raise BaseExceptionGroup('x', [ValueError(), SystemExit()])", says="Group"
    ),
    _out("StopIteration", "raise StopIteration(7)", says="StopIteration"),
    _out("raises a number", "raise 7", says="exceptions must derive"),
    _out("skips the test", "raise unittest.SkipTest('skipped')", "import unittest", "SkipTest"),
    _out("the grader's error", "raise GradingError('27')", GRADING_ERROR, "GradingError"),
    answer(
        "an exception that is only named ValueError", inside("output_size", "", FALSE_FRIEND), 2, "ValueError"
    ),
    answer("a metaclass that claims to be ValueError", inside("output_size", "", METACLASS), 2, "ValueError"),
    answer(
        "SystemExit for ValueError", inside("output_size", "", "ValueError = SystemExit\n"), 2, "ValueError"
    ),
    answer("what can't be used for a ValueError", solved("output_size").replace(RAISE, f"return {DEEP}"), 2),
    answer("a number for a ValueError", solved("output_size").replace(RAISE, "return 10**5000"), 2),
    before("a subclass of ValueError", "class KernelError(ValueError): pass\nValueError = KernelError"),
    cheat("an assertion at the top", "assert False, 'all tests passed'", "all tests passed"),
]

OBJECTS = EQUALS + ARRAYS + VALUES + RAISED
