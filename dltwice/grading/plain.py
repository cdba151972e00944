"""Whether an answer keeps to plain NumPy, decided from its source, which is read and never run.

The learner's function lives in another process, where anything may have been changed. Its text can't lie: the
function and all that it uses are followed, and what could reach another library by a detour is refused. What
this does not see, such as a function of PyTorch hidden in a list, fails when it is called: while the tests of
such an exercise run, PyTorch is locked in the answers' process (see `answers.py`).
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from dltwice.grading.names import bound, global_reads, parse

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
    ctypeslib f2py fromfile load memmap testing
    """.split()  # of Python, Python's modules, NumPy
)
PUBLIC_DUNDERS = frozenset(
    "__call__ __getitem__ __init__ __iter__ __len__ __main__ __name__ __next__ __repr__".split()
)
STREAMS = ("stderr", "stdout")  # all that is wanted of sys
FRAMES = ("gi_", "cr_", "ag_", "f_", "tb_")  # attributes that lead to a frame and its variables


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
    for tree in filter(None, map(parse, sources)):
        for node in tree.body:
            for own in bound(node):
                nodes.setdefault(own, []).append(node)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                bind(node, modules)
    try:
        return next(_follow(name, nodes, modules, given), None)
    except RecursionError:
        return "is nested too deep to be read"


def _follow(
    name: str, nodes: dict[str, list[ast.stmt]], modules: dict[str, ModuleType], given: dict[str, Any]
) -> Iterator[str]:
    """The objections to a name and to all that its definition uses."""
    seen, todo = {name}, [name]
    while todo:
        current = todo.pop()
        for node in nodes.get(current, []):
            yield from _imports(node)
            yield from _attributes(node, modules)
            reads = global_reads(ast.unparse(node))
            yield from (f"uses `{word}`" for word in sorted(reads & (MACHINERY - {"sys"})))
            todo += sorted(reads - seen)
            seen |= reads
        if current not in nodes and current in given and (found := _library(current, given[current])):
            yield found


def _imports(tree: ast.AST) -> Iterator[str]:
    """Imports of more than `ALLOWED`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            roots = [str(node.module).partition(".")[0] if not node.level else "a module of its own"]
        else:
            continue
        yield from (f"uses {root}" for root in roots if root not in ALLOWED)
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            allowed = alias.name in STREAMS if node.module == "sys" else alias.name not in MACHINERY
            if not allowed or alias.name == "*" or alias.name.startswith("_"):
                yield f"imports `{alias.name}` of {node.module}"


def bind(node: ast.Import | ast.ImportFrom, modules: dict[str, ModuleType]) -> None:
    """Add the modules that an import binds to `modules`, by the names that they get."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            name, path = alias.asname or alias.name, f"{node.module}.{alias.name}"
        else:
            path = alias.name if alias.asname else alias.name.partition(".")[0]
            name = alias.asname or path
        if path in sys.modules:
            modules[name] = sys.modules[path]


def _attributes(tree: ast.AST, modules: dict[str, ModuleType]) -> Iterator[str]:
    """Attributes that lead out of NumPy, or change it."""
    reads = global_reads(ast.unparse(tree))
    modules = {name: module for name, module in modules.items() if name in reads}  # others are local names
    bases = {id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        for name in attribute_names(node):
            private = name.startswith("_") and name not in PUBLIC_DUNDERS and not of_self(node)
            if name in MACHINERY or name.startswith(FRAMES) or private:
                yield f"uses `.{name}`"
        if isinstance(node, ast.Name | ast.Attribute):
            value = resolve(node, modules)
            if value is sys and bases.get(id(node)) not in STREAMS:
                yield "uses `sys`"
            elif isinstance(value, ModuleType) and value.__name__.partition(".")[0] not in ALLOWED:
                yield f"uses {value.__name__} (`{ast.unparse(node)}`)"
            elif isinstance(value, ModuleType) and id(node) not in bases and isinstance(node.ctx, ast.Load):
                yield f"passes the module `{ast.unparse(node)[:60]}` on"
            if (
                _base(node) in modules
                and not isinstance(node.ctx, ast.Load)
                and isinstance(node, ast.Attribute)
            ):
                yield f"changes `{ast.unparse(node)[:60]}`"


def attribute_names(node: ast.AST) -> list[str]:
    """The attributes that a piece of syntax names."""
    if isinstance(node, ast.Attribute):
        return [node.attr]
    return node.kwd_attrs if isinstance(node, ast.MatchClass) else []


def of_self(node: ast.AST) -> bool:
    """Whether it is `self.name`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def resolve(node: ast.AST, modules: dict[str, ModuleType]) -> Any:
    """The module, or a module's attribute, that `np.lib.stride_tricks` stands for; None if it is neither."""
    if isinstance(node, ast.Name):
        return modules.get(node.id)
    if isinstance(node, ast.Attribute):
        base = resolve(node.value, modules)
        return getattr(base, node.attr, None) if isinstance(base, ModuleType) else None
    return None


def _base(node: ast.AST) -> str:
    """`np` of `np.linalg.norm`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


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
