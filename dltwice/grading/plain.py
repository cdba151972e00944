"""Whether an answer keeps to plain NumPy, decided from its source, which is read and never run.

The learner's function lives in another process, where anything may have been changed. Its text can't lie.
So nothing in the answer may reach Python's machinery or another library by a detour, and the function and
all that it uses may not use PyTorch, which the answer's own comparisons may. What this does not see, such as
a function of PyTorch hidden in a list, fails when it is called: while the tests of such an exercise run,
PyTorch is locked in the answers' process (see `answers.py`).
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from dltwice.grading.names import bound, global_reads, parse, walk

ALLOWED = frozenset(
    """
    __future__ abc cmath collections contextlib dataclasses enum fractions functools itertools math matplotlib
    numbers numpy operator random string sys time tqdm typing warnings
    """.split()
)
MACHINERY = frozenset(
    """
    __builtins__ __import__ breakpoint compile delattr eval exec getattr globals locals memoryview open
    setattr setprofile settrace vars get_type_hints
    builtins ctypes gc importlib inspect marshal multiprocessing os pickle subprocess sys threading
    attrgetter methodcaller update_wrapper singledispatch singledispatchmethod Formatter
    ctypeslib f2py fromfile load memmap
    """.split()  # of Python, Python's modules, their functions, NumPy
)
PUBLIC_DUNDERS = frozenset(
    "__call__ __getitem__ __init__ __iter__ __len__ __main__ __name__ __next__ __repr__ __version__".split()
)
STREAMS = ("stderr", "stdout", "version", "version_info", "platform", "float_info", "maxsize")  # of sys
FRAMES = ("gi_", "cr_", "ag_", "f_", "tb_")  # attributes that lead to a frame and its variables
LONGEST_CHAIN = 20  # attributes in a row

Modules = dict[str, ModuleType]


def objection(name: str, sources: Iterable[str], given: dict[str, Any]) -> str | None:
    """What the function `name` uses that is not plain NumPy, or None.

    Args:
        name: a function that one of the answers defines.
        sources: the answers that are run together: an answer and the earlier ones that it uses.
        given: what the exercise's own cells define.

    Returns:
        The end of a sentence that starts with the function's name: "uses torch (`nn`)".
    """
    modules = {key: value for key, value in given.items() if isinstance(value, ModuleType)}
    nodes: dict[str, list[ast.stmt]] = {}
    trees = [tree for source in sources if (tree := parse(source)) is not None]
    for tree in trees:
        for node in tree.body:
            for own in bound(node):
                nodes.setdefault(own, []).append(node)
        bind_all(tree, modules)
    try:
        found = (text for tree in trees for node in tree.body for text in _detours(node, modules))
        return next(found, None) or next(_follow(name, nodes, modules, given), None)
    except RecursionError:
        return "is nested too deep to be read"


def _detours(node: ast.stmt, modules: Modules) -> Iterator[str]:
    """What in any statement of an answer could reach Python's machinery or other libraries than PyTorch."""
    yield from _imports(node)
    reads = reads_of(node)
    yield from (f"uses `{word}`" for word in sorted(reads & (MACHINERY - {"sys"})))
    chains = {name: module for name, module in modules.items() if name in reads}  # others are local names
    for part, attribute in _attributes(node):
        private = attribute.startswith("_") and attribute not in PUBLIC_DUNDERS and not of_self(part)
        if attribute in MACHINERY or private or attribute.startswith(FRAMES):
            yield f"uses `.{attribute}`"
    for part in walk(node):
        if isinstance(part, ast.Name) and is_dunder(part.id):
            yield f"uses `{part.id}`"
        elif isinstance(part, ast.keyword) and part.arg in ("assigned", "updated"):
            yield f"uses `{part.arg}`"  # of functools.wraps
    for part in outermost(node):
        yield from _chain(part, chains)


def _chain(node: ast.Name | ast.Attribute, modules: Modules) -> Iterator[str]:
    """What is wrong with a chain such as `np.lib.stride_tricks.as_strided`."""
    root, parts = chain(node)
    if len(parts) > LONGEST_CHAIN:
        yield "has too many attributes in a row"
        return
    value: Any = modules.get(root)
    if not isinstance(value, ModuleType):
        return
    if not isinstance(node.ctx, ast.Load):
        yield f"changes `{ast.unparse(node)[:60]}`"
    for place, part in enumerate([*parts, ""]):
        if not isinstance(value, ModuleType):
            return
        top = value.__name__.partition(".")[0]
        if (value is sys and part not in STREAMS) or top not in ALLOWED | {"torch", "dltwice"}:
            yield f"uses {value.__name__}"
        elif value.__name__ == "numpy.testing" and not part.startswith("assert_"):
            yield "uses numpy.testing"
        elif place == len(parts) and top != "torch":
            yield f"passes the module `{ast.unparse(node)[:60]}` on"
        value = getattr(value, part, None)


def _follow(
    name: str, nodes: dict[str, list[ast.stmt]], modules: Modules, given: dict[str, Any]
) -> Iterator[str]:
    """The uses of PyTorch and this book's own layers in a function and in all that it uses."""
    seen, todo = {name}, [name]
    while todo:
        current = todo.pop()
        for node in nodes.get(current, []):
            for part in walk(node):
                if isinstance(part, ast.Import | ast.ImportFrom):
                    yield from (f"uses {root}" for root in _roots(part) if root not in ALLOWED)
            reads = reads_of(node)
            todo += sorted(reads - seen)
            seen |= reads
        if current not in nodes and current in given and (found := _library(current, given[current])):
            yield found


def reads_of(node: ast.stmt) -> frozenset[str]:
    """The global names that a statement reads."""
    if not hasattr(node, "reads"):
        node.reads = global_reads(ast.unparse(node))
    return node.reads


def _imports(tree: ast.AST) -> Iterator[str]:
    """Imports of more than `ALLOWED` and PyTorch, and of what lies hidden in a module."""
    for node in walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        yield from (f"uses {root}" for root in _roots(node) if root not in ALLOWED | {"torch"})
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            allowed = alias.name in STREAMS if node.module == "sys" else alias.name not in MACHINERY
            if not allowed or alias.name == "*" or alias.name.startswith("_") or is_foreign(node, alias.name):
                yield f"imports `{alias.name}` of {node.module}"


def is_foreign(node: ast.ImportFrom, name: str) -> bool:
    """Whether `from module import name` gives a module of another library."""
    value = getattr(sys.modules.get(str(node.module)), name, None)
    root = str(node.module).partition(".")[0]
    return isinstance(value, ModuleType) and value.__name__.partition(".")[0] != root


def _roots(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The libraries that an import is of."""
    if isinstance(node, ast.ImportFrom):
        if str(node.module) == "dltwice.grading.checks":
            return []
        return [str(node.module).partition(".")[0] if not node.level else "a module of its own"]
    return [alias.name.partition(".")[0] for alias in node.names]


def bind_all(tree: ast.AST, modules: Modules) -> None:
    """Add the modules that the imports of a cell bind to `modules`, by the names that they get."""
    for node in walk(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            if isinstance(node, ast.ImportFrom):
                name, path = alias.asname or alias.name, f"{node.module}.{alias.name}"
            else:
                path = alias.name if alias.asname else alias.name.partition(".")[0]
                name = alias.asname or path
            if path in sys.modules:
                modules[name] = sys.modules[path]


def _attributes(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """The attributes that a piece of syntax names, each with its node."""
    for node in walk(tree):
        if isinstance(node, ast.Attribute):
            yield node, node.attr
        elif isinstance(node, ast.MatchClass):
            yield from ((node, name) for name in node.kwd_attrs)


def outermost(tree: ast.AST) -> Iterator[ast.Name | ast.Attribute]:
    """The names and chains of attributes that are not a part of a longer chain."""
    inner = {id(node.value) for node in walk(tree) if isinstance(node, ast.Attribute)}
    for node in walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner:
            yield node


def chain(node: ast.AST) -> tuple[str, list[str]]:
    """`np` and `["linalg", "norm"]` for `np.linalg.norm`; the first is empty if it is not a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return node.id if isinstance(node, ast.Name) else "", parts[::-1]


def is_dunder(name: str) -> bool:
    """Whether it is a name of Python's own machinery, such as `__globals__`."""
    return name.startswith("__") and name.endswith("__") and name not in PUBLIC_DUNDERS


def of_self(node: ast.AST) -> bool:
    """Whether it is `self.name` or `self._name`, an attribute of one's own."""
    own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return own and not is_dunder(node.attr)


def _library(name: str, value: Any) -> str | None:
    """The library other than NumPy that a name of the exercise's own cells stands for or uses."""
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    root = str(module or type(value).__module__).partition(".")[0]
    if isinstance(value, FunctionType) and root == "__main__":
        for inner in value.__code__.co_names:
            if inner in value.__globals__ and (found := _library(inner, value.__globals__[inner])):
                return f"{found} by way of `{name}`"
        return None
    harmless = ALLOWED | {"builtins", "__main__"}
    if root in harmless or str(module) == "dltwice.grading.checks":
        return None
    return f"uses {root} (`{name}`)"
