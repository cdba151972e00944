"""Which names a cell defines and uses, read from its source and never run."""

import ast
import builtins
import symtable
from functools import lru_cache

from dltwice.grading.notebook import Cell

BUILTINS = frozenset(dir(builtins))
SCOPED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@lru_cache(maxsize=1000)
def parse(source: str) -> ast.Module | None:
    """The syntax tree of a cell, or None if it is not Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def walk(node: ast.AST) -> list[ast.AST]:
    """The node and all below it, as `ast.walk` gives them; kept, because they are asked for several times."""
    if not hasattr(node, "below"):
        node.below = list(ast.walk(node))
    return node.below


@lru_cache(maxsize=1000)
def used(source: str) -> frozenset[str]:
    """The global names that a cell reads and does not define at its own top level, without Python's own."""
    return global_reads(source) - defined(source) - BUILTINS


@lru_cache(maxsize=1000)
def global_reads(source: str) -> frozenset[str]:
    """All global names that a cell reads."""
    if parse(source) is None:
        return frozenset()
    try:
        return frozenset(_read(symtable.symtable(source, "<cell>", "exec")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()


def _read(table: symtable.SymbolTable) -> set[str]:
    """Names that a scope and those inside it read as globals."""
    top = table.get_type() == "module"
    here = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    return here.union(*(_read(inner) for inner in table.get_children()))


def needed(index: int, cells: list[Cell]) -> set[int]:
    """The earlier answers whose functions or values the answer `index` uses, also by way of another one."""
    own = frozenset[str]().union(*(defined(cell.source) for cell in cells[:index] if cell.kind == "setup"))
    found: set[int] = set()
    todo = [index]
    while todo:
        wanted = used(cells[todo.pop()].source) - own
        for number in range(index if wanted else 0):
            if number in found or cells[number].kind != "answer":
                continue
            if wanted & defined(cells[number].source):
                found.add(number)
                todo.append(number)
    return found


@lru_cache(maxsize=1000)
def defined(source: str) -> frozenset[str]:
    """The names that a cell binds."""
    tree = parse(source)
    return frozenset().union(*(bound(node) for node in tree.body)) if tree else frozenset()


def bound(statement: ast.stmt) -> set[str]:
    """The global names that a statement of a cell binds, wherever in it: in a branch, a loop, by `global`."""
    found: set[str] = set()
    todo: list[tuple[ast.AST, bool]] = [(statement, False)]  # and whether it is inside a function or class
    while todo:
        node, inside = todo.pop()
        if isinstance(node, ast.Global):
            found.update(node.names)
        elif not inside:
            found.update(_binds(node))
        inner = inside or isinstance(node, (*SCOPED, ast.Lambda))
        todo += [(child, inner or _hides(node, child)) for child in ast.iter_child_nodes(node)]
    return found


def _binds(node: ast.AST) -> list[str]:
    """The names that one piece of syntax binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, (*SCOPED, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return [node.name] if node.name else []
    return [node.rest] if isinstance(node, ast.MatchMapping) and node.rest else []


def _hides(node: ast.AST, child: ast.AST) -> bool:
    """Whether what `child` binds is the comprehension's own."""
    return isinstance(node, ast.comprehension) and child is node.target
