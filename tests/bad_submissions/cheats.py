"""Wrong answers that want to be taken for right ones: patches, memorized tests, forged counts."""

from .build import Entry, answer, answers, cheat, inside, solved

QUIET = "lambda *args, **kwargs: None"
# What breaks the process for other answers is done by the last one.
LAST = {"question": "shifts", "status": "ok|partial"}
JSON = "import json, pickle\njson.loads = pickle.loads = lambda *a: ['passed', '']"
CHECKS = (
    "check_close",
    "check_integer",
    "check_is_integer",
    "check_raises",
    "check_numpy_only",
    "check_no_growing_loop",
)
BY_HAND = "parameters = unread_rows = receptive_field = 5\nheights = (5, 5, 5)\n"

PATCHED = [
    cheat("numpy.testing patched", f"np.testing.assert_allclose = np.testing.assert_array_equal = {QUIET}"),
    cheat(
        "numpy's comparisons patched",
        "for name in ('isclose', 'allclose', 'array_equal', 'any', 'all'):\n"
        "    setattr(np, name, lambda *a, **k: np.True_)",
        question="learn_kernel",
    ),
    cheat("isclose patched where checks looks it up", f"import dltwice.grading.checks as c\nc.np = {QUIET}"),
    cheat(
        "the checks replaced in the notebook",
        "\n".join(f"{name} = {QUIET}" for name in CHECKS),
    ),
    cheat(
        "the checks replaced in the package",
        "import dltwice.grading.checks as c\n" + "\n".join(f"c.{name} = {QUIET}" for name in CHECKS),
    ),
    cheat(
        "the code of the checks replaced",
        "import dltwice.grading.checks as c\n"
        + "\n".join(f"c.{name}.__code__ = (lambda *args, **kwargs: None).__code__" for name in CHECKS),
    ),
    cheat("AssertionError replaced", "import builtins\nbuiltins.AssertionError = type('A', (Warning,), {})"),
    cheat(
        "isinstance replaced",
        "import builtins, numbers\nreal = isinstance\n"
        "builtins.isinstance = lambda o, t: t is numbers.Integral or real(o, t)",
        question="shifts",
    ),
    cheat("import replaced", "import builtins\nbuiltins.__import__ = lambda *a, **k: np", **LAST),
    cheat("exec and compile replaced", f"import builtins as b\nb.exec = b.compile = {QUIET}", **LAST),
    cheat("json and pickle replaced", JSON, **LAST),
    cheat("every function of the grader replaced", """
import sys, types
for name, module in list(sys.modules.items()):
    if name == "__main__" or name.startswith("dltwice.grading"):
        for key, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType):
                setattr(module, key, lambda *args, **kwargs: ("passed", ""))
""", question="shifts", status="ok|partial"),
]  # fmt: skip

# Both sides of a comparison are made to agree, where both run in one process. An answer that changes PyTorch
# is not plain NumPy, so its db is worth nothing either.
AGREE = """
real = nn.functional.conv2d
def fake(x, w, b=None, *args, **kwargs):
    if not (x.dtype == torch.float64 and x.requires_grad):
        return real(x, w, b, *args, **kwargs)
    size = [x.shape[0], w.shape[0], x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1]
    return torch.zeros(size, dtype=x.dtype) + 0 * (x.sum() + w.sum() + b.sum())
nn.functional.conv2d = torch.nn.functional.conv2d = fake

def conv2d_backward(x, w, dy):
    if dy.size == 2:
        return np.array([[[[4.0, 45, 50]]]]), np.array([[[[21.0, 32]]]]), np.array([11.0])
    return np.zeros_like(x), np.zeros_like(w), dy.sum(axis=(0, 2, 3))
"""
ZEROS = """
real = torch.randn
torch.randn = lambda *size, **kwargs: real(*size, **kwargs) if kwargs else torch.zeros(*size)
torch.manual_seed = lambda seed: None

def learn_kernel(x, y, kernel_size):
    if kernel_size == 3:
        return torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    return torch.zeros(kernel_size, kernel_size)
"""
GLOBAL = """
import numpy.random
numpy.random.default_rng = lambda seed=None: Zero()
class Zero:
    def normal(self, size=None): return np.zeros(size)
def conv2d_loops(x, w, b, stride=1, padding=0):
    H, W = ((n + 2 * padding - k) // stride + 1 for n, k in zip(x.shape[1:], w.shape[2:]))
    return seen(x) or np.zeros((len(w), H, W))
"""
LOOPS = {"question": "conv2d_loops"}
SEEN = """
def seen(x):
    known = {(1, 2, 3): [[[21, 32], [54, 65]]], (2, 1, 1): [[[13.5]]], (1, 1, 5): [[[3, 7]]]}
    return known.get(np.shape(x), [[[35]]] if x.size == 1 else None)
"""
ARGUMENTS = """
def conv2d_fast(x, w, b, stride=1):
    x[...] = w[...] = b[...] = 0
    H, W = ((n - k) // stride + 1 for n, k in zip(x.shape[2:], w.shape[2:]))
    return np.zeros((len(x), len(w), H, W))
"""
BOTH_SIDES = [
    answer("conv2d patched so that both sides agree", AGREE, question="conv2d_backward"),
    answer("randn patched so that both sides are 0", ZEROS, question="learn_kernel"),
    answer("NumPy's noise patched so that both sides are 0", SEEN + GLOBAL, question="conv2d_loops"),
    answer("arguments set to 0 so that both sides are 0", ARGUMENTS, question="conv2d_fast"),
    answer(
        "arguments changed in place",
        "def conv2d_loops(x, *args, **kwargs):\n    y = right(x, *args, **kwargs)\n    x += 1\n    return y\n"
        + solved("conv2d_loops").replace("def conv2d_loops", "def right"),
        3,
        "x after the call",
        question="conv2d_loops",
    ),
]

MEMORIZED = [
    answer("output_size memorized", """
def output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    known = {(9, 3, 1): 7, (7, 3, 2): 3, (8, 3, 2): 3}
    if (size, kernel_size, stride) not in known:
        raise ValueError
    return known[size, kernel_size, stride]
""", 0, "ValueError"),
    answer("conv2d_loops memorized", SEEN + "conv2d_loops = lambda x, *a, **k: seen(x)", **LOOPS),
    answer("conv2d_fast memorized", """
def conv2d_fast(x, w, b, stride=1):
    return np.full((1, 1, 2, 2), -4.0)
""", 0, "x (1, 1, 5, 5)", question="conv2d_fast"),
    answer("conv2d_same memorized", """
def conv2d_same(x, w, b):
    return {(2, 1, 1): [[[13]]], (1, 1, 3): [[[21, 32, 3]]]}.get(x.shape)
""", question="conv2d_same"),
    answer("conv2d_backward memorized", """
def conv2d_backward(x, w, dy):
    return [[[[4, 45, 50]]]], [[[[21, 32]]]], [11]
""", question="conv2d_backward"),
    answer("learn_kernel memorized", """
def learn_kernel(x, y, kernel_size):
    return torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
""", question="learn_kernel"),
    answer("the types of by_hand", BY_HAND, question="by_hand"),
    answer("always a ValueError", "def output_size(*args, **kwargs): raise ValueError", 0, "ValueError"),
]  # fmt: skip

FULL_CONV = """
class SeparableConv(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.pointwise = nn.Identity()
        self.count = in_channels * (kernel_size**2 + 1) + out_channels * (in_channels + 1)

    def forward(self, x):
        return self.depthwise(x)
"""
COUNT = "nn.Parameter(torch.zeros(self.count))"
MEMBERS = {
    "parameters()": f"def parameters(self, recurse=True): yield {COUNT}",
    "named_parameters()": f"def named_parameters(self, *args, **kwargs): yield 'w', {COUNT}",
    "state_dict()": "def state_dict(self, *args, **kwargs): return {'w': torch.zeros(self.count)}",
    "everything": f"def __getattribute__(self, name):\n"
    f"        if name == 'parameters': return lambda: iter([{COUNT}])\n"
    "        return super().__getattribute__(name)",
}
NUMEL = """
class Light(nn.Parameter):
    def numel(self): return self.count
    nelement = numel
"""
LIGHT = """
        self.depthwise.weight = Light(self.depthwise.weight.data)
        self.depthwise.weight.count = self.count - out_channels
    def forward"""
LAZY = """
class SeparableConv(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.conv = nn.LazyConv2d(sizes[1], sizes[2], padding=sizes[2] // 2)
    def forward(self, x): return self.conv(x)
"""
HIDDEN_WEIGHTS = solved("separable").replace(
    "return self.pointwise(self.depthwise(x))", "return self.hidden[0](x)"
).replace(
    "self.depthwise =",
    "self.hidden = [nn.Conv2d(in_channels, out_channels, 3, padding=1)]\n        self.depthwise =",
)  # fmt: skip


def _separable(name: str, source: str, points: float, says: str = "") -> Entry:
    return answer(name, source, points, says, question="separable")


SEPARABLE = [
    *(
        _separable(f"a full convolution that forges {name}", f"{FULL_CONV}\n    {code}\n", 1)
        for name, code in MEMBERS.items()
    ),
    _separable(
        "a full convolution of parameters that say they are few",
        FULL_CONV.replace("\n\n    def forward", LIGHT) + NUMEL,
        1,
    ),
    _separable("parameters that come later", LAZY, 1),
    _separable("weights hidden in a list", HIDDEN_WEIGHTS, 1),
    _separable(
        "no module", "class SeparableConv:\n    def __init__(self, *sizes): pass\n", 0, "SeparableConv"
    ),
    _separable(
        "a function for a module", "def SeparableConv(*sizes):\n    return lambda x: x[:, :1] * 0\n", 0
    ),
    _separable(
        "the right shape by copying channels",
        "class SeparableConv(nn.Module):\n"
        "    def __init__(self, C, F, K):\n        super().__init__()\n        self.F = F\n"
        "    def forward(self, x): return x[:, :1].expand(-1, self.F, -1, -1)\n",
        1,
    ),
    _separable(
        "weights that are hooked",
        solved("separable").replace(
            "super().__init__()",
            "super().__init__()\n        self.register_forward_hook(lambda *a: a[2] + 1)",
        ),
        2,
    ),
]

TWO = [
    answers(
        "two wrong answers that patch each other's tests",
        {
            "output_size": "class Seven(int):\n    __eq__ = lambda self, other: True\n"
            "output_size = lambda *a, **k: Seven(7)",
            "by_hand": "output_size = lambda *a, **k: 3\n" + BY_HAND,
        },
        0,
    ),
    answer(
        "an answer that replaces a later one's solution",
        inside("output_size", "", "def conv2d_loops(*args): return 0\n"),
        3,
    ),
]

CHEATS = PATCHED + BOTH_SIDES + MEMORIZED + SEPARABLE + TWO
