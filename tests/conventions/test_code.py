"""How the code is written: sizes, imports, docstrings, and no float near money."""

import ast
from collections.abc import Iterator

from tests.conventions.sources import Definition, none_of, project, under

MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500

APPS = ("payments", "revenue", "access")
CALLED_BY_OTHERS = ("services", "queries", "ledger", "gateways", "reports")
DOCUMENTED = (
    "legato_payments/lib/",
    *(f"{app}/{part}" for app in APPS for part in CALLED_BY_OTHERS),
)
MONEY = ("legato_payments/lib/money.py", *(f"{app}/" for app in APPS))


def test_files_stay_short() -> None:
    long = [source.name for source in project() if source.text.count("\n") > MAX_FILE_LINES]

    none_of(long)


def test_functions_stay_short() -> None:
    long = [
        f"{source.at(function)} {function.name}"
        for source in project()
        for function in source.functions()
        if (function.end_lineno or 0) - function.lineno >= MAX_FUNCTION_LINES
    ]

    none_of(long)


def test_imports_stand_at_the_top() -> None:
    """Otherwise a cycle between modules hides until the function runs; only ready() needs it."""
    inside = [
        source.at(node)
        for source in project()
        for function in source.functions()
        if not (function.name == "ready" and source.name.endswith("/apps.py"))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    none_of(inside)


def test_money_never_meets_a_float() -> None:
    floats = [
        source.at(node)
        for source in under(*MONEY)
        for node in ast.walk(source.tree)
        if _is_float(node)
    ]

    none_of(floats)


def _is_float(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="float" | "FloatField") | ast.Attribute(attr="FloatField"):
            return True
        case ast.Constant(value=str(text)):
            return text in {"float", "double precision"}  # a quoted annotation, a column type
    return False


def test_modules_say_what_they_are() -> None:
    silent = [
        source.name
        for source in project()
        if source.text.strip() and not ast.get_docstring(source.tree)
    ]

    none_of(silent)


def test_what_others_call_is_documented() -> None:
    silent = [
        f"{source.at(node)} {node.name}"
        for source in under(*DOCUMENTED)
        for node in _public(source.tree)
        if not ast.get_docstring(node) and not _has_title(node)
    ]

    none_of(silent)


def _public(tree: ast.Module) -> Iterator[Definition]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            # Django finds these by name; ``help`` and the module say what they are.
            is_wiring = node.name == "Command" or node.name.endswith("Config")
            if not node.name.startswith("_") and not is_wiring:
                yield node


def _has_title(node: ast.AST) -> bool:
    """Whether it is an error that says in words what it is: its title goes to the caller."""
    body = node.body if isinstance(node, ast.ClassDef) else []
    names = {ast.unparse(s.targets[0]) for s in body if isinstance(s, ast.Assign)}
    return {"code", "title"} <= names
