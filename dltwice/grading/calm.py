"""Whether answers leave Python and its libraries as they are, decided from their source, which is never run.

Answers that do can share one process, question after question. If there is any doubt, each question gets a
process of its own: slower by a hundredth of a second, and what one answer does can't help or harm another.
"""

import ast
import sys
from collections.abc import Iterable

from dltwice.grading.names import parse
from dltwice.grading.plain import ALLOWED, MACHINERY, PUBLIC_DUNDERS

LIBRARIES = ALLOWED | {"torch", "dltwice", "sklearn", "matplotlib", "scipy", "__future__"}
SETTERS = ("set", "use_", "enable", "disable", "register", "filter", "simple", "patch", "rc")


def is_calm(sources: Iterable[str], exercise: Iterable[str]) -> bool:
    """Whether `sources`, the answers, change nothing beyond their own names.

    Args:
        sources: the answers.
        exercise: the exercise's own cells, whose imports the answers may use.
    """
    modules: dict[str, str] = {}
    trees = []
    for source in (*exercise, *sources):
        if (tree := parse(source)) is not None:
            trees.append(tree)
            modules |= _imports(tree)
    own = len(trees) - sum(parse(source) is not None for source in sources)
    return not any(_disturbs(tree, modules) for tree in trees[own:])


def _disturbs(tree: ast.Module, modules: dict[str, str]) -> bool:
    """Whether a cell might change a module, a class of a library, or Python's own state."""
    bases = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if any(name.partition(".")[0] not in LIBRARIES for name in _names(node)):
                return True
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name in MACHINERY or (
                name.startswith("_") and name.endswith("__") and name not in PUBLIC_DUNDERS
            ):
                return True
            path = _path(node, modules)
            if path in sys.modules and id(node) not in bases:
                return True  # a module on its own: a value, an argument
            if isinstance(node, ast.Attribute) and _sets(node, modules):
                return True
    return False


def _sets(node: ast.Attribute, modules: dict[str, str]) -> bool:
    """Whether an attribute is assigned to on anything but `self`, or sounds like a setting of a module."""
    if not isinstance(node.ctx, ast.Load):
        return not (isinstance(node.value, ast.Name) and node.value.id == "self")
    return _path(node.value, modules) in sys.modules and node.attr.startswith(SETTERS)


def _path(node: ast.AST, modules: dict[str, str]) -> str:
    """`numpy.linalg` for `np.linalg`; empty if it does not start with a module."""
    if isinstance(node, ast.Name):
        return modules.get(node.id, "")
    if isinstance(node, ast.Attribute) and (base := _path(node.value, modules)):
        return f"{base}.{node.attr}"
    return ""


def _imports(tree: ast.Module) -> dict[str, str]:
    """The modules, and what may be modules, that a cell imports, by the names they get."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                found[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [node.module or "."] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
