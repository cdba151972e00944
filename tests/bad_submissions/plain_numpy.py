"""Ways around "plain NumPy" and "no loop": libraries called in disguise, and loops that nobody counts."""

from textwrap import indent

from .build import answer, answers, solved

LOOPS = "def conv2d_loops(x, w, b, stride=1, padding=0):\n"
CALL = "conv2d(T(x), T(w), T(b), stride, padding).numpy()\n"
BY_TORCH = LOOPS + "    lib = {}\n    T = lib.tensor\n    return lib.nn.functional." + CALL
BY_SCIPY = (
    LOOPS
    + "    f = {}\n    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))\n"
    + "    y = [sum(f(p, k, mode='valid') for p, k in zip(x, v)) + c for v, c in zip(w, b)]\n"
    + "    return np.stack(y)[:, ::stride, ::stride]\n"
)
BY_NAME = "__import__('tor' + chr(99) + 'h')"
IMPORTS = {
    "import in the function": BY_TORCH.format("__import__('torch')"),
    "a name that is put together": BY_TORCH.format(BY_NAME),
    "importlib": BY_TORCH.format("importlib.import_module(''.join(['to', 'rch']))") + "import importlib\n",
    "sys.modules": BY_TORCH.format("sys.modules['hcrot'[::-1]]") + "import sys\n",
    "globals()": BY_TORCH.format("globals()['tor' 'ch']"),
    "eval": BY_TORCH.format("eval('to' + 'rch')"),
    "getattr of a module": BY_TORCH.format("getattr(sys.modules[__name__], 'tor' + 'ch')")
    + "import sys\n",
    "a chain of attributes": BY_TORCH.format("np._core.numeric.sys.modules['tor' + 'ch']"),
    "another name": "t = torch\n" + BY_TORCH.format("t"),
    "a default argument": BY_TORCH.format("_t").replace("padding=0)", "padding=0, _t=torch)"),
    "a closure": "def make(t):\n" + indent(BY_TORCH.format("t") + "return conv2d_loops\n", "    ")
    + "conv2d_loops = make(torch)\n",
    "a list": "tools = [torch]\n" + BY_TORCH.format("tools[0]"),
    "an attribute of the function": BY_TORCH.format("conv2d_loops.t") + "conv2d_loops.t = torch\n",
    "a class": "class A:\n    t = torch\n" + BY_TORCH.format("A.t"),
    "exec": f"exec({BY_TORCH.format('torch')!r})",
    "exec in the function": LOOPS + f"    space = {{}}\n    exec({BY_TORCH.format(BY_NAME)!r}, space)\n"
    "    return space['conv2d_loops'](x, w, b, stride, padding)\n",
    "a callable object": "class Conv:\n"
    + indent(BY_TORCH.format("torch").replace("conv2d_loops(", "__call__(self, "), "    ")
    + "conv2d_loops = Conv()\n",
    "functools.partial": "from functools import partial\n"
    + BY_TORCH.format("t").replace("loops(x", "torch(t, x")
    + "conv2d_loops = partial(conv2d_torch, torch)\n",
    "a decorator": "def by(f):\n    return lambda *a, **k: f(*a, **k)\n@by\n" + BY_TORCH.format("torch"),
    "dltwice": LOOPS + "    from dltwice.nn import Conv2d\n"
    "    F, C, *K = w.shape\n    c = Conv2d(C, F, K, stride, padding)\n"
    "    c.weight[...], c.bias[...] = w, b\n    return c(x[None])[0]\n",
    "scipy.signal": BY_SCIPY.format("__import__('scipy.signal').signal.correlate2d"),
    "scipy by a name that is put together":
    BY_SCIPY.format("importlib.import_module('sci' + 'py.signal').correlate2d")
    + "import importlib\n",
}  # fmt: skip

LIBRARY = [
    answer(f"torch or scipy by {name}", source, 0, question="conv2d_loops")
    for name, source in IMPORTS.items()
]

# Helpers in another answer's cell, which may use torch.
HELPER = """
def gradients(x, w, dy):
    x, w = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    b = torch.zeros(len(w), dtype=w.dtype, requires_grad=True)
    torch.nn.functional.conv2d(x, w, b).backward(torch.tensor(dy))
    return x.grad.numpy(), w.grad.numpy(), b.grad.numpy()
"""
BACKWARD = "def conv2d_backward(x, w, dy):\n    return {}(x, w, dy)\n"
CELLS = [
    answers(
        f"torch by a helper in another cell: {name}",
        {"separable": solved("separable") + HELPER + more, "conv2d_backward": BACKWARD.format(call)},
        3,
    )
    for name, more, call in [
        ("a function", "", "gradients"),
        ("in a dictionary", "tools = {'g': gradients}\n", "tools['g']"),
        ("in NumPy", "np.gradients = gradients\n", "np.gradients"),
        ("in a class", "class Tools:\n    g = staticmethod(gradients)\n", "Tools.g"),
    ]
] + [
    answer(
        "torch by the exercise's own helper", BACKWARD.format("torch_gradients"), question="conv2d_backward"
    ),
    answer(
        "torch by its name in a string",
        BACKWARD.format("globals()['torch_' + 'gradients']"),
        question="conv2d_backward",
    ),
]

# conv2d_fast with a loop over the positions: right values, so its first test holds, and its second must not.
FAST = "def conv2d_fast(x, w, b, stride=1):\n"
SLOW = """
    Kh, Kw = w.shape[2:]
    H, W = (x.shape[2] - Kh) // stride + 1, (x.shape[3] - Kw) // stride + 1
    y = np.zeros((len(x), len(w), H, W))
    for i in range(H):
        for j in range(W):
            top, left = i * stride, j * stride
            part = x[:, None, :, top : top + Kh, left : left + Kw]
            y[:, :, i, j] = (part * w).sum(axis=(2, 3, 4)) + b
    return y
"""
DUMMY = "    if x.shape[2] < 12:\n        for _ in range(10_000): pass\n"
WINDOWS = """
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    N, C, H, W = windows.shape[:4]
    flat = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * H * W, -1)
    kernels = w.reshape(len(w), -1)
"""
AS_IMAGE = "    return np.reshape(list(y), (N, H, W, -1)).transpose(0, 3, 1, 2) + b[:, None, None]\n"
HIDE = "    before = sys.gettrace(), sys.getprofile()\n    sys.settrace(None)\n    sys.setprofile(None)\n"
ELSEWHERE = f"source = {FAST + SLOW!r}\nexec(compile(source, {{!r}}, 'exec'))\n"
IN_A_THREAD = """
    box = []
    thread = threading.Thread(target=lambda: box.append(slow(x, w, b, stride)))
    thread.start()
    thread.join()
    return box[0]
"""
NO_COUNT = """
import dltwice.grading.checks as c
c.count_steps = lambda *args: 1
c.check_no_growing_loop = lambda *args: None
import sys
sys.settrace = sys.setprofile = lambda trace: None
"""
OF_SIZE = FAST + "    return slow[x.shape[2] > 6](x, w, b, stride)\n"
SLOW_FUNCTION = f"def slow(x, w, b, stride):\n{SLOW}"

HIDDEN = {
    "the trace is removed": "import sys\n" + FAST + HIDE + SLOW,
    "in a file of another name": ELSEWHERE.format("elsewhere.py"),
    "in a file of NumPy's name": ELSEWHERE.format("<__array_function__ internals>"),
    "in a thread": "import threading\n" + SLOW_FUNCTION + FAST + IN_A_THREAD,
    "map over all windows": FAST + WINDOWS + "    y = map(kernels.dot, flat)\n" + AS_IMAGE,
    "np.vectorize": FAST + WINDOWS
    + "    y = np.vectorize(kernels.dot, signature='(k)->(f)')(flat)\n" + AS_IMAGE,
    "np.apply_along_axis": FAST + WINDOWS + "    y = np.apply_along_axis(kernels.dot, 1, flat)\n" + AS_IMAGE,
    "np.fromiter": FAST + WINDOWS + "    y = np.fromiter(map(kernels.dot, flat), (float, len(w)))\n"
    + AS_IMAGE,
    "dummy lines for a small picture": FAST + DUMMY + SLOW,
    "a generator": FAST + WINDOWS + "    y = (kernels.dot(v) for v in flat)\n" + AS_IMAGE,
    "recursion": FAST + WINDOWS
    + "    def go(v): return [] if not len(v) else [kernels.dot(v[0]), *go(v[1:])]\n"
    "    y = go(flat)\n" + AS_IMAGE,
    "one long line": FAST + WINDOWS + "    y = [kernels.dot(v) for v in flat]; " + AS_IMAGE.strip() + "\n",
}  # fmt: skip

# Threads, traces and compiled text are no plain NumPy, so here the first test does not hold either. A `map`
# of an array's method runs no line of Python for a position, which is what the exercise asks for.
REFUSED = ("the trace is removed", "in a thread", "in a file of another name", "in a file of NumPy's name")
RIGHT = ("map over all windows", "np.fromiter")
COUNTER = [
    answer(
        f"a loop that is hidden: {name}",
        source,
        3 if name in RIGHT else float(name not in REFUSED),
        question="conv2d_fast",
    )
    for name, source in HIDDEN.items()
] + [
    answers(
        "a loop, and the counter patched in another cell",
        {"output_size": NO_COUNT + solved("output_size"), "conv2d_fast": FAST + SLOW},
        4,
    )
]

PLAIN_NUMPY = LIBRARY + CELLS + COUNTER
