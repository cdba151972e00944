"""What an answer's source says: its names, whether it is plain NumPy, whether it leaves others alone."""

import ast
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from chapter_exercises import ROOT, read
from hypothesis import given, settings
from hypothesis import strategies as st

from dltwice.grading import names, plain
from dltwice.grading.calm import is_calm
from dltwice.grading.notebook import Cell
from dltwice.grading.plain import objection

EXERCISE = """
import numpy as np
import torch
from torch import nn
from dltwice.grading.checks import check_close, check_numpy_only
SIZE = 3
def helper(x): return np.pad(x, 1)
def by_torch(x): return nn.functional.relu(torch.tensor(x)).numpy()
def around(x): return by_torch(x)
layer = nn.Linear(2, 2)
"""


@pytest.fixture(scope="module")
def given_names():
    """What the exercise's own cells define."""
    pytest.importorskip("torch")
    scope = {"__name__": "__main__"}
    exec(EXERCISE, scope)
    return scope


def in_function(body: str) -> str:
    return "def f(x):\n" + textwrap.indent(body, "    ")


DEFINED = [
    ("x = 1\ny: int = 2\nz: int", "x y z"),
    ("a, (b, *c) = d", "a b c"),
    ("def f(x, y=z):\n    w = 1\n    def g(): pass", "f"),
    ("async def f(): x = 1", "f"),
    ("class C:\n    a = 1\n    def m(self): b = 2", "C"),
    ("import a.b, c as d\nfrom e import f, g as h", "a d f h"),
    ("if x:\n    y = 1\nelse:\n    z = 2", "y z"),
    ("for i in range(3):\n    while j:\n        k = i", "i k"),
    ("with a as b, c as (d, e): f = 1", "b d e f"),
    ("try:\n    a = 1\nexcept E as e:\n    b = 1\nfinally:\n    c = 1", "a b c e"),
    ("[i for i in x]\n{i: j for i, j in y}\n(k for k in z)", ""),
    ("y = [w := i for i in x]\nif (n := 3): pass", "y w n"),
    ("f = lambda x: (x, y := 2)", "f"),
    ("x[0] = 1\nx.y = 2\ndel z[0]", ""),
    ("x += 1", "x"),
    ("def f():\n    global x, y\n    x = 1", "f x y"),
    ("match v:\n    case [a, *b]: 1\n    case {'k': c, **d}: 1\n    case E(e=e) as g: 1", "a b c d e g"),
    ("'no Python", ""),
    ("", ""),
]
USED = [
    ("x = y", "y"),
    ("y = 1\nx = y", ""),
    ("def f(x): return g(x) + h + x", "g h"),
    ("def f(x, y=z): return x", "z"),
    ("def f(x: T) -> S: pass", "T S"),
    ("@d\ndef f(): return f()", "d"),
    ("class C(B, metaclass=M):\n    a = b\n    def m(self): return a + C.n", "B M b a"),
    ("print(len(x))", "x"),
    ("[g(i, j) for i in x]", "g j x"),
    ("def f():\n    def g():\n        return h\n    return g", "h"),
    ("def f():\n    h = 1\n    def g():\n        return h\n    return g", ""),
    ("f'{x} {y:{z}}'", "x y z"),
    ("x.y.z[w]", "x w"),
    ("x[i] = v\nx.a = b", "x i v b"),
    ("x += 1", ""),
    ("del x", ""),
    ("lambda x: x + y", "y"),
    ("'a.b'", ""),
    ("x = ", ""),
]


@pytest.mark.parametrize(("source", "expected"), DEFINED)
def test_names_that_a_cell_defines(source, expected):
    assert names.defined(source) == set(expected.split())


@pytest.mark.parametrize(("source", "expected"), USED)
def test_names_that_a_cell_uses(source, expected):
    assert names.used(source) == set(expected.split())


identifiers = st.sampled_from(["x", "y", "f", "np", "print"])
statements = st.one_of(
    st.builds("{} = {}".format, identifiers, identifiers),
    st.builds("def {}({}): return {}".format, identifiers, identifiers, identifiers),
    st.builds("for {} in {}: {} = {}".format, identifiers, identifiers, identifiers, identifiers),
    st.builds("import {}".format, identifiers),
    st.builds("class {}({}): {} = {}".format, *[identifiers] * 4),
    st.builds("[{} for {} in {}]".format, identifiers, identifiers, identifiers),
    st.builds("if {}: {} = {}".format, identifiers, identifiers, identifiers),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(statements, max_size=5))
def test_a_name_that_is_read_is_defined_or_used(lines):
    source = "\n".join(lines)
    all_names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    reads = {node.id for node in all_names if isinstance(node.ctx, ast.Load)}
    known = names.used(source) | names.defined(source) | names.BUILTINS | {"x", "y", "f", "np"}
    assert reads <= known
    assert not names.used(source) & names.defined(source)
    assert not names.used(source) & names.BUILTINS
    assert names.used(source) <= reads


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_can_be_looked_at(source):
    assert isinstance(names.used(source) | names.defined(source), frozenset)
    assert objection("f", [source], {"np": np}) is None or ast.parse(source)
    assert isinstance(is_calm([source], ["import numpy as np"]), bool)


ANSWERS = {
    "a": "def a(x): return x",
    "b": "def b(x): return a(x)",
    "c": "def c(x): return [b(y) for y in x]",
    "d": "d = 1",
    "e": "def e(x): return d + missing",
    "f": "def a(x): return 2 * x",
    "g": "def g(x): return a(x)",
    "h": "def h(x): return given(x)",
    "i": "def given(x): return 0",
    "j": "j = given(1)",
    "k": "x = ",
}


@pytest.mark.parametrize(
    ("question", "expected"),
    [*dict.fromkeys("adhjk", "").items(), ("b", "a"), ("c", "a b"), ("e", "d"), ("g", "a f")],
)
def test_earlier_answers_that_an_answer_needs(question, expected):
    cells = [Cell("setup-0", "setup", "def given(x): return x")]
    cells += [Cell(name, "answer", source, name) for name, source in ANSWERS.items()]
    index = [cell.name for cell in cells].index(question)
    assert {cells[number].name for number in names.needed(index, cells)} == set(expected.split())


PLAIN = {
    "a function": in_function("return np.maximum(x, 0)"),
    "what it is given": in_function("return helper(x) * SIZE"),
    "its own helpers": "def g(x): return x\n" + in_function("return [g(v) for v in x]"),
    "imports": "import math\nfrom functools import lru_cache, wraps\n" + in_function("return math.sqrt(x)"),
    "NumPy by parts": "from numpy.lib.stride_tricks import as_strided\nimport numpy.linalg as la\n"
    + in_function("return la.norm(as_strided(x, (1,), (8,)))"),
    "NumPy by another name": "import numpy\n" + in_function("return numpy.fft.fft(x)"),
    "a class": "class A:\n    _n = 1\n    def __init__(self): self._x = self.y = 2\n"
    "    def __call__(self, x): return x * self._x\n" + in_function("return A()(x)"),
    "a data class": "from dataclasses import dataclass, field\n@dataclass\nclass A:\n    x: int = 0\n"
    + in_function("return A(x).x"),
    "random numbers": in_function("return np.random.default_rng(0).normal(size=x)"),
    "a comparison outside": in_function("return x") + "\nprint(torch.equal(torch.tensor(f(1)), by_torch(1)))",
    "a comparison in a function": in_function("return x") + "\ndef compare(): return nn.ReLU()(f(1))",
    "an import for a comparison": in_function("return x") + "\nimport torch.nn.functional as F\nF.relu(f(1))",
    "a plot": "import matplotlib.pyplot as plt\n" + in_function("return x") + "\nplt.plot(f(np.ones(3)))",
    "checks of its own": in_function("return x") + "\ncheck_close(f(1), 1, 'f')\ncheck_numpy_only(f)",
    "asserts of NumPy": in_function("return x") + "\nnp.testing.assert_allclose(f(1), 1)",
    "the main guard": in_function("return x") + "\nif __name__ == '__main__':\n    print(f(1), f.__name__)",
    "an error": in_function("raise ValueError(f'{x!r}')"),
    "errors of NumPy ignored": in_function("with np.errstate(all='ignore'):\n    return np.log(x)"),
    "local names of modules": in_function("torch = x\nnn = torch.sum()\nreturn nn"),
    "a parameter with a module's name": "def f(torch, nn=1): return torch + nn",
    "text": in_function("return 'torch.nn __import__ eval'"),
    "a comment": "# torch.nn\n" + in_function("return x  # getattr"),
    "f_ and tb_ in names": in_function("f_out, tb_sum = x.shape\nreturn f_out + tb_sum"),
    "a long sum": in_function("return " + " + ".join(["x"] * 100)),
}
NOT_PLAIN = {
    "torch of the exercise": (in_function("return torch.tensor(x)"), "uses torch"),
    "a part of it": (in_function("return nn.functional.relu(x)"), "uses torch"),
    "an object of it": (in_function("return layer(x)"), "uses torch"),
    "an import": (in_function("import torch as t\nreturn t.ones(x)"), "uses torch"),
    "a part by import": (in_function("from torch.nn import functional as F\nreturn F.relu(x)"), "uses torch"),
    "an import above": ("import torch as t\n" + in_function("return t.ones(x)"), "uses torch"),
    "a helper of the exercise": (in_function("return by_torch(x)"), "by way of `by_torch`"),
    "a helper's helper": (in_function("return around(x)"), "by way of"),
    "its own helper": ("def g(x): return torch.ones(x)\n" + in_function("return g(x)"), "uses torch"),
    "another name": ("t = torch\n" + in_function("return t.ones(x)"), "uses torch"),
    "a default": ("def f(x, t=torch): return t.ones(x)", "uses torch"),
    "a decorator": ("@torch.no_grad()\n" + in_function("return x"), "uses torch"),
    "a global": ("def g():\n    global t\n    t = torch\n" + in_function("return t"), "uses torch"),
    "a branch": ("if SIZE:\n    f = nn.ReLU()\nelse:\n    def f(x): return x", "uses torch"),
    "a class": ("class A:\n    t = torch\n" + in_function("return A.t"), "uses torch"),
    "scipy": ("from scipy import signal\n" + in_function("return signal.convolve(x, x)"), "uses scipy"),
    "scipy anywhere": (in_function("return x") + "\nimport scipy", "uses scipy"),
    "dltwice": (in_function("from dltwice.nn import Conv2d\nreturn Conv2d"), "uses dltwice"),
    "its own file": (in_function("from . import g\nreturn g"), "uses a module of its own"),
    **{
        f"`{word}`": (in_function(f"return {word}(x)"), f"uses `{word}`")
        for word in "eval exec compile open getattr setattr delattr vars globals locals __import__".split()
    },
    **{
        module: (f"import {module}\n" + in_function("return x"), f"uses {module}")
        for module in "os subprocess ctypes importlib threading pickle builtins inspect gc cffi numba".split()
    },
    **{
        attribute: (in_function(f"return {attribute}"), f"uses `.{attribute.rpartition('.')[2]}`")
        for attribute in (
            "f.__globals__ x.__class__ x.__dict__ np.__loader__ f.__code__ x._base np.f2py "
            "np.ctypeslib np.load np.fromfile x.gi_frame x.f_back x.tb_frame"
        ).split()
    },
    "a module's modules": (in_function("return np.random.mtrand.sys.modules"), "uses "),
    "sys.modules": ("import sys\n" + in_function("return sys.modules['torch']"), "uses sys"),
    "modules of sys": (in_function("from sys import modules\nreturn modules"), "imports `modules` of sys"),
    "everything of NumPy": ("from numpy import *\n" + in_function("return x"), "imports `*` of numpy"),
    "a private part": ("from numpy import _core\n" + in_function("return x"), "imports `_core` of numpy"),
    "timing by NumPy": (in_function("return np.testing.measure(x)"), "uses numpy.testing"),
    "NumPy in a list": ("a = [np]\n" + in_function("return a"), "passes the module `np` on"),
    "NumPy as a value": (in_function("n = np\nreturn n.ones(x)"), "passes the module `np` on"),
    "NumPy changed": ("np.sum = torch.sum\n" + in_function("return np.sum(x)"), "changes `np.sum`"),
    "NumPy's part changed": ("np.random.x = 1\n" + in_function("return x"), "changes `np.random.x`"),
    "by a pattern": (in_function("match x:\n    case object(__class__=c): return c"), "uses `.__class__`"),
    "by functools.wraps": (
        "from functools import wraps\n@wraps(print, assigned=('__self__',))\n" + in_function("return x"),
        "uses `assigned`",
    ),
    "a deep nest": (in_function("return " + "-" * 1000 + "x"), "is nested too deep to be read"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_numpy(name, given_names):
    assert objection("f", [PLAIN[name]], given_names) is None


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_no_plain_numpy(name, given_names):
    source, expected = NOT_PLAIN[name]
    found = objection("f", [source], given_names)
    assert found
    assert expected in found
    assert len(found) < 120
    assert "\n" not in found


def test_other_answers_count_only_if_they_are_used(given_names):
    helper = "def g(x): return torch.ones(x)"
    assert objection("f", [helper, in_function("return x")], given_names) is None
    assert objection("f", [helper, in_function("return g(x)")], given_names) == "uses torch (`torch`)"
    assert objection("f", ["import os", in_function("return x")], given_names) == "uses os"


def test_what_is_looked_at_is_never_run(given_names):
    source = "ran.append(1)\n@ran.append\ndef f(x=ran.append(2)): return torch"
    ran = []
    assert "torch" in objection("f", [source], given_names | {"ran": ran})
    is_calm([source], [EXERCISE])
    assert not ran


CALM = {
    "a function": "def f(x): return np.sum(x)",
    "a class": "class A:\n    def __init__(self): self.x = 1\n    def set(self, y): self.x[0] = self._y = y",
    "a network": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.a = nn.Linear(2, 3)\n    def forward(self, x): return self.a(x).relu()",
    "training": "opt = torch.optim.SGD([w], lr=0.1)\nfor _ in range(9):\n    opt.zero_grad()\n"
    "    loss = (w ** 2).sum()\n    loss.backward()\n    opt.step()\nwith torch.no_grad():\n    w -= 1",
    "arrays": "x = np.zeros(3)\nx[0] = 1\nx[1:] += 2\ndel y\nx.sort()",
    "seeds": "np.random.seed(0)\ntorch.manual_seed(0)\nrng = np.random.default_rng(1)",
    "imports": "import math, random\nfrom collections import Counter\nimport torch.nn as n\nn.ReLU()(x)",
    "printing": "print(np.__version__, f'{x}')",
    "local settings": "with np.errstate(all='ignore'): y = np.log(x)",
    "not Python": "x = (",
}
NOT_CALM = {
    **{
        code: code
        for code in [
            "np.sum = None",
            "del np.sum",
            "np.random.x = 1",
            "torch.Tensor.add = None",
            "nn.Linear.forward = lambda self, x: x",
            "np.typecodes['All'] = ''",
            "np.seterr(all='raise')",
            "np.set_printoptions(precision=2)",
            "from numpy import seterr",
            "from numpy import seterr as x",
            "from numpy import *",
            "from torch import set_default_dtype",
            "torch.set_default_dtype(torch.float64)",
            "torch.use_deterministic_algorithms(True)",
            "torch.autograd.set_detect_anomaly(True)",
            "torch.backends.mkldnn.enabled = False",
            "torch.nn.modules.module.register_module_forward_hook(f)",
            "t = torch\nt.set_num_threads(2)",
            "f(np)",
            "x = [np.random]",
            "import os",
            "import sys",
            "import threading",
            "import builtins",
            "import subprocess as s",
            "from ctypes import string_at",
            "import dltwice.grading.checks",
            "from dltwice.grading import checks",
            "import warnings\nwarnings.filterwarnings('ignore')",
            "import warnings\nwarnings.simplefilter('error')",
            "import numpy as self",
            "self = np",
            "open('file', 'w')",
            "np.savetxt('file', x)",
            "np.save('file', x)",
            "torch.save(x, 'file')",
            "from numpy import save",
            "x.tofile('file')",
            "x.dump('file')",
            "exec('np.sum = None')",
            "setattr(np, 'sum', None)",
            "vars(np)['sum'] = None",
            "np.__dict__['sum'] = None",
            "f.__globals__",
            "def g(self): self.sum = 1\ng(np)",
            "def g(self): self.sum = 1",
            "match np:\n    case object(__dict__=d): pass",
            "x = " + "a." * 30 + "b",
        ]
    }
}


@pytest.mark.parametrize("name", CALM)
def test_calm_answers(name, given_names):
    assert is_calm([CALM[name]], [EXERCISE])
    assert is_calm(list(CALM.values()), [EXERCISE])


@pytest.mark.parametrize("name", NOT_CALM)
def test_answers_that_may_disturb_others(name, given_names):
    assert not is_calm([NOT_CALM[name]], [EXERCISE])
    assert not is_calm([CALM["a function"], NOT_CALM[name], CALM["a class"]], [EXERCISE])
    assert not is_calm([in_function(NOT_CALM[name])], [EXERCISE])


def test_what_the_exercise_itself_does_is_its_own_affair():
    assert is_calm(["def f(x): return np.sum(x)"], ["import os\nimport numpy as np\nnp.seterr(all='raise')"])


NOT_LOADED = """
import sys, json, numpy
from dltwice.grading.calm import is_calm
assert "torch" not in sys.modules and "matplotlib" not in sys.modules
print(json.dumps([is_calm([source], ["import numpy as np"]) for source in {!r}]))
assert "torch" not in sys.modules
"""


def test_a_library_that_is_not_loaded_here_is_not_trusted():
    sources = [
        "import torch\ntorch.set_default_dtype(torch.float64)",
        "def f():\n    import torch as t\n    t.set_default_dtype(t.float64)",
        "import matplotlib.pyplot as plt\nplt.rc('font', size=3)",
        "import numpy as np\nx = np.ones(3)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", NOT_LOADED.format(sources)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [False, False, False, True]


@pytest.mark.parametrize("stem", [path.name for path in sorted((ROOT / "solutions").iterdir())])
def test_solutions_are_calm_and_plain_where_they_have_to_be(stem, given_names):
    master = read(stem).questions
    setups = [cell.source for cell in master.cells if cell.kind == "setup"]
    calm = is_calm([master.answer(name).source for name in master.questions], setups)
    assert calm == (stem != "01_perceptron")  # its answer writes to a layer's weight
    checked = 0
    for name in master.questions:
        if any(f"check_numpy_only({name})" in test.source for test in master.tests(name)):
            assert objection(name, [master.answer(name).source], given_names) is None
            checked += 1
    assert checked >= 1


def test_the_lists_hold_what_they_are_for():
    assert {"numpy", "math"} <= plain.ALLOWED
    assert not plain.ALLOWED & {"torch", "scipy", "dltwice", "os", "importlib"}
    assert not plain.PUBLIC_DUNDERS & {"__globals__", "__dict__", "__class__", "__builtins__"}
