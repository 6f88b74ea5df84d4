"""What we promise to callers: codes, access, and documents that tell the truth."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import get_resolver

from legato_payments.lib.api.checks import check_declared_access, routes
from legato_payments.lib.api.problems import Problem, known_problems
from tests.conventions.sources import (
    PACKAGES,
    ROOT,
    Source,
    import_everything,
    none_of,
    project,
)

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "deploy")

OUTSIDE_THE_API = (
    "admin/",
    "livez",
    "readyz",
    "healthz",
    "metrics",
    "problems",
    "api",
    "static/",
    "sandbox/",
)
"""The first parts of every address that is no resource of /api/v1."""

READERS = {"str", "bool", "int", "list", "db_url", "json", "url", "path"}


def read(name: str) -> str:
    """A document, which must exist."""
    path = ROOT / name
    assert path.exists(), f"{name} is missing"
    return path.read_text()


def documents() -> list[Path]:
    """Everything that people read."""
    found = [ROOT / name for name in DOCUMENTS]
    return [
        path
        for entry in found
        for path in ([entry] if entry.is_file() else sorted(entry.rglob("*.md")))
    ]


def environment_variables() -> set[str]:
    """The names that the settings read; those of the test run are nobody's business."""
    settings = [ROOT / f"legato_payments/settings/{n}.py" for n in ("base", "local", "production")]
    return {
        ast.literal_eval(call.args[0])
        for path in settings
        for name, call in Source(path).calls()
        if name in READERS and isinstance(call.func, ast.Attribute)
        if isinstance(call.func.value, ast.Name) and call.func.value.id == "env"
        if call.args
    }


def our_commands() -> dict[str, str]:
    """Our management commands and the app each belongs to."""
    return {name: str(app) for name, app in get_commands().items() if str(app).startswith(PACKAGES)}


def our_problems() -> list[Problem]:
    """Without the classes that other tests make up."""
    return [p for p in known_problems() if p.source.split(".")[0] in (*PACKAGES, "")]


class TestCodes:
    def test_are_unique(self) -> None:
        import_everything()

        twice = {c for c, times in Counter(p.code for p in our_problems()).items() if times > 1}
        none_of(f"{p.code} {p.source}" for p in our_problems() if p.code in twice)

    def test_are_snake_case_with_a_title(self) -> None:
        import_everything()

        for problem in our_problems():
            assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", problem.code), problem
            assert problem.title, problem

    def test_are_documented(self) -> None:
        import_everything()
        text = read("docs/api.md")

        none_of(p.code for p in our_problems() if f"`{p.code}`" not in text)


class TestAddresses:
    def test_declare_who_may_use_them(self) -> None:
        none_of(check_declared_access())

    def test_are_of_the_api_or_well_known(self) -> None:
        strange = [
            route
            for route, _ in routes(get_resolver())
            if not route.startswith(OUTSIDE_THE_API) and route
        ]

        none_of(strange)

    def test_of_the_api_have_no_trailing_slash(self) -> None:
        slashed = [
            route
            for route, _ in routes(get_resolver())
            if route.startswith("api/v1/") and route.rstrip("$").removesuffix("\\Z").endswith("/")
        ]

        none_of(slashed)


class TestEnvironment:
    def test_variables_are_found(self) -> None:
        assert {"SECRET_KEY", "FIELD_KEYS", "DATABASE_URL"} <= environment_variables()

    def test_every_variable_is_in_the_readme(self) -> None:
        table = "\n".join(line for line in read("README.md").splitlines() if line.startswith("|"))

        none_of(sorted(name for name in environment_variables() if f"`{name}`" not in table))

    def test_every_variable_is_in_the_example(self) -> None:
        names = set(re.findall(r"^#?\s*([A-Z][A-Z0-9_]+)=", read(".env.example"), re.MULTILINE))

        none_of(sorted(environment_variables() - names))

    def test_no_other_variable_is_promised(self) -> None:
        promised = set(re.findall(r"^#?\s*([A-Z][A-Z0-9_]+)=", read(".env.example"), re.MULTILINE))
        known = environment_variables() | _read_outside_the_settings()

        none_of(sorted(promised - known))


def _read_outside_the_settings() -> set[str]:
    """Names that the process runner, the Makefile or the deployment files read."""
    files = [source.path for source in project() if "/local/" in source.name]
    files += [ROOT / name for name in ("Makefile", "Dockerfile") if (ROOT / name).exists()]
    files += [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    return {
        name for path in files for name in re.findall(r"[A-Z][A-Z0-9_]{2,}", path.read_text())
    } | {"DJANGO_SETTINGS_MODULE"}


class TestCommands:
    @pytest.mark.parametrize("name", sorted(our_commands()))
    def test_say_what_they_do(self, name: str) -> None:
        command = load_command_class(our_commands()[name], name)

        assert len(command.help) > 20

    def test_that_documents_name_exist(self) -> None:
        promised = {
            (path.relative_to(ROOT).as_posix(), name)
            for path in documents()
            for name in re.findall(r"manage\.py ([a-z][a-z_]+)", path.read_text())
        }

        none_of(sorted(entry for entry in promised if entry[1] not in get_commands()))
