"""Whether answers leave Python and its libraries as they are, decided from their source, which is never run.

Answers that do can share one process, question after question. If there is any doubt, each question gets a
process of its own: slower by a hundredth of a second, and what one answer does can't help or harm another.
"""

import ast
from collections.abc import Iterable
from types import ModuleType

from dltwice.grading.names import parse
from dltwice.grading.plain import (
    ALLOWED,
    FRAMES,
    MACHINERY,
    PUBLIC_DUNDERS,
    attribute_names,
    bind,
    of_self,
    resolve,
)

LIBRARIES = ALLOWED | {"torch", "dltwice", "sklearn", "matplotlib", "scipy"}
SETTERS = ("set", "use_", "enable", "disable", "register", "filter", "simple", "patch", "rc")


def is_calm(sources: Iterable[str], exercise: Iterable[str]) -> bool:
    """Whether `sources`, the answers, change nothing beyond their own names.

    Args:
        sources: the answers.
        exercise: the exercise's own cells, whose imports the answers may use.
    """
    modules: dict[str, ModuleType] = {}
    answers = [tree for source in sources if (tree := parse(source)) is not None]
    for tree in (*(parse(source) for source in exercise), *answers):
        for node in ast.walk(tree or ast.Module([], [])):
            if isinstance(node, ast.Import | ast.ImportFrom):
                bind(node, modules)
    try:
        return not any(_disturbs(tree, modules) for tree in answers)
    except RecursionError:  # nested too deep to be looked through
        return False


def _disturbs(tree: ast.Module, modules: dict[str, ModuleType]) -> bool:
    """Whether a cell might change a module, a class of a library, or Python's own state."""
    bases = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and _is_strange(node):
            return True
        if any(_is_machinery(name, node) for name in attribute_names(node)):
            return True
        if isinstance(node, ast.Name) and (node.id in MACHINERY or _is_dunder(node.id) or _is_new_self(node)):
            return True
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and _changes(node, modules, bases):
            return True
    return False


def _is_strange(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import is of another library, of a setting, or hides what it imports."""
    module = (node.module or ".") if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        path = f"{module}.{alias.name}" if module else alias.name
        root, last = path.partition(".")[0], path.rpartition(".")[2]
        if (
            root not in LIBRARIES
            or path.startswith("dltwice.grading")
            or (alias.asname or last) in ("self", "*")
        ):
            return True
        if last in MACHINERY or last.startswith("_") or (module and last.startswith(SETTERS)):
            return True
    return False


def _is_machinery(attribute: str, node: ast.AST) -> bool:
    private = attribute.startswith("_") and attribute not in PUBLIC_DUNDERS and not of_self(node)
    return attribute in MACHINERY or private or attribute.startswith(FRAMES)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in PUBLIC_DUNDERS


def _is_new_self(node: ast.Name) -> bool:
    """Whether `self` is given another meaning than a method's own object."""
    return node.id == "self" and not isinstance(node.ctx, ast.Load)


def _changes(
    node: ast.Name | ast.Attribute | ast.Subscript, modules: dict[str, ModuleType], bases: set
) -> bool:
    """Whether something beyond the cell's own names is assigned to, set, or is a module that is passed on."""
    stores = not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Subscript):
        return stores and isinstance(node.value, ast.Attribute) and not of_self(node.value)
    if isinstance(resolve(node, modules), ModuleType) and id(node) not in bases:
        return True
    if isinstance(node, ast.Name):
        return False
    is_setting = isinstance(resolve(node.value, modules), ModuleType) and node.attr.startswith(SETTERS)
    return is_setting or (stores and not of_self(node))
