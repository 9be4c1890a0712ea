"""Finds where rows are read past the one function per resource that says which of them a caller may see.

That function is `readable_by(caller)` (in `dispatch`, it rests on `within_reach`). A function that reads columns of a
protected table must call one of these, or be handed its condition as a parameter named `readable`. Ids alone are no
rows: that something exists is no secret (an unknown id is answered before the rules are asked).
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

PROTECTED = {
    "Organization", "Collaboration", "Node", "User", "Role", "Task", "Result", "ResultContent", "AlgorithmPort",
}  # fmt: skip
_GUARDS = {"readable_by", "within_reach"}
_HANDED = "readable"
_READS = {"select", "add_columns", "with_only_columns", "returning"}
_RAW = {"text", "exec_driver_sql", "query"}


@dataclass
class Module:
    """A source file, and what its names at the top stand for."""

    path: str
    tree: ast.Module
    tables: set[str] = field(default_factory=set[str])
    """Names of protected tables."""
    columns: dict[str, ast.expr] = field(default_factory=dict[str, ast.expr])
    """What is assigned to each name at the top."""


def gone_round(sources: dict[str, str]) -> set[str]:
    """`path::function` of each function that reads rows and asks nobody who may see them; texts by path."""
    modules = [_module(path, text) for path, text in sources.items()]
    shared = {name for module in modules for name in _wide_names(module) if not name.startswith("_")}
    return {finding for module in modules for finding in _findings(module, shared | _wide_names(module))}


def sources_below(root: Path, folders: Iterable[str]) -> dict[str, str]:
    """The texts of all Python files in these folders."""
    files = [file for folder in folders for file in sorted((root / folder).rglob("*.py"))]
    return {file.relative_to(root).as_posix(): file.read_text() for file in files}


def _module(path: str, text: str) -> Module:
    module = Module(path, ast.parse(text), set(PROTECTED))
    for statement in module.tree.body:
        target, value = _assignment(statement)
        if target is None or value is None:
            continue
        module.columns[target] = value
        named = {owner.id for node in ast.walk(value) if isinstance(owner := _owner_of_table(node), ast.Name)}
        if named & PROTECTED and not _is_read(value):
            module.tables.add(target)
    return module


def _assignment(statement: ast.stmt) -> tuple[str | None, ast.expr | None]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
        case _:
            return None, None


def _owner_of_table(node: ast.AST) -> ast.expr | None:
    """`User` in `User.__table__`."""
    return node.value if isinstance(node, ast.Attribute) and node.attr == "__table__" else None


def _wide_names(module: Module) -> set[str]:
    """Names that stand for a statement that reads rows of anybody: constants, and functions that only return one."""
    constants = {name for name, value in module.columns.items() if _reads(module, value)}
    makers = {
        function.name
        for _, function in _functions(module.tree)
        if not function.args.args and _reads(module, function) and not _mentioned(function) & _GUARDS
    }
    return constants | makers


def _findings(module: Module, wide: set[str]) -> Iterator[str]:
    for name, function in _functions(module.tree):
        mentioned = _mentioned(function)
        given = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)} | _assigned(function)
        makes = function.name in wide and not function.args.args
        reads = _reads(_with_locals(module, function), function) or (mentioned - given) & wide
        guarded = mentioned & _GUARDS or _HANDED in given
        if (reads and not guarded and not makes) or _cheats(function):
            yield f"{module.path}::{name}"


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{member.name}", member


def _assigned(function: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _mentioned(function: ast.AST) -> set[str]:
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)}


def _reads(module: Module, code: ast.AST) -> bool:
    return any(_is_read(node) and _is_wide(module, node) for node in ast.walk(code))


def _with_locals(module: Module, function: ast.AST) -> Module:
    """The module as seen from within the function: what is assigned there has a name too."""
    pairs = (_assignment(node) for node in ast.walk(function) if isinstance(node, ast.stmt))
    named = {name: value for name, value in pairs if name is not None and value is not None}
    return replace(module, columns=module.columns | named)


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _called(node) in _READS


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _is_wide(module: Module, call: ast.AST) -> bool:
    assert isinstance(call, ast.Call)
    return any(_is_wide_column(module, argument) for argument in call.args)


def _is_wide_column(module: Module, argument: ast.expr) -> bool:
    if isinstance(argument, ast.Starred):
        argument = argument.value
        if isinstance(argument, ast.Name) and argument.id in module.columns:
            argument = module.columns[argument.id]
    if isinstance(argument, ast.Name) and argument.id in module.tables:
        return True
    return any(isinstance(node, ast.Attribute) and _is_content(module, node) for node in ast.walk(argument))


def _is_content(module: Module, column: ast.Attribute) -> bool:
    """`User.email` or `users.c.email`, but not `User.id` or `User.organization_id`."""
    owner = column.value
    if isinstance(owner, ast.Attribute) and owner.attr == "c":
        owner = owner.value
    owner = _owner_of_table(owner) or owner
    is_ours = isinstance(owner, ast.Name) and owner.id in module.tables
    return is_ours and column.attr not in ("c", "__table__", "id") and not column.attr.endswith("_id")


def _cheats(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True if it says that everything may be seen, or hands the database a text that nobody can check."""
    if function.name in _GUARDS:
        return False
    calls = {_called(node) for node in ast.walk(function) if isinstance(node, ast.Call)}
    return bool(calls & (_RAW | {"true"}))
