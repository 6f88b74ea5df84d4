"""A copy of the project, broken by a patch, and what its tests say to that."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tests.sabotage.sabotages import ROOT, Sabotage, Stale

TIME_OUT_SECONDS = 240
"""For the named tests of one sabotage; below the limit that pytest itself sets for one test."""

_OF_THIS_RUN = ("LEGATO_", "PYTEST_", "DATABASE_", "REDIS_", "DJANGO_")
"""Variables that tell a test run about its own servers: a broken tree starts others."""


@dataclass(frozen=True)
class Ran:
    """What a run of tests said.

    Args:
        exit_code: pytest's; ``None`` when it did not end in time.
        passed: Tests, as ``tests.ledger.test_burn::test_…[…]``.
        failed: The same, with what each said.
        output: What the run printed.
    """

    exit_code: int | None
    passed: frozenset[str] = frozenset()
    failed: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def is_red(self, node: str) -> bool:
        """Whether a test that ``node`` names has failed."""
        return any(_is_of(node, test) for test in self.failed)

    def is_green(self, node: str) -> bool:
        """Whether every test that ``node`` names has passed, and there is one."""
        return not self.is_red(node) and any(_is_of(node, test) for test in self.passed)


@dataclass(frozen=True)
class Verdict:
    """Whether the tests noticed a sabotage, and how, or why that does not count."""

    sabotage: Sabotage
    is_caught: bool
    why: str


def judge(sabotage: Sabotage) -> Verdict:
    """Break a copy of the tree and run the tests that should notice."""
    with copy_of_the_tree() as folder:
        try:
            sabotage.apply(folder)
        except Stale as error:
            return Verdict(sabotage, is_caught=False, why=str(error))
        ran = run_tests(folder, sabotage.red, time_out=TIME_OUT_SECONDS)
    if ran.exit_code is None:
        return Verdict(sabotage, sabotage.hangs, f"no end after {TIME_OUT_SECONDS} s")
    silent = [node for node in sabotage.red if not ran.is_red(node)]
    if ran.exit_code == 1 and not silent:
        test, said = next(iter(ran.failed.items()))
        return Verdict(sabotage, is_caught=True, why=f"{test.rpartition('::')[2]} says {said}")
    # Also when a fixture or an import failed: then the patch broke the tests, not the product.
    why = f"exit code {ran.exit_code}, not red: {', '.join(silent)}\n{ran.output[-2_000:]}"
    return Verdict(sabotage, is_caught=False, why=why)


def not_green(sabotages: Sequence[Sabotage]) -> str:
    """What is wrong, before anything is broken, with the tests that sabotages name: one run."""
    nodes = list(dict.fromkeys(node for sabotage in sabotages for node in sabotage.red))
    with copy_of_the_tree() as folder:
        ran = run_tests(folder, nodes, time_out=5 * TIME_OUT_SECONDS)
    wrong = [node for node in nodes if not ran.is_green(node)]
    if ran.exit_code == 0 and not wrong:
        return ""
    return f"exit code {ran.exit_code}, not green: {', '.join(wrong)}\n{ran.output[-2_000:]}"


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """The project in a temporary folder, without what ``.gitignore`` names."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    ignored = [line.rstrip("/") for line in lines if line and not line.startswith("#")]
    with tempfile.TemporaryDirectory(prefix="legato-sabotage-") as name:
        folder = Path(name) / "tree"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", *ignored))
        yield folder


def run_tests(folder: Path, nodes: Sequence[str], *, time_out: float) -> Ran:
    """Run some tests of the tree in ``folder``, on servers of its own, for so many seconds."""
    report, output = folder.parent / "report.xml", folder.parent / "output"
    command = [
        *(sys.executable, "-m", "pytest", "-n0", "-q", "--tb=short", "--hypothesis-seed=0"),
        *(f"--junitxml={report}", *nodes),
    ]
    kept = {n: v for n, v in os.environ.items() if not n.startswith(_OF_THIS_RUN)}
    with (
        output.open("wb") as log,
        subprocess.Popen(
            command, cwd=folder, env=kept, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            exit_code: int | None = process.wait(time_out)
        except subprocess.TimeoutExpired:
            exit_code = None
        finally:
            _end(process)
    passed, failed = _outcomes(report)
    return Ran(exit_code, passed, failed, output.read_text(errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a run that is still there: told to, it stops its servers and removes its folder."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


def _outcomes(report: Path) -> tuple[frozenset[str], dict[str, str]]:
    """Passed tests, and failed ones with their messages; errors of fixtures are neither."""
    if not report.exists():
        return frozenset(), {}
    passed, failed = set(), {}
    for case in ElementTree.parse(report).iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        failure = case.find("failure")
        if failure is not None:
            failed[test] = (failure.get("message") or "failed").partition("\n")[0]
        elif not len(case):
            passed.add(test)
    return frozenset(passed), failed


def _is_of(node: str, test: str) -> bool:
    """Whether a test of a report is one that a node id names, by itself or with its parameters."""
    path, _, rest = node.partition("::")
    *classes, name = rest.split("::") if rest else [""]
    place = ".".join([path.removesuffix(".py").replace("/", "."), *classes])
    return test == f"{place}::{name}" or test.startswith(f"{place}::{name}[")
