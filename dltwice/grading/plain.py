"""Whether an answer keeps to plain NumPy, decided from its source, which is read and never run.

The learner's function lives in another process, where anything may have been changed. Its text can't lie:
every function that it uses is followed, and what could reach another library or Python's own machinery is
refused.
"""

import ast
from collections.abc import Iterable
from types import FunctionType, ModuleType
from typing import Any

from dltwice.grading.names import BUILTINS, parse

ALLOWED = frozenset(
    "cmath collections dataclasses fractions functools itertools math numpy random string time typing".split()
)
MACHINERY = frozenset(
    """
    __import__ breakpoint compile delattr eval exec getattr globals input locals memoryview open setattr vars
    setprofile settrace
    builtins ctypes gc importlib inspect marshal multiprocessing os pickle subprocess sys threading
    ctypeslib f2py fromfile load memmap testing
    """.split()  # of Python, Python's modules, NumPy
)
PUBLIC_DUNDERS = frozenset(
    "__call__ __getitem__ __init__ __iter__ __len__ __main__ __name__ __next__ __repr__".split()
)


def objection(name: str, sources: Iterable[str], given: dict[str, Any]) -> str | None:
    """Why the function `name` is not plain NumPy, as the end of a sentence, or None.

    Args:
        name: a function that one of the answers defines.
        sources: the answers that are run together, the function's own last.
        given: what the exercise's own cells define.
    """
    nodes: dict[str, list[ast.stmt]] = {}
    trees = [tree for source in sources if (tree := parse(source)) is not None]
    for tree in trees:
        for node in tree.body:
            for bound in _bound(node):
                nodes.setdefault(bound, []).append(node)
    modules = {key for key, value in given.items() if isinstance(value, ModuleType)}
    for tree in trees:
        if found := _tampering(tree, modules):
            return found
    return _follow(name, nodes, given)


def _follow(name: str, nodes: dict[str, list[ast.stmt]], given: dict[str, Any]) -> str | None:
    """Look at the definition of `name` and of all that it uses."""
    seen, todo = {name}, [name]
    while todo:
        current = todo.pop()
        for node in nodes.get(current, []):
            if found := _forbidden(node):
                return found
            used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} | _imported(node)
            todo += used - seen
            seen |= used
        if current not in nodes and current in given and (found := _library(current, given[current])):
            return found
    return None


def _forbidden(node: ast.AST) -> str | None:
    """What a definition uses beyond NumPy and plain Python."""
    for part in ast.walk(node):
        if isinstance(part, ast.Import | ast.ImportFrom):
            for module in _modules(part):
                if module.partition(".")[0] not in ALLOWED:
                    return f"uses {module.partition('.')[0]}"
        name = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else ""
        if name in MACHINERY or (name.startswith("__") and name not in PUBLIC_DUNDERS):
            return f"uses `{name}`"
    return None


def _tampering(tree: ast.Module, modules: set[str]) -> str | None:
    """A statement anywhere that changes a library or Python itself."""
    modules = modules | {
        bound for node in ast.walk(tree) if isinstance(node, ast.Import) for bound in _bound(node)
    }
    for part in ast.walk(tree):
        if isinstance(part, ast.Attribute) and not isinstance(part.ctx, ast.Load) and _base(part) in modules:
            return f"changes `{ast.unparse(part)[:60]}`"
        if isinstance(part, ast.Attribute) and part.attr in (
            "settrace",
            "setprofile",
            "__dict__",
            "__globals__",
        ):
            return f"uses `{part.attr}`"
    return None


def _library(name: str, value: Any) -> str | None:
    """The library other than NumPy that a name of the exercise's own cells stands for or uses."""
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    root = str(module).partition(".")[0]
    if isinstance(value, FunctionType) and root == "__main__":
        for inner in value.__code__.co_names:
            if inner in value.__globals__ and (found := _library(inner, value.__globals__[inner])):
                return f"{found} by way of `{name}`" if found.startswith("uses") else found
        return None
    return None if root in ALLOWED | {"builtins", "__main__"} else f"uses {root} (`{name}`)"


def _bound(node: ast.AST) -> set[str]:
    """The names that one statement binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or "a module of its own"]
    return [alias.name for alias in node.names]


def _imported(node: ast.AST) -> set[str]:
    """Names that imports inside a definition bind."""
    return {
        name for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom) for name in _bound(n)
    } - BUILTINS


def _base(node: ast.AST) -> str:
    """`np` of `np.linalg.norm`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
