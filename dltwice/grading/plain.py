"""Whether an answer keeps to plain NumPy, decided from its source, which is read and never run.

The learner's function lives in another process, where anything may have been changed. Its text can't lie. So
the whole answer cell, and the earlier answers that it uses, may use NumPy, a few modules of Python, and what
the exercise gives, and nothing that could reach another library by a detour. A comparison with PyTorch
belongs in a cell of its own.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from dltwice.grading.names import global_reads, parse

ALLOWED = frozenset(
    "cmath collections dataclasses fractions functools itertools math numpy random time typing".split()
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
FRAMES = ("gi_", "cr_", "ag_", "f_", "tb_")  # attributes that lead to a frame and its variables


def objection(sources: Iterable[str], given: dict[str, Any]) -> str | None:
    """What in `sources`, the answers that are run together, is not plain NumPy, or None.

    Args:
        sources: an answer and the earlier answers that it uses.
        given: what the exercise's own cells define.

    Returns:
        The end of a sentence that starts with the answer: "uses torch (`nn`)".
    """
    for source in sources:
        tree = parse(source)
        if tree is None:
            continue  # it does not run either
        modules = {name: value for name, value in given.items() if isinstance(value, ModuleType)}
        try:
            found = [*_imports(tree, modules), *_reads(source, given), *_attributes(tree, modules)]
        except RecursionError:
            return "is nested too deep to be read"
        if found:
            return found[0]
    return None


def _imports(tree: ast.Module, modules: dict[str, ModuleType]) -> Iterator[str]:
    """Imports of more than `ALLOWED`; what is imported is added to `modules`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            roots = [str(node.module).partition(".")[0] if not node.level else "a module of its own"]
        else:
            continue
        yield from (f"uses {root}" for root in roots if root not in ALLOWED)
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if alias.name == "*" or alias.name in MACHINERY or alias.name.startswith("_"):
                yield f"imports `{alias.name}` of {node.module}"
        bind(node, modules)


def bind(node: ast.Import | ast.ImportFrom, modules: dict[str, ModuleType]) -> None:
    """Add the modules that an import binds to `modules`, by the names that they get."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            name, path = alias.asname or alias.name, f"{node.module}.{alias.name}"
        else:
            path = alias.name if alias.asname else alias.name.partition(".")[0]
            name = alias.asname or path
        modules[name] = sys.modules.get(path)


def _reads(source: str, given: dict[str, Any]) -> Iterator[str]:
    """Global names that stand for another library or for Python's machinery."""
    for name in sorted(global_reads(source)):
        if name in MACHINERY:
            yield f"uses `{name}`"
        if name in given and (found := _library(name, given[name])):
            yield found


def _attributes(tree: ast.Module, modules: dict[str, ModuleType]) -> Iterator[str]:
    """Attributes that lead out of NumPy, or change it."""
    bases = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        for name in attribute_names(node):
            private = name.startswith("_") and name not in PUBLIC_DUNDERS
            if name in MACHINERY or name.startswith(FRAMES) or (private and not of_self(node)):
                yield f"uses `.{name}`"
        if isinstance(node, ast.Name | ast.Attribute):
            value = resolve(node, modules)
            if isinstance(value, ModuleType):
                if value.__name__.partition(".")[0] not in ALLOWED:
                    yield f"uses {value.__name__}"
                elif id(node) not in bases and isinstance(node.ctx, ast.Load):
                    yield f"passes the module `{ast.unparse(node)[:60]}` on"
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and not of_self(node):
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


def _library(name: str, value: Any) -> str | None:
    """The library other than NumPy that a name of the exercise's own cells stands for or uses."""
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    root = str(module or type(value).__module__).partition(".")[0]
    if isinstance(value, FunctionType) and root == "__main__":
        for inner in value.__code__.co_names:
            if inner in value.__globals__ and (found := _library(inner, value.__globals__[inner])):
                return f"{found} by way of `{name}`"
        return None
    return None if root in ALLOWED | {"builtins", "__main__"} else f"uses {root} (`{name}`)"
