"""Rules that are decided from an answer's text: plain NumPy, and leaving Python as it is."""

import numpy as np
import pytest
import torch
from torch import nn

from dltwice.grading.calm import is_calm
from dltwice.grading.names import bound, defined, needed, parse, used
from dltwice.grading.notebook import Cell
from dltwice.grading.plain import objection

SETUP = "import numpy as np\nimport torch\nfrom torch import nn"
GIVEN: dict = {"__name__": "__main__", "np": np, "torch": torch, "nn": nn, "picture": torch.zeros(2)}
exec("def by_torch(x): return nn.functional.relu(x)", GIVEN)
F = "def f(x):\n    return np.sum(x)"
BODY = "def f(x):\n    return {}"


@pytest.mark.parametrize(
    "source",
    [
        F,
        "import torch\n" + F,
        F + "\nprint(torch.tensor(f(np.ones(3))))",
        F + "\nassert np.allclose(f(np.ones(3)), by_torch(torch.ones(3)).sum())",
        "import sys\ndef f(x):\n    print('.', file=sys.stderr)\n    return x",
        "import time, math, itertools\n" + F,
        "from functools import reduce\nfrom operator import mul\ndef f(x):\n    return reduce(mul, x)",
        "from __future__ import annotations\n" + F,
        "def f(x):\n    nn = len(x)\n    torch = 2\n    return nn * torch",
        "def f(input, load=1):\n    return input + load",
        "def f(x):\n    np.testing.assert_equal(x.ndim, 1)\n    return np.__version__",
        "class L:\n    def __init__(self): self._x = 1\n    def __call__(self, x): return x\nf = L()",
        "as_strided = np.lib.stride_tricks.as_strided\n" + F,
        "def helper(x):\n    return x\ndef f(x):\n    return helper(x)",
        "def f(x:",
    ],
)
def test_plain_numpy_is_not_objected_to(source):
    assert objection("f", [source], GIVEN) is None


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (BODY.format("torch.tensor(x)"), "torch"),
        (BODY.format("nn.functional.relu(x)"), "torch"),
        (BODY.format("by_torch(x)"), "by way of `by_torch`"),
        (BODY.format("picture + x"), "torch"),
        ("def f(x):\n    import torch\n    return torch.tensor(x)", "torch"),
        ("def g(x):\n    return torch.tensor(x)\ndef f(x):\n    return g(x)", "torch"),
        ("f = nn.functional.relu", "torch"),
        ("g = torch.tensor\ndef f(x):\n    return g(x)", "torch"),
        ("from torch import *\n" + F, "*"),
        ("if True:\n    from torch import tensor as t\ndef f(x):\n    return t(x)", "torch"),
        ("def go():\n    global t\n    t = torch.tensor\ngo()\n" + BODY.format("t(x)"), "torch"),
        ("match torch.tensor:\n    case t: pass\n" + BODY.format("t(x)"), "torch"),
        ("(t := torch.tensor)\n" + BODY.format("t(x)"), "torch"),
        ("from scipy import signal\nfs = [signal]\n" + BODY.format("fs[0]"), "scipy"),
        ("from dltwice.nn import Conv2d\n" + F, "dltwice"),
        ("from concurrent.futures import ThreadPoolExecutor\n" + F, "concurrent"),
        ("exec('f = torch.tensor')\n" + F, "exec"),
        ("setattr(np, 'sum', torch.sum)\n" + F, "setattr"),
        ("np.sum = torch.sum\n" + F, "changes `np.sum`"),
        ("for np.sum in [torch.sum]: pass\n" + F, "changes `np.sum`"),
        ("import numpy as self\ndef g(self): self.sum = 1\ng(np)\n" + F, "passes the module"),
        ("from dataclasses import sys as s\n" + BODY.format("s.modules"), "sys"),
        ("from fractions import operator as o\n" + F, "operator"),
        ("import sys\n" + BODY.format("sys.modules['torch']"), "sys"),
        (BODY.format("np._globals.enum.sys.modules"), ".sys"),
        ("g = (0 for _ in ())\n" + BODY.format("g.gi_frame.f_globals"), ".f_globals"),
        (BODY.format("().__class__.__mro__"), "__mro__"),
        ("class A:\n    def get(self):\n        return self.__globals__\n" + F, "__globals__"),
        ("class A:\n    __match_args__ = ('__globals__',)\n" + F, "__match_args__"),
        ("import functools\nfunctools.update_wrapper(1, 2)\n" + F, "update_wrapper"),
        ("import functools\nfunctools.wraps(f, assigned=['__globals__'])\n" + F, "assigned"),
        ("def f(x):\n    return np" + ".a" * 30, "too many attributes"),
    ],
)
def test_what_is_not_plain_numpy_is_named(source, word):
    found = objection("f", [source], dict(GIVEN))
    assert found
    assert word in found


@pytest.mark.parametrize(
    "source",
    [
        F,
        "net = nn.Conv2d(1, 1, 3)\nx = np.random.default_rng(1).normal(size=3)\ntorch.manual_seed(0)",
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.x = 1",
        "values = {}\nvalues['x'] = 1",
        "from torch.nn.functional import relu\ny = relu(torch.ones(2))",
        "import math\nassert math.pi > 3",
    ],
)
def test_calm_answers(source):
    assert is_calm([F, source], [SETUP])


@pytest.mark.parametrize(
    "source",
    [
        "np.pad = 1",
        "nn.Conv2d.forward = None",
        "m = np",
        "g(np.linalg)",
        "np.sctypeDict['x'] = 1",
        "torch.set_default_dtype(torch.float64)",
        "from torch import set_default_dtype as d",
        "from numpy import seterr",
        "import os",
        "import warnings\nwarnings.simplefilter('error')",
        "from dltwice.grading import answers",
        "from collections import sys",
        "eval('1')",
        "x.__class__ = y",
        "import numpy as self\nself.pad = 1",
        "def g(self): self.pad = 1",
        "for self in [1]: pass",
        "x" + ".a" * 30,
        "del np.pad",
        "match np:\n    case object(pad=p): pass",
    ],
)
def test_answers_that_may_change_something_are_not_calm(source):
    assert not is_calm([F, source], [SETUP])


def test_names():
    assert used("y = x + len(z)\nz = 1\ndef f(a): return a + b") == {"x", "b"}
    assert defined("import a.b\nfrom c import d as e\nx, (y, *z) = 1, (2, 3)\nclass K: q = 1") == set(
        "aexyzK"
    )
    assert defined("[i for i in x]\nwith o as w: pass\ntry: pass\nexcept E as err: pass") == {"w", "err"}
    assert bound(parse("def f():\n    global g\n    g = h = 1").body[0]) == {"f", "g"}
    assert defined("def f(:") == used("def f(:") == frozenset()


def test_needed_answers():
    cells = [
        Cell("s", "setup", "import numpy as np"),
        Cell("a", "answer", "import numpy as np\ndef one(): return np.one"),
        Cell("b", "answer", "two = 2"),
        Cell("c", "answer", "def three(): return one() + 2"),
        Cell("d", "answer", "four = three() + np.four"),
        Cell("e", "answer", "two"),
    ]
    assert [needed(index, cells) for index in (1, 3, 4, 5)] == [set(), {1}, {1, 3}, {2}]
