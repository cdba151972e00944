"""Which names a cell defines and uses, read from its source and never run."""

import ast
import builtins
import symtable
from functools import lru_cache

from dltwice.grading.notebook import Cell

BUILTINS = frozenset(dir(builtins))
Scoped = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@lru_cache(maxsize=1000)
def parse(source: str) -> ast.Module | None:
    """The syntax tree of a cell, or None if it is not Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


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
    found: set[int] = set()
    todo = [index]
    while todo:
        wanted = used(cells[todo.pop()].source)
        for number in range(index if wanted else 0):
            if number in found or cells[number].kind != "answer":
                continue
            if wanted & defined(cells[number].source):
                found.add(number)
                todo.append(number)
    return found


@lru_cache(maxsize=1000)
def defined(source: str) -> frozenset[str]:
    """The names that a cell binds at its top level, also inside its loops and conditions."""
    tree = parse(source)
    found: set[str] = set()
    todo: list[ast.AST] = list(tree.body) if tree else []
    while todo:
        node = todo.pop()
        if isinstance(node, Scoped):
            found.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            todo.extend(ast.iter_child_nodes(node))
    return frozenset(found)
