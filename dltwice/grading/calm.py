"""Whether answers leave Python and its libraries as they are, decided from their source, which is never run.

Answers that do can share one process, question after question. If there is any doubt, each question gets a
process of its own: slower by a hundredth of a second, and what one answer does can't help or harm another.
"""

import ast
import sys
from collections.abc import Iterable
from types import ModuleType

from dltwice.grading.names import parse, walk
from dltwice.grading.plain import (
    ALLOWED,
    FRAMES,
    LONGEST_CHAIN,
    MACHINERY,
    PUBLIC_DUNDERS,
    Modules,
    bind_all,
    chain,
    is_dunder,
    is_foreign,
    of_self,
    outermost,
)

LIBRARIES = ALLOWED - {"sys"} | {"torch", "dltwice", "sklearn", "scipy"}
SETTERS = ("set", "use_", "enable", "disable", "register", "filter", "simple", "patch", "rc", "save")
WRITERS = ("dump", "savefig", "tofile")  # methods that leave a file


def is_calm(sources: Iterable[str], exercise: Iterable[str]) -> bool:
    """Whether `sources`, the answers, change nothing beyond their own names.

    Args:
        sources: the answers.
        exercise: the exercise's own cells, whose imports the answers may use.
    """
    modules: Modules = {}
    answers = [tree for source in sources if (tree := parse(source)) is not None]
    for tree in (*filter(None, map(parse, exercise)), *answers):
        bind_all(tree, modules)
    try:
        return not any(_disturbs(tree, modules) for tree in answers)
    except RecursionError:  # nested too deep to be looked through
        return False


def _disturbs(tree: ast.Module, modules: Modules) -> bool:
    """Whether a cell might change a module, a class of a library, or Python's own state."""
    methods = {id(n) for cls in walk(tree) if isinstance(cls, ast.ClassDef) for n in walk(cls)}
    for node in walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if _is_strange(node):
                return True
        elif isinstance(node, ast.Name):
            if node.id in MACHINERY or is_dunder(node.id) or _is_new_self(node):
                return True
        elif isinstance(node, ast.Attribute):
            if _is_machinery(node) or (not isinstance(node.ctx, ast.Load) and id(node) not in methods):
                return True
        elif isinstance(node, ast.MatchClass | ast.Subscript | ast.keyword) and _is_trick(node):
            return True
    return any(_reaches(node, modules) for node in outermost(tree))


def _is_strange(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import is of another library, of a setting, or hides what it imports.

    So is one of a module that is not loaded here, whose settings are not known.
    """
    module = (node.module or ".") if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        path = f"{module}.{alias.name}" if module else alias.name
        root, last = path.partition(".")[0], path.rpartition(".")[2]
        if (
            root not in LIBRARIES
            or (module or path) not in sys.modules
            or path.startswith("dltwice.grading")
            or (alias.asname or last) in ("self", "*")
        ):
            return True
        if last in MACHINERY or last.startswith("_") or (module and last.startswith(SETTERS)):
            return True
        if module and is_foreign(node, alias.name):
            return True
    return False


def _is_machinery(node: ast.Attribute) -> bool:
    """Whether an attribute leads to Python's machinery or a file, or is assigned to on more than `self`."""
    private = node.attr.startswith("_") and node.attr not in PUBLIC_DUNDERS and not of_self(node)
    stored = not isinstance(node.ctx, ast.Load) and not of_self(node)
    known = node.attr in MACHINERY or node.attr in WRITERS or node.attr.startswith(FRAMES)
    return known or private or stored


def _is_new_self(node: ast.Name) -> bool:
    """Whether `self` is given another meaning than a method's own object."""
    return node.id == "self" and not isinstance(node.ctx, ast.Load)


def _is_trick(node: ast.MatchClass | ast.Subscript | ast.keyword) -> bool:
    """Whether attributes are read by a pattern, copied by `functools.wraps`, or changed in part."""
    if isinstance(node, ast.MatchClass):
        return bool(node.kwd_attrs)
    if isinstance(node, ast.keyword):
        return node.arg in ("assigned", "updated")
    return (
        not isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Attribute)
        and not of_self(node.value)
    )


def _reaches(node: ast.Name | ast.Attribute, modules: Modules) -> bool:
    """Whether a chain leads out of the libraries, is a setting of one, or a module that is passed on."""
    root, parts = chain(node)
    value = modules.get(root)
    if len(parts) > LONGEST_CHAIN:
        return True
    for part in parts:
        if not isinstance(value, ModuleType):
            return False
        if value.__name__.partition(".")[0] not in LIBRARIES or part.startswith(SETTERS):
            return True
        value = getattr(value, part, None)
    return isinstance(value, ModuleType)
