"""Our own Python files, parsed once, for the tests that read them."""

import ast
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("legato_payments", "payments", "revenue", "access")

type Function = ast.FunctionDef | ast.AsyncFunctionDef
type Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """One file."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def name(self) -> str:
        """The path from the project folder, with forward slashes."""
        return self.path.relative_to(ROOT).as_posix()

    def at(self, node: ast.AST) -> str:
        """Where a node is, as editors understand it."""
        return f"{self.name}:{getattr(node, 'lineno', 0)}"

    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call, with the last part of what is called."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                match node.func:
                    case ast.Name(id=name) | ast.Attribute(attr=name):
                        yield name, node


@cache
def project() -> list[Source]:
    """Every file of the project itself: no migrations, tests or tools."""
    files = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [Source(path) for path in files if "migrations" not in path.parts]


def under(*prefixes: str) -> list[Source]:
    """The files whose path starts so, for example ``payments/services/``."""
    return [source for source in project() if source.name.startswith(prefixes)]


def import_everything() -> None:
    """Import every module of the project, so that every class and task exists."""
    for package in PACKAGES:
        paths = [str(ROOT / package)]
        for module in pkgutil.walk_packages(paths, f"{package}."):
            # Importing these starts something, or is another environment.
            if not module.name.startswith("legato_payments.settings") and not module.name.endswith(
                (".__main__", ".wsgi", ".asgi")
            ):
                importlib.import_module(module.name)


def none_of(found: Iterable[object]) -> None:
    """Assert that nothing was found, and list it all otherwise."""
    listed = [str(item) for item in found]
    assert not listed, "\n" + "\n".join(listed)
